package bulk

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

// fakeAPI is a small STAC API of collections a, b and c, of 5, 0 and 7 items, below /stac. Its collections come in two
// pages; the items of a by GET, those of c by POST.
type fakeAPI struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []string
	trouble func(w http.ResponseWriter, r *http.Request) bool
}

func newFakeAPI(t *testing.T) *fakeAPI {
	f := &fakeAPI{}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeAPI) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	if f.trouble != nil && f.trouble(w, r) {
		return
	}
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	at, _ := strconv.Atoi(q.Get("token"))
	switch r.URL.Path {
	case "/stac":
		fmt.Fprint(w, `{"type":"Catalog","id":"x","conformsTo":[],"links":[{"rel":"data","href":"/stac/collections"}]}`)
	case "/stac/collections":
		if at == 0 {
			fmt.Fprintf(w, `{"collections":[%s,%s],"links":[{"rel":"next","href":"?token=1"}]}`, f.one("c"), f.one("a"))
			return
		}
		fmt.Fprintf(w, `{"collections":[%s],"links":[]}`, f.one("b"))
	case "/stac/collections/a":
		fmt.Fprint(w, f.one("a"))
	case "/stac/collections/a/items":
		f.items(w, "a", 5, at, min(limit, 2), func(next int) string {
			return fmt.Sprintf(`{"rel":"next","href":"%s/stac/collections/a/items?limit=2&token=%d"}`, f.URL, next)
		})
	case "/stac/collections/b/items":
		f.items(w, "b", 0, 0, 10, nil)
	case "/stac/collections/c/items", "/stac/search":
		if r.Method == http.MethodPost {
			at = int(gjson.GetBytes(body, "token").Int())
			if gjson.GetBytes(body, "kept").Int() != int64(min(1, max(0, at-3))) { // what is not in the link is kept by merge
				http.Error(w, string(body), http.StatusBadRequest)
				return
			}
		}
		f.items(w, "c", 7, at, 3, func(next int) string {
			merge, kept := "", `"kept":0,`
			if next > 3 {
				merge, kept = `"merge":true,`, `"kept":1,`
			}
			return fmt.Sprintf(`{"rel":"next","href":"/stac/search","method":"POST",%s"body":{%s"token":%d}}`, merge, kept, next)
		})
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeAPI) one(id string) string {
	return fmt.Sprintf(`{"type":"Collection","id":%q,"links":[{"rel":"items","href":"/stac/collections/%s/items"}]}`, id, id)
}

func (f *fakeAPI) items(w io.Writer, id string, all, at, page int, next func(int) string) {
	var features []string
	for i := at; i < min(all, at+page); i++ {
		features = append(features, fmt.Sprintf(`{"type":"Feature","id":"%s%d"}`, id, i))
	}
	link := ""
	if at+page < all {
		link = next(at + page)
	}
	fmt.Fprintf(w, `{"type":"FeatureCollection","features":[%s],"links":[%s]}`, strings.Join(features, ","), link)
}

var hasty = Crawl{Pause: time.Nanosecond, Backoff: time.Millisecond}

func crawled(t *testing.T, location string, c Crawl, from Position) (ids []string, docs []Document, err error) {
	t.Helper()
	source, err := Open(t.Context(), location, c)
	require.NoError(t, err)
	for doc, err := range source.Documents(t.Context(), from) {
		if err != nil {
			return ids, docs, err
		}
		require.Equal(t, from.Number+len(ids)+1, doc.Number)
		ids, docs = append(ids, gjson.GetBytes(doc.Raw, "id").Str), append(docs, doc)
	}
	require.Positive(t, source.Read())
	return ids, docs, nil
}

var wholeAPI = []string{"a", "a0", "a1", "a2", "a3", "a4", "b", "c", "c0", "c1", "c2", "c3", "c4", "c5", "c6"}

func TestAnAPIIsCrawled(t *testing.T) {
	f := newFakeAPI(t)
	ids, docs, err := crawled(t, f.URL+"/stac", hasty, Position{})
	require.NoError(t, err)
	require.Equal(t, wholeAPI, ids)
	require.Equal(t, f.URL+"/stac/collections/a/items/a0", strings.Split(docs[1].Base.String(), "?")[0])
	require.Contains(t, f.asked, "GET /stac/collections/a/items?limit=500 ")
	require.Contains(t, f.asked, `POST /stac/search {"kept":1,"token":6}`)

	for path, want := range map[string][]string{
		"/stac/collections":                         wholeAPI,
		"/stac/collections/a":                       wholeAPI[:6],
		"/stac/collections/a/items?limit=2&token=2": {"a2", "a3", "a4"},
	} {
		ids, _, err := crawled(t, f.URL+path, hasty, Position{})
		require.NoError(t, err, path)
		require.Equal(t, want, ids, path)
	}
	c := hasty
	c.Collections = []string{"b", "c"}
	ids, _, err = crawled(t, f.URL+"/stac", c, Position{})
	require.NoError(t, err)
	require.Equal(t, wholeAPI[6:], ids)
	c.Collections = []string{"no"}
	_, _, err = crawled(t, f.URL+"/stac", c, Position{})
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
}

