package stream

import (
	"cmp"
	"context"
	"slices"
	"unsafe"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
)

// lender is a source that can leave images where they were decoded.
type lender interface {
	// lend is fill, but for the loans: what they say of the images of dst lies there and not in dst. The caller releases them.
	lend(ctx context.Context, first uint64, dst []row) (*read.Loans, error)
}

// Lend spares the copy of images that are whole chunks in the cache: they stay there until the batch is released, and its
// block holds anything instead. Windows that are laid by symmetries are copied all the same. Who asks for it reads Batch.Pieces and never Batch.Image. It comes before the first Next.
func (r *Run) Lend() { r.lends = true }

// fill reads rows of a batch by position, or borrows them.
func (r *Run) fill(ctx context.Context, first uint64, dst []row, b *Batch) error {
	l, ok := r.src.(lender)
	if !ok || !r.lends || r.turns != nil {
		return r.src.fill(ctx, first, dst)
	}
	loans, err := l.lend(ctx, first, dst)
	if err != nil || loans == nil {
		return err
	}
	b.loans = loans
	for _, loan := range loans.All() {
		i, layer := loan.Request%len(dst), loan.Request/len(dst) // requests are resolution by resolution
		if dst[i].isLost() {
			continue
		}
		b.lent = append(b.lent, piece{b.place(dst[i].pixels(layer).Image) + loan.At, loan.Bytes})
	}
	slices.SortFunc(b.lent, func(x, y piece) int { return cmp.Compare(x.at, y.at) })
	return nil
}

// piece is memory that holds what belongs at a place of a block.
type piece struct {
	at    int
	bytes []byte
}

// place is where a part of the block begins in it.
func (b *Batch) place(part []byte) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(b.block.Bytes))))
}

// Pieces are the bytes of a part of the batch's block, in their order: where nothing of it is lent, the part itself.
func (b *Batch) Pieces(part []byte) [][]byte {
	if len(b.lent) == 0 || len(part) == 0 {
		return [][]byte{part}
	}
	from := b.place(part)
	if from < 0 || from >= len(b.block.Bytes) { // not of the block
		return [][]byte{part}
	}
	to := from + len(part)
	var out [][]byte
	for _, p := range b.lent {
		if p.at < from || p.at >= to {
			continue
		}
		if p.at > from {
			out = append(out, b.block.Bytes[from:p.at])
		}
		out = append(out, p.bytes)
		from = p.at + len(p.bytes)
	}
	if from < to {
		out = append(out, b.block.Bytes[from:to])
	}
	return out
}

// lend is part of lender. Converted images are nowhere as they are sent.
func (s *sampleSource) lend(ctx context.Context, first uint64, dst []row) (*read.Loans, error) {
	if s.layers[0].values.float32s() {
		return nil, s.fill(ctx, first, dst)
	}
	var loans *read.Loans
	err := s.fillBy(ctx, first, dst, func(ctx context.Context, v *layout.View, qs []read.Request, image, valid [][]byte) (report read.Report, err error) {
		loans, report, err = s.reader.ReadLending(ctx, v, qs, image, valid)
		return report, err
	})
	if err != nil && loans != nil {
		loans.Release()
		loans = nil
	}
	return loans, err
}
