package icechunk

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// virtual reports whether the bytes lie outside the repository.
func (ref Ref) virtual() bool { return ref.Location != "" }

func (ref Ref) equal(o Ref) bool {
	return (ref.Inline == nil) == (o.Inline == nil) && bytes.Equal(ref.Inline, o.Inline) && ref.Object == o.Object &&
		ref.Offset == o.Offset && ref.Length == o.Length && ref.Location == o.Location && ref.ETag == o.ETag && ref.LastModified == o.LastModified
}

// check refuses what may not be written: a missing chunk is no reference, never one of length zero.
func (ref Ref) check() error {
	kinds := 0
	for _, is := range []bool{ref.Inline != nil, !ref.Object.IsZero(), ref.virtual()} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return fault.New(fault.Invalid, "a reference is inline, or names an object, or names a location; this one does %d of the three", kinds)
	}
	if ref.ETag != "" && ref.LastModified != 0 {
		return fault.New(fault.Invalid, "a reference records an ETag or a time of modification, not both")
	}
	if len(ref.Inline) == 0 && ref.Length == 0 {
		return fault.New(fault.Invalid, "a reference of length zero").WithCure("set no reference for a chunk that is all fill value")
	}
	return nil
}

// ReadChunk returns the stored (encoded) bytes of a chunk; they are not to be changed.
func (r *Repo) ReadChunk(ctx context.Context, ref Ref) ([]byte, error) {
	switch {
	case ref.Inline != nil:
		return ref.Inline, nil
	case ref.virtual():
		return r.readVirtual(ctx, ref)
	}
	return r.ReadObject(ctx, ref.Object, ref.Offset, ref.Length)
}

// ReadObject reads a range of a chunk object, for readers that merge neighbouring chunks.
func (r *Repo) ReadObject(ctx context.Context, object ID, offset, length uint64) ([]byte, error) {
	if length == 0 || offset > math.MaxInt64-length || length > maxFile {
		return nil, fault.New(fault.Corrupt, "read chunk object %s: impossible range of %d bytes at %d", object, length, offset)
	}
	data, _, err := r.bucket.Read(ctx, chunkKey(object), store.Range{Offset: int64(offset), Length: int64(length)})
	if err != nil {
		return nil, fmt.Errorf("read chunk object %s: %w", object, err)
	}
	return data, nil
}

func chunkKey(object ID) string { return "chunks/" + object.String() }

// Pack gathers many chunks in few objects: one request uploads them, and a listing stays short. One
// goroutine uses it.
type Pack struct {
	repo   *Repo
	limit  int64
	object ID
	buf    []byte
	err    error
}

// NewPack begins a pack.
func (r *Repo) NewPack() *Pack { return r.NewPackOf(r.cfg.PackBytes) }

// NewPackOf begins a pack that is written out only when it would grow beyond so many bytes, or by Close,
// after which the next object begins: for callers that know which chunks belong together.
func (r *Repo) NewPackOf(limit int64) *Pack { return &Pack{repo: r, limit: limit} }

// Expect makes room for so many bytes of chunks that will be added, as far as one pack holds.
func (p *Pack) Expect(n int) {
	p.buf = slices.Grow(p.buf, int(min(int64(n), max(p.limit-int64(len(p.buf)), 0))))
}

// Add places one encoded chunk: inline when it is small, else in the pack. The reference may be
// committed once Close has returned nil.
func (p *Pack) Add(ctx context.Context, data []byte) (Ref, error) {
	if p.err != nil {
		return Ref{}, p.err
	}
	if len(data) == 0 {
		return Ref{}, fault.New(fault.Invalid, "add chunk: it has no bytes").WithCure("set no reference for a chunk that is all fill value")
	}
	if len(data) <= p.repo.cfg.InlineMax {
		return Ref{Inline: bytes.Clone(data)}, nil
	}
	if len(p.buf) > 0 && int64(len(p.buf)+len(data)) > p.limit {
		if err := p.flush(ctx); err != nil {
			return Ref{}, err
		}
	}
	if p.object.IsZero() {
		p.object = newID()
	}
	ref := Ref{Object: p.object, Offset: uint64(len(p.buf)), Length: uint64(len(data))}
	p.buf = append(p.buf, data...)
	return ref, nil
}

// Close writes out what is left. After an error no reference of this pack may be committed.
func (p *Pack) Close(ctx context.Context) error {
	if p.err != nil {
		return p.err
	}
	return p.flush(ctx)
}

func (p *Pack) flush(ctx context.Context) error {
	if len(p.buf) == 0 {
		return nil
	}
	if _, err := p.repo.bucket.Write(ctx, chunkKey(p.object), p.buf, store.Condition{}); err != nil {
		p.err = fmt.Errorf("write pack: %w", err)
		return p.err
	}
	p.object, p.buf = ID{}, p.buf[:0]
	return nil
}