// A crawl that was broken off anywhere goes on behind the last page that it was told is through.
func TestACrawlGoesOn(t *testing.T) {
	f := newFakeAPI(t)
	_, docs, err := crawled(t, f.URL+"/stac", hasty, Position{})
	require.NoError(t, err)
	resumed := 0
	for i, doc := range docs {
		if doc.Cursor == "" {
			continue
		}
		resumed++
		rest, _, err := crawled(t, f.URL+"/stac", hasty, Position{Number: doc.Number, Cursor: doc.Cursor})
		require.NoError(t, err)
		require.Equal(t, wholeAPI[i+1:], append([]string{}, rest...), "behind %s", wholeAPI[i])
	}
	require.Equal(t, 6, resumed)
	_, _, err = crawled(t, f.URL+"/stac", hasty, Position{Cursor: "{"})
	require.True(t, fault.Is(err, fault.Invalid))
}

func TestTroubleThatPasses(t *testing.T) {
	f := newFakeAPI(t)
	var n atomic.Int64
	f.trouble = func(w http.ResponseWriter, r *http.Request) bool {
		switch n.Add(1) % 4 {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.Header().Set("Retry-After", time.Now().UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusTooManyRequests)
		case 3:
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	}
	ids, _, err := crawled(t, f.URL+"/stac", hasty, Position{})
	require.NoError(t, err)
	require.Equal(t, wholeAPI, ids)

	c := hasty
	c.Tries = 3
	n.Store(0)
	_, _, err = crawled(t, f.URL+"/stac", c, Position{})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.NotEmpty(t, fault.CureOf(err))
}

func TestALimitThatIsRefused(t *testing.T) {
	f := newFakeAPI(t)
	f.trouble = func(w http.ResponseWriter, r *http.Request) bool {
		if limit, _ := strconv.Atoi(r.URL.Query().Get("limit")); limit > 100 {
			http.Error(w, `{"description":"too many"}`, http.StatusBadRequest)
			return true
		} else if limit == 0 && strings.HasSuffix(r.URL.Path, "a/items") {
			f.items(w, "a", 5, 0, 5, nil)
			return true
		}
		return false
	}
	ids, _, err := crawled(t, f.URL+"/stac", hasty, Position{})
	require.NoError(t, err)
	require.Equal(t, wholeAPI, ids)
}

// Nothing leads a crawl to another host, or in circles, and what is sent to the one that was named goes nowhere else.
func TestACrawlStaysWhereItIs(t *testing.T) {
	var secret atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { secret.Store(true) }))
	defer other.Close()
	page := func(links string) string {
		return `{"type":"FeatureCollection","features":[{"id":"x"}],"links":[` + links + `]}`
	}
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"next": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, page(`{"rel":"next","href":"`+other.URL+`"}`))
		},
		"scheme": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, page(`{"rel":"next","href":"file:///etc/passwd"}`))
		},
		"password": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, page(`{"rel":"next","href":"http://u:p@`+r.Host+`/"}`))
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) },
		"items": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"type":"Collection","id":"c","links":[{"rel":"items","href":%q}]}`, other.URL)
		},
		"circle": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, page(`{"rel":"next","href":"?a=1"}`)) },
		"endless": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, page(fmt.Sprintf(`{"rel":"next","href":"?a=%d"}`, time.Now().UnixNano())))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(answer))
			defer s.Close()
			c := hasty
			c.MaxPages, c.Header = 20, http.Header{"Authorization": {"secret"}}
			_, _, err := crawled(t, s.URL, c, Position{})
			require.Error(t, err)
			require.Contains(t, []fault.Kind{fault.Invalid, fault.TooLarge}, fault.KindOf(err), "%v", err)
			require.NotEmpty(t, fault.CureOf(err))
			require.False(t, secret.Load())
		})
	}
}

func TestWhatIsNoAPI(t *testing.T) {
	for answer, kind := range map[string]fault.Kind{
		`{"a":1}`: fault.Invalid, `{"type":"Catalog","links":[{"rel":"child","href":"./a.json"}]}`: fault.Unsupported,
		`{"type":"Collection","id":"c","links":[]}`: fault.NotFound,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				http.NotFound(w, r)
				return
			}
			fmt.Fprint(w, answer)
		}))
		_, _, err := crawled(t, s.URL, hasty, Position{})
		require.Equal(t, kind, fault.KindOf(err), "%s: %v", answer, err)
		s.Close()
	}
	for _, bad := range []string{"http://", "https://user:password@example.com"} {
		_, err := Open(t.Context(), bad, Crawl{})
		require.True(t, fault.Is(err, fault.Invalid), bad)
		require.NotContains(t, err.Error(), "password@")
	}
}

// An API behind a proxy may take its own scheme for another; the one that was named is used.
func TestTheWayThatWasNamed(t *testing.T) {
	f := newFakeAPI(t)
	v := newVisitor(must(t, f.URL), hasty)
	a := &ask{Method: http.MethodGet, Href: strings.Replace(f.URL, "http:", "https:", 1) + "/x#y"}
	require.NoError(t, v.below(a, &ask{Href: f.URL}))
	require.Equal(t, f.URL+"/x", a.Href)
	require.JSONEq(t, `{"a":1,"b":3}`, string(merged(json.RawMessage(`{"a":1,"b":2}`), json.RawMessage(`{"b":3}`))))
}

func must(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u
}
