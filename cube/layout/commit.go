package layout

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// GroupSize is how many scenes one snapshot takes at most.
const GroupSize = 64

const maxAttempts = 100

// Status says what became of a staged scene.
type Status string

// The fates of a scene.
const (
	Accepted Status = "accepted"
	Skipped  Status = "skipped"
	Rejected Status = "rejected"
)

// Outcome is the fate of one staged scene. Slice is the one now in the cube; of a rejected scene it is
// the one that was met.
type Outcome struct {
	Status Status
	Slice  cube.Slice
	Reason string
	Cure   string
}

// Result is what a commit did: the snapshot that holds it and one outcome per scene, in the order given.
type Result struct {
	Snapshot string
	Outcomes []Outcome
}

// Plan says what Commit would do, without doing it.
func (c *Cube) Plan(ctx context.Context, staged []*Staged) ([]Outcome, error) {
	v, err := c.At(ctx, "")
	if err != nil {
		return nil, err
	}
	return plan(v.cells[0].Slices, staged), nil
}

// Commit makes staged scenes visible, in groups of up to GroupSize per snapshot. A branch that moved meanwhile
// is planned for again. When it fails, the groups committed before stay, and their outcomes are returned.
func (c *Cube) Commit(ctx context.Context, staged []*Staged, message string) (Result, error) {
	c.commits.Lock()
	defer c.commits.Unlock()
	var result Result
	for len(staged) > 0 || result.Snapshot == "" {
		group := staged[:min(GroupSize, len(staged))]
		id, outcomes, err := c.commitGroup(ctx, group, message)
		if err != nil {
			return result, fault.New(fault.KindOf(err), "commit to cube %q: %w", c.spec.Name, err)
		}
		result.Snapshot = id.String()
		result.Outcomes = append(result.Outcomes, outcomes...)
		staged = staged[len(group):]
	}
	return result, nil
}

func (c *Cube) commitGroup(ctx context.Context, group []*Staged, message string) (icechunk.ID, []Outcome, error) {
	for range maxAttempts {
		id, outcomes, err := c.tryGroup(ctx, group, message)
		if !errors.Is(err, icechunk.ErrMoved) {
			return id, outcomes, err
		}
	}
	return icechunk.ID{}, nil, fault.New(fault.Unavailable, "the branch moved %d times while the commit was planned", maxAttempts).
		WithCure("stop the other writer of this cube; one server commits to it")
}

func (c *Cube) tryGroup(ctx context.Context, group []*Staged, message string) (icechunk.ID, []Outcome, error) {
	tx, err := c.repo.Begin(ctx, branch)
	if err != nil {
		return icechunk.ID{}, nil, err
	}
	base, err := c.view(ctx, tx.Base().ID())
	if err != nil {
		return icechunk.ID{}, nil, err
	}
	old := base.cells[0].Slices
	outcomes := plan(old, group)
	var fresh []*entry
	for i, o := range outcomes {
		if o.Status == Accepted {
			o.Slice.Ingested = time.Now().UTC().Truncate(time.Microsecond)
			outcomes[i].Slice = o.Slice
			fresh = append(fresh, &entry{slice: o.Slice, staged: group[i]})
		}
	}
	if len(fresh) == 0 {
		return tx.Base().ID(), outcomes, nil
	}
	if err := c.insert(ctx, tx, base.cells[0].Path, old, fresh); err != nil {
		return icechunk.ID{}, nil, err
	}
	id, err := tx.Commit(ctx, message, map[string]any{"slices_added": len(fresh)})
	return id, outcomes, err
}

// plan decides the fate of each scene against the slices there and the scenes before it.
func plan(there []cube.Slice, staged []*Staged) []Outcome {
	type key struct {
		source string
		micros int64
	}
	known, items := map[key]cube.Slice{}, map[string]bool{}
	for _, s := range there {
		known[key{s.Source, s.Micros()}] = s
		items[s.Item] = true
	}
	outcomes := make([]Outcome, len(staged))
	for i, st := range staged {
		s := st.Slice
		k := key{s.Source, s.Micros()}
		met, ok := known[k]
		switch {
		case ok && met.Content == s.Content:
			outcomes[i] = Outcome{Status: Skipped, Slice: met, Reason: "already in the cube as slice " + string(met.ID)}
		case ok:
			outcomes[i] = Outcome{
				Status: Rejected, Slice: met,
				Reason: fmt.Sprintf("source %q at %s is in the cube already as slice %s with other content", s.Source, s.Time.Format(time.RFC3339Nano), met.ID),
				Cure:   "if it is another scene, give it another name or time; a corrected scene needs a source name of its own",
			}
		default:
			s.Item = freeItem(items, s)
			items[s.Item] = true
			known[k] = s
			outcomes[i] = Outcome{Status: Accepted, Slice: s}
		}
	}
	return outcomes
}

// freeItem is the wanted item id, or the first longer form that no other item has.
func freeItem(taken map[string]bool, s cube.Slice) string {
	second := s.Item + "_" + s.Time.Format("20060102T150405")
	for _, id := range []string{s.Item, second, fmt.Sprintf("%s%06d", second, s.Time.Nanosecond()/1000)} {
		if !taken[id] {
			return id
		}
	}
	return second + "_" + string(s.ID)
}

// entry is one place on the new time axis; an old slice has no staged chunks but its former index.
type entry struct {
	slice  cube.Slice
	staged *Staged
	was    int
}

// insert puts the new slices in their places on the axis: old references move, nothing is rewritten
// but the time coordinate.
func (c *Cube) insert(ctx context.Context, tx *icechunk.Tx, cell string, old []cube.Slice, fresh []*entry) error {
	axis := fresh
	for i, s := range old {
		axis = append(axis, &entry{slice: s, was: i})
	}
	sort.SliceStable(axis, func(i, j int) bool { return axis[i].slice.Less(axis[j].slice) })
	now := make([]uint32, len(old))
	moved := false
	first := -1
	for i, e := range axis {
		if e.staged != nil {
			if first < 0 {
				first = i
			}
			continue
		}
		now[e.was] = uint32(i)
		moved = moved || i != e.was
	}
	arrays := c.spec.arrays(len(axis))
	for _, name := range append([]string{timeArray}, sliced...) {
		if err := putArray(tx, "/"+cell+"/"+name, arrays[name]); err != nil {
			return err
		}
	}
	if moved {
		for _, name := range sliced {
			move := func(index []uint32) []uint32 { return append([]uint32{now[index[0]]}, index[1:]...) }
			if err := tx.Remap("/"+cell+"/"+name, move); err != nil {
				return err
			}
		}
	}
	w := writer{ctx: ctx, tx: tx, pack: c.repo.NewPack(), cell: cell, arrays: arrays}
	for i, e := range axis {
		if e.staged != nil {
			if err := w.slice(uint32(i), e); err != nil {
				return err
			}
		}
	}
	if err := w.times(axis, first); err != nil {
		return err
	}
	return w.pack.Close(ctx)
}

// times rewrites the chunks of the time coordinate from the first new slice on.
func (w *writer) times(axis []*entry, first int) error {
	for chunk := first / timeChunk; chunk*timeChunk < len(axis); chunk++ {
		values := make([]byte, 8*timeChunk)
		for i, e := range axis[chunk*timeChunk : min((chunk+1)*timeChunk, len(axis))] {
			binary.LittleEndian.PutUint64(values[8*i:], uint64(e.slice.Micros()))
		}
		if err := w.put(timeArray, []uint32{uint32(chunk)}, values); err != nil {
			return err
		}
	}
	return nil
}
