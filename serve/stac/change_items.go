package stac

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// postItems adds an item, or all of a feature collection or none.
func (a *api) postItems(w http.ResponseWriter, r *request) error {
	return a.once(w, r, func(w http.ResponseWriter, r *request, body []byte) error {
		if gjson.GetBytes(body, "type").String() == "FeatureCollection" {
			return a.postFeatures(w, r, body)
		}
		e, err := postedItem(body, catalog.ItemRef{Collection: r.collection})
		if err != nil {
			return err
		}
		if err := a.apply(r, "add item", catalog.Changes{Entries: []catalog.Entry{e}, Conditions: []catalog.Condition{{Ref: e.Ref, Absent: true}}}); err != nil {
			return err
		}
		w.Header().Set("Location", itemURL(r.at, e.Ref.Collection, e.Ref.ID))
		w.Header().Set("ETag", `"`+catalog.ETag(e.Document)+`"`)
		a.Bytes(w, r.Request, http.StatusCreated, reply.GeoJSON, newPresenter(r.at, nil).item(nil, e.Document))
		return nil
	}, reply.JSON, reply.GeoJSON)
}

func (a *api) postFeatures(w http.ResponseWriter, r *request, body []byte) error {
	if !gjson.GetBytes(body, "features").IsArray() {
		return fault.New(fault.Invalid, "the feature collection has no list of features").WithCure(`send {"type": "FeatureCollection", "features": [item, …]}`)
	}
	var ch catalog.Changes
	var refused []string
	seen := map[string]bool{}
	links := []link{{Rel: "collection", Href: collectionURL(r.at, r.collection), Type: reply.JSON}}
	features, err := elements(gjson.GetBytes(body, "features"))
	if err != nil {
		return err
	}
	for _, one := range features {
		e, err := postedItem(one, catalog.ItemRef{Collection: r.collection})
		switch {
		case err != nil:
			refused = append(refused, err.Error())
		case seen[e.Ref.ID]:
			refused = append(refused, "item \""+e.Ref.ID+"\" is there twice")
		}
		seen[e.Ref.ID] = true
		ch.Entries = append(ch.Entries, e)
		ch.Conditions = append(ch.Conditions, catalog.Condition{Ref: e.Ref, Absent: true})
		links = append(links, link{Rel: "item", Href: itemURL(r.at, e.Ref.Collection, e.Ref.ID), Type: reply.GeoJSON})
	}
	if len(refused) > 0 {
		more := ""
		if len(refused) > 10 {
			refused, more = refused[:10], "; and more"
		}
		return fault.New(fault.Invalid, "nothing was added: %s%s", strings.Join(refused, "; "), more).WithCure("mend these items, or use bulk_items, which adds the good ones")
	}
	if err := a.apply(r, "add items", ch); err != nil {
		return err
	}
	// A list of links and not of the items, which the client has.
	a.Document(w, r.Request, http.StatusCreated, reply.GeoJSON, object{"type": "FeatureCollection", "features": []any{}, "links": links})
	return nil
}

// putItem replaces an item. With If-None-Match: * it makes one, where none is.
func (a *api) putItem(w http.ResponseWriter, r *request) error {
	ref := catalog.ItemRef{Collection: r.collection, ID: r.item}
	held, create, err := conditions(r, ref)
	if err != nil {
		return err
	}
	body, err := read(w, r.Request, a.documents(), reply.JSON, reply.GeoJSON)
	if err != nil {
		return err
	}
	e, err := postedItem(body, ref)
	if err != nil {
		return err
	}
	if held == nil {
		held = []catalog.Condition{{Ref: ref}}
	}
	if err := a.apply(r, "replace item", catalog.Changes{Entries: []catalog.Entry{e}, Conditions: held}); err != nil {
		return failedCondition(err, create)
	}
	if create {
		w.Header().Set("Location", itemURL(r.at, ref.Collection, ref.ID))
		w.Header().Set("ETag", `"`+catalog.ETag(e.Document)+`"`)
		a.Bytes(w, r.Request, http.StatusCreated, reply.GeoJSON, newPresenter(r.at, nil).item(nil, e.Document))
		return nil
	}
	noContent(w, catalog.ETag(e.Document))
	return nil
}

// patchItem changes members of an item.
func (a *api) patchItem(w http.ResponseWriter, r *request) error {
	ref := catalog.ItemRef{Collection: r.collection, ID: r.item}
	get := func() (json.RawMessage, error) { return a.Catalog.Item(r.Context(), a.scope(r.Request), ref) }
	return a.patch(w, r, ref, get, func(doc json.RawMessage) (catalog.Changes, json.RawMessage, error) {
		e, err := postedItem(doc, ref)
		return catalog.Changes{Entries: []catalog.Entry{e}}, e.Document, err
	})
}

// deleteItem removes an item. That it is absent is no error, unless a version of it is asked for.
func (a *api) deleteItem(w http.ResponseWriter, r *request) error {
	ref := catalog.ItemRef{Collection: r.collection, ID: r.item}
	held, create, err := conditions(r, ref)
	if err != nil {
		return err
	}
	if create {
		return fault.New(fault.Invalid, "If-None-Match: * asks to delete what is not there").WithCure("leave the header out")
	}
	err = a.apply(r, "delete item", catalog.Changes{DeleteItems: []catalog.ItemRef{ref}, Conditions: held})
	if err != nil && !(held == nil && errors.Is(err, catalog.ErrNotFound)) {
		return failedCondition(err, held != nil)
	}
	noContent(w, "")
	return nil
}
