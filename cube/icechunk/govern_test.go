package icechunk

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

// TestOperationsLogOverflows: 1,200 updates are more than one file holds; none is lost.
func TestOperationsLogOverflows(t *testing.T) {
	r := create(t, newBucket(), Config{})
	for i := range 600 {
		require.NoError(t, r.SetMetadata(t.Context(), map[string]any{"i": i}))
		require.NoError(t, r.SetStatus(t.Context(), i%2 == 0, map[bool]string{true: "even"}[i%2 == 0]))
		if i%2 == 0 {
			require.True(t, fault.Is(r.SetMetadata(t.Context(), nil), fault.Precondition))
			require.NoError(t, r.SetStatus(t.Context(), false, ""))
		}
	}
	st, err := r.state(t.Context())
	require.NoError(t, err)
	require.Len(t, st.info.updates, maxUpdates)
	require.NotEmpty(t, st.info.before)
	var log []Update
	for u, err := range r.Updates(t.Context()) {
		require.NoError(t, err)
		log = append(log, u)
	}
	require.Len(t, log, 1+600+600)
	require.Equal(t, "RepoInitialized", log[len(log)-1].Kind)
	require.Empty(t, log[0].Backup)
	for i, u := range log[1:] {
		require.True(t, u.Time.Before(log[i].Time), "entry %d", i)
		require.NotEmpty(t, u.Backup, "entry %d", i)
	}
	require.Equal(t, "even", log[1].Status.Reason+log[2].Status.Reason)

	// Where a backup has been collected, the log ends there; where it is damaged, it says so.
	require.NoError(t, r.bucket.Delete(t.Context(), "overwritten/"+st.info.before))
	n, err := countUpdates(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, maxUpdates, n)
}

func countUpdates(ctx context.Context, r *Repo) (n int, err error) {
	for _, err := range r.Updates(ctx) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func TestRefsGo(t *testing.T) {
	ctx, r := t.Context(), create(t, newBucket(), Config{})
	first := writeGrid(t, r, grid{2, 4})
	require.NoError(t, r.Tag(ctx, "b", first))
	require.NoError(t, r.Tag(ctx, "a", first))
	require.NoError(t, r.DeleteTag(ctx, "b"))
	require.NoError(t, r.DeleteTag(ctx, "a"))
	require.True(t, fault.Is(r.DeleteTag(ctx, "none"), fault.NotFound))
	require.True(t, fault.Is(r.Tag(ctx, "a", first), fault.Conflict), "a deleted name never comes back")
	st, err := r.state(ctx)
	require.NoError(t, err)
	require.True(t, slices.IsSorted(st.info.deletedTags))

	require.NoError(t, r.CreateBranch(ctx, "side", InitialID))
	require.ErrorIs(t, r.ResetBranch(ctx, "side", first, InitialID.next()), ErrMoved)
	require.True(t, fault.Is(r.ResetBranch(ctx, "side", InitialID, ID{9}), fault.NotFound))
	require.True(t, fault.Is(r.ResetBranch(ctx, "none", InitialID, first), fault.NotFound))
	require.NoError(t, r.ResetBranch(ctx, "side", InitialID, first))
	require.NoError(t, r.ResetBranch(ctx, "side", InitialID, first), "it is there already")
	require.NoError(t, r.DeleteBranch(ctx, "side"))
	require.True(t, fault.Is(r.DeleteBranch(ctx, "side"), fault.NotFound))
	require.True(t, fault.Is(r.DeleteBranch(ctx, "main"), fault.Invalid))

	off, on := false, true
	require.NoError(t, r.SetFlag(ctx, "delete_tag", &off))
	require.NoError(t, r.Tag(ctx, "c", first))
	require.True(t, fault.Is(r.DeleteTag(ctx, "c"), fault.Precondition))
	require.NoError(t, r.SetFlag(ctx, "delete_tag", &on))
	require.NoError(t, r.DeleteTag(ctx, "c"))
	require.NoError(t, r.SetFlag(ctx, "delete_tag", nil))
	require.True(t, fault.Is(r.SetFlag(ctx, "fly", &on), fault.Invalid))
}

// next is some other id.
func (id ID) next() ID {
	id[0]++
	return id
}

// TestUnknownFlags: a flag of a newer library is listed by its number and survives our changes.
func TestUnknownFlags(t *testing.T) {
	info := &repoInfo{enabled: []uint16{9}, disabled: []uint16{4, 77}}
	r := create(t, newBucket(), Config{})
	require.NoError(t, r.update(t.Context(), func(i *repoInfo) (*update, error) {
		i.enabled, i.disabled = info.enabled, info.disabled
		return &update{kind: featureFlagChanged, flag: 77, to: 1}, nil
	}))
	require.NoError(t, r.SetFlag(t.Context(), "create_tag", nil))
	flags, err := r.Flags(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Flag{
		{3, "move_node", false, true}, {4, "create_tag", false, true}, {5, "delete_tag", false, true}, {9, "", true, true}, {77, "", true, false},
	}, flags)
}
