package stream

import (
	"context"
	"sync"
)

// foreseen is for how many steps at most the cache is told what will be wanted, so that it drops something else first.
const foreseen = 64

// expecter is a source that knows beforehand what it will read.
type expecter interface {
	// room is how many decoded bytes may be told of at once; 0 where telling is worth nothing now.
	room() int64
	// expect tells that n positions from first on will be read at a time, for which that many bytes are decoded; done takes
	// it back.
	expect(ctx context.Context, first uint64, n int, time uint64) (told told, err error)
	// reached tells that a time has come, and returns the latest that has for any run.
	reached(time uint64) uint64
}

// told is what a cache was told will be read.
type told struct {
	bytes int64
	done  func()
}

// message is what is read at once: count rows of a part of a step, from row first of it on.
type message struct {
	step        uint64
	part, parts int
	first, rows int
}

// messages calls do with every message of the run in order, until it returns an error.
func (r *Run) messages(do func(m message) error) error {
	for step := range r.info.Steps {
		part := r.plan.Part(step, r.rank)
		rows := part.Count + part.Pad
		parts := (rows + r.rows - 1) / r.rows
		for p := range parts {
			first := p * r.rows
			if err := do(message{step: step, part: p, parts: parts, first: first, rows: min(r.rows, rows-first)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// horizon tells a source's cache what a run will read soon. Its time is the step, after that of the first. reach and
// advance are for one goroutine, the others for any.
type horizon struct {
	run   *Run
	src   expecter
	step  uint64 // the next to tell of
	first uint64 // the time of step 0

	mu   sync.Mutex
	told []told // by step, in order
	base uint64 // the step of told[0]
	size int64  // bytes of told
}

// horizonOf is the horizon of a run; nil where the source does not look ahead.
func horizonOf(r *Run) *horizon {
	src, ok := r.src.(expecter)
	if !ok {
		return nil
	}
	return &horizon{run: r, src: src}
}

// reach tells that a step is about to be read. A run that is behind others counts from where they are on.
func (h *horizon) reach(step uint64) {
	if h != nil {
		h.first = h.src.reached(h.first+step) - step
	}
}

// enough is how many times what the cache holds is told of: what is read farther from now could not stay in it whatever
// was known, even where many steps want the same chunks, which are counted for each.
const enough = 4

// advance tells of the steps after one that is being read, and takes back what was told of those that have been.
func (h *horizon) advance(ctx context.Context, step uint64) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for ; h.base+lookAhead < step && len(h.told) > 0; h.base++ {
		h.told[0].done()
		h.size -= h.told[0].bytes
		h.told = h.told[1:]
	}
	if len(h.told) == 0 {
		h.base, h.step = step+1, step+1
	}
	room := enough * h.src.room()
	for ; h.size < room && h.step <= step+foreseen && h.step < h.run.info.Steps; h.step++ {
		part := h.run.plan.Part(h.step, h.run.rank)
		told, err := h.src.expect(ctx, part.First, part.Count, h.first+h.step)
		if err != nil {
			return // it is said when the rows are read
		}
		h.told = append(h.told, told)
		h.size += told.bytes
	}
}

// passed takes back what was told of a step once the last message of it was read.
func (h *horizon) passed(m message) {
	if h == nil || m.part < m.parts-1 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := m.step - h.base; m.step >= h.base && i < uint64(len(h.told)) {
		h.told[i].done()
	}
}

// close takes everything back.
func (h *horizon) close() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.told {
		t.done()
	}
	h.told = nil
}
