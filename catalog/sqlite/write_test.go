package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/encoding/wkb"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/words"
	"github.com/terrapin-eo/terrapin/fault"
)

var all = catalog.Everything()

func openAt(t testing.TB, path string) *Catalog {
	t.Helper()
	c, err := Open(context.Background(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func fresh(t testing.TB) *Catalog { return openAt(t, filepath.Join(t.TempDir(), "catalog.sqlite")) }

func item(collection, id, more string) json.RawMessage {
	return catalogtest.Item(collection, id, "null", `"datetime":"2020-01-01T00:00:00Z"`+more)
}

func put(t testing.TB, c *Catalog, ch catalog.Changes) int64 {
	t.Helper()
	rev, err := c.Apply(t.Context(), ch)
	require.NoError(t, err)
	return rev
}

// Changes that wait together go in one transaction, and one that cannot be made leaves the others as they are.
func TestWaitingChangesShareATransaction(t *testing.T) {
	c := fresh(t)
	put(t, c, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}})
	const n = 20
	var wg sync.WaitGroup
	var mu sync.Mutex
	revisions := map[int64]bool{}
	require.NoError(t, c.writes.alone(func(w *conn) error {
		for i := range n {
			wg.Go(func() {
				ch := catalog.Changes{Items: []json.RawMessage{item("a", fmt.Sprint(i), fmt.Sprintf(`,"p%d":1`, i)), item("a", fmt.Sprint(i, "b"), "")}}
				if i%4 == 3 {
					ch.Items = append(ch.Items, item("none", "x", "")) // after two that could be put
				}
				rev, err := c.Apply(t.Context(), ch)
				mu.Lock()
				defer mu.Unlock()
				if i%4 == 3 {
					require.ErrorIs(t, err, catalog.ErrNotFound)
				} else {
					require.NoError(t, err)
					revisions[rev] = true
				}
			})
		}
		time.Sleep(50 * time.Millisecond) // all but one wait at the queue, and that one for the connection
		return nil
	}))
	wg.Wait()
	require.Len(t, revisions, n*3/4, "each has a revision of its own")
	out, err := c.Search(t.Context(), all, catalog.Query{Count: true, Page: catalog.Page{Limit: 100}})
	require.NoError(t, err)
	require.Len(t, out.Documents, 2*n*3/4)
	list, err := c.Queryables(t.Context(), all, nil)
	require.NoError(t, err)
	require.Len(t, list, 1+n*3/4, "what was undone left no property")
	put(t, c, catalog.Changes{Items: []json.RawMessage{item("a", "again", `,"p3":1`)}})
	list, err = c.Queryables(t.Context(), all, nil)
	require.NoError(t, err)
	require.Len(t, list, 2+n*3/4, "and is noted when it comes again")
}

func TestAChangeThatWaitsCanBeGivenUp(t *testing.T) {
	c := fresh(t)
	require.NoError(t, c.writes.alone(func(w *conn) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		for _, id := range []string{"late", "later"} { // the writer has the first and waits for the connection; the other waits in the queue
			_, err := c.Apply(ctx, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection(id)}})
			require.True(t, fault.Is(err, fault.Canceled), "%v", err)
			ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
		}
		return nil
	}))
	put(t, c, catalog.Changes{})
	for _, id := range []string{"late", "later"} {
		_, err := c.Collection(t.Context(), all, id)
		require.ErrorIs(t, err, catalog.ErrNotFound)
	}
}

func TestClosed(t *testing.T) {
	c := fresh(t)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	_, err := c.Apply(t.Context(), catalog.Changes{})
	require.True(t, fault.Is(err, fault.Precondition), "%v", err)
	_, err = c.Search(t.Context(), all, catalog.Query{})
	require.True(t, fault.Is(err, fault.Precondition), "%v", err)
}

// Two processes, or two catalogs in one, may have the file open.
func TestTwoWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	one, two := openAt(t, path), openAt(t, path)
	one.writes.alone(func(w *conn) error { return nil })
	a := catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}, Items: []json.RawMessage{item("a", "x", `,"p":1`)}}
	put(t, one, a)
	var wg sync.WaitGroup
	for _, c := range []*Catalog{one, two} {
		wg.Go(func() {
			for i := range 20 {
				put(t, c, catalog.Changes{Items: []json.RawMessage{item("a", fmt.Sprintf("%p %d", c, i), "")}})
			}
		})
	}
	wg.Wait()
	out, err := two.Search(t.Context(), all, catalog.Query{Page: catalog.Page{Limit: 100}})
	require.NoError(t, err)
	require.Len(t, out.Documents, 41)

	put(t, two, catalog.Changes{DeleteCollections: []string{"a"}})
	list, err := one.Collections(t.Context(), all, catalog.Query{})
	require.NoError(t, err)
	require.Empty(t, list.Documents, "one sees what the other does")
	put(t, two, catalog.Changes{Collections: a.Collections})
	put(t, one, catalog.Changes{Items: a.Items})
	names, err := two.Queryables(t.Context(), all, nil)
	require.NoError(t, err)
	require.Len(t, names, 2, "what one had seen of a is forgotten with it")

	by := catalog.Query{Sort: []catalog.SortKey{{Property: "p"}}, Filter: cql2.Compare{Op: "=", Left: cql2.Property{Name: "p"}, Right: cql2.Number{Value: 1}}}
	require.NoError(t, one.Index(t.Context(), "p"))
	out, err = one.Search(t.Context(), all, by)
	require.NoError(t, err)
	require.Len(t, out.Documents, 1)
	require.NoError(t, two.DropIndex(t.Context(), "p"))
	out, err = one.Search(t.Context(), all, by)
	require.NoError(t, err, "an index that the other took away is done without")
	require.Len(t, out.Documents, 1)
}

