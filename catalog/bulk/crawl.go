package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

// Crawl is how a STAC API is read. The zero value is courteous: one request at a time, with a pause between them.
type Crawl struct {
	// Collections, where not nil, are the only ones that are read.
	Collections []string
	// PageSize is how many items are asked for at a time; 0 means 500. An API that refuses is asked for what it likes.
	PageSize int
	// MaxPages bounds the pages of one crawl; 0 means 1,000,000.
	MaxPages int
	// Pause is the least time between two requests; 0 means 50 ms.
	Pause time.Duration
	// Tries is how often a request that fails for a reason that may pass is made; 0 means 7. An address at which nobody has
	// answered yet is tried once. Backoff is the wait before
	// the second, doubled for each further one; 0 means 1 s. A server that says how long to wait is obeyed, up to 5 minutes.
	Tries   int
	Backoff time.Duration
	// Header is sent with every request, to the host that was named and to no other.
	Header http.Header
	// Client makes the requests; nil means one with a timeout of 2 minutes a request.
	Client *http.Client
}

// apiSource is a STAC API, a collection of one, or a page of items.
type apiSource struct {
	*visitor
	only []string
	size int
}

func openAPI(_ context.Context, location string, c Crawl) (Source, error) {
	home, err := url.Parse(location)
	if err != nil || home.Host == "" {
		return nil, fault.New(fault.Invalid, "%q is no URL", location).WithCure("give the address of a STAC API, such as https://earth-search.aws.element84.com/v1")
	}
	if home.User != nil {
		return nil, fault.New(fault.Invalid, "the URL holds a password, which would be told in reports").WithCure("send it by --header 'Authorization: …'")
	}
	s := &apiSource{visitor: newVisitor(home, c), only: c.Collections, size: c.PageSize}
	if s.size == 0 {
		s.size = 500
	}
	return s, nil
}

// Name is the address.
func (s *apiSource) Name() string { return s.home.String() }

// Identity is the address: what an API holds changes.
func (s *apiSource) Identity() string { return s.home.String() }

// Size is not known.
func (s *apiSource) Size() int64 { return 0 }

// Read counts the bytes of all answers.
func (s *apiSource) Read() int64 { return s.bytes.Load() }

// cursor is where a crawl goes on: the collection that it is in, and the page to ask for, none where the collection is
// through.
type cursor struct {
	Collection string `json:"collection"`
	Next       *ask   `json:"next,omitempty"`
}

// crawl is one walk over an API.
type crawl struct {
	*apiSource
	ctx    context.Context
	number int
	from   cursor
	yield  func(Document, error) bool
	seen   map[string]bool
}

// Documents walks over the collections and their items, or over the items of the one collection or page that the address
// is of.
func (s *apiSource) Documents(ctx context.Context, from Position) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		c := &crawl{apiSource: s, ctx: ctx, yield: yield, seen: map[string]bool{}}
		if from.Cursor != "" {
			if err := json.Unmarshal([]byte(from.Cursor), &c.from); err != nil {
				yield(Document{}, fault.New(fault.Invalid, "the place to go on from: %w", err).WithCure("begin anew, without it"))
				return
			}
			c.number = from.Number
		}
		if err := c.run(); err != nil && !errors.Is(err, errStop) {
			yield(Document{}, err)
		}
	}
}

