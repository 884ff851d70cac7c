package layout

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// Stage collects the chunks of one scene before it is committed. Write and WriteFlags may be called from
// several goroutines; chunks that are never written are fill, not observed and without flags.
type Stage struct {
	cube      *Cube
	footprint cube.Window
	groups    map[string]int
	cells     []*stagedCell
	byPlace   map[place]int // of the first group's cell in cells
	packer    *packer

	mu sync.Mutex
}

// stagedCell holds what a scene puts into one cell of one group.
type stagedCell struct {
	tile   tile
	layers []layer // of the image, of the validity, and of the flags where the cell has them
}

// layer is a scene's share of one array of a cell.
type layer struct {
	name, digests string
	array         zarr.Array
	chunks        []stagedChunk // row by row
	written       []bool
	// alike are digests of chunks that are one byte all over, by that byte and what of them counts.
	alike *sync.Map
}

type stagedChunk struct {
	digest  [digestBytes]byte
	ref     icechunk.Ref
	present bool
}

// Meta is what a scene says about itself.
type Meta struct {
	// Source is the source's own id: a STAC item id, or a file's name without extension.
	Source string
	Time   time.Time
	// Available is when the data could be used first; zero means Time plus the cube's latency.
	Available time.Time
	// AvailableFrom is "published" or "generated" where Available is given.
	AvailableFrom string
	// Item is the wanted id of the STAC item; "" means Source.
	Item       string
	Contract   cube.Contract
	Actor      string
	Properties map[string]any
}

// Staged is a scene whose chunks are durable and which only a commit makes visible.
type Staged struct {
	Slice cube.Slice

	cells map[string]*stagedCell // by path
}

// Stage begins a scene that covers a window of the first group's frame. The context holds until Finish.
func (c *Cube) Stage(ctx context.Context, footprint cube.Window) (*Stage, error) {
	inside := footprint.Intersect(c.spec.Grid.All())
	if inside.Empty() {
		return nil, fault.New(fault.Invalid, "the scene lies wholly outside of the cube")
	}
	groups := c.spec.Groups()
	s := &Stage{cube: c, footprint: inside, groups: map[string]int{}, byPlace: map[place]int{}, packer: newPacker(ctx, c.repo)}
	for i, g := range groups {
		s.groups[g.Name] = i
	}
	for _, p := range c.spec.touched(inside) {
		s.byPlace[p] = len(s.cells)
		for i, g := range groups {
			s.cells = append(s.cells, c.spec.stagedCell(c.spec.tile(p, i, g)))
		}
	}
	return s, ctx.Err()
}

func (s Spec) stagedCell(t tile) *stagedCell {
	arrays := s.arrays(t, 1)
	n := t.chunkRows() * t.chunkCols()
	cell := &stagedCell{tile: t}
	for _, l := range [][2]string{{Image, imageDigest}, {Valid, validDigest}, {Flags, flagsDigest}} {
		if a, ok := arrays[l[0]]; ok {
			cell.layers = append(cell.layers, layer{name: l[0], digests: l[1], array: a, chunks: make([]stagedChunk, n), written: make([]bool, n), alike: new(sync.Map)})
		}
	}
	return cell
}

// Write stores chunk (cy, cx) of a group, counted over the group's whole frame: image and valid as
// [band, edge, edge], of which only the part inside the frame counts. The buffers are the caller's again
// when it returns.
func (s *Stage) Write(ctx context.Context, group string, cy, cx int, image, valid []byte) error {
	if !binaryOnly(valid) {
		return fault.New(fault.Internal, "stage chunk %d,%d of %s: a validity is neither 0 nor 1", cy, cx, group)
	}
	return s.write(ctx, group, cy, cx, 0, image, valid)
}

// binaryOnly reports whether all bytes are 0 or 1, eight at a time.
func binaryOnly(data []byte) bool {
	var all uint64
	for ; len(data) >= 8; data = data[8:] {
		all |= binary.LittleEndian.Uint64(data)
	}
	for _, v := range data {
		all |= uint64(v)
	}
	return all&^0x0101010101010101 == 0
}

// WriteFlags stores chunk (cy, cx) of the flags, counted over the first group's whole frame: flags as
// little-endian uint16 [edge, edge]. The buffer is the caller's again when it returns.
func (s *Stage) WriteFlags(ctx context.Context, cy, cx int, flags []byte) error {
	spec := s.cube.spec
	if len(spec.Flags) == 0 {
		return fault.New(fault.Internal, "stage flags: cube %q has no flags", spec.Name)
	}
	known := spec.flagBits()
	for i := 0; i+1 < len(flags); i += 2 {
		if bits := uint16(flags[i]) | uint16(flags[i+1])<<8; bits&^known != 0 {
			return fault.New(fault.Internal, "stage flags %d,%d: bits %#x are no flags of cube %q", cy, cx, bits&^known, spec.Name)
		}
	}
	return s.write(ctx, spec.Groups()[0].Name, cy, cx, 2, flags)
}

