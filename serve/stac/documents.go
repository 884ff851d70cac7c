package stac

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// collectionsPage is how many collections a page has where nobody says.
const collectionsPage = 1000

func (a *api) collections(w http.ResponseWriter, r *request) error {
	q, err := asked(r.given, collectionFields)
	if err != nil {
		return err
	}
	if q.Limit == 0 {
		q.Limit = collectionsPage
	}
	q.Count = q.Token == ""
	res, err := a.Catalog.Collections(r.Context(), a.scope(r.Request), q.Query)
	if err != nil {
		return err
	}
	links := []link{{Rel: "self", Href: reply.Self(r.Request), Type: reply.JSON}, rootLink(r.at), {Rel: "parent", Href: r.at + "/", Type: reply.JSON},
		{Rel: relQueryables, Href: r.at + "/collection-queryables", Type: reply.Schema},
		{Rel: relSortables, Href: r.at + "/collection-sortables", Type: reply.Schema}}
	p := newPresenter(r.at, q.fields)
	return a.list(w, r, listing{open: `{"collections":[`, media: reply.JSON, one: p.collectionDoc, res: res, links: append(links, pageLinks(r, res, reply.JSON)...)})
}

func (a *api) oneCollection(w http.ResponseWriter, r *request) error {
	page, err := asPage(w, r)
	if err != nil {
		return err
	}
	doc, err := a.Catalog.Collection(r.Context(), a.scope(r.Request), r.collection)
	if err != nil {
		return err
	}
	if page {
		return a.collectionPage(w, r, newPresenter(r.at, nil).collectionDoc(nil, doc))
	}
	return a.one(w, r, doc, reply.JSON, newPresenter(r.at, nil).collectionDoc)
}

func (a *api) oneItem(w http.ResponseWriter, r *request) error {
	page, err := asPage(w, r)
	if err != nil {
		return err
	}
	doc, err := a.Catalog.Item(r.Context(), a.scope(r.Request), catalog.ItemRef{Collection: r.collection, ID: r.item})
	if err != nil {
		return err
	}
	if page {
		return a.itemPage(w, r, newPresenter(r.at, nil).item(nil, doc))
	}
	return a.one(w, r, doc, reply.GeoJSON, newPresenter(r.at, nil).item)
}

// one answers with a document and the name of its version, or that the client has it already.
func (a *api) one(w http.ResponseWriter, r *request, doc json.RawMessage, media string, present func(out []byte, doc json.RawMessage) []byte) error {
	tag := `"` + catalog.ETag(doc) + `"`
	w.Header()["Etag"] = []string{tag}
	if names(r.Header.Values("If-None-Match"), tag, true) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body := bodies.get()
	defer bodies.put(body)
	*body = present(*body, doc)
	a.Bytes(w, r.Request, http.StatusOK, media, *body)
	return nil
}

// names reports whether a list of entity tags holds one, or "*". A weak one counts where weak is true.
func names(headers []string, tag string, weak bool) bool {
	for _, header := range headers {
		for _, one := range strings.Split(header, ",") {
			one = strings.TrimSpace(one)
			if plain, is := strings.CutPrefix(one, "W/"); is && weak {
				one = plain
			}
			if one == tag || one == "*" {
				return true
			}
		}
	}
	return false
}

func (a *api) items(w http.ResponseWriter, r *request) error {
	q, err := asked(r.given, itemFields)
	if err != nil {
		return err
	}
	q.Collections = within(q.Collections, r.collection)
	if page, err := asPage(w, r); err != nil || page {
		if err != nil {
			return err
		}
		return a.itemsPage(w, r, q)
	}
	of := collectionURL(r.at, r.collection)
	return a.found(w, r, q, func(res catalog.Result) []link { return pageLinks(r, res, reply.GeoJSON) },
		link{Rel: "parent", Href: of, Type: reply.JSON}, link{Rel: "collection", Href: of, Type: reply.JSON})
}

// itemsOf is what a request asks of the items of the collection in its path, which has to be there.
func (a *api) itemsOf(r *request) (ask, error) {
	q, err := asked(r.given, itemFields)
	if err != nil {
		return q, err
	}
	q.Collections = within(q.Collections, r.collection)
	return q, a.inCatalog(r)
}

// inCatalog refuses a request whose path names a collection that is not there.
func (a *api) inCatalog(r *request) error {
	if r.collection == "" {
		return nil
	}
	_, err := a.Catalog.Collection(r.Context(), a.scope(r.Request), r.collection)
	return err
}

// within narrows collections that are asked for to the one of the path.
func within(asked []string, collection string) []string {
	if asked == nil || slices.Contains(asked, collection) {
		return []string{collection}
	}
	return []string{} // of this collection and of another: nothing is
}

func (a *api) searchGet(w http.ResponseWriter, r *request) error {
	q, err := asked(r.given, itemFields)
	if err != nil {
		return err
	}
	return a.found(w, r, q, func(res catalog.Result) []link { return pageLinks(r, res, reply.GeoJSON) })
}

func (a *api) searchPost(w http.ResponseWriter, r *request) error {
	var in searchBody
	body, err := decode(w, r.Request, &in)
	if err != nil {
		return err
	}
	q, err := in.ask()
	if err != nil {
		return err
	}
	return a.found(w, r, q, func(res catalog.Result) (out []link) {
		for _, to := range [][2]string{{"next", res.Next}, {"prev", res.Prev}} {
			if to[1] == "" {
				continue
			}
			whole, err := withToken(body, to[1])
			if err != nil {
				panic(err) // it was an object before
			}
			out = append(out, link{Rel: to[0], Href: r.at + "/search", Type: reply.GeoJSON, Method: "POST", Body: whole})
		}
		return out
	})
}

// found answers a question of items with a page of features, or with all of them as lines, as the client takes
// them; f says that it is to be a page. The matches are counted on the first page only.
func (a *api) found(w http.ResponseWriter, r *request, q ask, pages func(catalog.Result) []link, more ...link) error {
	w.Header()["Vary"] = acceptVaries
	if media := linesTaken(r.Request); media != "" && !r.given.Has("f") {
		if err := a.inCatalog(r); err != nil {
			return err
		}
		return a.lines(w, r, q, media)
	}
	q.Count = q.Token == ""
	res, err := a.Catalog.Search(r.Context(), a.scope(r.Request), q.Query)
	if err == nil && len(res.Documents) == 0 { // where there are items there is their collection
		err = a.inCatalog(r)
	}
	if err != nil {
		return err
	}
	links := append([]link{{Rel: "self", Href: reply.Self(r.Request), Type: reply.GeoJSON}, rootLink(r.at)}, more...)
	p := newPresenter(r.at, q.fields)
	return a.list(w, r, listing{open: `{"type":"FeatureCollection","features":[`, media: reply.GeoJSON, one: p.item, res: res, links: append(links, pages(res)...), stamp: true})
}
