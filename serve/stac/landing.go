package stac

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// asPage reports whether the answer is to be a page for people: as the parameter f says, else as the client would rather have it.
func asPage(w http.ResponseWriter, r *request) (bool, error) {
	w.Header()["Vary"] = acceptVaries
	switch f := r.given.Get("f"); f {
	case "json":
		return false, nil
	case "html":
		return true, nil
	case "":
		if !r.given.Has("f") {
			return prefersPage(r.Header.Values("Accept")), nil
		}
		fallthrough
	default:
		return false, fault.New(fault.Invalid, "f is %q", f).WithCure("ask for json or html")
	}
}

var acceptVaries = []string{"Accept"}

// prefersPage reports whether the client would rather have HTML than any document there is, and says so as browsers do: they name XHTML
// too. A program that asks for nothing else means it as well; one that names HTML among others gets what programs get.
func prefersPage(accept []string) bool {
	if !slices.ContainsFunc(accept, func(one string) bool { return strings.Contains(one, "html") }) {
		return false // as most are programs
	}
	page, document, browses, others := 0.0, 0.0, false, false
	for _, one := range strings.Split(strings.Join(accept, ","), ",") {
		media, weights, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		q, err := strconv.ParseFloat(weights["q"], 64)
		if err != nil {
			q = 1
		}
		switch {
		case media == "text/html":
			page = max(page, q)
			continue
		case media == "application/xhtml+xml":
			browses = browses || q > 0
		case media == "*/*", media == "application/*", media == reply.JSON, media == reply.GeoJSON, lineType(media) != "":
			document = max(document, q)
		}
		others = others || !strings.Contains(media, "*")
	}
	return page > document && (browses || !others)
}

// landing is the root: a catalog with a link to everything there is, or a page for people.
func (a *api) landing(w http.ResponseWriter, r *request) error {
	if page, err := asPage(w, r); err != nil || page {
		if err != nil {
			return err
		}
		return a.landingPage(w, r)
	}
	links := []link{
		{Rel: "self", Href: r.at + "/", Type: reply.JSON, Title: a.Title},
		rootLink(r.at),
		{Rel: "conformance", Href: r.at + "/conformance", Type: reply.JSON, Title: "Conformance classes"},
		{Rel: "data", Href: r.at + "/collections", Type: reply.JSON, Title: "Collections"},
		{Rel: "children", Href: r.at + "/children", Type: reply.JSON, Title: "Collections, as children"},
		{Rel: "search", Href: r.at + "/search", Type: reply.GeoJSON, Title: "Item search", Method: "GET"},
		{Rel: "search", Href: r.at + "/search", Type: reply.GeoJSON, Title: "Item search", Method: "POST"},
		{Rel: relQueryables, Href: r.at + "/queryables", Type: reply.Schema, Title: "Properties that filters may name"},
		{Rel: relSortables, Href: r.at + "/sortables", Type: reply.Schema, Title: "Properties to order by"},
		{Rel: relFunctions, Href: r.at + "/functions", Type: reply.JSON, Title: "Functions that filters may call"},
		{Rel: "aggregate", Href: r.at + "/aggregate", Type: reply.JSON, Title: "Counts over items", Method: "GET"},
		{Rel: "aggregate", Href: r.at + "/aggregate", Type: reply.JSON, Title: "Counts over items", Method: "POST"},
		{Rel: "aggregations", Href: r.at + "/aggregations", Type: reply.JSON, Title: "What can be counted"},
		{Rel: "service-desc", Href: r.at + "/api", Type: reply.OpenAPI, Title: "OpenAPI document"},
		{Rel: "service-doc", Href: r.at + "/api.html", Type: "text/html", Title: "What this API offers"},
		{Rel: "alternate", Href: r.at + "/", Type: "text/html", Title: "This page for people"},
	}
	for i := range links {
		links[i].Lang = english[0]
	}
	err := a.eachCollection(r, catalog.Query{}, func(doc json.RawMessage) {
		c := gjson.GetManyBytes(doc, "id", "title")
		links = append(links, link{Rel: "child", Href: collectionURL(r.at, c[0].Str), Type: reply.JSON, Title: c[1].Str})
	})
	if err != nil {
		return err
	}
	a.Document(w, r.Request, http.StatusOK, reply.JSON, map[string]any{
		"type": "Catalog", "stac_version": "1.1.0", "id": "terrapin", "title": a.Title, "description": a.Description,
		"conformsTo": conformsTo, "links": links,
		"stac_extensions": []string{"https://stac-extensions.github.io/language/v1.0.0/schema.json"},
		"language":        map[string]string{"code": english[0], "name": "English"},
	})
	return nil
}

// eachCollection calls with every collection that a question finds, through all pages.
func (a *api) eachCollection(r *request, q catalog.Query, do func(json.RawMessage)) error {
	q.Limit = catalog.MaxLimit
	for {
		res, err := a.Catalog.Collections(r.Context(), a.scope(r.Request), q)
		if err != nil {
			return err
		}
		for _, doc := range res.Documents {
			do(doc)
		}
		if q.Token = res.Next; q.Token == "" {
			return nil
		}
	}
}

// children are the documents behind the landing page's child links.
func (a *api) children(w http.ResponseWriter, r *request) error {
	p, err := page(r.given)
	if err != nil {
		return err
	}
	if p.Limit == 0 {
		p.Limit = catalog.MaxLimit
	}
	var res catalog.Result
	switch kind := r.given.Get("type"); kind {
	case "", "Collection":
		if res, err = a.Catalog.Collections(r.Context(), a.scope(r.Request), catalog.Query{Page: p}); err != nil {
			return err
		}
	case "Catalog": // there are none
	default:
		return fault.New(fault.Invalid, "type %q is none of a child", kind).WithCure("ask for Catalog or Collection")
	}
	links := []link{{Rel: "self", Href: reply.Self(r.Request), Type: reply.JSON}, rootLink(r.at), {Rel: "parent", Href: r.at + "/", Type: reply.JSON}}
	return a.list(w, r, listing{open: `{"children":[`, media: reply.JSON, one: newPresenter(r.at, nil).collectionDoc, res: res, links: append(links, pageLinks(r, res, reply.JSON)...)})
}

func (a *api) conformance(w http.ResponseWriter, r *request) error {
	a.Document(w, r.Request, http.StatusOK, reply.JSON, map[string]any{"conformsTo": conformsTo})
	return nil
}