func (c *crawl) run() error {
	if c.from.Next != nil && c.from.Collection == "" {
		return c.items("", c.from.Next)
	}
	at := &ask{Method: http.MethodGet, Href: c.home.String()}
	home, err := c.visit(c.ctx, at)
	if err != nil {
		return err
	}
	page := gjson.ParseBytes(home)
	switch {
	case page.Get("type").Str == "FeatureCollection":
		return c.page("", at, page)
	case page.Get("type").Str == "Feature":
		return c.give(page, at, "")
	case page.Get("type").Str == "Collection":
		return c.collection(page, at)
	case page.Get("collections").IsArray():
		return c.collections(at, page)
	case page.Get("links").IsArray():
		list := &ask{Method: http.MethodGet, Href: linkOf(page, "data")}
		if list.Href == "" {
			list.Href = strings.TrimSuffix(c.home.String(), "/") + "/collections"
		}
		if err := c.below(list, at); err != nil {
			return err
		}
		answer, err := c.visit(c.ctx, list)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.Unsupported, "%s is a catalog without an API", c.home).WithCure("give the address of a STAC API, or load the catalog's files")
		}
		if err != nil {
			return err
		}
		return c.collections(list, gjson.ParseBytes(answer))
	}
	return fault.New(fault.Invalid, "%s answers with no STAC document", c.home).WithCure("give the address of a STAC API's landing page")
}

// linkOf is the address of the first link of a relation.
func linkOf(doc gjson.Result, rel string) string {
	for _, l := range doc.Get("links").Array() {
		if l.Get("rel").Str == rel {
			return l.Get("href").Str
		}
	}
	return ""
}

// collections walks over the collections of a list and its further pages, then over the items of each.
func (c *crawl) collections(at *ask, page gjson.Result) error {
	type one struct {
		doc gjson.Result
		at  *ask
	}
	var all []one
	for at != nil {
		for _, doc := range page.Get("collections").Array() {
			if id := doc.Get("id").Str; c.only == nil || slices.Contains(c.only, id) {
				all = append(all, one{doc, at})
			}
		}
		next, err := c.next(page, at)
		if err != nil || next == nil {
			if err != nil {
				return err
			}
			break
		}
		answer, err := c.visit(c.ctx, next)
		if err != nil {
			return err
		}
		at, page = next, gjson.ParseBytes(answer)
	}
	for _, id := range c.only {
		if !slices.ContainsFunc(all, func(o one) bool { return o.doc.Get("id").Str == id }) {
			return fault.New(fault.NotFound, "%s has no collection %q", c.home, id).WithCure("see %s for those it has", strings.TrimSuffix(c.home.String(), "/")+"/collections")
		}
	}
	slices.SortStableFunc(all, func(a, b one) int { return strings.Compare(a.doc.Get("id").Str, b.doc.Get("id").Str) })
	for _, o := range all {
		switch id := o.doc.Get("id").Str; {
		case c.from.Collection != "" && id < c.from.Collection: // it is through
			continue
		case c.from.Collection == id:
			next := c.from.Next
			if c.from = (cursor{}); next == nil {
				continue
			}
			if err := c.items(id, next); err != nil {
				return err
			}
			continue
		}
		if err := c.collection(o.doc, o.at); err != nil {
			return err
		}
	}
	return nil
}

// collection gives a collection and its items.
func (c *crawl) collection(doc gjson.Result, at *ask) error {
	id := doc.Get("id").Str
	if err := c.give(doc, at, ""); err != nil {
		return err
	}
	items := &ask{Method: http.MethodGet, Href: linkOf(doc, "items")}
	if items.Href == "" {
		items.Href = "collections/" + url.PathEscape(id) + "/items"
		if root := c.home.String(); !strings.HasSuffix(root, "/") {
			items.Href = root + "/" + items.Href
		}
	}
	if err := c.below(items, at); err != nil {
		return err
	}
	plain := *items
	items.limit(c.size)
	answer, err := c.visit(c.ctx, items)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) { // it may be the number that it does not like
		items = &plain
		answer, err = c.visit(c.ctx, items)
	}
	if err != nil {
		return err
	}
	return c.page(id, items, gjson.ParseBytes(answer))
}

// items gives the items from a page on.
func (c *crawl) items(id string, at *ask) error {
	answer, err := c.visit(c.ctx, at)
	if err != nil {
		return err
	}
	return c.page(id, at, gjson.ParseBytes(answer))
}

