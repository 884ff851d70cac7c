package compact

import (
	"bytes"
	"context"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

const (
	// digestBytes bounds the recorded digests that are kept at hand.
	digestBytes = 64 << 20
	// verifyBatch is how many chunks one goroutine decodes after another into one buffer.
	verifyBatch = 16
)

// digests keeps the recorded digests of slices; copying meets the same slices place after place.
type digests struct {
	known map[digestKey][][]byte
	bytes int
}

type digestKey struct {
	cell, array string
	slice       cube.SliceID
}

// of returns the recorded digest of a chunk.
func (d *digests) of(ctx context.Context, v *layout.View, p *piece) ([]byte, error) {
	key := digestKey{p.Cell, p.Array, p.Slice}
	list, ok := d.known[key]
	if !ok {
		var err error
		if list, err = v.ChunkDigests(ctx, p.Cell, p.Array, p.Slice); err != nil {
			return nil, err
		}
		size := len(list) * 64 // with the headers of the slices
		if d.bytes += size; d.known == nil || d.bytes > digestBytes {
			d.known, d.bytes = map[digestKey][][]byte{}, size
		}
		d.known[key] = list
	}
	cell, err := v.Cell(p.Cell)
	if err != nil {
		return nil, err
	}
	at := p.Row*cell.ChunkCols + p.Col
	if at >= len(list) {
		return nil, fault.New(fault.Corrupt, "cell %s has %d digests of %s for slice %s", p.Cell, len(list), p.Array, p.Slice)
	}
	return list[at], nil
}

// check compares a chunk with its digest; it returns the buffer it decoded into, for the next.
func (w *worker) check(p *piece, want, buf []byte) ([]byte, error) {
	a := w.view.Array(p.Cell, p.Array)
	if len(buf) != a.ChunkBytes() {
		buf = make([]byte, a.ChunkBytes())
	}
	if err := a.Decode(buf, p.data); err != nil {
		return buf, err
	}
	rank, bands := len(a.Shape), 1
	if rank == 4 {
		bands = a.Shape[1]
	}
	edge := a.Chunks[rank-1]
	height, width := min(edge, a.Shape[rank-2]-p.Row*edge), min(edge, a.Shape[rank-1]-p.Col*edge)
	got := layout.DigestChunk(buf, bands, edge, height, width, a.DType.Size())
	if !bytes.Equal(got[:], want) {
		return buf, fault.New(fault.Corrupt, "its pixels have the digest %x, recorded is %x", got, want)
	}
	return buf, nil
}
