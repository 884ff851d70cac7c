package ingest

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
)

// mask is a band whose values become flags.
type mask struct {
	place
	rule *flagRule
	// row and col are its upper left corner in pixels of the first group, scale is the edge of its pixels in them.
	row, col, scale int
}

// window is what a mask covers, in pixels of the first group.
func (m mask) window(r *gdal.Raster) cube.Window {
	w, h := r.Size()
	return cube.Window{Row: m.row, Col: m.col, Height: h * m.scale, Width: w * m.scale}
}

// fileMasks finds the mask bands of a file.
func (r *run) fileMasks(sc *scene, names []string) error {
	for _, rule := range r.rules {
		at, err := indexOf(names, rule.from, sc.path)
		if err != nil {
			return fault.New(fault.Invalid, "%s lacks the band %q that its flags are to come from; it has %s", sc.path, rule.from, list(names)).
				WithCure("name the right band in --flags-from, or say --flags-from none")
		}
		sc.masks = append(sc.masks, mask{place: place{band: at}, rule: rule})
	}
	return r.needMasks(sc)
}

// itemMasks finds the assets of an item that flags come from: those that --flags-from names, by their
// keys or bands, else those whose declared classes mean flags of the cube.
func (r *run) itemMasks(sc *scene, index map[string]int) error {
	for _, rule := range r.rules {
		p, err := r.findMask(sc, index, rule.from)
		if err != nil {
			return fault.New(fault.KindOf(err), "flags from %q: %w", rule.from, err)
		}
		sc.masks = append(sc.masks, mask{place: p, rule: rule})
	}
	if len(r.rules) > 0 || r.noFlags || len(r.flags) == 0 {
		return nil
	}
	for _, key := range sc.item.keys() {
		a := sc.item.Assets[key]
		for band := range max(1, len(a.Bands), len(a.EOBands), len(a.RasterBands)) {
			rule := r.flags.matched(key, a.classes(band))
			if rule.sets() == 0 || !a.raster() {
				continue
			}
			p, err := sc.use(index, key, band, 0)
			if err != nil {
				return fault.New(fault.KindOf(err), "flags from %q, whose classes the item declares: %w", key, err)
			}
			if band >= len(sc.rasters[p.raster].Bands) {
				return fault.New(fault.Invalid, "asset %q of %s declares the classes of band %d, its file has %d", key, sc.path, band+1, len(sc.rasters[p.raster].Bands)).
					WithCure("declare every band of the file in the asset's bands, or say where flags come from with --flags-from")
			}
			sc.masks = append(sc.masks, mask{place: p, rule: rule})
		}
	}
	return r.needMasks(sc)
}

// findMask looks for a mask among the assets' keys, then like any band.
func (r *run) findMask(sc *scene, index map[string]int, name string) (place, error) {
	if a := sc.item.Assets[name]; a != nil && len(a.names()) <= 1 {
		return sc.use(index, name, 0, 1)
	}
	return r.findAsset(sc, index, name)
}

// needMasks refuses a scene of which nothing says which pixels are flagged: no flags would pass for clear sky.
func (r *run) needMasks(sc *scene) error {
	if len(r.flags) == 0 || r.noFlags || len(sc.masks) > 0 {
		return nil
	}
	return fault.New(fault.Invalid, "nothing says which pixels of %s have the cube's flags: %s", sc.path, r.flags.list(r.flags.all())).
		WithCure("name the mask band: --flags-from BAND=scl (Sentinel-2), BAND=qa_pixel (Landsat) or BAND=classes:FLAG=VALUE,…; where there is none, say --flags-from none")
}

