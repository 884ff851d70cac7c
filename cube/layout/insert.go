package layout

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// fresh is a slice that comes with a commit.
type fresh struct {
	slice  cube.Slice
	staged *Staged
}

// insertion puts slices into their places in the cells they touch, and takes superseded ones out.
type insertion struct {
	cube  *Cube
	ctx   context.Context
	tx    *icechunk.Tx
	base  *View
	pack  *icechunk.Pack
	fresh []fresh
	gone  map[cube.SliceID]bool

	records map[cube.SliceID]icechunk.Ref
}

// run sets every reference of the transaction and makes what they point to durable.
func (in *insertion) run() error {
	if err := in.writeRecords(); err != nil {
		return err
	}
	s := in.cube.spec
	if !s.plain() {
		if err := in.list(); err != nil {
			return err
		}
	}
	for _, p := range in.places() {
		if err := in.place(p); err != nil {
			return err
		}
	}
	return in.pack.Close(in.ctx)
}

// writeRecords encodes the record of each new slice once, however many cells it stands in.
func (in *insertion) writeRecords() error {
	in.records = map[cube.SliceID]icechunk.Ref{}
	a := recordsOf(1)
	for _, f := range in.fresh {
		text, err := encodeRecord(f.slice)
		if err != nil {
			return err
		}
		encoded, err := a.Encode(text)
		if err != nil {
			return err
		}
		if in.records[f.slice.ID], err = in.pack.Add(in.ctx, encoded); err != nil {
			return err
		}
	}
	return nil
}

// places lists the cells that anything changes in, by row and column.
func (in *insertion) places() []place {
	touched := map[place]bool{}
	note := func(s cube.Slice) {
		for _, p := range in.cube.spec.touched(s.Footprint) {
			touched[p] = true
		}
	}
	for _, f := range in.fresh {
		note(f.slice)
	}
	for id := range in.gone {
		if s, ok := in.base.Lookup(id); ok {
			note(s)
		}
	}
	out := make([]place, 0, len(touched))
	for p := range touched {
		out = append(out, p)
	}
	slices.SortFunc(out, comparePlaces)
	return out
}

// entry is one place on a new time axis: a fresh slice, or an old one with its former index.
type entry struct {
	slice  *cube.Slice
	staged *Staged
	was    int
}

// axis is what becomes of an axis: its entries in order, where old slices go, and what moves.
type axis struct {
	entries []entry
	now     []int // by former index; -1 = gone
	moved   bool
	first   int // the first index whose time differs
}

// axis merges the fresh slices that keep says belong there into old ones.
func (in *insertion) axis(old []cube.Slice, keep func(cube.Slice) bool) axis {
	a := axis{entries: make([]entry, 0, len(old)+len(in.fresh)), now: make([]int, len(old))}
	for i := range old {
		a.now[i] = -1
		if s := &old[i]; !in.gone[s.ID] {
			a.entries = append(a.entries, entry{slice: s, was: i})
		}
	}
	for i := range in.fresh {
		if f := &in.fresh[i]; keep(f.slice) {
			a.entries = append(a.entries, entry{slice: &f.slice, staged: f.staged})
		}
	}
	slices.SortStableFunc(a.entries, func(x, y entry) int {
		switch {
		case x.slice.Less(*y.slice):
			return -1
		case y.slice.Less(*x.slice):
			return 1
		}
		return 0
	})
	a.first = len(a.entries)
	for i, e := range a.entries {
		if e.staged == nil {
			a.now[e.was] = i
		}
		if a.first > i && (e.staged != nil || e.was != i) {
			a.first = i
		}
	}
	for i, at := range a.now {
		a.moved = a.moved || at != i
	}
	return a
}

// remap moves the references of an array along with their slices.
func (a axis) remap(tx *icechunk.Tx, path string) error {
	if !a.moved {
		return nil
	}
	return tx.Remap(path, func(index []uint32) []uint32 {
		if int(index[0]) >= len(a.now) || a.now[index[0]] < 0 {
			return nil
		}
		return append([]uint32{uint32(a.now[index[0]])}, index[1:]...)
	})
}

// resize moves the references of an array and gives it its new length, in this order: a shorter array drops what lies
// beyond its end at once.
func (in *insertion) resize(path string, a axis, array zarr.Array) error {
	if err := a.remap(in.tx, path); err != nil {
		return err
	}
	return in.reshape(path, array)
}

