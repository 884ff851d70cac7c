package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/fault"
)

// backend is a list of collections with a revision.
type backend struct {
	mu       sync.Mutex
	revision int64
	reads    int
	list     []Shelved
	err      error
}

func (b *backend) put(docs ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.revision++
	b.list = nil
	for _, doc := range docs {
		e, err := ParseCollection(json.RawMessage(doc))
		if err != nil {
			panic(err)
		}
		b.list = append(b.list, Shelved{Document: e.Document, Origin: Posted})
	}
}

func (b *backend) shelf() *Shelf {
	return NewShelf(NewSigner([]byte("key")), func(context.Context) (int64, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.revision, b.err
	}, func(context.Context) ([]Shelved, int64, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.reads++
		return b.list, b.revision, nil
	})
}

// What an earlier release stored and this one would refuse is listed, and hides nothing.
func TestShelfKeepsWhatIsThere(t *testing.T) {
	b := &backend{}
	b.put(`{"type":"Collection","id":"b"}`)
	b.list = append(b.list, Shelved{Document: json.RawMessage(`{"type":"Collection","links":[],"id":"a","extent":{"spatial":{"bbox":[[1,2,3]]}}}`)})
	_, err := ParseCollection(b.list[1].Document)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	r, err := b.shelf().Search(t.Context(), Everything(), Query{})
	require.NoError(t, err)
	require.Len(t, r.Documents, 2)
	require.Equal(t, string(b.list[1].Document), string(r.Documents[0]))
	r, err = b.shelf().Search(t.Context(), Everything(), Query{BBox: []float64{-180, -90, 180, 90}})
	require.NoError(t, err)
	require.Empty(t, r.Documents, "it lies nowhere")
	b.list[1].Document = json.RawMessage(`{"id":"a"`)
	_, err = b.shelf().Search(t.Context(), Everything(), Query{})
	require.Error(t, err, "what is no JSON is not given out")
}

func shelvedIDs(t *testing.T, r Result) (out []string) {
	for _, doc := range r.Documents {
		e, err := ParseCollection(doc)
		require.NoError(t, err)
		out = append(out, e.ID)
	}
	return out
}

func TestShelfReadsWhatIsNew(t *testing.T) {
	b := &backend{}
	s := b.shelf()
	b.put(`{"type":"Collection","id":"b"}`, `{"type":"Collection","id":"a","title":"Sea ice"}`)
	for range 3 {
		r, err := s.Search(t.Context(), Everything(), Query{Count: true})
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, shelvedIDs(t, r))
		require.Equal(t, 2, *r.Matched)
	}
	require.Equal(t, 1, b.reads, "while nothing changes nothing is read")
	b.put(`{"type":"Collection","id":"c"}`)
	r, err := s.Search(t.Context(), Everything(), Query{})
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, shelvedIDs(t, r))
	r, err = s.Search(t.Context(), Scope{}, Query{Count: true})
	require.NoError(t, err)
	require.Empty(t, r.Documents)
	require.Zero(t, *r.Matched)
	b.err = errors.New("gone")
	_, err = s.Search(t.Context(), Everything(), Query{})
	require.ErrorContains(t, err, "gone", "what may be old is not given out")
}

func TestShelfPagesBothWays(t *testing.T) {
	b := &backend{}
	var docs []string
	for i := range 23 {
		value := []string{"7", "7.5", `"x"`, `"2020-01-01T00:00:00Z"`, "true", "null", "[1]"}[i%7]
		docs = append(docs, fmt.Sprintf(`{"type":"Collection","id":"c%02d","v":%s,"w":%d}`, i, value, i%3))
	}
	b.put(docs...)
	s := b.shelf()
	for name, q := range map[string]Query{
		"by id": {}, "by v": {Sort: []SortKey{{Property: "v"}}}, "by v downward, w": {Sort: []SortKey{{Property: "v", Descending: true}, {Property: "w"}}},
		"some": {Filter: cql2.Compare{Op: "<", Left: cql2.Property{Name: "w"}, Right: cql2.Number{Value: 2}}, Sort: []SortKey{{Property: "w", Descending: true}}},
	} {
		q.Limit = 100
		whole, err := s.Search(t.Context(), Everything(), q)
		require.NoError(t, err)
		require.Empty(t, whole.Next+whole.Prev)
		want := shelvedIDs(t, whole)
		q.Limit = 4
		var pages [][]string
		var last Result
		for q.Token = ""; ; q.Token = last.Next {
			last, err = s.Search(t.Context(), Everything(), q)
			require.NoError(t, err, name)
			pages = append(pages, shelvedIDs(t, last))
			if last.Next == "" {
				break
			}
		}
		var all []string
		for _, p := range pages {
			all = append(all, p...)
		}
		require.Equal(t, want, all, name)
		for i := len(pages) - 2; i >= 0; i-- {
			q.Token = last.Prev
			last, err = s.Search(t.Context(), Everything(), q)
			require.NoError(t, err, name)
			require.Equal(t, pages[i], shelvedIDs(t, last), "%s, back to page %d", name, i)
		}
		require.Empty(t, last.Prev)
		other := q
		other.IDs, other.Token = []string{"c01"}, last.Next
		_, err = s.Search(t.Context(), Everything(), other)
		require.True(t, fault.Is(err, fault.Invalid), name)
	}
}

func TestTraits(t *testing.T) {
	read := func(properties string) Entry {
		e, err := ParseItem(json.RawMessage(`{"type":"Feature","id":"a","collection":"c","properties":` + properties + `}`))
		require.NoError(t, err)
		return e
	}
	one := read(`{"datetime":"2020-01-01T00:00:00Z","n":1,"r":1.5,"s":"x","d":"2020-01-01","b":true,"l":[],"o":{},"nothing":null}`)
	require.Equal(t, []Trait{{"datetime", "string", "date-time"}, {"n", "integer", ""}, {"r", "number", ""}, {"s", "string", ""}, {"d", "string", "date"}, {"b", "boolean", ""},
		{"l", "array", ""}, {"o", "object", ""}}, one.Traits())
	for same, others := range map[bool][]string{
		true:  {`{"o":{"p":1},"l":[2],"b":false,"d":"2021-01-01","s":"","r":-0.5,"n":7e3,"datetime":"1999-01-01T00:00:00+01:00"}`},
		false: {`{}`, `{"datetime":"2020-01-01T00:00:00Z","n":1.5,"r":1,"s":"x","d":"2020-01-01","b":true,"l":[],"o":{}}`, `{"datetime":"2020-01-01T00:00:00Z","n":1,"r":1.5,"s":"2020-01-01","d":"x","b":true,"l":[],"o":{}}`},
	} {
		for _, other := range others {
			require.Equal(t, same, read(other).Likeness == one.Likeness, other)
		}
	}
	require.Equal(t, []Queryable{{"a", []string{"integer"}, ""}, {"b", []string{"number", "string"}, "date"}, {"c", []string{"string"}, ""}},
		QueryablesOf([]Trait{{"b", "integer", ""}, {"c", "string", "date"}, {"b", "number", ""}, {"a", "integer", ""}, {"b", "string", "date"}, {"c", "string", "date-time"}}))
}
