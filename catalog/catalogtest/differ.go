package catalogtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
)

// Compare fills two empty catalogs with the same generated documents and puts the same generated questions to both: ids
// and order over all pages, there and back, counts and aggregates have to be the same, right's being those that ought to
// be. It fails too where an operator met too few of the cases that matter (see encounters).
//
// TERRAPIN_CATALOG_QUESTIONS is how many questions a run puts, and TERRAPIN_SEED adds a run to the one with a fixed seed.
func Compare(t *testing.T, left, right catalog.Catalog) {
	number := func(name string, otherwise uint64) uint64 {
		s := os.Getenv(name)
		if s == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err, name)
		return n
	}
	const fixed = 7
	n := questions
	if raced {
		n = questionsRaced
	}
	n = int(number("TERRAPIN_CATALOG_QUESTIONS", uint64(n)))
	met := newEncounters()
	for i, seed := range slices.Compact([]uint64{fixed, number("TERRAPIN_SEED", fixed)}) {
		if i > 0 {
			empty(t, left)
			empty(t, right)
		}
		if err := examine(t.Context(), seed, n, left, right, met); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	require.NoError(t, met.enough(n >= questions))
}

// empty takes everything out of a catalog.
func empty(t *testing.T, c catalog.Catalog) {
	apply(t, c, catalog.Changes{Reset: true})
	r, err := c.Collections(t.Context(), all, catalog.Query{Page: catalog.Page{Limit: catalog.MaxLimit}})
	require.NoError(t, err)
	apply(t, c, catalog.Changes{Origin: catalog.Posted, DeleteCollections: collectionNames(t, r.Documents)})
}

const (
	// questions are as many as it takes for every operator to meet everything that matters in a hundred of them.
	questions = 2400
	// questionsRaced are as many as there is time for where the race detector slows a database in Go down twentyfold. Questions
	// are put one after the other, so it has nothing to find in them; every operator still meets everything for a hundred documents.
	questionsRaced = 400
)

// itemsCompared is how many items a comparison begins with.
const itemsCompared = 90

// examine is one run. Its error tells the smallest question found that is answered differently.
func examine(ctx context.Context, seed uint64, questions int, left, right catalog.Catalog, met encounters) error {
	d, p := newDraw(seed), pair{left: left, right: right}
	steps := append([]catalog.Changes{d.fill(itemsCompared)}, d.change(itemsCompared)...)
	ids := someIDs(itemsCompared / len(itemCollections))
	for round, ch := range steps {
		for _, c := range []catalog.Catalog{left, right} {
			if _, err := c.Apply(ctx, ch); err != nil {
				return fmt.Errorf("round %d: %w", round, err)
			}
			if err := index(ctx, c, round); err != nil {
				return fmt.Errorf("round %d: %w", round, err)
			}
		}
		known, err := p.same(ctx)
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		for i := range questions / len(steps) {
			m := mood(i % 3)
			a := d.ask(m, met.rarest(d, m, 6), ids)
			right, different, err := p.differ(ctx, a)
			if err != nil {
				return fmt.Errorf("round %d, question %d, %s: %w", round, i, a, err)
			}
			if different != "" {
				return fmt.Errorf("round %d, question %d: %s", round, i, p.explain(ctx, a))
			}
			met.count(a, known[a.collections], right)
		}
	}
	return nil
}

// index makes an index over two properties after the first round, where a catalog has such.
func index(ctx context.Context, c catalog.Catalog, round int) error {
	x, ok := c.(catalog.Indexer)
	if !ok || round != 1 {
		return nil
	}
	return errors.Join(x.Index(ctx, "n"), x.Index(ctx, "mixed"))
}

// pair is two catalogs with the same documents.
type pair struct{ left, right catalog.Catalog }

// same compares every document and the queryables of both. It returns right's documents by name, items and (true) collections.
func (p pair) same(ctx context.Context) (map[bool]map[string]record, error) {
	known := map[bool]map[string]record{}
	for _, collections := range []bool{false, true} {
		a := ask{collections: collections, query: catalog.Query{Page: catalog.Page{Limit: catalog.MaxLimit}}}
		left, err := pageOf(ctx, p.left, a)
		if err != nil {
			return nil, err
		}
		right, err := pageOf(ctx, p.right, a)
		if err != nil {
			return nil, err
		}
		known[collections] = map[string]record{}
		for i, name := range right.names {
			if i >= len(left.names) || string(left.documents[i]) != string(right.documents[i]) {
				return nil, fmt.Errorf("document %d of %d (%d): one has not the %s of the other", i, len(right.names), len(left.names), name)
			}
			read := itemRecord
			if collections {
				read = collectionRecord
			}
			if known[collections][name], err = read(right.documents[i], catalog.Posted); err != nil {
				return nil, err
			}
		}
	}
	// A back end may remember the types of values that are gone, so properties are compared by name, of what is there for certain.
	have := map[string]bool{}
	list, err := p.left.Queryables(ctx, all, nil)
	if err != nil {
		return nil, err
	}
	for _, q := range list {
		have[q.Name] = true
	}
	list, err = p.right.Queryables(ctx, all, nil)
	if err != nil {
		return nil, err
	}
	for _, q := range list {
		if !have[q.Name] {
			return nil, fmt.Errorf("one has not the queryable %q of the other", q.Name)
		}
	}
	return known, nil
}

