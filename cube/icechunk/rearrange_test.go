package icechunk

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

// tree commits / with groups /a, /a/b and /a-b and the array /a/b/grid.
func tree(t *testing.T, r *Repo) ID {
	t.Helper()
	tx := begin(t, r)
	for _, path := range []string{"/", "/a", "/a/b", "/a-b"} {
		require.NoError(t, tx.PutGroup(path, groupMeta(1)))
	}
	g := grid{2, 4}
	require.NoError(t, tx.PutArray("/a/b/grid", g.meta(), g.info()))
	require.NoError(t, tx.SetRef("/a/b/grid", []uint32{1, 1}, Ref{Inline: chunk(1, 2)}))
	return commit(t, tx, "change")
}

func paths(t *testing.T, r *Repo, id ID) (list []string) {
	t.Helper()
	s, err := r.Snapshot(t.Context(), id)
	require.NoError(t, err)
	for _, n := range s.Nodes() {
		list = append(list, n.Path)
	}
	return list
}

func TestDeleteTakesWhatIsBelow(t *testing.T) {
	r := create(t, newBucket(), Config{})
	first := tree(t, r)
	tx := begin(t, r)
	require.NoError(t, tx.SetRef("/a/b/grid", []uint32{0, 0}, Ref{Inline: chunk(9, 9)}))
	require.NoError(t, tx.Delete("/a"))
	require.True(t, fault.Is(tx.Delete("/a/b"), fault.NotFound))
	require.True(t, fault.Is(tx.SetRef("/a/b/grid", []uint32{0, 0}, Ref{Inline: chunk(9, 9)}), fault.NotFound))
	require.True(t, fault.Is(tx.PutGroup("/a/b", groupMeta(2)), fault.Invalid), "its parent is gone")
	require.NoError(t, tx.PutGroup("/a", groupMeta(2)))
	require.NoError(t, tx.PutGroup("/a/c", groupMeta(2)))
	require.NoError(t, tx.Delete("/a/c"))
	second := commit(t, tx, "change")
	require.Equal(t, []string{"/", "/a", "/a-b"}, paths(t, r, second))
	require.Equal(t, []string{"/", "/a", "/a-b", "/a/b", "/a/b/grid"}, paths(t, r, first))

	d, err := r.Diff(t.Context(), first, second)
	require.NoError(t, err)
	require.Equal(t, Diff{NewGroups: []string{"/a"}, DeletedGroups: []string{"/a", "/a/b"}, DeletedArrays: []string{"/a/b/grid"}, Chunks: map[string][][]uint32{}}, d)

	tx = begin(t, r)
	require.NoError(t, tx.Delete("/"))
	require.NoError(t, tx.PutGroup("/", groupMeta(3)))
	require.Equal(t, []string{"/"}, paths(t, r, commit(t, tx, "change")))
	tx = begin(t, r)
	require.NoError(t, tx.PutGroup("/x", groupMeta(3)))
	require.NoError(t, tx.Delete("/x"))
	_, err = tx.Commit(t.Context(), "nothing left", nil)
	require.ErrorIs(t, err, ErrNoChange)
}

