package icechunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
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

// TestCollectMeetsNewBranch: while garbage is looked for, somebody starts a branch at a snapshot that
// nothing led to. The search begins again and keeps it.
func TestCollectMeetsNewBranch(t *testing.T) {
	r, b, d := agedRepo(t)
	s := history(t, r, 2)
	require.NoError(t, r.CreateBranch(t.Context(), "side", s[1]))
	tx, err := r.Begin(t.Context(), "side")
	require.NoError(t, err)
	setStep(t, r, tx, grid{4, 4}, 0, 900)
	lost := commit(t, tx, "side")
	dropBranch(t, r, "side")
	d.age(t)
	stranger, err := Open(t.Context(), store.New(d.Driver, "mem://stranger").Sub("r"), Config{})
	require.NoError(t, err)
	hooked := &hookDriver{Driver: d, prefix: "r/chunks/", hook: func() {
		require.NoError(t, stranger.CreateBranch(t.Context(), "found again", lost))
	}}
	collector, err := Open(t.Context(), store.New(hooked, "mem://aged").Sub("r"), Config{})
	require.NoError(t, err)
	got, err := collector.Collect(t.Context(), CollectConfig{})
	require.NoError(t, err)
	require.Empty(t, got.Dropped)
	fresh, err := Open(t.Context(), b, Config{})
	require.NoError(t, err)
	require.Equal(t, int32(900), mustValues(t, fresh, lost, "/grid")[0][0])
}

// hookDriver calls once before a listing.
type hookDriver struct {
	store.Driver
	prefix string
	hook   func()
	once   sync.Once
}

func (d *hookDriver) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	if prefix == d.prefix {
		d.once.Do(d.hook)
	}
	return d.Driver.List(ctx, prefix)
}

