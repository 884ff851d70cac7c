package export

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/gdal"
)

const (
	// tile is the edge of a GeoTIFF's tiles: blocks that begin and end at tiles are written once.
	tile = 512
	// blockBytes bounds the pixels in memory at once.
	blockBytes = 64 << 20
)

// writeCOGs writes a file for each scene.
func (p *part) writeCOGs(ctx context.Context, req Request, report *Report) error {
	partial := 0
	for i, s := range p.slices {
		req.tell(i, len(p.slices))
		name := p.fileName(s)
		err := p.once(name+".tif", report, func(name string) error {
			differ, err := p.writeCOG(ctx, name, s)
			if differ {
				partial++
			}
			return err
		})
		if err == nil && p.flags != nil {
			err = p.once(name+"_flags.tif", report, func(name string) error { return p.writeFlagsCOG(ctx, name, s) })
		}
		if err != nil {
			return err
		}
	}
	req.tell(len(p.slices), len(p.slices))
	if partial > 0 {
		report.Note = fmt.Sprintf("in %d of the files some pixels were observed in a part of the bands only: a GeoTIFF has one mask, which leaves those out; zarr keeps each band's", partial)
	}
	return nil
}

// once writes a file unless it is there and whole, and records it.
func (p *part) once(name string, report *Report, write func(name string) error) error {
	e, whole := p.journal.whole(name)
	if whole {
		report.Skipped++
	} else {
		if err := write(name); err != nil {
			return err
		}
		var err error
		if e, err = p.journal.measure(name); err != nil {
			return err
		}
		if err := p.journal.add(e); err != nil {
			return err
		}
	}
	report.Files = append(report.Files, File{Path: filepath.Join(p.out, name), Bytes: e.Bytes, SHA256: e.SHA256})
	return nil
}

// fileName is that of a scene, without its end: cube, resolution where there are several, time and the slice's id. The time is such
// that --datetime-pattern '%Y%m%dT%H%M%S' finds it.
func (p *part) fileName(s cube.Slice) string {
	names := []string{p.view.Spec().Name}
	if len(p.view.Groups()) > 1 {
		names = append(names, p.group.Name)
	}
	return strings.Join(append(names, s.Time.UTC().Format("20060102T150405"), string(s.ID)), "_")
}

// writeCOG writes the file of one scene; differ says that its bands were not all observed alike.
func (p *part) writeCOG(ctx context.Context, name string, s cube.Slice) (differ bool, err error) {
	cog := gdal.COG{Grid: p.grid, DType: p.group.DType, Bands: p.bandNames(), Nodata: p.group.Nodata, Metadata: p.tags(s)}
	if s.Contract != cube.DefaultContract() {
		cog.Scale, cog.Offset = s.Contract.Scale, s.Contract.Offset
	}
	err = p.blocks(ctx, name, cog, func(b *block) (image, mask []byte, err error) {
		if err := p.read(ctx, s.ID, b); err != nil {
			return nil, nil, err
		}
		mask, same := everywhere(b.valid, b.window.Height*b.window.Width)
		differ = differ || !same
		return b.image, mask, nil
	})
	return differ, err
}

// writeFlagsCOG writes the flags of one scene. No pixel is masked: 0 says that no flag is set.
func (p *part) writeFlagsCOG(ctx context.Context, name string, s cube.Slice) error {
	cog := gdal.COG{Grid: p.grid, DType: cube.Uint16, Bands: []string{layout.Flags}, Metadata: p.tags(s)}
	names := make([]string, len(p.flags))
	for i, f := range p.flags {
		names[i] = fmt.Sprintf("%s=%d", f.Name, f.Mask)
	}
	cog.Metadata["TERRAPIN_FLAGS"] = strings.Join(names, ",")
	return p.blocks(ctx, name, cog, func(b *block) (image, mask []byte, err error) {
		err = p.readFlags(ctx, s.ID, b)
		return b.flags, bytes.Repeat([]byte{1}, b.window.Height*b.window.Width), err
	})
}

// blocks writes a file block by block.
func (p *part) blocks(ctx context.Context, name string, cog gdal.COG, fill func(b *block) (image, mask []byte, err error)) error {
	return p.put(name, func(path string) error {
		w, err := gdal.NewCOGWriter(path, cog)
		if err != nil {
			return err
		}
		defer w.Abort()
		var b block
		err = p.cut(tile, p.blockWidth(), func(at cube.Window) error {
			b.window = at
			image, mask, err := fill(&b)
			if err != nil {
				return err
			}
			return w.Write(at, image, mask)
		})
		if err != nil {
			return err
		}
		return w.Finish(ctx)
	})
}

// tags say in a file what scene it shows.
func (p *part) tags(s cube.Slice) map[string]string {
	tags := map[string]string{
		"TERRAPIN_CUBE": p.view.Spec().Name, "TERRAPIN_SNAPSHOT": p.view.Snapshot(), "TERRAPIN_SLICE": string(s.ID),
		"TERRAPIN_SOURCE": s.Source, "TERRAPIN_ITEM": s.Item, "TERRAPIN_TIME": s.Time.Format(stampLayout), "TERRAPIN_AVAILABLE": s.Available.Format(stampLayout),
		"TERRAPIN_SCALE": fmt.Sprint(s.Contract.Scale), "TERRAPIN_OFFSET": fmt.Sprint(s.Contract.Offset), "TERRAPIN_BASELINE": s.Contract.Baseline,
	}
	if s.Contract.Baseline == "" {
		delete(tags, "TERRAPIN_BASELINE")
	}
	return tags
}

// blockWidth is a whole number of tiles within the bounds of memory.
func (p *part) blockWidth() int {
	column := tile * tile * len(p.bands) * (p.group.DType.Size() + 1)
	return tile * max(1, blockBytes/column)
}

// everywhere is 1 where all bands are observed; same says that none differs from another.
func everywhere(valid []byte, pixels int) (mask []byte, same bool) {
	mask, same = make([]byte, pixels), true
	copy(mask, valid[:pixels])
	for band := pixels; band < len(valid); band += pixels {
		for i, v := range valid[band : band+pixels] {
			same = same && v == valid[i]
			mask[i] &= v
		}
	}
	return mask, same
}
