package stac

import (
	"errors"
	"net/http"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/origin"
)

// apply makes posted changes, and logs who made them.
func (a *api) apply(r *request, what string, ch catalog.Changes) error {
	ch.Origin = catalog.Posted
	revision, err := a.Catalog.Apply(r.Context(), ch)
	if err != nil {
		return a.refused(r, ch, err)
	}
	actor := origin.Actor(r.Request)
	if actor == "" {
		actor = "anonymous"
	}
	item := r.item
	if item == "" && len(ch.Entries) == 1 {
		item = ch.Entries[0].Ref.ID
	}
	a.Config.Log.InfoContext(r.Context(), "write", "what", what, "collection", r.collection, "item", item, "items", len(ch.Entries)+len(ch.DeleteItems),
		"collections", len(ch.Collections)+len(ch.DeleteCollections), "revision", revision, "actor", actor, "authenticated", false, "remote", r.RemoteAddr)
	return nil
}

// refused says of changes that a catalog did not take what the client can do.
func (a *api) refused(r *request, ch catalog.Changes, err error) error {
	switch {
	case errors.Is(err, catalog.ErrExists):
		return fault.New(fault.Conflict, "%w", err).WithCure("PUT replaces what is there, PATCH changes it")
	case errors.Is(err, catalog.ErrChanged):
		return fault.New(fault.Precondition, "%w", err).WithCure("GET it again, and make the change to what it is now")
	case r.Method == http.MethodPut && errors.Is(err, catalog.ErrNotFound):
		return fault.New(fault.NotFound, "%w", err).WithCure("POST what is new, or send If-None-Match: * along")
	case !fault.Is(err, fault.Precondition):
		return err
	}
	ids := append([]string{}, ch.DeleteCollections...)
	if r.collection != "" {
		ids = append(ids, r.collection)
	}
	for _, doc := range ch.Collections {
		if c, err := catalog.ParseCollection(doc); err == nil {
			ids = append(ids, c.ID)
		}
	}
	bucket := catalog.FromBucket
	of, lookErr := a.Catalog.Collections(r.Context(), a.scope(r.Request), catalog.Query{IDs: ids, Origin: &bucket, Page: catalog.Page{Limit: 1}})
	if lookErr != nil || len(of.Documents) == 0 {
		return err
	}
	return fault.New(fault.Conflict, "what the bucket holds is not changed here: %w", err).
		WithCure("use terrapin ingest, labels, dataset, model or predictions, which write to the bucket; or post to a collection of your own")
}

// conditions are what If-Match and If-None-Match ask of a document. create says that it must not be there.
func conditions(r *request, ref catalog.ItemRef) (out []catalog.Condition, create bool, err error) {
	if none := r.Header.Values("If-None-Match"); len(none) > 0 {
		if len(none) != 1 || strings.TrimSpace(none[0]) != "*" {
			return nil, false, fault.New(fault.Invalid, "If-None-Match %q is not for a change", none).WithCure("send * to have nothing replaced, or If-Match with the ETag of what is to be")
		}
		return []catalog.Condition{{Ref: ref, Absent: true}}, true, nil
	}
	match := r.Header.Values("If-Match")
	if len(match) == 0 {
		return nil, false, nil
	}
	c := catalog.Condition{Ref: ref}
	for _, header := range match {
		for _, one := range strings.Split(header, ",") {
			switch one = strings.TrimSpace(one); {
			case one == "*":
				return []catalog.Condition{{Ref: ref}}, false, nil
			case len(one) >= 2 && one[0] == '"' && one[len(one)-1] == '"':
				c.ETags = append(c.ETags, one[1:len(one)-1])
			default: // a weak one is the tag of no sequence of bytes
				c.ETags = append(c.ETags, one)
			}
		}
	}
	return []catalog.Condition{c}, false, nil
}

// failedCondition makes of a condition that the client sent and that does not hold an error with the status it has.
func failedCondition(err error, sent bool) error {
	if sent && (errors.Is(err, catalog.ErrExists) || errors.Is(err, catalog.ErrNotFound)) {
		return fault.New(fault.Precondition, "%w", err).WithCure("GET it, and make the change to what is there")
	}
	return err
}

// noContent answers a change that has no document to show.
func noContent(w http.ResponseWriter, etag string) {
	if etag != "" {
		w.Header().Set("ETag", `"`+etag+`"`)
	}
	w.WriteHeader(http.StatusNoContent)
}
