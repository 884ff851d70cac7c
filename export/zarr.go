package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// rootName is the file without which a group does not open.
const rootName = "zarr.json"

// writeZarr writes the group: the chunks scene by scene, the coordinates, the arrays' metadata, and last
// the group's with everything consolidated.
func (p *part) writeZarr(ctx context.Context, req Request, report *Report) error {
	spec := p.view.Spec()
	bands := make([]cube.Band, len(p.bands))
	for i, b := range p.bands {
		bands[i] = p.group.Bands[b]
	}
	plain := spec.Plain(p.group, p.window, bands, len(p.slices))
	if req.Shard != 0 {
		for _, name := range []string{layout.Image, layout.Valid, layout.Flags} {
			a, ok := plain.Arrays[name]
			if !ok {
				continue
			}
			a.Codecs = zarr.Shards(a.DType, a.Chunks...)
			a.Chunks = slices.Clone(a.Chunks)
			for yx := len(a.Chunks) - 2; yx < len(a.Chunks); yx++ {
				a.Chunks[yx] = req.Shard
			}
			plain.Arrays[name] = a
			if err := a.Check(); err != nil {
				return err
			}
		}
	}
	w := &zarrWriter{part: p, plain: plain, report: report}
	for t := range p.slices {
		req.tell(t, len(p.slices))
		if err := w.scene(ctx, t); err != nil {
			return err
		}
	}
	req.tell(len(p.slices), len(p.slices))
	if err := w.coordinates(); err != nil {
		return err
	}
	if err := w.metadata(); err != nil {
		return err
	}
	report.Files = []File{{Path: p.out, Bytes: w.bytes}}
	return nil
}

// zarrWriter writes the files of one group.
type zarrWriter struct {
	*part
	plain  layout.Plain
	report *Report
	bytes  int64
	fresh  []entry // written and not in the journal yet
}

