package icechunk

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// agedDriver lists what was written before now as a day older than it is.
type agedDriver struct {
	store.Driver
	aged    sync.Map     // keys
	deletes atomic.Int64 // deletions until every one fails; 0 = none fails
}

func (d *agedDriver) age(t *testing.T) {
	for info, err := range d.Driver.List(t.Context(), "") {
		require.NoError(t, err)
		d.aged.Store(info.Key, true)
	}
}

func (d *agedDriver) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	d.aged.Delete(key)
	return d.Driver.Put(ctx, key, body, c)
}

func (d *agedDriver) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		for info, err := range d.Driver.List(ctx, prefix) {
			if _, old := d.aged.Load(info.Key); old {
				info.Modified = info.Modified.Add(-25 * time.Hour)
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

func (d *agedDriver) Delete(ctx context.Context, key string) error {
	if d.deletes.Load() != 0 && d.deletes.Add(-1) <= 0 {
		d.deletes.Store(1)
		return errCut
	}
	return d.Driver.Delete(ctx, key)
}

func agedRepo(t *testing.T) (*Repo, *store.Bucket, *agedDriver) {
	d := &agedDriver{Driver: mem.New()}
	b := store.New(d, "mem://aged").Sub("r")
	return create(t, b, Config{InlineMax: -1, ManifestRefs: 4}), b, d
}

// history commits n times to chunk [0 0] of /grid and returns the snapshots, oldest first.
func history(t *testing.T, r *Repo, n int) (ids []ID) {
	t.Helper()
	ids = append(ids, writeGrid(t, r, grid{4, 4}))
	for i := 1; i < n; i++ {
		tx := begin(t, r)
		setStep(t, r, tx, grid{4, 4}, 0, int32(100*i))
		ids = append(ids, commit(t, tx, fmt.Sprintf("commit %d", i)))
	}
	return ids
}

func parents(t *testing.T, r *Repo, from ID) (ids []ID) {
	t.Helper()
	log, err := r.Log(t.Context(), from)
	require.NoError(t, err)
	for _, s := range log {
		ids = append(ids, s.ID)
	}
	return ids
}

func (r *Repo) prunedOf(t *testing.T, id ID) []ID {
	t.Helper()
	st, err := r.state(t.Context())
	require.NoError(t, err)
	i, ok := st.info.find(id)
	require.True(t, ok)
	return st.info.snapshots[i].pruned
}

// later is a time after everything written so far.
func later() time.Time { return time.Now().Add(time.Minute) }

func TestExpire(t *testing.T) {
	r, b, _ := agedRepo(t)
	s := history(t, r, 8)
	require.NoError(t, r.Tag(t.Context(), "v1", s[2]))
	require.NoError(t, r.CreateBranch(t.Context(), "side", s[4]))
	log, err := r.Log(t.Context(), s[6])
	require.NoError(t, err)

	would, err := r.Collect(t.Context(), CollectConfig{Keep: []ID{s[5]}, ExpireBefore: log[0].Time, DryRun: true})
	require.NoError(t, err)
	require.Equal(t, 3, would.Expired)
	got, err := r.Expire(t.Context(), ExpireConfig{Before: log[0].Time, Keep: []ID{s[5]}})
	require.NoError(t, err)
	require.ElementsMatch(t, []ID{s[0], s[1], s[3]}, got.Dropped)
	require.ElementsMatch(t, []ID{s[2], s[4]}, got.Edited)
	require.Equal(t, []ID{s[7], s[6], s[5], s[4], s[2], InitialID}, parents(t, r, s[7]))
	require.Equal(t, []ID{s[0], s[1]}, r.prunedOf(t, s[2]))
	require.Equal(t, []ID{s[3]}, r.prunedOf(t, s[4]))
	st, err := r.state(t.Context())
	require.NoError(t, err)
	require.Equal(t, expirationRan, st.info.updates[0].kind)

	// Again, with the side branch moved on: the lists go on, oldest first.
	got, err = r.Expire(t.Context(), ExpireConfig{Before: later()})
	require.NoError(t, err)
	require.ElementsMatch(t, []ID{s[5], s[6]}, got.Dropped)
	require.Equal(t, []ID{s[5], s[6]}, r.prunedOf(t, s[7]))
	got, err = r.Expire(t.Context(), ExpireConfig{Before: later()})
	require.NoError(t, err)
	require.Empty(t, got.Dropped)
	again, err := Open(t.Context(), b, Config{})
	require.NoError(t, err)
	require.Equal(t, parents(t, r, s[7]), parents(t, again, s[7]))
	require.Equal(t, int32(100), mustValues(t, again, s[1], "/grid")[0][0], "the files are there until they are collected")
	_, err = again.Resolve(t.Context(), s[1].String())
	require.True(t, fault.Is(err, fault.NotFound))
}

func TestCollect(t *testing.T) {
	r, b, d := agedRepo(t)
	s := history(t, r, 6)
	require.NoError(t, r.Tag(t.Context(), "v1", s[1]))
	require.NoError(t, r.CreateBranch(t.Context(), "gone", s[5]))
	side, err := r.Begin(t.Context(), "gone")
	require.NoError(t, err)
	setStep(t, r, side, grid{4, 4}, 1, 7000)
	lost := commit(t, side, "on a branch that goes")
	_, err = r.Expire(t.Context(), ExpireConfig{Before: later(), Keep: []ID{s[3]}})
	require.NoError(t, err)
	pack := r.NewPack()
	_, err = pack.Add(t.Context(), chunk(1, 2))
	require.NoError(t, err)
	require.NoError(t, pack.Close(t.Context()))
	dropBranch(t, r, "gone")

	none, err := r.Collect(t.Context(), CollectConfig{Keep: []ID{s[3]}})
	require.NoError(t, err)
	require.Zero(t, none.Total(), "everything is young")
	d.age(t)
	young := r.NewPack()
	_, err = young.Add(t.Context(), chunk(3, 4))
	require.NoError(t, err)
	require.NoError(t, young.Close(t.Context()))

	would, err := r.Collect(t.Context(), CollectConfig{Keep: []ID{s[3], {1}}, DryRun: true})
	require.NoError(t, err)
	require.Equal(t, []ID{lost}, would.Dropped)
	require.Equal(t, []ID{{1}}, would.Missing)
	require.Equal(t, int64(4), would.Snapshots.Objects, "s0, s2, s4 and the lost one")
	require.Equal(t, int64(1), would.Transactions.Objects, "the logs of expired ones stay")
	require.Equal(t, int64(5), would.Chunks.Objects, "row 0 of s0, s2 and s4, that of the lost one, and a pack never committed")
	use, err := r.Usage(t.Context(), s[3])
	require.NoError(t, err)
	require.Equal(t, would.Chunks, use.Kinds["chunks"].Collectable)
	require.Equal(t, int64(8), use.References)
	did, err := r.Collect(t.Context(), CollectConfig{Keep: []ID{s[3], {1}}})
	require.NoError(t, err)
	require.Equal(t, would, did)
	use, err = r.Usage(t.Context(), s[3])
	require.NoError(t, err)
	require.Equal(t, use.Kinds["chunks"].Live.Objects+1, use.Kinds["chunks"].All.Objects, "the young pack")
	require.Zero(t, use.Kinds["snapshots"].Collectable)
	st, err := r.state(t.Context())
	require.NoError(t, err)
	require.Equal(t, gcRan, st.info.updates[0].kind)

	fresh, err := Open(t.Context(), b, Config{})
	require.NoError(t, err)
	for i, want := range map[int]int32{1: 100, 3: 300, 5: 500} {
		require.Equal(t, want, mustValues(t, fresh, s[i], "/grid")[0][0])
	}
	require.Equal(t, []ID{s[5], s[3], s[1], InitialID}, parents(t, fresh, s[5]))
	again, err := fresh.Collect(t.Context(), CollectConfig{Keep: []ID{s[3]}})
	require.NoError(t, err)
	require.Zero(t, again.Total())
}

// dropBranch takes a branch away, as DeleteBranch does.
func dropBranch(t *testing.T, r *Repo, branch string) {
	t.Helper()
	require.NoError(t, r.update(t.Context(), func(info *repoInfo) (*update, error) {
		at, ok := lookup(info.branches, branch)
		if !ok {
			return nil, nil
		}
		info.branches = slices.DeleteFunc(info.branches, func(n named) bool { return n.name == branch })
		return &update{kind: branchDeleted, name: branch, prev: at}, nil
	}))
}

// TestCollectKeepsPinsOutsideHistory: the official library expired a snapshot that a document pins.
func TestCollectKeepsPinsOutsideHistory(t *testing.T) {
	r, _, d := agedRepo(t)
	s := history(t, r, 4)
	_, err := r.Expire(t.Context(), ExpireConfig{Before: later()})
	require.NoError(t, err)
	d.age(t)
	got, err := r.Collect(t.Context(), CollectConfig{Keep: []ID{s[1]}})
	require.NoError(t, err)
	require.Equal(t, int64(2), got.Snapshots.Objects)
	require.Equal(t, int32(100), mustValues(t, r, s[1], "/grid")[0][0])
}

// TestCollectCutOff: deletions that fail at any one leave a repository that is whole, and the next
// run ends the work.
func TestCollectCutOff(t *testing.T) {
	for n := int64(1); ; n++ {
		r, b, d := agedRepo(t)
		s := history(t, r, 4)
		_, err := r.Expire(t.Context(), ExpireConfig{Before: later()})
		require.NoError(t, err)
		d.age(t)
		d.deletes.Store(n)
		_, err = r.Collect(t.Context(), CollectConfig{})
		done := err == nil
		d.deletes.Store(0)
		again, err := Open(t.Context(), b, Config{})
		require.NoError(t, err)
		require.Equal(t, int32(300), mustValues(t, again, s[3], "/grid")[0][0])
		_, err = again.Collect(t.Context(), CollectConfig{})
		require.NoError(t, err)
		use, err := again.Usage(t.Context())
		require.NoError(t, err)
		for _, k := range []string{"snapshots", "chunks", "manifests"} {
			require.Equal(t, use.Kinds[k].Live, use.Kinds[k].All, k)
		}
		if done {
			require.Greater(t, n, int64(5))
			return
		}
	}
}

// TestCollectStopsAtWhatItCannotRead: a needed file that is damaged or gone could need anything.
func TestCollectStopsAtWhatItCannotRead(t *testing.T) {
	for _, folder := range []string{"snapshots/", "manifests/"} {
		r, b, d := agedRepo(t)
		history(t, r, 3)
		_, err := r.Expire(t.Context(), ExpireConfig{Before: later()})
		require.NoError(t, err)
		d.age(t)
		key := folder + tip(t, r).String()
		if folder == "manifests/" {
			snap, err := r.Snapshot(t.Context(), tip(t, r))
			require.NoError(t, err)
			key = folder + snap.info.manifests[0].id.String()
		}
		data, _, err := b.Read(t.Context(), key, store.Range{})
		require.NoError(t, err)
		_, err = b.Write(t.Context(), key, data[:len(data)/2], store.Condition{})
		require.NoError(t, err)
		before := keys(t, b)
		_, err = r.Collect(t.Context(), CollectConfig{})
		require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
		require.Equal(t, before, keys(t, b))
		require.NoError(t, b.Delete(t.Context(), key))
		_, err = r.Collect(t.Context(), CollectConfig{})
		require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
		require.Contains(t, fault.CureOf(err), "fsck")
	}
}

func keys(t *testing.T, b *store.Bucket) (list []string) {
	for info, err := range b.List(t.Context(), "") {
		require.NoError(t, err)
		list = append(list, info.Key)
	}
	return list
}

// TestCollectOnAFullDisk: nothing can be recorded, and yet what nobody needs makes room.
func TestCollectOnAFullDisk(t *testing.T) {
	full := &fullDriver{Driver: mem.New()}
	full.left.Store(1 << 40)
	d := &agedDriver{Driver: full}
	b := store.New(d, "mem://full").Sub("r")
	r := create(t, b, Config{InlineMax: -1})
	id := writeGrid(t, r, grid{2, 4})
	pack := r.NewPack()
	_, err := pack.Add(t.Context(), chunk(1, 2))
	require.NoError(t, err)
	require.NoError(t, pack.Close(t.Context()))
	d.age(t)
	full.left.Store(0)
	did, err := r.Collect(t.Context(), CollectConfig{})
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, int64(1), did.Chunks.Objects)
	require.Equal(t, rowsOf(4, 0, 10), mustValues(t, r, id, "/grid"))
	full.left.Store(1 << 40)
	_, err = r.Collect(t.Context(), CollectConfig{})
	require.NoError(t, err)
}
