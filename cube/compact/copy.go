package compact

import (
	"context"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

const (
	// fetches is how many ranges are read at once, fetchBytes the largest of them.
	fetches    = 4
	fetchBytes = 8 << 20
)

// piece is one chunk to copy.
type piece struct {
	layout.Repoint
	index int // on the axis, for messages
	data  []byte
}

// run is what is laid together: of one place, date after date, image before validity; then the flags.
type run struct{ pieces []*piece }

func (r run) bytes() (n int64) {
	for _, p := range r.pieces {
		n += int64(p.From.Length)
	}
	return n
}

// runs looks up where the chunks of some tasks lie now. Slices are found by their ids: the axis may have
// changed since the survey. What somebody else has laid together meanwhile is left out.
func (w *worker) runs(ctx context.Context, p *plan, tasks []task) ([]run, error) {
	var out []run
	for len(tasks) > 0 {
		n, at := 0, []position{}
		for n < len(tasks) && tasks[n].from == tasks[0].from && tasks[n].to == tasks[0].to {
			at = append(at, position{tasks[n].row, tasks[n].col})
			n++
		}
		part, err := w.runsAt(ctx, p, at, p.axis[tasks[0].from:tasks[0].to+1])
		if err != nil {
			return nil, err
		}
		out, tasks = append(out, part...), tasks[n:]
	}
	return out, nil
}

// runsAt does it for places with the same dates.
func (w *worker) runsAt(ctx context.Context, p *plan, at []position, dates []cube.Slice) ([]run, error) {
	first, last := -1, -1
	index := make([]int, len(dates))
	for i, s := range dates {
		t, _, ok := w.view.Slice(p.path, s.ID)
		if index[i] = t; !ok {
			index[i] = -1
			continue
		}
		if first < 0 {
			first = t
		}
		last = t
	}
	if first < 0 {
		return nil, nil
	}
	found, err := lookUp(ctx, w.view, p, at, first, last)
	if err != nil {
		return nil, err
	}
	out := make([]run, len(at))
	take := func(k int, layer int, i int) {
		if index[i] < 0 {
			return
		}
		f := found[layer][(index[i]-first)*len(at)+k]
		if !stored(f) {
			return
		}
		m := layout.Repoint{Cell: p.path, Array: p.layers[layer], Slice: dates[i].ID, Row: int(at[k].row), Col: int(at[k].col), From: f.Ref}
		out[k].pieces = append(out[k].pieces, &piece{Repoint: m, index: index[i]})
	}
	for k := range at {
		for i := range dates {
			take(k, 0, i)
			take(k, 1, i)
		}
		if out[k].together() {
			out[k].pieces = nil
			continue
		}
		if len(p.layers) > 2 {
			for i := range dates {
				take(k, 2, i)
			}
		}
	}
	return slices.DeleteFunc(out, func(r run) bool { return len(r.pieces) == 0 }), nil
}

// together reports whether nothing is gained.
func (r run) together() bool {
	for i := 1; i < len(r.pieces); i++ {
		if !extentOf(r.pieces[i].From).follows(extentOf(r.pieces[i-1].From)) {
			return false
		}
	}
	return true
}

// copyBlock reads the chunks of some runs, compares them with their digests and packs them in order.
func (w *worker) copyBlock(ctx context.Context, p *plan, runs []run) error {
	var pieces []*piece
	for _, r := range runs {
		pieces = append(pieces, r.pieces...)
	}
	if err := w.fetch(ctx, pieces); err != nil {
		return err
	}
	if err := w.verify(ctx, pieces); err != nil {
		return err
	}
	for _, r := range runs {
		size := r.bytes()
		if w.packed > 0 && w.packed+size > packBytes {
			if err := w.pack.Close(ctx); err != nil {
				return err
			}
			w.packed = 0
		}
		for _, c := range r.pieces {
			to, err := w.pack.Add(ctx, c.data)
			if err != nil {
				return err
			}
			c.To, c.data = to, nil
			w.moves = append(w.moves, c.Repoint)
			w.done++
		}
		w.packed, w.bytes = w.packed+size, w.bytes+size
	}
	return nil
}

// fetch reads the encoded bytes of chunks, neighbours together.
func (w *worker) fetch(ctx context.Context, pieces []*piece) error {
	list := slices.Clone(pieces)
	spans := coalesce(list, func(p *piece) extent { return extentOf(p.From) }, fetchBytes)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(fetches)
	for _, s := range spans {
		group.Go(func() error {
			if err := w.throttle.wait(gctx, int64(s.to-s.from)); err != nil {
				return err
			}
			mine := list[s.first:s.last]
			data, err := w.cfg.Cube.Repo().ReadObject(gctx, s.object, s.from, s.to-s.from)
			if err == nil {
				for _, p := range mine {
					e := extentOf(p.From)
					p.data = slices.Clone(data[e.from-s.from : e.to-s.from])
				}
				return nil
			}
			for _, p := range mine { // to name the one
				if gctx.Err() != nil {
					return gctx.Err()
				}
				if p.data, err = w.cfg.Cube.Repo().ReadObject(gctx, p.From.Object, p.From.Offset, p.From.Length); err != nil {
					return w.damaged(p, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// verify decodes every chunk and compares it with its recorded digest.
func (w *worker) verify(ctx context.Context, pieces []*piece) error {
	want := make([][]byte, len(pieces))
	for i, p := range pieces {
		var err error
		if want[i], err = w.digests.of(ctx, w.view, p); err != nil {
			return err
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(pieces); from += verifyBatch {
		to := min(from+verifyBatch, len(pieces))
		group.Go(func() error {
			var decoded []byte
			for i, p := range pieces[from:to] {
				if err := gctx.Err(); err != nil {
					return err
				}
				var err error
				if decoded, err = w.check(p, want[from+i], decoded); err != nil {
					return w.damaged(p, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// damaged names a chunk that is not to be moved.
func (w *worker) damaged(p *piece, err error) error {
	at := []int{p.index, 0, p.Row, p.Col}
	if p.Array == layout.Flags {
		at = []int{p.index, p.Row, p.Col}
	}
	kind := fault.KindOf(err)
	if kind == fault.NotFound { // the cube says that it is there
		kind = fault.Corrupt
	}
	return fault.New(kind, "chunk %v of %s/%s in %s (object chunks/%s, bytes %d+%d): %w", at, p.Cell, p.Array, w.cfg.Cube.URL(), p.From.Object, p.From.Offset, p.From.Length, err).
		WithCure("see what else is damaged with `terrapin store fsck --full`, and bring the object back from a backup")
}
