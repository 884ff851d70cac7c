package icechunk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

var errCut = errors.New("the power went")

// cutDriver fails the n-th write, and every one after it when the machine is to stay down. The
// failed write may have been applied all the same.
type cutDriver struct {
	store.Driver
	left    atomic.Int64 // writes until the failure
	applied bool
	down    bool
	before  func(key string) // called before each write
	failed  string           // key of the n-th write
}

func (d *cutDriver) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	if d.before != nil {
		d.before(key)
	}
	n := d.left.Add(-1)
	if n == 0 || (n < 0 && d.down) {
		if n == 0 {
			d.failed = key
		}
		if d.applied && n == 0 {
			if _, err := d.Driver.Put(ctx, key, body, c); err != nil {
				return store.Info{}, err
			}
		}
		return store.Info{}, errCut
	}
	return d.Driver.Put(ctx, key, body, c)
}

func cutBucket(d *cutDriver) *store.Bucket { return store.New(d, "mem://cut").Sub("r") }

// TestKilledBetweenSteps cuts a commit and a tag at every write, applied or not, with the machine
// down after it or only that one answer lost. Whatever happens, the reopened repository shows the
// old state or the new one whole, and takes the next commit.
func TestKilledBetweenSteps(t *testing.T) {
	for _, applied := range []bool{false, true} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("applied=%v down=%v", applied, down), func(t *testing.T) {
				steps := 0
				for n := int64(1); ; n++ {
					steps++
					if cutAt(t, n, applied, down) {
						break
					}
				}
				// pack, three manifests, transaction log, snapshot, backup, repo; backup, repo of the tag
				require.Equal(t, 10+1, steps)
			})
		}
	}
}

// cutAt reports whether everything was written before the n-th write came.
func cutAt(t *testing.T, n int64, applied, down bool) bool {
	t.Helper()
	d := &cutDriver{Driver: mem.New(), applied: applied, down: down}
	d.left.Store(1 << 40)
	r := create(t, cutBucket(d), Config{InlineMax: -1, ManifestRefs: 4})
	old := writeGrid(t, r, grid{4, 4})
	d.left.Store(n)

	id, err := lateScene(t.Context(), r)
	if err == nil {
		err = r.Tag(t.Context(), "v1", id)
	}
	whole := d.left.Load() > 0
	if whole {
		require.NoError(t, err)
	}
	failed := err
	if applied && !down && d.failed == "r/repo" {
		require.NoError(t, failed, "only the answer was lost")
	}

	d.left.Store(1 << 40)
	again, err := Open(t.Context(), cutBucket(d), Config{InlineMax: -1, ManifestRefs: 4})
	require.NoError(t, err)
	require.Equal(t, rowsOf(4, 0, 10, 20, 30), mustValues(t, again, old, "/grid"), "cut at %d", n)
	switch now := tip(t, again); {
	case now == old:
		require.Error(t, failed, "a commit that is not there was acknowledged")
	default:
		require.Equal(t, rowsOf(4, 0, 500, 10, 20, 30), mustValues(t, again, now, "/grid"), "cut at %d", n)
		if failed == nil {
			require.Equal(t, id, now)
		}
	}
	tags, err := again.Tags(t.Context())
	require.NoError(t, err)
	if failed == nil {
		require.Equal(t, map[string]ID{"v1": id}, tags)
	}
	for _, at := range tags {
		mustValues(t, again, at, "/grid")
	}
	_, err = lateScene(t.Context(), again)
	require.NoError(t, err, "the next commit, after a cut at %d", n)
	return whole
}

// lateScene inserts a step at 1 and commits.
func lateScene(ctx context.Context, r *Repo) (ID, error) {
	tx, err := r.Begin(ctx, "main")
	if err != nil {
		return ID{}, err
	}
	n, _ := tx.Base().Node("/grid")
	g := grid{int(n.Array.Shape[0]) + 1, 4}
	p := r.NewPack()
	var refs []Ref
	for i := range int32(2) {
		ref, err := p.Add(ctx, chunk(500+2*i, 501+2*i))
		if err != nil {
			return ID{}, err
		}
		refs = append(refs, ref)
	}
	if err := p.Close(ctx); err != nil {
		return ID{}, err
	}
	err = tx.Remap("/grid", func(i []uint32) []uint32 {
		if i[0] >= 1 {
			i[0]++
		}
		return i
	})
	err = errors.Join(err, tx.PutArray("/grid", g.meta(), g.info()))
	for i, ref := range refs {
		err = errors.Join(err, tx.SetRef("/grid", []uint32{1, uint32(i)}, ref))
	}
	if err != nil {
		return ID{}, err
	}
	return tx.Commit(ctx, "late scene", nil)
}

// TestCreateKilledBetweenSteps: a creation cut at any write leaves nothing or a repository, and can
// be tried again.
func TestCreateKilledBetweenSteps(t *testing.T) {
	for _, applied := range []bool{false, true} {
		for n := int64(1); n <= 3; n++ {
			d := &cutDriver{Driver: mem.New(), applied: applied}
			d.left.Store(n)
			_, err := Create(t.Context(), cutBucket(d), Config{})
			if applied && n == 3 {
				require.NoError(t, err, "only the answer was lost")
			} else {
				require.Error(t, err)
			}
			d.left.Store(1 << 40)
			r, err := Open(t.Context(), cutBucket(d), Config{})
			if applied && n == 3 {
				require.NoError(t, err)
			} else {
				require.True(t, fault.Is(err, fault.NotFound))
				r = create(t, cutBucket(d), Config{})
			}
			writeGrid(t, r, grid{2, 4})
		}
	}
}

