package stac

import (
	"encoding/json"
	"net/http"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// postCollection adds a collection, or all of a list or none.
func (a *api) postCollection(w http.ResponseWriter, r *request) error {
	return a.once(w, r, func(w http.ResponseWriter, r *request, body []byte) error {
		docs, several, err := postedList(body)
		if err != nil {
			return err
		}
		var ch catalog.Changes
		var last catalog.CollectionEntry
		seen := map[string]bool{}
		links := []link{rootLink(r.at)}
		for _, doc := range docs {
			if last, err = postedCollection(doc, ""); err != nil {
				return err
			}
			if seen[last.ID] {
				return fault.New(fault.Invalid, "collection %q is there twice", last.ID).WithCure("send it once")
			}
			seen[last.ID] = true
			ch.Collections = append(ch.Collections, last.Document)
			ch.Conditions = append(ch.Conditions, catalog.Condition{Ref: catalog.ItemRef{Collection: last.ID}, Absent: true})
			links = append(links, link{Rel: "child", Href: collectionURL(r.at, last.ID), Type: reply.JSON})
		}
		if err := a.apply(r, "add collections", ch); err != nil {
			return err
		}
		if several {
			a.Document(w, r.Request, http.StatusCreated, reply.JSON, object{"collections": []any{}, "links": links})
			return nil
		}
		a.created(w, r, last)
		return nil
	}, reply.JSON)
}

// created answers with a collection that was made.
func (a *api) created(w http.ResponseWriter, r *request, c catalog.CollectionEntry) {
	w.Header().Set("Location", collectionURL(r.at, c.ID))
	w.Header().Set("ETag", `"`+catalog.ETag(c.Document)+`"`)
	a.Bytes(w, r.Request, http.StatusCreated, reply.JSON, newPresenter(r.at, nil).collectionDoc(nil, c.Document))
}

// postedList takes a collection, a list of them, or an object that has one as GET /collections answers.
func postedList(body []byte) (docs []json.RawMessage, several bool, err error) {
	list := gjson.ParseBytes(body)
	if inner := list.Get("collections"); inner.IsArray() && !list.Get("id").Exists() {
		list = inner
	}
	if !list.IsArray() {
		return []json.RawMessage{body}, false, nil
	}
	docs, err = elements(list)
	if err == nil && len(docs) == 0 { // 201 says that something was made
		err = fault.New(fault.Invalid, "the list has no collection in it").WithCure("send one collection, or a list of them")
	}
	return docs, true, err
}

// putCollection replaces a collection and leaves its items. With If-None-Match: * it makes one, where none is.
func (a *api) putCollection(w http.ResponseWriter, r *request) error {
	ref := catalog.ItemRef{Collection: r.collection}
	held, create, err := conditions(r, ref)
	if err != nil {
		return err
	}
	body, err := read(w, r.Request, a.documents(), reply.JSON)
	if err != nil {
		return err
	}
	c, err := postedCollection(body, r.collection)
	if err != nil {
		return err
	}
	if held == nil {
		held = []catalog.Condition{{Ref: ref}}
	}
	if err := a.apply(r, "replace collection", catalog.Changes{Collections: []json.RawMessage{c.Document}, Conditions: held}); err != nil {
		return failedCondition(err, create)
	}
	if create {
		a.created(w, r, c)
		return nil
	}
	noContent(w, catalog.ETag(c.Document))
	return nil
}

// patchCollection changes members of a collection.
func (a *api) patchCollection(w http.ResponseWriter, r *request) error {
	get := func() (json.RawMessage, error) {
		return a.Catalog.Collection(r.Context(), a.scope(r.Request), r.collection)
	}
	return a.patch(w, r, catalog.ItemRef{Collection: r.collection}, get, func(doc json.RawMessage) (catalog.Changes, json.RawMessage, error) {
		c, err := postedCollection(doc, r.collection)
		return catalog.Changes{Collections: []json.RawMessage{c.Document}}, c.Document, err
	})
}

// deleteCollection removes a collection and its items. That it is absent is no error, unless a version of it is
// asked for.
func (a *api) deleteCollection(w http.ResponseWriter, r *request) error {
	held, create, err := conditions(r, catalog.ItemRef{Collection: r.collection})
	if err != nil {
		return err
	}
	if create {
		return fault.New(fault.Invalid, "If-None-Match: * asks to delete what is not there").WithCure("leave the header out")
	}
	if err := a.apply(r, "delete collection", catalog.Changes{DeleteCollections: []string{r.collection}, Conditions: held}); err != nil {
		return failedCondition(err, held != nil)
	}
	noContent(w, "")
	return nil
}
