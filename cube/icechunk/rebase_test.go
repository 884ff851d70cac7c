package icechunk

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// clockDriver is a store with a clock of its own.
type clockDriver struct {
	store.Driver
	now  func() time.Time
	mute bool // Put does not say when, as S3 does not
}

func (d *clockDriver) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	info, err := d.Driver.Put(ctx, key, body, c)
	info.Modified = d.now()
	if d.mute {
		info.Modified = time.Time{}
	}
	return info, err
}

func (d *clockDriver) Stat(ctx context.Context, key string) (store.Info, error) {
	info, err := d.Driver.Stat(ctx, key)
	info.Modified = d.now()
	return info, err
}

// twoGrids is a repository with /grid and /far/grid, each 4 steps of 4.
func twoGrids(t *testing.T, b *store.Bucket) *Repo {
	t.Helper()
	r := create(t, b, Config{InlineMax: -1, ManifestRefs: 4})
	writeGrid(t, r, grid{4, 4})
	tx := begin(t, r)
	g := grid{4, 4}
	require.NoError(t, tx.PutGroup("/far", groupMeta(1)))
	require.NoError(t, tx.PutArray("/far/grid", g.meta(), g.info()))
	require.NoError(t, tx.SetRef("/far/grid", []uint32{0, 0}, Ref{Inline: chunk(7, 8)}))
	commit(t, tx, "far grid")
	return r
}

func set(path string, step, x uint32, a, b int32) func(*Tx) error {
	return func(tx *Tx) error { return tx.SetRef(path, []uint32{step, x}, Ref{Inline: chunk(a, b)}) }
}

func resize(path string, g grid) func(*Tx) error {
	return func(tx *Tx) error { return tx.PutArray(path, g.meta(), g.info()) }
}

func shift(path string) func(*Tx) error {
	return func(tx *Tx) error {
		return errors.Join(resize(path, grid{5, 4})(tx), tx.Remap(path, func(i []uint32) []uint32 { i[0]++; return i }))
	}
}

func group(path string, n int) func(*Tx) error {
	return func(tx *Tx) error { return tx.PutGroup(path, groupMeta(n)) }
}