// page gives the items of a page and of those after it.
func (c *crawl) page(id string, at *ask, page gjson.Result) error {
	for {
		if !page.Get("features").IsArray() {
			return fault.New(fault.Invalid, "%s answers with no list of items", at.Href).WithCure("check that it is a STAC API")
		}
		next, err := c.next(page, at)
		if err != nil {
			return err
		}
		features := page.Get("features").Array()
		if len(features) == 0 && next != nil { // an API that forgets to stop
			next = nil
		}
		for i, doc := range features {
			cursorAt := ""
			if i == len(features)-1 {
				raw, err := json.Marshal(cursor{Collection: id, Next: next})
				if err != nil {
					return fault.New(fault.Internal, "write a place: %w", err)
				}
				cursorAt = string(raw)
			}
			if err := c.give(doc, at, cursorAt); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		answer, err := c.visit(c.ctx, next)
		if err != nil {
			return err
		}
		at, page = next, gjson.ParseBytes(answer)
	}
}

// give hands a document on. Its hrefs are relative to its own address.
func (c *crawl) give(doc gjson.Result, at *ask, cursor string) error {
	base, err := url.Parse(at.Href)
	if err != nil {
		return fault.New(fault.Invalid, "%q is no URL", at.Href)
	}
	if id := doc.Get("id").Str; id != "" && doc.Get("type").Str == "Feature" && strings.HasSuffix(base.Path, "/items") {
		base = base.JoinPath(url.PathEscape(id))
	}
	c.number++
	if !c.yield(Document{Raw: json.RawMessage(doc.Raw), Number: c.number, Base: base, Cursor: cursor}, nil) {
		return errStop
	}
	return nil
}

// next reads the link to the next page, nil where there is none.
func (c *crawl) next(page gjson.Result, at *ask) (*ask, error) {
	for _, l := range page.Get("links").Array() {
		if l.Get("rel").Str != "next" || l.Get("href").Str == "" {
			continue
		}
		next := &ask{Method: http.MethodGet, Href: l.Get("href").Str}
		if strings.EqualFold(l.Get("method").Str, http.MethodPost) {
			next.Method, next.Body = http.MethodPost, json.RawMessage("{}")
			if body := l.Get("body"); body.IsObject() {
				next.Body = json.RawMessage(body.Raw)
			}
			if l.Get("merge").Bool() {
				next.Body = merged(at.Body, next.Body)
			}
		}
		if err := c.below(next, at); err != nil {
			return nil, err
		}
		if key := next.Method + " " + next.Href + " " + string(next.Body); c.seen[key] {
			return nil, fault.New(fault.Invalid, "the pages of %s lead back to %s", c.home, next.Href).WithCure("tell whoever runs that API; load its collections one by one meanwhile")
		} else if c.seen[key] = true; len(c.seen) > c.maxPages {
			return nil, fault.New(fault.TooLarge, "%s has more than %d pages", c.home, c.maxPages).WithCure("load its collections one by one")
		}
		return next, nil
	}
	return nil, nil
}

// merged is a body with the members of another put in.
func merged(body, more json.RawMessage) json.RawMessage {
	out, _ := parseObject(string(body))
	put, _ := parseObject(string(more))
	for _, m := range put {
		out.set(m.name, m.value)
	}
	return out.json()
}

// ask is a request for a page.
type ask struct {
	Method string          `json:"method"`
	Href   string          `json:"href"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// limit asks for so many items, unless the address says how many already.
func (a *ask) limit(n int) {
	u, err := url.Parse(a.Href)
	if err != nil || u.Query().Has("limit") {
		return
	}
	q := u.Query()
	q.Set("limit", strconv.Itoa(n))
	u.RawQuery = q.Encode()
	a.Href = u.String()
}

func (a *ask) body() *bytes.Reader { return bytes.NewReader(a.Body) }

func (a *ask) String() string { return fmt.Sprintf("%s %s", a.Method, a.Href) }