// scene writes the chunks of one scene and records them together.
func (w *zarrWriter) scene(ctx context.Context, t int) error {
	image, valid, flags := w.plain.Arrays[layout.Image], w.plain.Arrays[layout.Valid], w.plain.Arrays[layout.Flags]
	edge := image.Chunks[2]
	var b block
	err := w.cut(edge, edge, func(at cube.Window) error {
		cy, cx := at.Row/edge, at.Col/edge
		names := []string{layout.Image + "/" + image.ChunkKey(t, 0, cy, cx), layout.Valid + "/" + valid.ChunkKey(t, 0, cy, cx)}
		if w.flags != nil {
			names = append(names, layout.Flags+"/"+flags.ChunkKey(t, cy, cx))
		}
		if w.has(names...) {
			return nil
		}
		b.window = at
		if err := w.read(ctx, w.slices[t].ID, &b); err != nil {
			return err
		}
		if w.flags != nil {
			if err := w.readFlags(ctx, w.slices[t].ID, &b); err != nil {
				return err
			}
		}
		layers := []struct {
			array zarr.Array
			data  []byte
		}{{image, b.image}, {valid, b.valid}, {flags, b.flags}}
		for i, name := range names {
			if err := w.chunk(name, layers[i].array, at, layers[i].data); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.record()
}

// has reports whether all files are there and whole, and counts them. A chunk of nothing but fill has
// an entry without bytes, and no file.
func (w *zarrWriter) has(names ...string) bool {
	var sum int64
	for _, name := range names {
		e, whole := w.journal.known[name], false
		if e.Path != "" && e.Bytes == 0 {
			_, err := os.Stat(filepath.Join(w.out, filepath.FromSlash(name)))
			whole = os.IsNotExist(err)
		} else {
			e, whole = w.journal.whole(name)
		}
		if !whole {
			return false
		}
		sum += e.Bytes
	}
	w.bytes += sum
	w.report.Skipped += len(names)
	return true
}

// chunk pads a block to a whole chunk, encodes it and writes it.
func (w *zarrWriter) chunk(name string, a zarr.Array, at cube.Window, data []byte) error {
	edge, size := a.Chunks[len(a.Chunks)-1], a.DType.Size()
	bands := a.ChunkBytes() / (edge * edge * size)
	if at.Height < edge || at.Width < edge {
		whole := make([]byte, a.ChunkBytes())
		a.FillChunk(whole)
		full := cube.Window{Row: at.Row, Col: at.Col, Height: edge, Width: edge}
		for b := range bands {
			from, to := b*at.Height*at.Width*size, b*edge*edge*size
			cube.CopyPart(whole[to:to+edge*edge*size], full, data[from:from+at.Height*at.Width*size], at, at, size)
		}
		data = whole
	}
	if a.IsFill(data) {
		if err := os.Remove(filepath.Join(w.out, filepath.FromSlash(name))); err != nil && !os.IsNotExist(err) {
			return unwritable(name, err)
		}
		w.fresh = append(w.fresh, entry{Path: name})
		return nil
	}
	encoded, err := a.Encode(data)
	if err != nil {
		return err
	}
	return w.file(name, encoded)
}

// file writes a file and remembers it for the journal.
func (w *zarrWriter) file(name string, data []byte) error {
	err := w.put(name, func(path string) error {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			return unwritable(path, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	w.fresh = append(w.fresh, entry{Path: name, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	w.bytes += int64(len(data))
	return nil
}

func (w *zarrWriter) record() error {
	fresh := w.fresh
	w.fresh = nil
	return w.journal.add(fresh...)
}

// coordinates writes what readers place the pixels by.
func (w *zarrWriter) coordinates() error {
	times := w.plain.Arrays["time"]
	for chunk := 0; chunk*times.Chunks[0] < len(w.slices); chunk++ {
		values := make([]byte, times.ChunkBytes())
		first := chunk * times.Chunks[0]
		for i, s := range w.slices[first:min(first+times.Chunks[0], len(w.slices))] {
			binary.LittleEndian.PutUint64(values[8*i:], uint64(s.Micros()))
		}
		encoded, err := times.Encode(values)
		if err != nil {
			return err
		}
		if err := w.file("time/"+times.ChunkKey(chunk), encoded); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.plain.Coords)) {
		a, encoded := w.plain.Arrays[name], w.plain.Coords[name]
		if a.DType != zarr.String {
			var err error
			if encoded, err = a.Encode(encoded); err != nil {
				return err
			}
		}
		if err := w.file(name+"/"+a.ChunkKey(make([]int, len(a.Shape))...), encoded); err != nil {
			return err
		}
	}
	return w.record()
}

// source says which scene stands at a place on the time axis.
type source struct {
	Slice     cube.SliceID `json:"slice"`
	Source    string       `json:"source"`
	Item      string       `json:"item"`
	Time      string       `json:"time"`
	Available string       `json:"available"`
	// AvailableFrom is as on the slice.
	AvailableFrom string        `json:"available_from"`
	Contract      cube.Contract `json:"contract"`
	Content       string        `json:"content"`
}

// metadata writes the zarr.json of the arrays, and that of the group when everything else is there.
func (w *zarrWriter) metadata() error {
	consolidated := map[string]json.RawMessage{}
	for _, name := range slices.Sorted(maps.Keys(w.plain.Arrays)) {
		meta, err := w.plain.Arrays[name].JSON()
		if err != nil {
			return err
		}
		consolidated[name] = meta
		if err := w.file(name+"/"+rootName, meta); err != nil {
			return err
		}
	}
	attrs := maps.Clone(w.plain.Attrs)
	var scenes []source
	for _, s := range w.slices {
		scenes = append(scenes, source{s.ID, s.Source, s.Item, s.Time.Format(stampLayout), s.Available.Format(stampLayout), s.AvailableFrom, s.Contract, s.Content})
	}
	attrs["terrapin:export"] = map[string]any{"cube": w.view.Spec().Name, "snapshot": w.view.Snapshot(), "group": w.group.Name, "window": w.window, "scenes": scenes}
	group, err := zarr.GroupJSON(attrs)
	if err != nil {
		return err
	}
	tail, err := json.Marshal(map[string]any{"kind": "inline", "must_understand": false, "metadata": consolidated})
	if err != nil {
		return fault.New(fault.Internal, "write the metadata: %w", err)
	}
	text := bytes.TrimSuffix(bytes.TrimSpace(group), []byte("}"))
	root := strings.Join([]string{strings.TrimRight(string(text), "\n "), ",\n  \"consolidated_metadata\": ", string(tail), "\n}\n"}, "")
	if err := w.file(rootName, []byte(root)); err != nil {
		return err
	}
	return w.record()
}
