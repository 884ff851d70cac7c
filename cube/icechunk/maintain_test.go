package icechunk

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

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
