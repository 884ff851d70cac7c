package icechunk

import (
	"context"
	"fmt"
	"math"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Found is what LookUp says of one chunk.
type Found struct {
	Ref Ref
	// OK is false where the chunk is absent (the fill value).
	OK bool
	// Err is why nothing can be said of this chunk.
	Err error
}

// LookUp finds the references of many chunks of one array. index holds their places in the chunk grid
// one after another, one number per dimension each; out gets one entry per chunk. In ascending order
// each costs about one probe: a manifest is opened once per run of chunks that it holds, and the search
// begins where the next reference lies if none is absent. Only what concerns all chunks is returned as
// an error.
func (s *Snapshot) LookUp(ctx context.Context, path string, index []uint32, out []Found) error {
	n, err := s.array(path)
	if err != nil {
		return err
	}
	rank := len(n.Array.NumChunks)
	if len(index) != rank*len(out) {
		return fault.New(fault.Internal, "look up %d chunks of %s by %d numbers, wanted %d each", len(out), path, len(index), rank)
	}
	l := finder{snapshot: s, node: n, at: -1}
	for i := range out {
		at := index[i*rank : (i+1)*rank]
		out[i] = Found{}
		if !n.Array.holds(at) {
			out[i].Err = n.Array.check(path, at)
			continue
		}
		l.find(ctx, at, &out[i])
	}
	return nil
}

// finder is one LookUp under way: the manifest that was opened last, and the place found last in it.
type finder struct {
	snapshot *Snapshot
	node     snapshotNode
	at       int // of the manifests, -1 is none
	file     *manifest
	refs     vector
	err      error
	// pos and rank are a reference's place in refs and its chunk's in the grid, both counted in C order.
	pos  int
	rank int64
}

func (l *finder) find(ctx context.Context, index []uint32, out *Found) {
	for i, m := range l.node.manifests {
		if !m.holds(index) {
			continue
		}
		if l.at != i {
			l.open(ctx, i)
		}
		ok, err := false, l.err
		if err == nil {
			out.Ref, ok, err = l.seek(index)
		}
		if err != nil {
			out.Err = fmt.Errorf("look up chunk %v of %s: manifest %s: %w", index, l.node.Path, m.id, err)
			return
		}
		if ok {
			out.OK = true
			return
		}
	}
}

func (l *finder) open(ctx context.Context, i int) {
	l.at, l.pos, l.rank = i, 0, 0
	l.file, l.err = l.snapshot.repo.manifests.get(ctx, l.node.manifests[i].id)
	if l.err == nil {
		l.err = l.anchor()
	}
}

// anchor takes the first reference as the place to count from.
func (l *finder) anchor() (err error) {
	defer guard("manifest", &err)
	l.refs = l.file.refs(l.node.ID)
	if l.refs.n > 0 {
		first := l.refs.table(0).mustVec(0, 4)
		for i, n := range l.node.Array.NumChunks {
			at := uint32(0)
			if i < first.n {
				at = first.u32(i)
			}
			l.rank = l.rank*int64(n) + int64(at)
		}
	}
	return nil
}

// seek guesses the place as if no chunk were absent since the last one found, and searches outwards
// from there.
func (l *finder) seek(index []uint32) (ref Ref, ok bool, err error) {
	defer guard("manifest", &err)
	n := l.refs.n
	if n == 0 {
		return Ref{}, false, nil
	}
	rank := int64(0)
	for i, at := range index {
		rank = rank*int64(l.node.Array.NumChunks[i]) + int64(at)
	}
	guess := int(min(max(int64(l.pos)+rank-l.rank, 0), int64(n-1)))
	pos, ok := l.search(guess, index)
	if !ok {
		return Ref{}, false, nil
	}
	l.pos, l.rank = pos, rank
	return l.file.decodeRef(l.refs.table(pos)), true, nil
}

// search probes ever further from the guess, and between what it met once that overshoots.
func (l *finder) search(guess int, index []uint32) (pos int, ok bool) {
	n := l.refs.n
	low, high, step := 0, n, 1 // the place is in [low, high)
	for pos = guess; low < high; step = min(2*step, n) {
		switch order := l.refs.table(pos).mustVec(0, 4).compare(index); {
		case order == 0:
			return pos, true
		case order < 0:
			low, pos = pos+1, pos+step
		default:
			high, pos = pos, pos-step
		}
		if pos < low || pos >= high {
			pos, step = low+(high-low)/2, n
		}
	}
	return 0, false
}

// StreamObject opens a range of a chunk object that is read piece by piece.
func (r *Repo) StreamObject(ctx context.Context, object ID, offset, length uint64) (*store.Stream, error) {
	if length == 0 || offset > math.MaxInt64-length || length > maxFile {
		return nil, fault.New(fault.Corrupt, "read chunk object %s: impossible range of %d bytes at %d", object, length, offset)
	}
	s, err := r.bucket.Stream(ctx, chunkKey(object), int64(offset), int64(length))
	if err != nil {
		return nil, fmt.Errorf("read chunk object %s: %w", object, err)
	}
	return s, nil
}

// NearObject opens a chunk object for what of it is in memory already, or returns nil.
func (r *Repo) NearObject(object ID) store.Near { return r.bucket.Near(chunkKey(object)) }

// HasNear reports whether NearObject may return anything.
func (r *Repo) HasNear() bool { return r.bucket.HasNear() }
