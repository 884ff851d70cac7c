package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/tree"
	"github.com/terrapin-eo/terrapin/fault"
)

// held is every item of a catalog, by collection and id.
func held(t testing.TB, c catalog.Catalog) map[catalog.ItemRef]string {
	t.Helper()
	out := map[catalog.ItemRef]string{}
	for q := (catalog.Query{Page: catalog.Page{Limit: 1000}}); ; {
		page, err := c.Search(context.Background(), catalog.Everything(), q)
		require.NoError(t, err)
		for _, doc := range page.Documents {
			ref := catalog.ItemRef{Collection: gjson.GetBytes(doc, "collection").Str, ID: gjson.GetBytes(doc, "id").Str}
			require.NotContains(t, out, ref)
			out[ref] = string(doc)
		}
		if q.Token = page.Next; q.Token == "" {
			return out
		}
	}
}

func itemDoc(collection, id string, day int, x float64) string {
	named := ""
	if collection != "" {
		named = fmt.Sprintf(`"collection":%q,`, collection)
	}
	return fmt.Sprintf(`{"type":"Feature","stac_version":"1.0.0","id":%q,%s"geometry":{"type":"Point","coordinates":[%g,50]},"links":[],"assets":{"a":{"href":"./%s.tif"}},"properties":{"datetime":"2020-01-%02dT00:00:00Z"}}`, id, named, x, id, day)
}

func collectionDoc(id string) string {
	return fmt.Sprintf(`{"type":"Collection","stac_version":"1.0.0","id":%q,"description":"d","license":"various","links":[],"extent":{"spatial":{"bbox":[[-180,-90,180,90]]},"temporal":{"interval":[[null,null]]}}}`, id)
}

// fileOf is a source of lines.
func fileOf(t testing.TB, lines ...string) Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "items.ndjson")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	s, err := Open(t.Context(), path, Crawl{})
	require.NoError(t, err)
	return s
}

func TestALoad(t *testing.T) {
	c := catalogtest.NewMemory()
	var rejected []Rejection
	l := Load{Target: Into(c), Batch: 3, Rejected: func(r Rejection) error { rejected = append(rejected, r); return nil }}
	done, err := l.Run(t.Context(), []Source{fileOf(t,
		collectionDoc("a"),
		itemDoc("a", "1", 1, 1),
		`{"type":"Feature","id":"cut",`,
		itemDoc("a", "2", 2, 2),
		"",
		`{"type":"Feature","id":"nowhere","collection":"a","geometry":{"type":"Point","coordinates":[1]},"properties":{"datetime":null}}`,
		itemDoc("", "lost", 1, 1),
		itemDoc("a", "2", 3, 2), // again, otherwise
		collectionDoc("labels-x"),
		`{"type":"Catalog","id":"c"}`,
		itemDoc("b", "3", 3, 170), itemDoc("b", "4", 4, -10), itemDoc("b", "5", 5, 5),
		collectionDoc("c"), itemDoc("dataset-x", "6", 1, 1),
	)})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "c"}, done.Collections)
	require.Equal(t, []string{"b"}, done.Derived)
	require.Equal(t, 6, done.Items) // of which one came twice, in two batches
	require.Equal(t, 6, done.Rejected)
	require.Positive(t, done.Bytes)
	items := held(t, c)
	require.Len(t, items, 5)
	two := items[catalog.ItemRef{Collection: "a", ID: "2"}]
	require.Equal(t, "2020-01-03T00:00:00Z", gjson.Get(two, "properties.datetime").Str)
	require.Equal(t, "1.1.0", gjson.Get(two, "stac_version").Str)
	require.JSONEq(t, "[2,50,2,50]", gjson.Get(two, "bbox").Raw)
	require.Regexp(t, `^file:///.*/2\.tif$`, gjson.Get(two, "assets.a.href").Str)
	a, err := c.Collection(t.Context(), catalog.Everything(), "a")
	require.NoError(t, err)
	require.Equal(t, "other", gjson.GetBytes(a, "license").Str)
	b, err := c.Collection(t.Context(), catalog.Everything(), "b")
	require.NoError(t, err)
	require.JSONEq(t, `{"spatial":{"bbox":[[-10,50,170,50]]},"temporal":{"interval":[["2020-01-03T00:00:00Z","2020-01-05T00:00:00Z"]]}}`, gjson.GetBytes(b, "extent").Raw)
	require.Contains(t, gjson.GetBytes(b, "description").Str, "without a document")

	var told []string
	for _, r := range rejected {
		require.NotEmpty(t, r.Cure)
		told = append(told, fmt.Sprintf("%d %s: %.30s", r.Line, r.ID, r.Reason))
	}
	require.Len(t, told, 6)
	require.Equal(t, 3, rejected[0].Line)
	require.Equal(t, "cut", rejected[0].ID)
	require.Equal(t, "nowhere", rejected[1].ID)
	require.Equal(t, 6, rejected[1].Line)
	require.Equal(t, []string{"lost", "labels-x", "c", "6"}, []string{rejected[2].ID, rejected[3].ID, rejected[4].ID, rejected[5].ID})
}

