// Package catalogtest is what every catalog has to pass. It owns the contract of catalog.Catalog as a suite
// (Run): hand-made cases, and generated items and questions whose answers are compared with those of
// Memory, a catalog that looks at every document and has no index to be wrong. It refuses a comparison that met too
// few of the cases that matter. The invariant: two back ends that pass give the same answers.
package catalogtest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
)

// Config tells the suite how to get a fresh, empty catalog; New also sees to its closing.
type Config struct {
	New func(t *testing.T) catalog.Catalog
}

// Run holds a back end to the contract.
func Run(t *testing.T, cfg Config) {
	for name, test := range map[string]func(*testing.T, catalog.Catalog){
		"empty":              testEmpty,
		"apply":              testApply,
		"entries":            testEntries,
		"staged":             testStaged,
		"atomic":             testAtomic,
		"refused":            testRefused,
		"delete":             testDelete,
		"marks":              testMarks,
		"many at once":       testManyAtOnce,
		"conditions":         testConditions,
		"origins":            testOrigins,
		"reset":              testReset,
		"order":              testOrder,
		"sort":               testSort,
		"sort collections":   testSortCollections,
		"pages":              testPages,
		"collection pages":   testCollectionPages,
		"moving pages":       testMovingPages,
		"tokens":             testTokens,
		"place and time":     testPlaceAndTime,
		"flawed shapes":      testFlawedShapes,
		"shapes":             testShapes,
		"collection search":  testCollectionSearch,
		"filter":             testFilter,
		"words":              testWords,
		"aggregate":          testAggregate,
		"terms":              testTerms,
		"dates and ranges":   testDatesAndRanges,
		"queryables":         testQueryables,
		"scope":              testScope,
		"canceled":           testCanceled,
		"odd ids":            testOddIDs,
		"odd properties":     testOddProperties,
		"odd values":         testOddValues,
		"big documents":      testBigDocuments,
		"indexes":            testIndexes,
		"indexes, pages":     testIndexesBetweenPages,
		"description":        testDescription,
		"snapshot":           testSnapshot,
		"real documents":     testReal,
		"wide":               testWide,
		"limits":             testLimits,
		"races":              testRaces,
		"readers and writer": testReadersAndWriters,
		"opposite order":     testOppositeOrder,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, cfg.New(t))
		})
	}
	t.Run("generated", func(t *testing.T) {
		t.Parallel()
		Compare(t, cfg.New(t), NewMemory())
	})
	t.Run("foreign tokens", func(t *testing.T) {
		t.Parallel()
		testForeignTokens(t, cfg.New(t), cfg.New(t))
	})
}

var all = catalog.Everything()

// Collection is the document of a collection for tests.
func Collection(id string) json.RawMessage { return collection(id, "") }

// collection has further members, each with a comma behind it.
func collection(id, members string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":"Collection","stac_version":"1.1.0","id":%s,%s"description":"d","license":"other",
		"extent":{"spatial":{"bbox":[[-180,-90,180,90]]},"temporal":{"interval":[[null,null]]}},"links":[]}`, text(id), members))
}

// Item is the document of an item for tests; geometry is GeoJSON or "null", and properties are the members
// of its properties.
func Item(collection, id, geometry, properties string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":"Feature","stac_version":"1.1.0","id":%s,"collection":%s,"geometry":%s,
		"bbox":[0,0,1,1],"properties":{%s},"links":[],"assets":{}}`, text(id), text(collection), geometry, properties))
}

// text is a string as JSON.
func text(s string) string {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(out)
}

func at(t string) string { return `"datetime":` + text(t) }

// then is an item's time where it does not matter.
const then = `"datetime":"2020-01-01T00:00:00Z"`

const square = `{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}`

// documents is a list of documents.
func documents(docs ...json.RawMessage) []json.RawMessage { return docs }

func apply(t *testing.T, c catalog.Catalog, ch catalog.Changes) int64 {
	t.Helper()
	rev, err := c.Apply(t.Context(), ch)
	require.NoError(t, err)
	return rev
}

// put puts collections a and b and items.
func put(t *testing.T, c catalog.Catalog, items ...json.RawMessage) {
	t.Helper()
	apply(t, c, catalog.Changes{Collections: documents(Collection("a"), Collection("b")), Items: items})
}

// names are the items of a result as collection/id.
func names(t *testing.T, docs []json.RawMessage) []string {
	t.Helper()
	out := []string{}
	for _, d := range docs {
		e, err := catalog.ParseItem(d)
		require.NoError(t, err)
		out = append(out, e.Ref.Collection+"/"+e.Ref.ID)
	}
	return out
}

// collectionNames are the collections of a result.
func collectionNames(t *testing.T, docs []json.RawMessage) []string {
	t.Helper()
	out := []string{}
	for _, d := range docs {
		e, err := catalog.ParseCollection(d)
		require.NoError(t, err)
		out = append(out, e.ID)
	}
	return out
}

// search is one page of items.
func search(t *testing.T, c catalog.Catalog, q catalog.Query) ([]string, catalog.Result) {
	t.Helper()
	r, err := c.Search(t.Context(), all, q)
	require.NoError(t, err)
	require.LessOrEqual(t, len(r.Documents), q.Size())
	return names(t, r.Documents), r
}

// walk follows the pages of a query to their end.
func walk(t *testing.T, c catalog.Catalog, q catalog.Query) []string {
	t.Helper()
	out := []string{}
	for range 10_000 {
		page, r := search(t, c, q)
		out = append(out, page...)
		if r.Next == "" {
			return out
		}
		require.NotEmpty(t, page, "a page with a next one is not empty")
		q.Token = r.Next
	}
	t.Fatal("the pages have no end")
	return nil
}
