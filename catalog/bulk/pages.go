package bulk

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
)

// Ask is what a page is wanted of.
type Ask struct {
	// Items of Collection; else collections.
	Items      bool   `json:"items,omitempty"`
	Collection string `json:"collection,omitempty"`
	// Posted leaves out collections that are made of what the bucket holds.
	Posted bool   `json:"posted,omitempty"`
	Token  string `json:"token,omitempty"`
}

// Page is some documents as a catalog stores them, and where the next ones are.
type Page struct {
	Documents []json.RawMessage `json:"documents"`
	Next      string            `json:"next,omitempty"`
}

// Pager gives a catalog out page by page.
type Pager interface {
	Page(ctx context.Context, a Ask) (Page, error)
}

// pageItems is how many documents a page has.
const pageItems = 1000

// Of is a catalog as what it holds.
func Of(c catalog.Reader) Pager { return of{c} }

type of struct{ catalog.Reader }

// Page asks the catalog.
func (o of) Page(ctx context.Context, a Ask) (Page, error) {
	q := catalog.Query{Page: catalog.Page{Limit: pageItems, Token: a.Token}}
	if a.Items {
		q.Collections = []string{a.Collection}
		res, err := o.Search(ctx, catalog.Everything(), q)
		return Page{res.Documents, res.Next}, err
	}
	if a.Posted {
		posted := catalog.Posted
		q.Origin = &posted
	}
	res, err := o.Collections(ctx, catalog.Everything(), q)
	return Page{res.Documents, res.Next}, err
}

// everyPage gives the documents of all pages.
func everyPage(ctx context.Context, from Pager, a Ask) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for {
			page, err := from.Page(ctx, a)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, doc := range page.Documents {
				if !yield(doc, nil) {
					return
				}
			}
			if a.Token = page.Next; a.Token == "" {
				return
			}
		}
	}
}

// Wanted says what is taken out of a catalog.
type Wanted struct {
	// Collections, where not nil, are the only ones.
	Collections []string
	// Posted leaves out what is made of what the bucket holds.
	Posted bool
}

// CollectionsOf gives the collections that are wanted, by their ids; one that is not there is catalog.ErrNotFound.
func CollectionsOf(ctx context.Context, from Pager, w Wanted) ([]json.RawMessage, error) {
	missing := map[string]bool{}
	for _, id := range w.Collections {
		missing[id] = true
	}
	var out []json.RawMessage
	for doc, err := range everyPage(ctx, from, Ask{Posted: w.Posted}) {
		if err != nil {
			return nil, err
		}
		if id := gjson.GetBytes(doc, "id").Str; w.Collections == nil || missing[id] {
			delete(missing, id)
			out = append(out, doc)
		}
	}
	for _, id := range w.Collections {
		if missing[id] {
			return nil, notThere(id)
		}
	}
	sortByID(out)
	return out, nil
}

// ItemsOf gives the items of a collection, newest first.
func ItemsOf(ctx context.Context, from Pager, collection string) iter.Seq2[json.RawMessage, error] {
	return everyPage(ctx, from, Ask{Items: true, Collection: collection})
}