func TestMove(t *testing.T) {
	r := create(t, newBucket(), Config{})
	first := tree(t, r)
	tx := begin(t, r)
	for _, bad := range []struct {
		from, to string
		kind     fault.Kind
	}{
		{"/none", "/x", fault.NotFound}, {"/", "/x", fault.Invalid}, {"/a", "/a", fault.Invalid}, {"/a", "/a/b/x", fault.Invalid},
		{"/a", "/a-b", fault.Conflict}, {"/a", "/none/x", fault.Invalid}, {"/a-b", "/a/b/grid/x", fault.Invalid}, {"/a", "/x//y", fault.Invalid},
	} {
		require.True(t, fault.Is(tx.Move(bad.from, bad.to), bad.kind), "%s to %s", bad.from, bad.to)
	}
	require.NoError(t, tx.Move("/a/b", "/b"))
	require.NoError(t, tx.Move("/b", "/a-b/b"), "twice in one transaction is once in the log")
	require.NoError(t, tx.Move("/a", "/z"))
	require.NoError(t, tx.Move("/a-b", "/a"), "a path that has become free")
	require.True(t, fault.Is(tx.PutGroup("/q", groupMeta(1)), fault.Invalid), "no edits beside moves")
	require.True(t, fault.Is(tx.Delete("/z"), fault.Invalid))
	second := commit(t, tx, "change")
	require.Equal(t, []string{"/", "/a", "/a/b", "/a/b/grid", "/z"}, paths(t, r, second))
	require.Equal(t, [][]int32{{-1, -1, -1, -1}, {-1, -1, 1, 2}}, mustValues(t, r, second, "/a/b/grid"))
	d, err := r.Diff(t.Context(), first, second)
	require.NoError(t, err)
	require.Equal(t, []Moved{{"/a-b", "/a"}, {"/a", "/z"}}, d.Moved, "what ends where it began has not moved")

	tx = begin(t, r)
	require.NoError(t, tx.Move("/z", "/y"))
	require.NoError(t, tx.Move("/y", "/z"))
	_, err = tx.Commit(t.Context(), "there and back", nil)
	require.ErrorIs(t, err, ErrNoChange)
	tx = begin(t, r)
	require.NoError(t, tx.PutGroup("/q", groupMeta(1)))
	require.True(t, fault.Is(tx.Move("/z", "/y"), fault.Invalid), "no moves beside edits")

	off := false
	require.NoError(t, r.SetFlag(t.Context(), "move_node", &off))
	tx = begin(t, r)
	require.NoError(t, tx.Move("/z", "/y"))
	_, err = tx.Commit(t.Context(), "forbidden", nil)
	require.True(t, fault.Is(err, fault.Precondition), "%v", err)
}

func TestSegmentOrder(t *testing.T) {
	for _, pair := range [][2]string{{"/a", "/a/b"}, {"/a/b", "/a-b"}, {"/a-b", "/aa"}, {"/aa", "/ab"}, {"/ab", "/b"}} {
		require.Negative(t, compareSegments(pair[0], pair[1]), pair)
		require.Positive(t, compareSegments(pair[1], pair[0]), pair)
	}
}

// TestDiffOfSiblings: what was done on one branch counts backwards, what was done on the other forwards.
func TestDiffOfSiblings(t *testing.T) {
	r := create(t, newBucket(), Config{})
	base := tree(t, r)
	require.NoError(t, r.CreateBranch(t.Context(), "side", base))
	tx := begin(t, r)
	require.NoError(t, tx.PutGroup("/only-main", groupMeta(1)))
	require.NoError(t, tx.SetRef("/a/b/grid", []uint32{0, 0}, Ref{Inline: chunk(3, 4)}))
	main := commit(t, tx, "change")
	tx, err := r.Begin(t.Context(), "side")
	require.NoError(t, err)
	require.NoError(t, tx.Move("/a-b", "/c"))
	commit(t, tx, "change")
	tx, err = r.Begin(t.Context(), "side")
	require.NoError(t, err)
	require.NoError(t, tx.PutGroup("/only-side", groupMeta(1)))
	require.NoError(t, tx.PutGroup("/a", groupMeta(7)))
	side := commit(t, tx, "change")
	d, err := r.Diff(t.Context(), main, side)
	require.NoError(t, err)
	require.Equal(t, Diff{
		NewGroups: []string{"/only-side"}, DeletedGroups: []string{"/only-main"}, UpdatedGroups: []string{"/a"},
		Chunks: map[string][][]uint32{"/a/b/grid": {{0, 0}}}, Moved: []Moved{{"/a-b", "/c"}},
	}, d)
	d, err = r.Diff(t.Context(), side, base)
	require.NoError(t, err)
	require.Equal(t, Diff{DeletedGroups: []string{"/only-side"}, UpdatedGroups: []string{"/a"}, Chunks: map[string][][]uint32{}, Moved: []Moved{{"/c", "/a-b"}}}, d)
	d, err = r.Diff(t.Context(), side, side)
	require.NoError(t, err)
	require.Equal(t, Diff{Chunks: map[string][][]uint32{}}, d)
	_, err = r.Diff(t.Context(), side, ID{1})
	require.True(t, fault.Is(err, fault.NotFound))
}
