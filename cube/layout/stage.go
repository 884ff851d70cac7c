package layout

import (
	"context"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// Stage collects the chunks of one scene before it is committed. Write may be called from several
// goroutines; chunks that are never written are fill and not observed.
type Stage struct {
	cube         *Cube
	footprint    cube.Window
	image, valid zarr.Array
	rows, cols   int

	mu      sync.Mutex
	pack    *icechunk.Pack
	chunks  []stagedChunk // of the image, row by row, then of the validity
	written []bool
	failed  error
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

	rows, cols int
	chunks     []stagedChunk
}

// Stage begins a scene that covers a window of the grid.
func (c *Cube) Stage(ctx context.Context, footprint cube.Window) (*Stage, error) {
	inside := footprint.Intersect(c.spec.Grid.All())
	if inside.Empty() {
		return nil, fault.New(fault.Invalid, "the scene lies wholly outside of the cube")
	}
	arrays := c.spec.arrays(1)
	s := &Stage{cube: c, footprint: inside, image: arrays[Image], valid: arrays[Valid], pack: c.repo.NewPack()}
	s.rows, s.cols = chunks(c.spec.Grid.Height, c.spec.ChunkSize()), chunks(c.spec.Grid.Width, c.spec.ChunkSize())
	s.chunks = make([]stagedChunk, 2*s.rows*s.cols)
	s.written = make([]bool, s.rows*s.cols)
	return s, ctx.Err()
}

// Write stores chunk (cy, cx): image and valid as [band, edge, edge], of which only the part inside the
// array counts. The buffers are the caller's again when it returns.
func (s *Stage) Write(ctx context.Context, cy, cx int, image, valid []byte) error {
	if cy < 0 || cy >= s.rows || cx < 0 || cx >= s.cols {
		return fault.New(fault.Internal, "stage chunk %d,%d of %d×%d", cy, cx, s.rows, s.cols)
	}
	for _, v := range valid {
		if v > 1 {
			return fault.New(fault.Internal, "stage chunk %d,%d: validity %d is neither 0 nor 1", cy, cx, v)
		}
	}
	at := cy*s.cols + cx
	for i, layer := range []struct {
		array zarr.Array
		data  []byte
	}{{s.image, image}, {s.valid, valid}} {
		chunk, encoded, err := s.prepare(layer.array, cy, cx, layer.data)
		if err == nil {
			err = s.add(ctx, at+i*s.rows*s.cols, chunk, encoded)
		}
		if err != nil {
			return fault.New(fault.KindOf(err), "stage chunk %d,%d: %w", cy, cx, err)
		}
	}
	return nil
}

// prepare takes the digest of one chunk and encodes it; a chunk of nothing but fill is not stored.
func (s *Stage) prepare(a zarr.Array, cy, cx int, data []byte) (stagedChunk, []byte, error) {
	if len(data) != a.ChunkBytes() {
		return stagedChunk{}, nil, fault.New(fault.Internal, "%d bytes, wanted %d", len(data), a.ChunkBytes())
	}
	bands, edge, size := a.Chunks[1], a.Chunks[2], a.DType.Size()
	height, width := min(edge, a.Shape[2]-cy*edge), min(edge, a.Shape[3]-cx*edge)
	if height < edge || width < edge {
		cropped := make([]byte, len(data))
		a.FillChunk(cropped)
		full := cube.Window{Height: edge, Width: edge}
		part := cube.Window{Height: height, Width: width}
		for b := range bands {
			lo, hi := b*edge*edge*size, (b+1)*edge*edge*size
			cube.CopyPart(cropped[lo:hi], full, data[lo:hi], full, part, size)
		}
		data = cropped
	}
	chunk := stagedChunk{digest: DigestChunk(data, bands, edge, height, width, size)}
	if a.IsFill(data) {
		return chunk, nil, nil
	}
	encoded, err := a.Encode(data)
	chunk.present = true
	return chunk, encoded, err
}

func (s *Stage) add(ctx context.Context, at int, chunk stagedChunk, encoded []byte) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at < len(s.written) {
		if s.written[at] {
			return fault.New(fault.Internal, "written twice")
		}
		s.written[at] = true
	}
	if chunk.present {
		if chunk.ref, err = s.pack.Add(ctx, encoded); err != nil {
			s.failed = err
			return err
		}
	}
	s.chunks[at] = chunk
	return nil
}

// Finish makes the chunks durable and computes the digest and the id of the slice.
func (s *Stage) Finish(ctx context.Context, m Meta) (*Staged, error) {
	slice, err := s.cube.newSlice(m)
	if err != nil {
		return nil, err
	}
	slice.Footprint = s.footprint
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return nil, s.failed
	}
	if err := s.pack.Close(ctx); err != nil {
		return nil, err
	}
	s.digestUnwritten()
	n := s.rows * s.cols
	if slice.Content, err = ContentDigest(digests(s.chunks[:n]), digests(s.chunks[n:]), slice.Contract); err != nil {
		return nil, err
	}
	if slice.ID, err = NewSliceID(slice.Content, slice.Source, slice.Micros()); err != nil {
		return nil, err
	}
	return &Staged{Slice: slice, rows: s.rows, cols: s.cols, chunks: s.chunks}, nil
}

// digestUnwritten gives absent chunks the digest of their fill values, cropped like any other.
func (s *Stage) digestUnwritten() {
	known := map[[3]int][digestBytes]byte{}
	edge := s.image.Chunks[2]
	for layer, a := range []zarr.Array{s.image, s.valid} {
		var fill []byte
		for at, done := range s.written {
			if done {
				continue
			}
			h, w := min(edge, a.Shape[2]-at/s.cols*edge), min(edge, a.Shape[3]-at%s.cols*edge)
			key := [3]int{layer, h, w}
			d, ok := known[key]
			if !ok {
				if fill == nil {
					fill = make([]byte, a.ChunkBytes())
					a.FillChunk(fill)
				}
				d = DigestChunk(fill, a.Chunks[1], edge, h, w, a.DType.Size())
				known[key] = d
			}
			s.chunks[layer*len(s.written)+at].digest = d
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