// flagBits are the bits that stand for a flag.
func (s Spec) flagBits() (bits uint16) {
	for _, f := range s.Flags {
		bits |= f.Mask
	}
	return bits
}

// write stores one chunk in each of some layers, from the given one on.
func (s *Stage) write(ctx context.Context, group string, cy, cx, from int, data ...[]byte) error {
	cell, at, err := s.locate(group, cy, cx)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, values := range data {
		l := &cell.layers[from+i]
		chunk, encoded, err := l.prepare(at/cell.tile.chunkCols(), at%cell.tile.chunkCols(), values)
		if err == nil {
			err = s.add(cell, l, at, chunk, encoded)
		}
		if err != nil {
			return fault.New(fault.KindOf(err), "stage chunk %d,%d of %s of group %s: %w", cy, cx, l.name, group, err)
		}
	}
	return nil
}

// locate finds the cell of a chunk of a group's frame, and the chunk's number in it.
func (s *Stage) locate(group string, cy, cx int) (*stagedCell, int, error) {
	index, ok := s.groups[group]
	if !ok {
		return nil, 0, fault.New(fault.Internal, "stage: cube %q has no group %q", s.cube.spec.Name, group)
	}
	first := s.cells[index].tile // of whichever cell; the group is the same
	var p place
	if edge := s.cube.spec.cellEdge(first.group); edge > 0 && cy >= 0 && cx >= 0 {
		n := edge / first.group.ChunkSize()
		p = place{cy / n, cx / n}
		cy, cx = cy%n, cx%n
	}
	at, ok := s.byPlace[p]
	if !ok {
		return nil, 0, fault.New(fault.Internal, "stage chunk %d,%d of group %s: the scene's footprint does not reach cell r%dc%d", cy, cx, group, p.row, p.col)
	}
	cell := s.cells[at+index]
	if rows, cols := cell.tile.chunkRows(), cell.tile.chunkCols(); cy < 0 || cy >= rows || cx < 0 || cx >= cols {
		return nil, 0, fault.New(fault.Internal, "stage chunk %d,%d of %d×%d in %s", cy, cx, rows, cols, cell.tile.path)
	}
	return cell, cy*cell.tile.chunkCols() + cx, nil
}

// prepare takes the digest of one chunk and encodes it; a chunk of nothing but fill is not stored.
func (l *layer) prepare(cy, cx int, data []byte) (stagedChunk, []byte, error) {
	a := l.array
	if len(data) != a.ChunkBytes() {
		return stagedChunk{}, nil, fault.New(fault.Internal, "%d bytes, wanted %d", len(data), a.ChunkBytes())
	}
	edge, size := a.Chunks[len(a.Chunks)-1], a.DType.Size()
	height, width := l.inside(cy, cx)
	if height < edge || width < edge {
		cropped := make([]byte, len(data))
		a.FillChunk(cropped)
		full := cube.Window{Height: edge, Width: edge}
		part := cube.Window{Height: height, Width: width}
		for b := range l.planes() {
			lo, hi := b*edge*edge*size, (b+1)*edge*edge*size
			cube.CopyPart(cropped[lo:hi], full, data[lo:hi], full, part, size)
		}
		data = cropped
	}
	chunk := stagedChunk{digest: l.digest(data, height, width)}
	if a.IsFill(data) {
		return chunk, nil, nil
	}
	encoded, err := a.Encode(data)
	chunk.present = true
	return chunk, encoded, err
}

// digest is DigestChunk, once for all chunks that are the same all over, as those of validity mostly are.
func (l *layer) digest(data []byte, height, width int) [digestBytes]byte {
	edge, size := l.array.Chunks[len(l.array.Chunks)-1], l.array.DType.Size()
	if !bytes.Equal(data[1:], data[:len(data)-1]) {
		return DigestChunk(data, l.planes(), edge, height, width, size)
	}
	name := [3]int{int(data[0]), height, width}
	if known, ok := l.alike.Load(name); ok {
		return known.([digestBytes]byte)
	}
	d := DigestChunk(data, l.planes(), edge, height, width, size)
	l.alike.Store(name, d)
	return d
}