// answer is a page, its documents as collection/id or the collection's id.
type answer struct {
	names []string
	catalog.Result
	documents []json.RawMessage
}

func pageOf(ctx context.Context, c catalog.Catalog, a ask) (answer, error) {
	find := c.Search
	if a.collections {
		find = c.Collections
	}
	r, err := find(ctx, all, a.query)
	out := answer{Result: r, documents: r.Documents, names: []string{}}
	for _, doc := range r.Documents {
		name := gjson.GetBytes(doc, "id").Str
		if !a.collections {
			name = gjson.GetBytes(doc, "collection").Str + "/" + name
		}
		out.names = append(out.names, name)
	}
	return out, err
}

// differ puts a question to both. It returns right's answer and tells where left's is another.
func (p pair) differ(ctx context.Context, a ask) (right []string, different string, err error) {
	want, err := pageOf(ctx, p.right, a)
	if err != nil {
		return nil, "", err
	}
	got, err := pageOf(ctx, p.left, a)
	switch {
	case err != nil:
		different = fmt.Sprintf("the error: %v", err)
	case !slices.Equal(got.names, want.names):
		different = fmt.Sprintf("%s, and not %s", few(got.names), few(want.names))
	case got.Next != "" || got.Prev != "":
		different = "a page that holds all and has another beside it"
	case got.Matched != nil && *got.Matched != len(want.names):
		different = fmt.Sprintf("%d matched, and not %d", *got.Matched, len(want.names))
	case a.limit > 0:
		different = thereAndBack(ctx, p.left, a, want.names, 4*a.limit)
	}
	if different != "" || len(a.sums) == 0 {
		return want.names, different, nil
	}
	wanted, err := p.right.Aggregate(ctx, all, a.query, a.sums)
	if err != nil {
		return nil, "", err
	}
	sums, err := p.left.Aggregate(ctx, all, a.query, a.sums)
	if err != nil {
		return want.names, fmt.Sprintf("the error of aggregate: %v", err), nil
	}
	for i := range wanted {
		if x, y := shown(sums[i]), shown(wanted[i]); x != y {
			return want.names, fmt.Sprintf("%s, and not %s", x, y), nil
		}
	}
	return want.names, "", nil
}

// few are the first of a list.
func few(names []string) string {
	if len(names) > 12 {
		return fmt.Sprintf("%d documents %q …", len(names), names[:12])
	}
	return fmt.Sprintf("%d documents %q", len(names), names)
}

// shown is an aggregate as text; equal ones have equal texts.
func shown(a catalog.Aggregate) string {
	a = plain(a)
	out := fmt.Sprintf("%q %v rest %d", a.Name, a.Value, a.Rest)
	for _, b := range a.Buckets {
		out += fmt.Sprintf(" %q=%d", b.Key, b.Count)
		if b.From != nil && b.To != nil {
			out += fmt.Sprintf(" (%g to %g)", *b.From, *b.To)
		}
	}
	return out
}

// thereAndBack walks small pages to the end, or to the first that ends behind a place, and back to the beginning.
func thereAndBack(ctx context.Context, c catalog.Catalog, a ask, want []string, turn int) string {
	a.query.Limit = a.limit
	from, back := 0, false
	for range 2*len(want) + 3 {
		got, err := pageOf(ctx, c, a)
		if err != nil {
			return fmt.Sprintf("the error of a page of %d: %v", a.limit, err)
		}
		to := min(from+a.limit, len(want))
		if back {
			from, to = max(0, from-a.limit), from
		}
		switch {
		case !slices.Equal(got.names, want[from:to]):
			return fmt.Sprintf("a page of %d, from %d, back %v: %q, and not %q", a.limit, from, back, got.names, want[from:to])
		case (got.Next != "") != (to < len(want)) || (got.Prev != "") != (from > 0):
			return fmt.Sprintf("a page of %d, from %d to %d of %d, with next %q and prev %q", a.limit, from, to, len(want), got.Next, got.Prev)
		case got.Matched != nil && *got.Matched != len(want):
			return fmt.Sprintf("%d matched on the page from %d, and not %d", *got.Matched, from, len(want))
		}
		if back = back || got.Next == "" || to > turn; back {
			if got.Prev == "" {
				return ""
			}
			a.query.Token = got.Prev
		} else {
			a.query.Token, from = got.Next, to
		}
	}
	return "pages without an end"
}