// placeMasks finds where the masks lie on the first group's grid. Their pixels may be larger by a whole
// number, as those of Sentinel-2's classes are.
func (r *run) placeMasks(sc *scene) error {
	var known uint16
	var from []string
	for i := range sc.masks {
		m := &sc.masks[i]
		raster := sc.rasters[m.raster]
		b := raster.Bands[m.band]
		if b.DType == "" || b.DType.Float() {
			return fault.New(fault.Invalid, "the mask %q of %s holds %s, and flags come from whole numbers", m.rule.from, raster.Path(), b.TypeName).
				WithCure("convert it: gdal_translate -ot UInt16 %s %s", gdal.Quote(raster.Path()), gdal.Quote(mended(raster.Path())))
		}
		if err := r.placeMask(m, raster); err != nil {
			return err
		}
		m.rule.prepare(b.DType.Size())
		known |= m.rule.sets()
		if !slices.Contains(from, m.rule.from) {
			from = append(from, m.rule.from)
		}
	}
	if len(sc.masks) == 0 {
		return nil
	}
	note := fmt.Sprintf("flags %s from %s", r.flags.list(known), list(from))
	if unknown := r.flags.all() &^ known; unknown != 0 {
		note += "; nothing tells " + r.flags.list(unknown)
	}
	sc.notes = append(sc.notes, note)
	return nil
}

func (r *run) placeMask(m *mask, raster *gdal.Raster) error {
	of, err := raster.Grid()
	if err != nil {
		return err
	}
	g := r.groups[0]
	t := g.Grid.Transform
	m.scale = int(math.Round(of.Transform[0] / t[0]))
	if m.scale < 1 {
		m.scale = 1
	}
	// The mask in the first group's pixels: the same place, each pixel cut into scale × scale.
	fine := of
	fine.Transform[0], fine.Transform[4] = of.Transform[0]/float64(m.scale), of.Transform[4]/float64(m.scale)
	fine.Width, fine.Height = of.Width*m.scale, of.Height*m.scale
	w, err := g.Grid.Place(fine)
	if err != nil {
		return fault.New(fault.Invalid, "the mask %q of %s does not lie on the cube's grid: %w", m.rule.from, raster.Path(), err).WithCure("%s", warp(raster, g))
	}
	m.row, m.col = w.Row, w.Col
	return nil
}

// readMasks fills flags [row, col], little-endian uint16, with a part of the first group's grid; what no
// mask covers has none.
func (c *copier) readMasks(part cube.Window) error {
	c.flags = grow(c.flags, 2*part.Height*part.Width)
	clear(c.flags)
	for _, m := range c.sc.masks {
		raster := c.sc.rasters[m.raster]
		in := part.Intersect(m.window(raster))
		if in.Empty() {
			continue
		}
		top, left := (in.Row-m.row)/m.scale, (in.Col-m.col)/m.scale
		w := cube.Window{Row: top, Col: left, Height: (in.Row+in.Height-1-m.row)/m.scale - top + 1, Width: (in.Col+in.Width-1-m.col)/m.scale - left + 1}
		d := raster.Bands[m.band].DType
		c.scratch = grow(c.scratch, w.Height*w.Width*d.Size())
		if err := raster.Read(w, []int{m.band}, d, c.scratch); err != nil {
			return err
		}
		for row := range in.Height {
			values := c.scratch[((in.Row+row-m.row)/m.scale-top)*w.Width*d.Size():]
			out := c.flags[2*((in.Row+row-part.Row)*part.Width+in.Col-part.Col):]
			for col := range in.Width {
				flags := m.rule.at(values[((in.Col+col-m.col)/m.scale-left)*d.Size():], d.Size())
				binary.LittleEndian.PutUint16(out[2*col:], binary.LittleEndian.Uint16(out[2*col:])|flags)
			}
		}
	}
	return nil
}

// at is the flags of a little-endian number; a negative one is read by its bits.
func (r *flagRule) at(value []byte, size int) uint16 {
	switch size {
	case 1:
		return r.table[value[0]]
	case 2:
		return r.table[binary.LittleEndian.Uint16(value)]
	case 4:
		return r.of(uint64(binary.LittleEndian.Uint32(value)))
	}
	return r.of(binary.LittleEndian.Uint64(value))
}