// reshape writes the metadata of an array. Attributes that others gave it stay; an array whose chunks would no longer
// decode is refused.
func (in *insertion) reshape(path string, array zarr.Array) error {
	node, ok := in.base.snapshot.Node(path)
	if !ok {
		return putArray(in.tx, path, array)
	}
	if _, err := compareArray(path, node.Meta, array, "data_type", "chunk_grid", "chunk_key_encoding", "codecs"); err != nil {
		return err
	}
	var have struct {
		Attrs map[string]json.RawMessage `json:"attributes"`
	}
	if err := json.Unmarshal(node.Meta, &have); err != nil {
		return fault.New(fault.Corrupt, "zarr.json of %s: %w", path, err)
	}
	attrs := make(map[string]any, len(have.Attrs))
	for name, value := range have.Attrs {
		attrs[name] = value
	}
	maps.Copy(attrs, array.Attrs)
	array.Attrs = attrs
	return putArray(in.tx, path, array)
}

// list brings the records of the whole cube up to date.
func (in *insertion) list() error {
	a := in.axis(in.base.slices, func(cube.Slice) bool { return true })
	path := in.cube.spec.recordPath()
	if err := in.resize(path, a, recordsOf(len(a.entries))); err != nil {
		return err
	}
	return in.setRecords(path, a)
}

func (in *insertion) setRecords(path string, a axis) error {
	for i, e := range a.entries {
		if e.staged == nil {
			continue
		}
		if err := in.tx.SetRef(path, []uint32{uint32(i), 0}, in.records[e.slice.ID]); err != nil {
			return err
		}
	}
	return nil
}

// place brings the cells at a place up to date, and makes them first where no scene had reached them.
func (in *insertion) place(p place) error {
	s := in.cube.spec
	w := s.cellWindow(p)
	in.base.mu.Lock()
	old := in.base.axis(p)
	in.base.mu.Unlock()
	a := in.axis(old, func(sl cube.Slice) bool { return s.CellSize == 0 || !sl.Footprint.Intersect(w).Empty() })
	if len(old) == 0 && !in.base.has(s.tile(p, 0, s.Groups()[0])) {
		if err := putCell(in.ctx, in.tx, in.pack, s, p); err != nil {
			return err
		}
	}
	for i, g := range s.Groups() {
		if err := in.cell(s.tile(p, i, g), a); err != nil {
			return err
		}
	}
	return nil
}

func (v *View) has(t tile) bool {
	_, ok := v.snapshot.Node("/" + t.path)
	return ok
}

// cell brings one cell of one group up to date.
func (in *insertion) cell(t tile, a axis) error {
	s := in.cube.spec
	base := "/" + t.path + "/"
	arrays := s.arrays(t, len(a.entries))
	for _, name := range s.sliced(t) {
		if err := in.resize(base+name, a, arrays[name]); err != nil {
			return err
		}
	}
	if err := in.reshape(base+timeArray, arrays[timeArray]); err != nil {
		return err
	}
	if err := in.setRecords(base+recordArray, a); err != nil {
		return err
	}
	for i, e := range a.entries {
		if e.staged == nil {
			continue
		}
		if err := in.slice(t, arrays, uint32(i), e.staged.cells[t.path]); err != nil {
			return err
		}
	}
	return in.times(t, arrays[timeArray], a)
}

// slice sets the pixels of a new slice in one cell, and their digests.
func (in *insertion) slice(t tile, arrays map[string]zarr.Array, i uint32, staged *stagedCell) error {
	cols := t.chunkCols()
	for _, l := range staged.layers {
		path := "/" + t.path + "/" + l.name
		for at, chunk := range l.chunks {
			if !chunk.present {
				continue
			}
			index := []uint32{i, 0, uint32(at / cols), uint32(at % cols)}
			if len(l.array.Shape) == 3 {
				index = []uint32{i, uint32(at / cols), uint32(at % cols)}
			}
			if err := in.tx.SetRef(path, index, chunk.ref); err != nil {
				return err
			}
		}
		if err := in.put("/"+t.path+"/"+l.digests, arrays[l.digests], []uint32{i, 0, 0, 0}, digests(l.chunks)); err != nil {
			return err
		}
	}
	return nil
}

// times rewrites the chunks of the time coordinate from the first that differs on.
func (in *insertion) times(t tile, array zarr.Array, a axis) error {
	for chunk := a.first / timeChunk; chunk*timeChunk < len(a.entries); chunk++ {
		values := make([]byte, 8*timeChunk)
		for i, e := range a.entries[chunk*timeChunk : min((chunk+1)*timeChunk, len(a.entries))] {
			binary.LittleEndian.PutUint64(values[8*i:], uint64(e.slice.Micros()))
		}
		if err := in.put("/"+t.path+"/"+timeArray, array, []uint32{uint32(chunk)}, values); err != nil {
			return err
		}
	}
	return nil
}

// put encodes and sets one whole chunk.
func (in *insertion) put(path string, array zarr.Array, index []uint32, values []byte) error {
	encoded, err := array.Encode(values)
	if err != nil {
		return err
	}
	ref, err := in.pack.Add(in.ctx, encoded)
	if err != nil {
		return err
	}
	return in.tx.SetRef(path, index, ref)
}