// A file of the first release opens, is empty, and keeps its key and its revision.
func TestOldFileOpens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	d, err := newDriver()
	require.NoError(t, err)
	db, err := d.Open(path)
	require.NoError(t, err)
	old := newConn(db)
	first, err := os.ReadFile("migrations/0001_catalog.sql")
	require.NoError(t, err)
	for _, text := range []string{
		`CREATE TABLE migration (step INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied TEXT NOT NULL)`,
		string(first),
		`INSERT INTO migration VALUES (1, 'migrations/0001_catalog.sql', '', 'then')`,
		`INSERT INTO setting VALUES ('page_key', x'0102030405060708010203040506070801020304050607080102030405060708'), ('revision', 41)`,
		`INSERT INTO collection VALUES ('a', '{}')`,
		`INSERT INTO item VALUES (1, 'a', 'x', 1, 1, 1, '{}')`,
		`INSERT INTO box VALUES (2, 0, 1, 0, 1)`,
		`INSERT INTO mark VALUES ('cubes/x', 'snapshot')`,
	} {
		_, err := old.exec(t.Context(), text)
		require.NoError(t, err, text)
	}
	_, err = old.exec(t.Context(), `UPDATE migration SET sha256 = ?`, digest(first))
	require.NoError(t, err)
	require.NoError(t, old.close())

	c := openAt(t, path)
	require.NoError(t, c.Ping(t.Context()))
	marks, err := c.Marks(t.Context())
	require.NoError(t, err)
	require.Empty(t, marks, "so it is filled again")
	out, err := c.Search(t.Context(), all, catalog.Query{})
	require.NoError(t, err)
	require.Empty(t, out.Documents)
	key := []byte{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}
	require.Equal(t, catalog.NewSigner(key), c.signer)
	require.EqualValues(t, 42, put(t, c, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}}))
}

func TestCopy(t *testing.T) {
	from := filepath.Join(t.TempDir(), "catalog.sqlite")
	c := openAt(t, from)
	put(t, c, catalog.Changes{Origin: catalog.Posted, Collections: []json.RawMessage{catalogtest.Collection("a")}, Items: []json.RawMessage{item("a", "x", "")}})
	path := filepath.Join(t.TempDir(), "copy.sqlite")
	require.NoError(t, Copy(t.Context(), from, path), "while it is open")
	put(t, c, catalog.Changes{Origin: catalog.Posted, Items: []json.RawMessage{item("a", "y", "")}})
	require.True(t, fault.Is(Copy(t.Context(), from, path), fault.Precondition), "nothing is written over")
	two := openAt(t, path)
	out, err := two.Search(t.Context(), all, catalog.Query{})
	require.NoError(t, err)
	require.Len(t, out.Documents, 1)
	d, err := two.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, "sqlite", d.BackEnd)
	require.Equal(t, 3, d.Schema)

	// A file of another release is copied as it is, and not changed; what is no catalog is refused.
	_, err = c.writes.exec(t.Context(), `DELETE FROM migration WHERE step = 3`)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	before, err := os.ReadFile(from)
	require.NoError(t, err)
	old := filepath.Join(t.TempDir(), "old.sqlite")
	require.NoError(t, os.Chmod(from, 0o400))
	require.NoError(t, Copy(t.Context(), from, old))
	after, err := os.ReadFile(from)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after), "the file is only read")
	steps := int64(0)
	d2, err := newDriver()
	require.NoError(t, err)
	r, err := connect(d2, old, whenReading)
	require.NoError(t, err)
	_, err = r.one(t.Context(), `SELECT max(step) FROM migration`, nil, &steps)
	require.NoError(t, errors.Join(err, r.close()))
	require.EqualValues(t, 2, steps, "it was not migrated")
	other := filepath.Join(t.TempDir(), "other.sqlite")
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	require.True(t, fault.Is(Copy(t.Context(), other, filepath.Join(t.TempDir(), "x")), fault.Precondition))
	require.True(t, fault.Is(Copy(t.Context(), filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "x")), fault.Precondition))
}

