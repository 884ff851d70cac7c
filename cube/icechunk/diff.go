package icechunk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Diff is what changed from one snapshot to another, by path, as the transaction logs tell it: a chunk
// written twice with the same bytes is listed, one that came and went is too. Lists are sorted, chunk
// indexes as well; Moved is in order of application. A node that exists in neither snapshot is left out.
type Diff struct {
	NewGroups, NewArrays         []string
	DeletedGroups, DeletedArrays []string
	UpdatedGroups, UpdatedArrays []string
	Chunks                       map[string][][]uint32
	Moved                        []Moved
}

// Diff compares two snapshots of the ancestry: either may be the ancestor of the other, or they share
// one; changes on the way back to the common ancestor count the other way round (new is deleted).
func (r *Repo) Diff(ctx context.Context, from, to ID) (Diff, error) {
	d, err := r.diff(ctx, from, to)
	if err != nil {
		return Diff{}, fmt.Errorf("diff from %s to %s: %w", from, to, err)
	}
	return d, nil
}

func (r *Repo) diff(ctx context.Context, from, to ID) (Diff, error) {
	st, err := r.state(ctx)
	if err != nil {
		return Diff{}, err
	}
	back, forth, err := st.info.paths(from, to)
	if err != nil {
		return Diff{}, err
	}
	var c collected
	for _, e := range back { // from the tip down to the common ancestor
		if err := c.add(ctx, r, e, true); err != nil {
			return Diff{}, err
		}
	}
	for _, e := range slices.Backward(forth) {
		if err := c.add(ctx, r, e, false); err != nil {
			return Diff{}, err
		}
	}
	nodes := map[NodeID]string{}
	for _, id := range []ID{from, to} { // where a node moved, its newer path counts
		s, err := r.Snapshot(ctx, id)
		if err != nil {
			return Diff{}, err
		}
		for _, n := range s.info.nodes {
			nodes[n.ID] = n.Path
		}
	}
	return c.diff(nodes), nil
}

// paths lists the snapshots from each of two down to their common ancestor, which is in neither list.
func (info *repoInfo) paths(from, to ID) (back, forth []snapshotEntry, err error) {
	older, err := info.ancestors(from)
	if err != nil {
		return nil, nil, err
	}
	newer, err := info.ancestors(to)
	if err != nil {
		return nil, nil, err
	}
	depth := make(map[ID]int, len(older))
	for i, e := range older {
		depth[e.id] = i
	}
	for i, e := range newer {
		if j, ok := depth[e.id]; ok {
			return older[:j], newer[:i], nil
		}
	}
	return nil, nil, fault.New(fault.Invalid, "the snapshots have no common ancestor").WithCure("compare snapshots of one history; an expired ancestor cannot be compared")
}

// ancestors lists a snapshot and what it descends from, newest first.
func (info *repoInfo) ancestors(id ID) ([]snapshotEntry, error) {
	var list []snapshotEntry
	for next := &id; next != nil; {
		i, ok := info.find(*next)
		if !ok {
			return nil, fault.New(fault.NotFound, "no snapshot %s", *next).WithCure("list the snapshots with their log; an expired one is gone")
		}
		if len(list) == len(info.snapshots) {
			return nil, fault.New(fault.Corrupt, "the ancestry of %s runs in a circle", id)
		}
		list = append(list, info.snapshots[i])
		next = info.snapshots[i].parent
	}
	return list, nil
}

// collected gathers transaction logs by node.
type collected struct {
	nodes  [6]map[NodeID]bool // new, deleted and updated, groups before arrays
	chunks map[NodeID]map[string]bool
	moved  []Moved
}

// add takes the log of a snapshot in, and before it those of ancestors that expired from under it; these
// may be missing where an old release collected them.
func (c *collected) add(ctx context.Context, r *Repo, e snapshotEntry, undo bool) error {
	if c.chunks == nil {
		c.chunks = map[NodeID]map[string]bool{}
		for i := range c.nodes {
			c.nodes[i] = map[NodeID]bool{}
		}
	}
	ids := append(slices.Clone(e.pruned), e.id)
	if undo {
		slices.Reverse(ids)
	}
	for _, id := range ids {
		l, err := r.transactions(ctx, id)
		if errors.Is(err, store.ErrNotFound) && id != e.id {
			continue
		}
		if err != nil {
			return fmt.Errorf("changes of snapshot %s: %w", id, err)
		}
		c.take(l, undo)
	}
	return nil
}

func (c *collected) take(l *transactionLog, undo bool) {
	lists := [6][]NodeID{l.newGroups, l.newArrays, l.deletedGroups, l.deletedArrays, l.updatedGroups, l.updatedArrays}
	if undo {
		lists[0], lists[1], lists[2], lists[3] = lists[2], lists[3], lists[0], lists[1]
	}
	for i, list := range lists {
		for _, id := range list {
			c.nodes[i][id] = true
		}
	}
	for _, u := range l.chunks {
		if c.chunks[u.node] == nil {
			c.chunks[u.node] = map[string]bool{}
		}
		for _, index := range u.indexes {
			c.chunks[u.node][packIndex(index)] = true
		}
	}
	for i := range l.moved {
		if m := l.moved[i]; !undo {
			c.moved = append(c.moved, Moved{m.from, m.to})
		} else {
			m = l.moved[len(l.moved)-1-i]
			c.moved = append(c.moved, Moved{m.to, m.from})
		}
	}
}

func (c *collected) diff(nodes map[NodeID]string) Diff {
	d := Diff{Chunks: map[string][][]uint32{}, Moved: c.moved}
	for i, list := range []*[]string{&d.NewGroups, &d.NewArrays, &d.DeletedGroups, &d.DeletedArrays, &d.UpdatedGroups, &d.UpdatedArrays} {
		paths := map[string]bool{}
		for id := range c.nodes[i] {
			if path, ok := nodes[id]; ok {
				paths[path] = true
			}
		}
		*list = slices.Sorted(maps.Keys(paths))
	}
	for id, keys := range c.chunks {
		path, ok := nodes[id]
		if !ok {
			continue
		}
		for key := range keys {
			d.Chunks[path] = append(d.Chunks[path], unpackIndex(key))
		}
		slices.SortFunc(d.Chunks[path], slices.Compare)
	}
	return d
}
