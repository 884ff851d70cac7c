package stac

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// The pages of a document show so many of its members and links each, and so many bytes of a value or a name, and of the description.
const (
	shownMembers     = 200
	shownBytes       = 500
	shownDescription = 5000
)

// fact is a member as a page shows it.
type fact struct{ Name, Value string }

// target is where a page leads; only addresses of the web can be followed.
type target struct {
	Title, Href string
	Web         bool
}

// shownAsset is an asset as a page shows it, and shownLink a link.
type (
	shownAsset struct {
		target
		Key, Type, Roles string
	}
	shownLink struct {
		target
		Rel string
	}
)

// shown is what a page says of a document.
type shown struct {
	Facts   []fact
	Assets  []shownAsset
	Links   []shownLink
	LeftOut bool
}

// collectionPage shows a collection, as it is served, to people.
func (a *api) collectionPage(w http.ResponseWriter, r *request, doc []byte) error {
	var s shown
	d := gjson.ParseBytes(doc)
	s.facts(d, "type", "links", "assets", "id", "title", "description", "stac_extensions", "itemType")
	s.documents(d)
	return a.documentPage(w, r, "collection", collectionURL(r.at, r.collection), r.collection, d.Get("title").Str, d.Get("description").Str, s)
}

// itemPage shows an item, as it is served, to people.
func (a *api) itemPage(w http.ResponseWriter, r *request, doc []byte) error {
	var s shown
	d := gjson.ParseBytes(doc)
	s.facts(d.Get("properties"), "title", "description")
	s.facts(d, "type", "links", "assets", "id", "collection", "properties", "stac_extensions")
	s.documents(d)
	return a.documentPage(w, r, "item", itemURL(r.at, r.collection, r.item), r.item, d.Get("properties.title").Str, d.Get("properties.description").Str, s)
}

func (a *api) documentPage(w http.ResponseWriter, r *request, name, self, id, title, description string, s shown) error {
	if title == "" {
		title = id
	}
	title, description = s.short(title), s.cut(description, shownDescription)
	return a.page(w, r, name, map[string]any{
		"API": a.Title, "Base": r.at, "Of": collectionURL(r.at, r.collection), "Collection": r.collection, "Self": self, "ID": id, "Title": title, "Description": description,
		"Facts": s.Facts, "Assets": s.Assets, "Links": s.Links, "LeftOut": s.LeftOut,
	})
}

// facts adds an object's members but for some.
func (s *shown) facts(of gjson.Result, without ...string) {
	s.each(of, func(name, value gjson.Result) bool {
		for _, no := range without {
			if name.Str == no {
				return false
			}
		}
		s.Facts = append(s.Facts, fact{s.short(name.Str), s.short(value.String())})
		return true
	})
}

// documents adds the assets, and the links that are not made here.
func (s *shown) documents(of gjson.Result) {
	s.each(of.Get("assets"), func(key, asset gjson.Result) bool {
		var roles []string
		for _, role := range asset.Get("roles").Array() {
			roles = append(roles, role.String())
		}
		s.Assets = append(s.Assets, shownAsset{s.target(asset), s.short(key.Str), s.short(asset.Get("type").String()), s.short(strings.Join(roles, ", "))})
		return true
	})
	s.each(of.Get("links"), func(_, one gjson.Result) bool {
		rel := one.Get("rel").String()
		switch rel {
		case "self", "root", "parent", "collection", "items", "aggregate", "aggregations", "export", relQueryables, relSortables:
			return false
		}
		s.Links = append(s.Links, shownLink{s.target(one), s.short(rel)})
		return true
	})
}

func (s *shown) target(of gjson.Result) target {
	href := of.Get("href").String()
	t := target{Title: s.short(of.Get("title").String()), Href: href, Web: strings.HasPrefix(href, "https://") || strings.HasPrefix(href, "http://")}
	if t.Title == "" {
		t.Title = s.short(href)
	}
	return t
}

// each calls with the members of an object or the elements of a list, until so many were shown.
func (s *shown) each(of gjson.Result, show func(name, value gjson.Result) bool) {
	if !of.IsObject() && !of.IsArray() {
		return
	}
	n := 0
	of.ForEach(func(name, value gjson.Result) bool {
		if n == shownMembers {
			s.LeftOut = true
			return false
		}
		if show(name, value) {
			n++
		}
		return true
	})
}

// short is a value as a page has room for it.
func (s *shown) short(value string) string { return s.cut(value, shownBytes) }

func (s *shown) cut(value string, most int) string {
	if len(value) <= most {
		return value
	}
	s.LeftOut = true
	cut := most
	for !utf8.RuneStart(value[cut]) {
		cut--
	}
	return value[:cut] + "…"
}

// listedItem is an item in a list.
type listedItem struct{ ID, Title, URL, Time string }

// shownItems is how many items a page has where nobody says.
const shownItems = 50

// itemsPage lists items of a collection to people.
func (a *api) itemsPage(w http.ResponseWriter, r *request, q ask) error {
	if q.Limit == 0 {
		q.Limit = shownItems
	}
	q.Count = q.Token == ""
	res, err := a.Catalog.Search(r.Context(), a.scope(r.Request), q.Query)
	if err == nil {
		err = a.inCatalog(r)
	}
	if err != nil {
		return err
	}
	data := map[string]any{"API": a.Title, "Base": r.at, "Of": collectionURL(r.at, r.collection), "ID": r.collection, "Title": "Items of " + r.collection, "Items": listed(r, res.Documents)}
	if res.Matched != nil {
		data["Matched"] = *res.Matched
	}
	for _, l := range pageLinks(r, res, "") {
		data[map[string]string{"next": "Next", "prev": "Prev"}[l.Rel]] = l.Href
	}
	return a.page(w, r, "items", data)
}

func listed(r *request, docs []json.RawMessage) (out []listedItem) {
	var s shown
	for _, doc := range docs {
		d := gjson.GetManyBytes(doc, "id", "properties.title", "properties.datetime", "properties.start_datetime", "properties.end_datetime")
		one := listedItem{ID: d[0].Str, Title: s.short(d[1].Str), URL: itemURL(r.at, r.collection, d[0].Str), Time: d[2].Str}
		if one.Time == "" {
			one.Time = day(d[3].Str) + " – " + day(d[4].Str)
		}
		out = append(out, one)
	}
	return out
}