// TestRebase: what two transactions do that began at the same snapshot. Both are there in the end, or
// the second is told which commit is in its way.
func TestRebase(t *testing.T) {
	for name, c := range map[string]struct {
		theirs, ours func(*Tx) error
		collides     string
	}{
		"other chunk of one manifest": {set("/grid", 0, 0, 1, 2), set("/grid", 0, 1, 3, 4), ""},
		"other chunk of one array":    {set("/grid", 0, 0, 1, 2), set("/grid", 3, 1, 3, 4), ""},
		"other array":                 {set("/far/grid", 0, 0, 1, 2), shift("/grid"), ""},
		"other arrays, both reshaped": {shift("/far/grid"), shift("/grid"), ""},
		"new groups":                  {group("/a", 1), group("/b", 1), ""},
		"metadata beside chunks":      {set("/grid", 0, 0, 1, 2), group("/", 9), ""},
		"same chunk":                  {set("/grid", 0, 0, 1, 2), set("/grid", 0, 0, 3, 4), "chunk [0 0] of /grid"},
		"they resize, we write":       {resize("/grid", grid{6, 4}), set("/grid", 0, 0, 1, 2), "shape or the metadata of /grid"},
		"they write, we resize":       {set("/grid", 0, 0, 1, 2), resize("/grid", grid{6, 4}), "chunks of /grid"},
		"they write, we insert":       {set("/grid", 0, 0, 1, 2), shift("/grid"), "chunks of /grid"},
		"same group changed":          {group("/far", 2), group("/far", 3), "metadata of /far"},
		"we delete":                   {set("/grid", 0, 0, 1, 2), func(tx *Tx) error { return tx.Delete("/far") }, "deletes or moves"},
		"we move":                     {set("/grid", 0, 0, 1, 2), func(tx *Tx) error { return tx.Move("/far", "/near") }, "deletes or moves"},
		"they delete what we change":  {func(tx *Tx) error { return tx.Delete("/far") }, set("/far/grid", 0, 0, 1, 2), "it deleted /far/grid"},
		"they delete what we need":    {func(tx *Tx) error { return tx.Delete("/far") }, group("/far/below", 1), "removed the group /far"},
		"they move what we change":    {func(tx *Tx) error { return tx.Move("/far", "/near") }, set("/far/grid", 0, 0, 1, 2), "moved or replaced /far/grid"},
		"they delete something else":  {func(tx *Tx) error { return tx.Delete("/far") }, shift("/grid"), ""},
		"same group made":             {group("/a", 1), group("/a", 1), "made /a too"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBucket()
			r := twoGrids(t, b)
			stranger, err := Open(t.Context(), b, Config{Writer: "the-others-1.0"})
			require.NoError(t, err)
			ours := begin(t, r)
			theirs := begin(t, stranger)
			require.NoError(t, c.theirs(theirs))
			require.NoError(t, c.ours(ours))
			first := commit(t, theirs, "theirs")
			id, err := ours.Commit(t.Context(), "ours", nil)
			if c.collides != "" {
				require.ErrorIs(t, err, ErrMoved)
				require.ErrorContains(t, err, c.collides)
				require.ErrorContains(t, err, "the-others-1.0")
				require.ErrorContains(t, err, first.String())
				require.NotEmpty(t, fault.CureOf(err))
				require.Equal(t, first, tip(t, r))
				return
			}
			require.NoError(t, err)
			log, err := r.Log(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, first, *log[0].Parent)
			alone := twoGrids(t, newBucket())
			for _, step := range []func(*Tx) error{c.theirs, c.ours} {
				tx := begin(t, alone)
				require.NoError(t, step(tx))
				commit(t, tx, "one after the other")
			}
			requireSame(t, alone, tip(t, alone), r, id)
			both, err := r.Changes(t.Context(), id)
			require.NoError(t, err)
			single, err := alone.Changes(t.Context(), tip(t, alone))
			require.NoError(t, err)
			require.Len(t, both.Chunks, len(single.Chunks), "the log holds our changes only")
		})
	}
}

// requireSame compares what readers see of two snapshots.
func requireSame(t *testing.T, a *Repo, at ID, b *Repo, bt ID) {
	t.Helper()
	x, err := a.Snapshot(t.Context(), at)
	require.NoError(t, err)
	y, err := b.Snapshot(t.Context(), bt)
	require.NoError(t, err)
	require.Len(t, y.Nodes(), len(x.Nodes()))
	for i, n := range x.Nodes() {
		m := y.Nodes()[i]
		require.Equal(t, n.Path, m.Path)
		require.Equal(t, n.Meta, m.Meta)
		require.Equal(t, n.Array, m.Array)
		if n.Array != nil {
			require.Equal(t, mustValues(t, a, at, n.Path), mustValues(t, b, bt, n.Path), n.Path)
		}
	}
}

// TestRebaseOnManyCommits: the transaction goes on top of a whole run of commits, one of them lost to
// expiry but for its log; without the log nobody can tell, and the caller has to plan again.
func TestRebaseOnManyCommits(t *testing.T) {
	b := newBucket()
	r := twoGrids(t, b)
	ours := begin(t, r)
	require.NoError(t, set("/grid", 3, 1, 3, 4)(ours))
	for i := range int32(5) {
		tx := begin(t, r)
		require.NoError(t, set("/grid", uint32(i%3), 0, i, i)(tx))
		commit(t, tx, "theirs")
	}
	late := begin(t, r)
	require.NoError(t, set("/grid", 2, 1, 3, 4)(late))
	id := commit(t, ours, "ours")
	require.Equal(t, []int32{30, 31, 3, 4}, mustValues(t, r, id, "/grid")[3])
	require.Equal(t, []int32{3, 3, 2, 3}, mustValues(t, r, id, "/grid")[0])
	require.NoError(t, b.Delete(t.Context(), "transactions/"+id.String()))
	_, err := late.Commit(t.Context(), "late", nil)
	require.ErrorIs(t, err, ErrMoved)
	require.ErrorContains(t, err, "log is gone")
}