// planes is the number of bands, 1 for an array without.
func (l *layer) planes() int {
	if len(l.array.Shape) == 4 {
		return l.array.Shape[1]
	}
	return 1
}

// inside is how much of a chunk lies inside the array.
func (l *layer) inside(cy, cx int) (height, width int) {
	shape := l.array.Shape[len(l.array.Shape)-2:]
	edge := l.array.Chunks[len(l.array.Chunks)-1]
	return min(edge, shape[0]-cy*edge), min(edge, shape[1]-cx*edge)
}

func (s *Stage) add(cell *stagedCell, l *layer, at int, chunk stagedChunk, encoded []byte) error {
	s.mu.Lock()
	if l.written[at] {
		s.mu.Unlock()
		return fault.New(fault.Internal, "written twice")
	}
	l.written[at] = true
	l.chunks[at] = chunk
	s.mu.Unlock()
	if !chunk.present {
		return nil
	}
	return s.packer.add(cell, &l.chunks[at].ref, at, encoded)
}

// Finish makes the chunks durable and computes the digest and the id of the slice.
func (s *Stage) Finish(ctx context.Context, m Meta) (*Staged, error) {
	slice, err := s.cube.newSlice(m)
	if err != nil {
		return nil, err
	}
	slice.Footprint = s.footprint
	if err := s.packer.close(s.cells); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cell := range s.cells {
		cell.digestUnwritten()
	}
	if slice.Content, err = s.cube.spec.contentDigest(s.cells, slice.Contract); err != nil {
		return nil, err
	}
	if slice.ID, err = NewSliceID(slice.Content, slice.Source, slice.Micros()); err != nil {
		return nil, err
	}
	staged := &Staged{Slice: slice, cells: make(map[string]*stagedCell, len(s.cells))}
	for _, cell := range s.cells {
		staged.cells[cell.tile.path] = cell
	}
	return staged, ctx.Err()
}

// digestUnwritten gives absent chunks the digest of their fill values, cropped like any other.
func (c *stagedCell) digestUnwritten() {
	cols := c.tile.chunkCols()
	for i := range c.layers {
		l := &c.layers[i]
		known := map[[2]int][digestBytes]byte{}
		var fill []byte
		for at, done := range l.written {
			if done {
				continue
			}
			h, w := l.inside(at/cols, at%cols)
			d, ok := known[[2]int{h, w}]
			if !ok {
				if fill == nil {
					fill = make([]byte, l.array.ChunkBytes())
					l.array.FillChunk(fill)
				}
				d = DigestChunk(fill, l.planes(), l.array.Chunks[len(l.array.Chunks)-1], h, w, l.array.DType.Size())
				known[[2]int{h, w}] = d
			}
			l.chunks[at].digest = d
		}
	}
}

func digests(chunks []stagedChunk) []byte {
	out := make([]byte, 0, len(chunks)*digestBytes)
	for _, c := range chunks {
		out = append(out, c.digest[:]...)
	}
	return out
}

// newSlice checks what a scene says about itself.
func (c *Cube) newSlice(m Meta) (cube.Slice, error) {
	contract, err := checkContract(m.Contract)
	if err != nil {
		return cube.Slice{}, err
	}
	t := m.Time.UTC().Truncate(time.Microsecond)
	switch {
	case m.Source == "" || len(m.Source) > 500 || !utf8.ValidString(m.Source):
		return cube.Slice{}, fault.New(fault.Invalid, "bad source name %q", m.Source).WithCure("name the scene with 1 to 500 characters")
	case m.Time.IsZero() || t.Year() < 1 || t.Year() > 9999:
		return cube.Slice{}, fault.New(fault.Invalid, "scene %q has no usable acquisition time", m.Source)
	}
	s := cube.Slice{
		Time: t, Available: m.Available.UTC().Truncate(time.Microsecond), AvailableFrom: m.AvailableFrom,
		Source: m.Source, Item: m.Item, Contract: contract, Actor: m.Actor, Properties: m.Properties,
	}
	switch {
	case m.Available.IsZero():
		s.Available, s.AvailableFrom = t.Add(c.spec.Latency), "latency"
	case m.AvailableFrom != "published" && m.AvailableFrom != "generated":
		return cube.Slice{}, fault.New(fault.Invalid, "scene %q: availability known from %q", m.Source, m.AvailableFrom).WithCure(`say "published" or "generated"`)
	}
	if s.Item == "" {
		s.Item = m.Source
	}
	s.Item = itemID(s.Item)
	return s, nil
}