// A source without documents is named; one that was loaded before, or holds only what is refused, has some.
func TestAnEmptySource(t *testing.T) {
	features := filepath.Join(t.TempDir(), "features.json")
	require.NoError(t, os.WriteFile(features, []byte(`{"type":"FeatureCollection","features":[]}`), 0o600))
	none, err := Open(t.Context(), features, Crawl{})
	require.NoError(t, err)
	blank := fileOf(t, "", "")
	journal, err := OpenJournal(filepath.Join(t.TempDir(), "journal"))
	require.NoError(t, err)
	l := Load{Target: Into(catalogtest.NewMemory()), Journal: journal}
	sources := []Source{blank, none, fileOf(t, collectionDoc("a")), fileOf(t, "{}")}
	done, err := l.Run(t.Context(), sources)
	require.NoError(t, err)
	require.Equal(t, []string{blank.Name(), features}, done.Empty)
	require.Equal(t, 1, done.Rejected)
}

// A load that is run again changes nothing, and one into a collection that a load made widens it.
func TestALoadAgain(t *testing.T) {
	c := catalogtest.NewMemory()
	lines := []string{itemDoc("b", "1", 10, 1), itemDoc("b", "2", 12, 2)}
	l := Load{Target: Into(c)}
	_, err := l.Run(t.Context(), []Source{fileOf(t, lines...)})
	require.NoError(t, err)
	one, err := c.Apply(t.Context(), catalog.Changes{})
	require.NoError(t, err)
	before := held(t, c)
	_, err = l.Run(t.Context(), []Source{fileOf(t, slices.Collect(maps.Values(before))...)})
	require.NoError(t, err)
	two, err := c.Apply(t.Context(), catalog.Changes{})
	require.NoError(t, err)
	require.Equal(t, one, two)
	require.Equal(t, before, held(t, c))

	_, err = l.Run(t.Context(), []Source{fileOf(t, itemDoc("b", "3", 1, -20), itemDoc("", "4", 2, 3))})
	require.NoError(t, err)
	b, err := c.Collection(t.Context(), catalog.Everything(), "b")
	require.NoError(t, err)
	require.JSONEq(t, `{"spatial":{"bbox":[[-20,50,2,50]]},"temporal":{"interval":[["2020-01-01T00:00:00Z","2020-01-12T00:00:00Z"]]}}`, gjson.GetBytes(b, "extent").Raw)
	l.Collection = "b"
	done, err := l.Run(t.Context(), []Source{fileOf(t, itemDoc("", "4", 2, 3))})
	require.NoError(t, err)
	require.Equal(t, 1, done.Items)
	_, err = l.Run(t.Context(), []Source{fileOf(t, collectionDoc("b"))}) // its own document
	require.NoError(t, err)
	_, err = l.Run(t.Context(), []Source{fileOf(t, itemDoc("b", "5", 20, 100))})
	require.NoError(t, err)
	b, err = c.Collection(t.Context(), catalog.Everything(), "b")
	require.NoError(t, err)
	require.Equal(t, "d", gjson.GetBytes(b, "description").Str)
}

// fussy is a target that fails in ways of its own.
type fussy struct {
	Target
	put func(items []catalog.Entry) error
	n   int
}

func (f *fussy) Put(ctx context.Context, collections []json.RawMessage, items []catalog.Entry) error {
	if f.n++; f.put != nil {
		if err := f.put(items); err != nil {
			return err
		}
	}
	return f.Target.Put(ctx, collections, items)
}

func TestItemsThatTheCatalogDoesNotTake(t *testing.T) {
	c := catalogtest.NewMemory()
	var lines []string
	for i := range 500 {
		lines = append(lines, itemDoc("a", fmt.Sprint(i), 1+i%28, float64(i%180)))
	}
	odd := func(id string) bool { return id == "7" || id == "8" || id == "499" }
	var rejected []string
	l := Load{Batch: 100, Target: &fussy{Target: Into(c), put: func(items []catalog.Entry) error {
		for _, e := range items {
			if odd(e.Ref.ID) {
				return fault.New(fault.Invalid, "no %s", e.Ref.ID).WithCure("none")
			}
		}
		return nil
	}}, Rejected: func(r Rejection) error { rejected = append(rejected, r.ID); return nil }}
	done, err := l.Run(t.Context(), []Source{fileOf(t, lines...)})
	require.NoError(t, err)
	require.Equal(t, []string{"7", "8", "499"}, rejected)
	require.Equal(t, 497, done.Items)
	require.Len(t, held(t, c), 497)
}

