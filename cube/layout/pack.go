package layout

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"golang.org/x/sync/errgroup"
)

const (
	// heldBytes is how many encoded bytes of one scene wait for their order before the fullest cell is
	// written out.
	heldBytes = 64 << 20
	// packWriters is how many packs of one scene are written at once.
	packWriters = 2
)

// packer puts the chunks of a scene into packs, row by row within each cell and group, so that neighbours
// lie beside each other whatever the order they came in. What it holds in memory is bounded.
type packer struct {
	ctx   context.Context // of the stage
	repo  *icechunk.Repo
	group *errgroup.Group

	mu    sync.Mutex
	total int
	cells map[*stagedCell]*held
}

// held are the chunks of one cell that wait.
type held struct {
	chunks []heldChunk
	bytes  int
}

type heldChunk struct {
	at   int
	ref  *icechunk.Ref // where its place is noted
	data []byte
}

func newPacker(ctx context.Context, repo *icechunk.Repo) *packer {
	p := &packer{repo: repo, cells: map[*stagedCell]*held{}}
	p.group, p.ctx = errgroup.WithContext(ctx)
	p.group.SetLimit(packWriters)
	return p
}

// add takes one encoded chunk. When too much waits, it writes out the cell that has most, and waits
// for earlier writes where they are slow.
func (p *packer) add(cell *stagedCell, ref *icechunk.Ref, at int, data []byte) error {
	if err := context.Cause(p.ctx); err != nil {
		return err
	}
	p.mu.Lock()
	h := p.cells[cell]
	if h == nil {
		h = &held{}
		p.cells[cell] = h
	}
	h.chunks = append(h.chunks, heldChunk{at, ref, data})
	h.bytes += len(data)
	p.total += len(data)
	var full *held
	if p.total > heldBytes {
		for c, o := range p.cells {
			if full == nil || o.bytes > full.bytes {
				full, cell = o, c
			}
		}
		delete(p.cells, cell)
		p.total -= full.bytes
	}
	p.mu.Unlock()
	if full != nil {
		p.group.Go(func() error { return p.write(full) })
	}
	return nil
}

// write puts chunks into packs in order.
func (p *packer) write(cells ...*held) error {
	pack := p.repo.NewPack()
	total := 0
	for _, h := range cells {
		total += h.bytes
	}
	pack.Expect(total)
	for _, h := range cells {
		slices.SortStableFunc(h.chunks, func(a, b heldChunk) int { return cmp.Compare(a.at, b.at) })
		for i, c := range h.chunks {
			ref, err := pack.Add(p.ctx, c.data)
			if err != nil {
				return err
			}
			*c.ref, h.chunks[i].data = ref, nil
		}
	}
	return pack.Close(p.ctx)
}

// close writes out what waits, in the order of the cells, and reports the first error of any write.
func (p *packer) close(order []*stagedCell) error {
	p.mu.Lock()
	var rest []*held
	for _, cell := range order {
		if h := p.cells[cell]; h != nil {
			rest = append(rest, h)
		}
	}
	clear(p.cells)
	p.total = 0
	p.mu.Unlock()
	if len(rest) > 0 {
		p.group.Go(func() error { return p.write(rest...) })
	}
	return p.group.Wait()
}