// TestLostAnswers: each write of a commit is applied and its answer lost, or a failure passes; others
// write right after. Nothing is committed twice, and what is acknowledged is there.
func TestLostAnswers(t *testing.T) {
	for _, applied := range []bool{false, true} {
		d := &flakyDriver{Driver: mem.New(), applied: applied}
		b := store.New(d, "mem://flaky").Sub("r")
		r := twoGrids(t, b)
		stranger, err := Open(t.Context(), store.New(d.Driver, "mem://flaky").Sub("r"), Config{})
		require.NoError(t, err)
		names := []string{"one", "two", "three"}
		d.fail = "r/repo"
		for i, name := range names {
			d.after = func() { require.NoError(t, stranger.Tag(t.Context(), "by a stranger "+name, InitialID)) }
			d.times = 1
			tx := begin(t, r)
			require.NoError(t, set("/grid", uint32(i), 0, 9, 9)(tx))
			commit(t, tx, name)
			d.times = 1
			require.NoError(t, r.Tag(t.Context(), name, tip(t, r)))
			d.after = nil
			d.times = 1
			require.NoError(t, r.CreateBranch(t.Context(), name, tip(t, r)))
			require.Zero(t, d.times)
		}
		log, err := r.Log(t.Context(), tip(t, r))
		require.NoError(t, err)
		require.Len(t, log, 3+len(names))
		tags, err := r.Tags(t.Context())
		require.NoError(t, err)
		require.Len(t, tags, 2*len(names))
		d.times = 1 << 20
		tx := begin(t, r)
		require.NoError(t, set("/grid", 3, 0, 9, 9)(tx))
		_, err = tx.Commit(t.Context(), "never", nil)
		if applied {
			require.NoError(t, err, "it landed")
		} else {
			require.True(t, fault.Is(err, fault.Unavailable))
		}
	}
}

// flakyDriver fails writes of one key as a store does that is overloaded.
type flakyDriver struct {
	store.Driver
	fail    string
	times   int
	applied bool
	after   func() // what others do before the failure is heard of
}

func (d *flakyDriver) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	if key != d.fail || d.times == 0 {
		return d.Driver.Put(ctx, key, body, c)
	}
	d.times--
	if d.applied {
		if info, err := d.Driver.Put(ctx, key, body, c); err != nil {
			return info, err
		}
	}
	if d.after != nil {
		d.after()
		d.after = nil
	}
	return store.Info{}, fault.New(fault.Unavailable, "503 slow down")
}

func TestClockOfTheStore(t *testing.T) {
	for _, mute := range []bool{false, true} {
		now := time.Now()
		ours, theirs := now, now
		b := store.New(&clockDriver{Driver: mem.New(), now: func() time.Time { return theirs }, mute: mute}, "mem://clock").Sub("r")
		r := create(t, b, Config{Now: func() time.Time { return ours }})
		first := writeGrid(t, r, grid{2, 4})
		for _, skew := range []time.Duration{-601 * time.Second, 601 * time.Second} {
			theirs = now.Add(skew)
			tx := begin(t, r)
			require.NoError(t, set("/grid", 0, 0, 1, 2)(tx))
			_, err := tx.Commit(t.Context(), "at the wrong time", nil)
			require.True(t, fault.Is(err, fault.Precondition), "%v", err)
			require.Contains(t, fault.CureOf(err), "clock")
			require.Equal(t, first, tip(t, r))
		}
		// A clock that steps back a little: times rise all the same.
		theirs, ours = now, now.Add(-5*time.Minute)
		tx := begin(t, r)
		require.NoError(t, set("/grid", 0, 0, 1, 2)(tx))
		id := commit(t, tx, "earlier than its parent")
		log, err := r.Log(t.Context(), id)
		require.NoError(t, err)
		require.True(t, log[0].Time.After(log[1].Time))
	}
}