func TestTwoTransactionsOneMoves(t *testing.T) {
	r := create(t, newBucket(), Config{})
	writeGrid(t, r, grid{2, 4})
	a, b := begin(t, r), begin(t, r)
	setStep(t, r, a, grid{2, 4}, 0, 100)
	setStep(t, r, b, grid{2, 4}, 0, 200)
	first := commit(t, a, "a")
	_, err := b.Commit(t.Context(), "b", nil)
	require.ErrorIs(t, err, ErrMoved)
	require.True(t, fault.Is(err, fault.Conflict))
	require.NotEmpty(t, fault.CureOf(err))
	require.Equal(t, first, tip(t, r))
	require.Equal(t, rowsOf(4, 100, 10), mustValues(t, r, first, "/grid"))
	_, err = a.Commit(t.Context(), "a again", nil)
	require.True(t, fault.Is(err, fault.Invalid))
}

// TestUnrelatedChangesDoNotDisturb: strangers tag and branch just before our swap; the commit is
// planned again on what they wrote. Two Repo values share no lock, as two processes would.
func TestUnrelatedChangesDoNotDisturb(t *testing.T) {
	d := &cutDriver{Driver: mem.New()}
	d.left.Store(1 << 40)
	r := create(t, cutBucket(d), Config{})
	old := writeGrid(t, r, grid{2, 4})
	stranger, err := Open(t.Context(), store.New(d.Driver, "mem://cut").Sub("r"), Config{})
	require.NoError(t, err)
	interruptions := 0
	d.before = func(key string) {
		if key != "r/repo" || interruptions == 3 {
			return
		}
		interruptions++
		require.NoError(t, stranger.Tag(t.Context(), fmt.Sprintf("t%d", interruptions), old))
	}
	tx := begin(t, r)
	setStep(t, r, tx, grid{2, 4}, 0, 100)
	id := commit(t, tx, "undisturbed")
	require.Equal(t, 3, interruptions)
	require.Equal(t, id, tip(t, stranger))
	tags, err := r.Tags(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]ID{"t1": old, "t2": old, "t3": old}, tags)
}

// TestConcurrentWriters: eight Repo values commit to one branch and tag what they wrote; every
// acknowledged commit is an ancestor of the tip and no tag is lost.
func TestConcurrentWriters(t *testing.T) {
	const writers, rounds = 8, 5
	b := newBucket()
	writeGrid(t, create(t, b, Config{}), grid{writers, 4})
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := map[ID]bool{}
	for w := range writers {
		wg.Go(func() {
			for round := range rounds {
				id, err := commitRow(t.Context(), b, w, round)
				if err != nil {
					t.Errorf("writer %d round %d: %v", w, round, err)
					return
				}
				mu.Lock()
				done[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	r, err := Open(t.Context(), b, Config{})
	require.NoError(t, err)
	log, err := r.Log(t.Context(), tip(t, r))
	require.NoError(t, err)
	require.Len(t, log, writers*rounds+2)
	require.Len(t, done, writers*rounds)
	for _, s := range log[:writers*rounds] {
		require.True(t, done[s.ID])
	}
	tags, err := r.Tags(t.Context())
	require.NoError(t, err)
	require.Len(t, tags, writers*rounds)
	got := mustValues(t, r, tip(t, r), "/grid")
	for w := range writers {
		require.Equal(t, []int32{int32(w), rounds - 1}, got[w][:2])
	}
}

// commitRow writes into row w, again from the new tip as long as the branch moves under it.
func commitRow(ctx context.Context, b *store.Bucket, w, round int) (ID, error) {
	r, err := Open(ctx, b, Config{})
	if err != nil {
		return ID{}, err
	}
	for {
		tx, err := r.Begin(ctx, "main")
		if err != nil {
			return ID{}, err
		}
		if err := tx.SetRef("/grid", []uint32{uint32(w), 0}, Ref{Inline: chunk(int32(w), int32(round))}); err != nil {
			return ID{}, err
		}
		id, err := tx.Commit(ctx, "row", nil)
		if errors.Is(err, ErrMoved) {
			continue
		}
		if err != nil {
			return ID{}, err
		}
		return id, r.Tag(ctx, fmt.Sprintf("w%d/%d", w, round), id)
	}
}

// fullDriver is a disk with so many bytes left.
type fullDriver struct {
	store.Driver
	left atomic.Int64
}

func (d *fullDriver) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return store.Info{}, err
	}
	if d.left.Add(-int64(len(data))) < 0 {
		d.left.Add(int64(len(data)))
		return store.Info{}, fault.New(fault.Precondition, "write %s: %w", key, syscall.ENOSPC).WithCure("free some space")
	}
	return d.Driver.Put(ctx, key, bytes.NewReader(data), c)
}

// TestDiskFull: the disk fills up at any byte of a commit. The commit fails and says why, what was there
// reads on, and with some space the next commit goes through.
func TestDiskFull(t *testing.T) {
	for left := int64(0); ; left += 150 {
		d := &fullDriver{Driver: mem.New()}
		d.left.Store(1 << 40)
		b := store.New(d, "mem://full").Sub("r")
		r := create(t, b, Config{InlineMax: -1, ManifestRefs: 4})
		old := writeGrid(t, r, grid{4, 4})
		d.left.Store(left)
		_, err := lateScene(t.Context(), r)
		if err == nil {
			require.Greater(t, left, int64(1000), "a commit takes some space")
			return
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NotEmpty(t, fault.CureOf(err))
		require.Equal(t, old, tip(t, r))
		require.Equal(t, rowsOf(4, 0, 10, 20, 30), mustValues(t, r, old, "/grid"))
		d.left.Store(1 << 40)
		id, err := lateScene(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, rowsOf(4, 0, 500, 10, 20, 30), mustValues(t, r, id, "/grid"))
	}
}
