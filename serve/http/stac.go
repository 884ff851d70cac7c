package http

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/terrapin-eo/terrapin/catalog"
)

// conformsTo lists the classes that hold.
var conformsTo = []string{
	"https://api.stacspec.org/v1.0.0/core",
	"https://api.stacspec.org/v1.0.0/collections",
	"https://api.stacspec.org/v1.0.0/ogcapi-features",
	"https://api.stacspec.org/v1.0.0/item-search",
	"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
	"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
	"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
}

// collectionsPage is how many collections a page has where nobody says.
const collectionsPage = 1000

func (s *server) conformance(w http.ResponseWriter, r *http.Request) error {
	s.write(w, r, http.StatusOK, typeJSON, map[string]any{"conformsTo": conformsTo})
	return nil
}

func (s *server) landing(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Accept")
	at := base(r)
	collections, err := s.Catalog.Collections(r.Context(), s.scope(r), catalog.Query{Page: catalog.Page{Limit: catalog.MaxLimit}})
	if err != nil {
		return err
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		return s.landingPage(w, r, collections.Documents)
	}
	links := []link{
		{"rel": "self", "href": at + "/", "type": typeJSON, "title": s.Title},
		rootLink(at),
		{"rel": "conformance", "href": at + "/conformance", "type": typeJSON, "title": "Conformance classes"},
		{"rel": "data", "href": at + "/collections", "type": typeJSON, "title": "Collections"},
		{"rel": "search", "href": at + "/search", "type": typeGeoJSON, "title": "Item search", "method": "GET"},
		{"rel": "search", "href": at + "/search", "type": typeGeoJSON, "title": "Item search", "method": "POST"},
		{"rel": "service-desc", "href": at + "/api", "type": typeOpenAPI, "title": "OpenAPI document"},
		{"rel": "service-doc", "href": at + "/api.html", "type": "text/html", "title": "What this API offers"},
		{"rel": "alternate", "href": at + "/", "type": "text/html", "title": "This page for people"},
	}
	for _, doc := range collections.Documents {
		var c struct{ ID, Title string }
		if err := json.Unmarshal(doc, &c); err != nil {
			return err
		}
		child := link{"rel": "child", "href": collectionURL(at, c.ID), "type": typeJSON}
		if c.Title != "" {
			child["title"] = c.Title
		}
		links = append(links, child)
	}
	s.write(w, r, http.StatusOK, typeJSON, map[string]any{
		"type": "Catalog", "stac_version": "1.1.0", "id": "terrapin", "title": s.Title, "description": s.Description,
		"conformsTo": conformsTo, "links": links,
	})
	return nil
}

func (s *server) collections(w http.ResponseWriter, r *http.Request) error {
	v, err := parameters(r, "limit", "token")
	if err != nil {
		return err
	}
	p, err := page(v)
	if err != nil {
		return err
	}
	if p.Limit == 0 {
		p.Limit = collectionsPage
	}
	found, err := s.Catalog.Collections(r.Context(), s.scope(r), catalog.Query{Page: p})
	if err != nil {
		return err
	}
	at := base(r)
	docs := make([]map[string]any, len(found.Documents))
	for i, doc := range found.Documents {
		if docs[i], err = presentCollection(doc, at); err != nil {
			return err
		}
	}
	links := []link{{"rel": "self", "href": self(r), "type": typeJSON}, rootLink(at)}
	if found.Next != "" {
		links = append(links, nextGet(r, v, found.Next, typeJSON))
	}
	out := map[string]any{"collections": docs, "links": links, "numberReturned": len(docs)}
	if found.Matched != nil {
		out["numberMatched"] = *found.Matched
	}
	s.write(w, r, http.StatusOK, typeJSON, out)
	return nil
}

// name is a path parameter, decoded.
func name(r *http.Request, key string) string {
	text := chi.URLParam(r, key)
	if r.URL.RawPath == "" {
		return text // chi routed on the decoded path
	}
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

func (s *server) collection(w http.ResponseWriter, r *http.Request) error {
	doc, err := s.Catalog.Collection(r.Context(), s.scope(r), name(r, "collection"))
	if err != nil {
		return err
	}
	out, err := presentCollection(doc, base(r))
	if err != nil {
		return err
	}
	s.write(w, r, http.StatusOK, typeJSON, out)
	return nil
}

func (s *server) item(w http.ResponseWriter, r *http.Request) error {
	ref := catalog.ItemRef{Collection: name(r, "collection"), ID: name(r, "item")}
	doc, err := s.Catalog.Item(r.Context(), s.scope(r), ref)
	if err != nil {
		return err
	}
	out, err := presentItem(doc, base(r))
	if err != nil {
		return err
	}
	s.write(w, r, http.StatusOK, typeGeoJSON, out)
	return nil
}

func (s *server) items(w http.ResponseWriter, r *http.Request) error {
	id := name(r, "collection")
	if _, err := s.Catalog.Collection(r.Context(), s.scope(r), id); err != nil {
		return err
	}
	q, err := searchQuery(r)
	if err != nil {
		return err
	}
	if q.Collections == nil || slices.Contains(q.Collections, id) {
		q.Collections = []string{id}
	} else {
		q.Collections = []string{} // of this collection and of another: nothing is
	}
	of := collectionURL(base(r), id)
	return s.found(w, r, q, func(next string) link { return nextGet(r, r.URL.Query(), next, typeGeoJSON) },
		link{"rel": "parent", "href": of, "type": typeJSON}, link{"rel": "collection", "href": of, "type": typeJSON})
}

func (s *server) searchGet(w http.ResponseWriter, r *http.Request) error {
	q, err := searchQuery(r)
	if err != nil {
		return err
	}
	return s.found(w, r, q, func(next string) link { return nextGet(r, r.URL.Query(), next, typeGeoJSON) })
}

func (s *server) searchPost(w http.ResponseWriter, r *http.Request) error {
	q, err := searchBody(w, r)
	if err != nil {
		return err
	}
	return s.found(w, r, q, func(next string) link {
		return link{"rel": "next", "href": base(r) + "/search", "type": typeGeoJSON, "method": "POST",
			"body": map[string]any{"token": next}, "merge": true}
	})
}

func nextGet(r *http.Request, v url.Values, token, mediaType string) link {
	v.Set("token", token)
	return link{"rel": "next", "href": base(r) + r.URL.EscapedPath() + "?" + v.Encode(), "type": mediaType, "method": "GET"}
}

// found answers a query with a feature collection. The matches are counted on the first page only.
func (s *server) found(w http.ResponseWriter, r *http.Request, q catalog.Query, next func(string) link, more ...link) error {
	q.Count = q.Token == ""
	res, err := s.Catalog.Search(r.Context(), s.scope(r), q)
	if err != nil {
		return err
	}
	at := base(r)
	features := make([]map[string]any, len(res.Documents))
	for i, doc := range res.Documents {
		if features[i], err = presentItem(doc, at); err != nil {
			return err
		}
	}
	links := append([]link{{"rel": "self", "href": self(r), "type": typeGeoJSON}, rootLink(at)}, more...)
	if res.Next != "" {
		links = append(links, next(res.Next))
	}
	out := map[string]any{
		"type": "FeatureCollection", "features": features, "links": links, "numberReturned": len(features),
		"timeStamp": time.Now().UTC().Format(time.RFC3339),
	}
	if res.Matched != nil {
		out["numberMatched"] = *res.Matched
	}
	s.write(w, r, http.StatusOK, typeGeoJSON, out)
	return nil
}
