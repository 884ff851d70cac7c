package stac

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// The media types of changes to a document.
const (
	mediaMergePatch = "application/merge-patch+json"
	mediaJSONPatch  = "application/json-patch+json"
)

// maxPatch bounds the body of a change, in bytes: what it changes is looked for by name.
const maxPatch = 4 << 20

// patchTries is how often a change is made anew to what somebody else changed meanwhile.
const patchTries = 10

// patch changes a document: get reads it, and put says what to write for the changed one. Where the client does not
// name a version, a change that somebody else made meanwhile is kept, and this one made to that.
func (a *api) patch(w http.ResponseWriter, r *request, ref catalog.ItemRef, get func() (json.RawMessage, error),
	put func(json.RawMessage) (catalog.Changes, json.RawMessage, error),
) error {
	held, create, err := conditions(r, ref)
	if err != nil {
		return err
	}
	if create {
		return fault.New(fault.Invalid, "If-None-Match: * asks to change what is not there").WithCure("leave the header out")
	}
	body, err := read(w, r.Request, limits{min(a.MaxPosted, maxPatch), maxNesting}, reply.JSON, mediaMergePatch, mediaJSONPatch, reply.GeoJSON)
	if err != nil {
		return err
	}
	change := merged
	if mediaType(r.Request) == mediaJSONPatch {
		change = patched
	}
	for try := 1; ; try++ {
		now, err := get()
		if err != nil {
			return err
		}
		doc, err := change(now, body)
		if err != nil {
			return err
		}
		ch, written, err := put(doc)
		if err != nil {
			return err
		}
		ch.Conditions = append(slices.Clone(held), catalog.Condition{Ref: ref, ETags: []string{catalog.ETag(now)}})
		err = a.apply(r, "change", ch)
		if errors.Is(err, catalog.ErrChanged) && held == nil && try < patchTries {
			continue
		}
		if err != nil {
			return err
		}
		noContent(w, catalog.ETag(written))
		return nil
	}
}

// merged applies a merge patch (RFC 7386). What it does not name keeps its place and the digits of its numbers.
func merged(doc, patch json.RawMessage) (json.RawMessage, error) {
	if !gjson.ParseBytes(patch).IsObject() {
		return nil, fault.New(fault.Invalid, "the body is no object").WithCure("send the members to change, null for those to remove (RFC 7386)")
	}
	return merge(nil, gjson.ParseBytes(doc), gjson.ParseBytes(patch)), nil
}

func merge(out []byte, target, patch gjson.Result) []byte {
	if !patch.IsObject() {
		return append(out, patch.Raw...)
	}
	changes, done := patch.Map(), map[string]bool{}
	out = append(out, '{')
	first := true
	member := func(key, was, is gjson.Result) {
		if is.Type == gjson.Null {
			return
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = merge(append(append(out, key.Raw...), ':'), was, is)
	}
	if target.IsObject() {
		target.ForEach(func(key, value gjson.Result) bool {
			if change, ok := changes[key.String()]; ok {
				done[key.String()] = true
				member(key, value, change)
				return true
			}
			if !first {
				out = append(out, ',')
			}
			first = false
			out = append(append(append(out, key.Raw...), ':'), value.Raw...)
			return true
		})
	}
	patch.ForEach(func(key, value gjson.Result) bool {
		if !done[key.String()] {
			done[key.String()] = true
			member(key, gjson.Result{}, changes[key.String()])
		}
		return true
	})
	return append(out, '}')
}