// TestMaintenanceBesideWriters: commits, readers, expiry and collection at the same time, each through
// a Repo value of its own. Every acknowledged commit stays in the values of the tip, tagged snapshots
// read as they did, and the garbage of former times is gone.
func TestMaintenanceBesideWriters(t *testing.T) {
	const writers, rounds = 4, 12
	r, b, d := agedRepo(t)
	tx := begin(t, r)
	g := grid{writers, 4}
	require.NoError(t, tx.PutGroup("/", groupMeta(1)))
	require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
	commit(t, tx, "grid")
	for i := range 20 {
		tx := begin(t, r)
		setStep(t, r, tx, g, i%writers, int32(i))
		commit(t, tx, "former times")
	}
	pinned := tip(t, r)
	require.NoError(t, r.Tag(t.Context(), "pinned", pinned))
	want := mustValues(t, r, pinned, "/grid")
	d.age(t)
	open := func() *Repo {
		r, err := Open(t.Context(), b, Config{InlineMax: -1, ManifestRefs: 4, CacheBytes: 1})
		if err != nil {
			t.Error(err)
		}
		return r
	}
	var writing, others sync.WaitGroup
	var done atomic.Bool
	for w := range writers {
		writing.Go(func() {
			for round := range rounds {
				if err := writeRow(t.Context(), open(), g, w, int32(1000*w+round)); err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	others.Go(func() {
		for !done.Load() {
			if got, err := values(t.Context(), open(), pinned, "/grid"); err != nil || !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("pinned snapshot: %v %v", got, err)
			}
		}
	})
	others.Go(func() {
		for !done.Load() {
			r := open()
			if _, err := r.Expire(t.Context(), ExpireConfig{Before: time.Now()}); err != nil {
				t.Errorf("expire: %v", err)
			}
			if _, err := r.Collect(t.Context(), CollectConfig{}); err != nil {
				t.Errorf("collect: %v", err)
			}
		}
	})
	writing.Wait()
	done.Store(true)
	others.Wait()
	last := open()
	got := mustValues(t, last, tip(t, last), "/grid")
	for w := range writers {
		require.Equal(t, int32(1000*w+rounds-1), got[w][0])
	}
	use, err := last.Usage(t.Context())
	require.NoError(t, err)
	require.Zero(t, use.Kinds["chunks"].Collectable)
}

// writeRow commits one row and begins again where another commit is in the way.
func writeRow(ctx context.Context, r *Repo, g grid, row int, first int32) error {
	for {
		tx, err := r.Begin(ctx, "main")
		if fault.Is(err, fault.NotFound) {
			continue // the tip was expired between two reads
		}
		if err != nil {
			return err
		}
		p := r.NewPack()
		for x := range uint32(2) {
			ref, err := p.Add(ctx, chunk(first, first))
			if err == nil {
				err = tx.SetRef("/grid", []uint32{uint32(row), x}, ref)
			}
			if err != nil {
				return err
			}
		}
		if err := p.Close(ctx); err != nil {
			return err
		}
		_, err = tx.Commit(ctx, "row "+strconv.Itoa(row), nil)
		if errors.Is(err, ErrMoved) {
			continue
		}
		return err
	}
}

// TestOfficialAfterOurMaintenance: what we expired and collected is whole to the official library: it
// walks the history, diffs across the gap, follows the operations log to its end, finds nothing more
// to collect and commits on.
func TestOfficialAfterOurMaintenance(t *testing.T) {
	b, dir := officialDir(t)
	var theirs struct{ ID string }
	official(t, &theirs, "create", dir, "2", "3")
	r, err := Open(t.Context(), b, Config{InlineMax: -1, ManifestRefs: 4})
	require.NoError(t, err)
	for i := range 6 {
		tx := begin(t, r)
		require.NoError(t, tx.SetRef("/cube", []uint32{uint32(i % 5), 0}, Ref{Inline: chunk(int32(i), int32(i))}))
		commit(t, tx, strconv.Itoa(i))
	}
	var view struct {
		Messages []string
		Values   map[string][][]int32
	}
	old := parents(t, r, tip(t, r))
	require.NoError(t, r.Tag(t.Context(), "middle", old[2]))
	var before []string
	official(t, &before, "updates", dir)
	got, err := r.Expire(t.Context(), ExpireConfig{Before: later()})
	require.NoError(t, err)
	require.Len(t, got.Dropped, 4)
	done, err := r.Collect(t.Context(), CollectConfig{OlderThan: time.Nanosecond})
	require.NoError(t, err)
	require.Equal(t, int64(4), done.Snapshots.Objects)
	require.Zero(t, done.Transactions.Objects)
	require.Positive(t, done.Manifests.Objects)

	official(t, &view, "history", dir, "cube")
	require.Equal(t, []string{"5", "3", "official first", "Repository initialized"}, view.Messages)
	require.Equal(t, []int32{5, 5, 2, 3}, view.Values["main"][0])
	require.Equal(t, []int32{0, 0, 2, 3}, view.Values["middle"][0])
	require.Equal(t, []int32{0, 1, 2, 3}, view.Values["v1"][0])
	var d officialDiff
	official(t, &d, "diff", dir, InitialID.String(), tip(t, r).String())
	require.Contains(t, d.NewArrays, "/cube")
	require.Len(t, d.UpdatedChunks["/cube"], 10, "the logs of expired commits count")
	var after []string
	official(t, &after, "updates", dir)
	require.Equal(t, append([]string{"GCRan", "ExpirationRan"}, before...), normal(after))
	var collected map[string]int
	official(t, &collected, "collect", dir)
	require.Zero(t, collected["chunks"]+collected["manifests"]+collected["snapshots"]+collected["logs"])
	official(t, &theirs, "append", dir, "cube", "8")
	require.Equal(t, theirs.ID, tip(t, r).String())
}

// normal takes the common ending off the names of updates.
func normal(list []string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] = strings.TrimSuffix(out[i], "Update")
	}
	return out
}

// TestOurMaintenanceAfterOfficial: what they expired and collected is whole to us, and the logs they
// kept stay when we collect.
func TestOurMaintenanceAfterOfficial(t *testing.T) {
	b, dir := officialDir(t)
	var theirs struct{ ID string }
	official(t, &theirs, "create", dir, "0", "3")
	r, err := Open(t.Context(), b, Config{InlineMax: -1, ManifestRefs: 4})
	require.NoError(t, err)
	for i := range 3 {
		official(t, &theirs, "append", dir, "cube", strconv.Itoa(i))
	}
	_, err = r.Resolve(t.Context(), "main")
	require.NoError(t, err)
	var expired []string
	official(t, &expired, "expire", dir, strconv.FormatInt(later().UnixMicro(), 10))
	require.NotEmpty(t, expired)
	last := tip(t, r)
	pruned := r.prunedOf(t, last)
	require.NotEmpty(t, pruned)
	got, err := r.Collect(t.Context(), CollectConfig{OlderThan: time.Nanosecond})
	require.NoError(t, err)
	require.Equal(t, int64(len(expired)), got.Snapshots.Objects)
	for _, id := range pruned {
		_, err := r.Changes(t.Context(), id)
		require.NoError(t, err)
	}
	require.Equal(t, []int32{2, 2, 2, 2}, mustValues(t, r, last, "/cube")[7])
	official(t, &theirs, "append", dir, "cube", "9")
	var collected map[string]int
	official(t, &collected, "collect", dir)
	require.Zero(t, collected["chunks"]+collected["snapshots"]+collected["logs"])
	fresh, err := Open(t.Context(), b, Config{})
	require.NoError(t, err)
	require.Equal(t, []int32{9, 9, 9, 9}, mustValues(t, fresh, tip(t, fresh), "/cube")[8])
}