func TestItemsOfWhatTheBucketHolds(t *testing.T) {
	c := catalogtest.NewMemory()
	_, err := c.Apply(t.Context(), catalog.Changes{Origin: catalog.FromBucket, Collections: []json.RawMessage{json.RawMessage(collectionDoc("s2"))}})
	require.NoError(t, err)
	var rejected []Rejection
	l := Load{Target: Into(c), Rejected: func(r Rejection) error { rejected = append(rejected, r); return nil }}
	done, err := l.Run(t.Context(), []Source{fileOf(t, itemDoc("s2", "1", 1, 1), itemDoc("x", "2", 1, 1), collectionDoc("s2"))})
	require.NoError(t, err)
	require.Equal(t, 1, done.Items)
	require.Len(t, rejected, 2)
	require.Contains(t, rejected[0].Reason, "origin") // as its document came in the same batch
	_, err = l.Run(t.Context(), []Source{fileOf(t, itemDoc("s2", "1", 1, 1))})
	require.NoError(t, err)
	require.Contains(t, rejected[2].Reason, "what the bucket holds")
}

func TestATargetThatIsNotThereForAWhile(t *testing.T) {
	c := catalogtest.NewMemory()
	n := 0
	f := &fussy{Target: Into(c), put: func([]catalog.Entry) error {
		if n++; n%3 != 0 {
			return fault.New(fault.Unavailable, "away")
		}
		return nil
	}}
	l := Load{Target: f, Batch: 2, Backoff: time.Millisecond}
	done, err := l.Run(t.Context(), []Source{fileOf(t, itemDoc("a", "1", 1, 1), itemDoc("a", "2", 1, 1), itemDoc("a", "3", 1, 1))})
	require.NoError(t, err)
	require.Equal(t, 3, done.Items)
	f.put = func([]catalog.Entry) error { return fault.New(fault.Unavailable, "away") }
	_, err = l.Run(t.Context(), []Source{fileOf(t, itemDoc("a", "4", 1, 1))})
	require.True(t, fault.Is(err, fault.Unavailable))
	f.put = func([]catalog.Entry) error { return errors.New("a defect") }
	done, err = l.Run(t.Context(), []Source{fileOf(t, itemDoc("a", "4", 1, 1))})
	require.ErrorContains(t, err, "a defect")
	require.Zero(t, done.Rejected)
}

// A load that is broken off anywhere, again and again, goes on by its journal and leaves what one that was not leaves.
func TestALoadThatIsBrokenOffGoesOn(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var lines []string
	lines = append(lines, collectionDoc("a"))
	for i := range 1000 {
		lines = append(lines, itemDoc([]string{"a", "b"}[i%2], fmt.Sprint(i), 1+rng.IntN(28), rng.Float64()*360-180))
	}
	source := fileOf(t, lines...)
	whole := catalogtest.NewMemory()
	_, err := Load{Target: Into(whole)}.Run(t.Context(), []Source{source})
	require.NoError(t, err)

	c := catalogtest.NewMemory()
	path := filepath.Join(t.TempDir(), "journal")
	for broken := 0; ; broken++ {
		j, err := OpenJournal(path)
		require.NoError(t, err)
		j.saved = time.Time{}
		ctx, cancel := context.WithCancel(t.Context())
		after := 1 + rng.IntN(6)
		f := &fussy{Target: Into(c)}
		f.put = func([]catalog.Entry) error {
			if f.n > after {
				cancel()
				return ctx.Err()
			}
			j.saved = time.Time{} // every batch is kept
			return nil
		}
		done, err := Load{Target: f, Journal: j, Batch: 100}.Run(ctx, []Source{source})
		cancel()
		if err == nil {
			require.Greater(t, broken, 2)
			require.Less(t, done.Items, 900)
			require.Positive(t, done.Skipped)
			break
		}
		require.True(t, errors.Is(err, context.Canceled), "%v", err)
	}
	require.Equal(t, held(t, whole), held(t, c))
	j, err := OpenJournal(path)
	require.NoError(t, err)
	done, err := Load{Target: &fussy{Target: Into(c), put: func([]catalog.Entry) error { return errors.New("nothing is put") }}, Journal: j}.Run(t.Context(), []Source{source})
	require.NoError(t, err)
	require.Equal(t, len(lines), done.Skipped)

	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = OpenJournal(path)
	require.True(t, fault.Is(err, fault.Invalid))
}