// A reset leaves nothing in any table, and what is put again is found.
func TestResetLeavesNothing(t *testing.T) {
	c := fresh(t)
	ch := catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}, Marks: map[string]string{"m": "1"}}
	for i := range 50 {
		ch.Items = append(ch.Items, catalogtest.Item("a", fmt.Sprint(i), `{"type":"Point","coordinates":[1,1]}`, `"datetime":"2020-01-01T00:00:00Z","title":"sea"`))
	}
	put(t, c, ch)
	again := ch
	again.Reset = true
	put(t, c, again)
	require.NoError(t, c.reading(t.Context(), "count", func(r *conn) error {
		for table, want := range map[string]int64{"item": 50, "box": 50, "word": 50, "tally": 3, "collection": 1, "mark": 1, "property": 2} {
			var n int64
			if _, err := r.one(t.Context(), `SELECT count(*) FROM `+table, nil, &n); err != nil {
				return err
			}
			require.Equal(t, want, n, table)
		}
		return nil
	}))
	for _, q := range []catalog.Query{{BBox: []float64{0, 0, 2, 2}}, {Words: words.Word{Text: "sea"}}} {
		q.Limit, q.Count = 100, true
		out, err := c.Search(t.Context(), all, q)
		require.NoError(t, err)
		require.Len(t, out.Documents, 50)
		require.Equal(t, 50, *out.Matched)
	}
	put(t, c, catalog.Changes{Reset: true})
	out, err := c.Search(t.Context(), all, catalog.Query{BBox: []float64{0, 0, 2, 2}})
	require.NoError(t, err)
	require.Empty(t, out.Documents)
}

// A file of the release before had areas as they were posted; they are put right once, and a file that was left half-way is finished.
func TestReshape(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	c := openAt(t, path)
	geometry := `{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[9,9],[4,4],[0,4],[0,0]]]}`
	put(t, c, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}, Items: []json.RawMessage{
		catalogtest.Item("a", "spike", geometry, `"datetime":null`), catalogtest.Item("a", "sound", `{"type":"Point","coordinates":[9,9]}`, `"datetime":null`)}})
	spike := catalog.Query{BBox: []float64{8, 8, 9.5, 9.5}}
	found := func(c *Catalog) int {
		r, err := c.Search(t.Context(), all, spike)
		require.NoError(t, err)
		return len(r.Documents)
	}
	require.Equal(t, 1, found(c), "the point, and no spike")
	shapeOf := func(c *Catalog) (shape, west any) {
		require.NoError(t, c.reading(t.Context(), "look", func(r *conn) error {
			_, err := r.one(t.Context(), `SELECT shape, box.east FROM item JOIN box ON box.id = 2 * item.row WHERE item.id = 'spike'`, nil, &shape, &west)
			return err
		}))
		return shape, west
	}
	want, _ := shapeOf(c)
	old := wkb.MustMarshal(orb.Polygon{{{0, 0}, {4, 0}, {4, 4}, {9, 9}, {4, 4}, {0, 4}, {0, 0}}}, binary.LittleEndian)
	before := func(c *Catalog, statements ...string) {
		for _, text := range append(statements, `UPDATE box SET east = 9, north = 9 WHERE id IN (SELECT 2 * row FROM item)`) {
			_, err := c.writes.exec(t.Context(), text)
			require.NoError(t, err, text)
		}
		_, err := c.writes.exec(t.Context(), `UPDATE item SET shape = ? WHERE id = 'spike'`, old)
		require.NoError(t, err)
		require.Equal(t, 2, found(c))
		require.NoError(t, c.Close())
	}
	for _, statement := range []string{`DELETE FROM migration WHERE step = 3`, `INSERT INTO setting VALUES ('reshaped', 0)`} {
		before(c, statement)
		c = openAt(t, path)
		require.Equal(t, 1, found(c))
		got, east := shapeOf(c)
		require.Equal(t, want, got)
		require.Equal(t, 4.0, east)
		_, err := c.Item(t.Context(), all, catalog.ItemRef{Collection: "a", ID: "spike"})
		require.NoError(t, err)
	}
}

// A token that is signed and holds what no page of this order ends with is the caller's fault.
func TestForgedTokens(t *testing.T) {
	c := fresh(t)
	put(t, c, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}, Items: []json.RawMessage{item("a", "x", ""), item("a", "y", "")}})
	for name, q := range map[string]catalog.Query{"newest": {}, "by id": {Sort: []catalog.SortKey{{Property: "id"}}}, "by a property": {Sort: []catalog.SortKey{{Property: "n"}}}} {
		for _, at := range []catalog.Position{
			{Rank: 7, Values: []any{1, "a", "x"}}, {Rank: -1}, {Values: []any{true, "a", "x"}}, {Values: []any{"x"}}, {Rank: 1, Values: []any{1, 2, 3, 4}}, {Rank: 2, Values: []any{nil, nil}},
		} {
			q.Token = c.signer.Token(q.Ask(), at)
			_, err := c.Search(t.Context(), all, q)
			require.True(t, fault.Is(err, fault.Invalid), "%s, %+v: %v", name, at, err)
		}
	}
}
