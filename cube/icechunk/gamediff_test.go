package icechunk_test

import (
	"bytes"
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
)

// told demands that the transaction log of a commit of ours says what it did: the difference of the two
// snapshots themselves, node by node and reference by reference. Chunks may be listed that ended as they
// were.
func (g *game) told(from, to icechunk.ID) {
	ctx := g.t.Context()
	d, err := g.ours.Diff(ctx, from, to)
	require.NoError(g.t, err)
	want, err := difference(ctx, g.ours, from, to)
	require.NoError(g.t, err)
	got := wire(d)
	for path, list := range want.Chunks {
		require.Subset(g.t, got.Chunks[path], list, "chunks of %s", path)
	}
	for path := range got.Chunks {
		if slices.Contains(got.DeletedArrays, path) {
			require.Empty(g.t, got.Chunks[path])
		}
	}
	want.Chunks, got.Chunks = nil, nil
	require.Equal(g.t, want, got)
}

// difference compares two snapshots without their logs.
func difference(ctx context.Context, r *icechunk.Repo, from, to icechunk.ID) (wireDiff, error) {
	older, newer := map[icechunk.NodeID]icechunk.Node{}, map[icechunk.NodeID]icechunk.Node{}
	a, err := r.Snapshot(ctx, from)
	if err != nil {
		return wireDiff{}, err
	}
	b, err := r.Snapshot(ctx, to)
	if err != nil {
		return wireDiff{}, err
	}
	for _, n := range a.Nodes() {
		older[n.ID] = n
	}
	d := wire(icechunk.Diff{})
	for _, n := range b.Nodes() {
		newer[n.ID] = n
		was, known := older[n.ID]
		groups, arrays := &d.NewGroups, &d.NewArrays
		if known {
			groups, arrays = &d.UpdatedGroups, &d.UpdatedArrays
		}
		if !known || !bytes.Equal(was.Meta, n.Meta) || !reflect.DeepEqual(was.Array, n.Array) {
			list := groups
			if n.Array != nil {
				list = arrays
			}
			*list = append(*list, n.Path)
		}
		if known && was.Path != n.Path {
			d.Moved = append(d.Moved, [2]string{was.Path, n.Path})
		}
		if n.Array == nil {
			continue
		}
		if d.Chunks[n.Path], err = changed(ctx, a, was.Path, b, n.Path); err != nil {
			return d, err
		}
	}
	for id, n := range older {
		if _, stays := newer[id]; !stays && n.Array != nil {
			d.DeletedArrays = append(d.DeletedArrays, n.Path)
		} else if !stays {
			d.DeletedGroups = append(d.DeletedGroups, n.Path)
		}
	}
	for _, list := range [][]string{d.DeletedGroups, d.DeletedArrays} {
		slices.Sort(list)
	}
	return d.sorted(), nil
}

// changed lists the chunks whose references differ.
func changed(ctx context.Context, a *icechunk.Snapshot, from string, b *icechunk.Snapshot, to string) ([][]int, error) {
	refs := [2]map[string]icechunk.Ref{{}, {}}
	for i, s := range []*icechunk.Snapshot{a, b} {
		path := []string{from, to}[i]
		if path == "" {
			continue
		}
		for c, err := range s.Refs(ctx, path) {
			if err != nil {
				return nil, err
			}
			refs[i][commas(c.Index)] = c.Ref
		}
	}
	list := [][]int{}
	for key := range maps.Keys(refs[0]) {
		if _, stays := refs[1][key]; !stays {
			list = append(list, split(key))
		}
	}
	for key, ref := range refs[1] {
		if !reflect.DeepEqual(ref, refs[0][key]) {
			list = append(list, split(key))
		}
	}
	return list, nil
}
