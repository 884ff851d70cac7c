package bulk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/fault"
)

// abreast is a catalog that takes several sets of changes at a time, each for as long as it likes, and some only in parts.
type abreast struct {
	catalog.Catalog
	mu           sync.Mutex
	rng          *rand.Rand
	inside, most int
	staged       int
}

func (a *abreast) Stage(e *catalog.Entry, from catalog.Origin) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.staged++
	e.Staged = from
	return len(e.Document)
}

func (a *abreast) Abreast() (sets, items int) { return 3, 20 }

func (a *abreast) Apply(ctx context.Context, ch catalog.Changes) (int64, error) {
	a.mu.Lock()
	a.inside++
	a.most = max(a.most, a.inside)
	wait, refuse := time.Duration(a.rng.IntN(2000))*time.Microsecond, len(ch.Entries) > 10 && a.rng.IntN(4) == 0
	a.mu.Unlock()
	defer func() { a.mu.Lock(); a.inside--; a.mu.Unlock() }()
	time.Sleep(wait)
	for _, e := range ch.Entries {
		if e.Staged != catalog.Posted {
			return 0, fault.New(fault.Internal, "an item was not staged")
		}
	}
	if refuse {
		return 0, fault.New(fault.Invalid, "it is too much at once").WithCure("send less")
	}
	return a.Catalog.Apply(ctx, ch)
}

// Where batches are put at a time, the catalog and the report are those of a load that puts one after the other: items that come
// again, collections in between, parts that are refused.
func TestBatchesAtATime(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for round := range 10 {
		var lines []string
		for range 600 {
			switch rng.IntN(60) {
			case 0:
				lines = append(lines, collectionDoc(fmt.Sprintf("c%d", rng.IntN(3))))
			case 1:
				lines = append(lines, `{"type":"Feature"}`)
			default:
				lines = append(lines, itemDoc(fmt.Sprintf("c%d", rng.IntN(3)), fmt.Sprint(rng.IntN(250)), 1+rng.IntN(28), rng.Float64()*360-180))
			}
		}
		source := fileOf(t, lines...)
		one := catalogtest.NewMemory()
		want, err := Load{Target: Into(one), Batch: 20}.Run(t.Context(), []Source{source})
		require.NoError(t, err)

		a := &abreast{Catalog: catalogtest.NewMemory(), rng: rand.New(rand.NewPCG(uint64(round), 1))}
		journal, err := OpenJournal(filepath.Join(t.TempDir(), "journal"))
		require.NoError(t, err)
		source, err = Open(t.Context(), source.Name(), Crawl{}) // which counts its bytes anew
		require.NoError(t, err)
		var rejected int
		got, err := Load{Target: Into(a), Journal: journal, Rejected: func(r Rejection) error { rejected++; return nil }}.Run(t.Context(), []Source{source})
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, want.Rejected, rejected)
		require.Equal(t, held(t, one), held(t, a))
		for _, id := range []string{"c0", "c1", "c2"} {
			was, err := one.Collection(t.Context(), catalog.Everything(), id)
			require.NoError(t, err)
			is, err := a.Collection(t.Context(), catalog.Everything(), id)
			require.NoError(t, err)
			require.JSONEq(t, string(was), string(is))
		}
		at, through := journal.position(0, source)
		require.True(t, through)
		require.Equal(t, len(lines), at.Number)
		require.Greater(t, a.most, 1)
		require.Positive(t, a.staged)
	}
}

// What the journal says was put was put, wherever a load ends while batches are on their way.
func TestAJournalIsNotAheadOfBatchesAtATime(t *testing.T) {
	var lines []string
	lines = append(lines, collectionDoc("a"))
	for i := range 400 {
		lines = append(lines, itemDoc("a", fmt.Sprint(i), 1, 1))
	}
	source := fileOf(t, lines...)
	for stop := range 12 {
		c := catalogtest.NewMemory()
		a := &failing{Catalog: c, after: stop}
		journal, err := OpenJournal(filepath.Join(t.TempDir(), "journal"))
		require.NoError(t, err)
		done, err := Load{Target: Into(a), Journal: journal}.Run(t.Context(), []Source{source})
		require.ErrorContains(t, err, "a defect")
		at, through := journal.position(0, source)
		require.False(t, through)
		there := held(t, c)
		require.Len(t, there, done.Items)
		for i := range max(0, at.Number-1) {
			require.Contains(t, there, catalog.ItemRef{Collection: "a", ID: fmt.Sprint(i)})
		}
	}
}

// failing fails once, whatever comes after.
type failing struct {
	catalog.Catalog
	mu    sync.Mutex
	after int
}

func (f *failing) Stage(e *catalog.Entry, _ catalog.Origin) int { return len(e.Document) }
func (f *failing) Abreast() (sets, items int)                   { return 4, 20 }

func (f *failing) Apply(ctx context.Context, ch catalog.Changes) (int64, error) {
	f.mu.Lock()
	f.after--
	bad := f.after == -1
	f.mu.Unlock()
	if bad {
		time.Sleep(time.Millisecond)
		return 0, fault.New(fault.Internal, "a defect")
	}
	return f.Catalog.Apply(ctx, ch)
}