func TestALoadIsStopped(t *testing.T) {
	var lines bytes.Buffer
	for i := range 20_000 {
		lines.WriteString(itemDoc("a", fmt.Sprint(i), 1, 1) + "\n")
	}
	path := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(path, lines.Bytes(), 0o600))
	s, err := Open(t.Context(), path, Crawl{})
	require.NoError(t, err)
	for _, stop := range []func(cancel func()) Load{
		func(cancel func()) Load { return Load{Progress: func(Progress) { cancel() }} },
		func(func()) Load {
			return Load{Rejected: func(Rejection) error { return errors.New("the file is full") }, Collection: "x"}
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		l := stop(cancel)
		c := catalogtest.NewMemory()
		l.Target = &fussy{Target: Into(c), put: func(items []catalog.Entry) error {
			if l.Collection != "" {
				return fault.New(fault.Invalid, "no").WithCure("no")
			}
			return nil
		}}
		_, err = l.Run(ctx, []Source{s})
		require.Error(t, err)
		require.Less(t, len(held(t, c)), 20_000)
		cancel()
	}
}

func TestHrefsAreMadeWhole(t *testing.T) {
	base := must(t, "https://example.com/a/b/items/x")
	for in, want := range map[string]string{
		"./c.tif": "https://example.com/a/b/items/c.tif", "../c d.tif": "https://example.com/a/b/c%20d.tif", "c.tif?x=1": "https://example.com/a/b/items/c.tif?x=1",
		"https://e.org/y": "https://e.org/y", "s3://b/k": "s3://b/k", "/assets/k": "\x00assets/k", "/vsis3/x": "\x00vsis3/x", "//e.org/y": "//e.org/y",
	} {
		p, err := prepare(&tree.Tree{}, []byte(fmt.Sprintf(`{"type":"Feature","stac_version":"1.1.0","id":"i","collection":"c","geometry":null,"properties":{"datetime":"2020-01-01T00:00:00Z"},"links":[{"rel":"via","href":%q}],"assets":{"a":{"href":%[1]q}}}`, in)), base, "")
		require.NoError(t, err)
		require.Equal(t, want, gjson.GetBytes(p.item.Document, "assets.a.href").Str, in)
		require.Equal(t, want, gjson.GetBytes(p.item.Document, "links.0.href").Str, in)
	}
	p, err := prepare(&tree.Tree{}, []byte(`{"type":"Feature","stac_version":"1.1.0","id":"i","collection":"c","geometry":null,"properties":{"datetime":"2020-01-01T00:00:00Z"},"links":[{"rel":"self","href":"http://other.org/p/i.json"}],"assets":{"a":{"href":"x.tif"}}}`), base, "")
	require.NoError(t, err)
	require.Equal(t, "http://other.org/p/x.tif", gjson.GetBytes(p.item.Document, "assets.a.href").Str)
}

// A source that is damaged is named, what it had before is put, and the next one follows.
func TestADamagedSourceKeepsNoOtherOut(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	for i := range 3000 {
		_, err := fmt.Fprintln(z, itemDoc("a", fmt.Sprint(i), 1, float64(i%180)))
		require.NoError(t, err)
		if i%100 == 0 {
			require.NoError(t, z.Flush())
		}
	}
	require.NoError(t, z.Close())
	path := filepath.Join(t.TempDir(), "cut.ndjson.gz")
	require.NoError(t, os.WriteFile(path, zipped.Bytes()[:zipped.Len()/2], 0o600))
	cut, err := Open(t.Context(), path, Crawl{})
	require.NoError(t, err)
	c := catalogtest.NewMemory()
	var rejected []Rejection
	l := Load{Target: Into(c), Rejected: func(r Rejection) error { rejected = append(rejected, r); return nil }}
	done, err := l.Run(t.Context(), []Source{cut, fileOf(t, itemDoc("b", "whole", 1, 1))})
	require.NoError(t, err)
	require.Len(t, rejected, 1)
	require.Equal(t, path, rejected[0].Source)
	require.NotEmpty(t, rejected[0].Cure)
	require.Greater(t, done.Items, 1000)
	require.Contains(t, held(t, c), catalog.ItemRef{Collection: "b", ID: "whole"})
	_, err = l.Run(t.Context(), []Source{cut})
	require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
}
