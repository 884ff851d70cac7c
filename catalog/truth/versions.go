package truth

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/fault"
)

// rules names how documents are derived from commits. It is part of every mark, so that a catalog
// that another release filled otherwise is brought up to date.
const rules = "#3"

// stamp tells whether a commit is the one that the catalog took.
func (c commit) stamp() string { return c.etag + rules + "#" }

// mark is what the catalog keeps of a commit that it has: its stamp and the SHA-256 of its commit.json.
func (c commit) mark() string { return c.stamp() + c.SHA }

// draft says that the commit does not count as a version for others yet.
func (c commit) draft() bool { return c.State == "draft" }

// things splits commits into those of one name each, by number, and links the versions of a name. A
// thing stands where its newest version does, so that the newest document of a shared collection is
// put last.
func things(list []commit) ([][]commit, error) {
	var out [][]commit
	for _, c := range list {
		name := c.thing()
		at := slices.IndexFunc(out, func(t []commit) bool { return t[0].thing() == name })
		if at < 0 {
			out = append(out, []commit{c})
			continue
		}
		out[at] = append(out[at], c)
	}
	for _, t := range out {
		slices.SortFunc(t, func(a, b commit) int { return natural(a.folder, b.folder) })
		if err := link(t); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, newer)
	return out, nil
}

// thing is what the commit is a version of, such as "labels/crops".
func (c commit) thing() string {
	if parts := strings.Split(c.folder, "/"); len(parts) > 2 {
		return strings.Join(parts[:2], "/")
	}
	return c.folder
}

// link makes the documents of a thing's versions say which is the latest and which follows which. A
// commit is written once and cannot know what comes after it, so these links are never taken from it.
// A draft follows others and nothing else: it is neither the latest nor anybody's successor. The
// collection of a label set, which every revision brings along, is that of the latest.
func link(versions []commit) error {
	if versions[0].thing() == versions[0].folder {
		return nil // it has no versions
	}
	var refs []stac.Link
	latest := len(versions) - 1
	for i, v := range versions {
		ref, err := v.reference()
		if err != nil {
			return err
		}
		refs = append(refs, ref)
		if !v.draft() {
			latest = i
		}
	}
	shared := sharedCollection(versions, latest)
	for i, v := range versions {
		var links []stac.Link
		if !versions[latest].draft() {
			links = append(links, as("latest-version", refs[latest]))
		}
		own := links
		if next := slices.IndexFunc(versions, func(n commit) bool { return !n.draft() && n.follows(refs[i].Href) }); next >= 0 {
			own = append(slices.Clone(links), as("successor-version", refs[next]))
		}
		collections := v.STAC.Collections
		if shared != nil {
			collections = shared
			if i != latest {
				collections = nil
			}
		}
		v.STAC.Collections = nil
		for _, doc := range collections {
			if shared == nil {
				links = own
			}
			doc, err := relinked(doc, links)
			if err != nil {
				return err
			}
			v.STAC.Collections = append(v.STAC.Collections, doc)
		}
		for k, doc := range v.STAC.Items {
			var err error
			if v.STAC.Items[k], err = relinked(doc, own); err != nil {
				return err
			}
		}
		versions[i] = v
	}
	return nil
}

// sharedCollection is the collection that label revisions have in common, as the latest describes it
// and with the extent that the newest knows; nil where each version has its own.
func sharedCollection(versions []commit, latest int) []json.RawMessage {
	newest := versions[len(versions)-1].STAC.Collections
	if !strings.HasPrefix(versions[0].folder, "labels/") || len(versions[latest].STAC.Collections) != 1 || len(newest) != 1 {
		return nil
	}
	var from struct {
		Extent json.RawMessage `json:"extent"`
	}
	if json.Unmarshal(newest[0], &from) != nil || from.Extent == nil {
		return versions[latest].STAC.Collections
	}
	doc, err := decoded(versions[latest].STAC.Collections[0])
	if err != nil {
		return versions[latest].STAC.Collections
	}
	doc["extent"] = from.Extent
	out, err := json.Marshal(doc)
	if err != nil {
		return versions[latest].STAC.Collections
	}
	return []json.RawMessage{out}
}

// reference is a link to the document that stands for the version: a revision's item, a dataset's
// collection.
func (c commit) reference() (stac.Link, error) {
	if strings.HasPrefix(c.folder, "labels/") && len(c.STAC.Items) > 0 {
		e, err := catalog.ParseItem(c.STAC.Items[0])
		return stac.Link{Href: stac.ItemHref(e.Ref.Collection, e.Ref.ID), Type: stac.TypeGeoJSON, Title: e.Ref.ID}, err
	}
	if len(c.STAC.Collections) == 0 {
		return stac.Link{}, nil
	}
	e, err := catalog.ParseCollection(c.STAC.Collections[0])
	return stac.Link{Href: stac.CollectionHref(e.ID), Type: stac.TypeJSON, Title: e.ID}, err
}

func as(rel string, to stac.Link) stac.Link {
	to.Rel = rel
	return to
}

// follows reports whether a document of the commit names href as its predecessor.
func (c commit) follows(href string) bool {
	for _, doc := range slices.Concat(c.STAC.Collections, c.STAC.Items) {
		var in struct {
			Links []struct{ Rel, Href string } `json:"links"`
		}
		if json.Unmarshal(doc, &in) != nil {
			continue
		}
		for _, l := range in.Links {
			if l.Rel == "predecessor-version" && l.Href == href {
				return true
			}
		}
	}
	return false
}

// relinked puts links in place of those that a document has of the relations that link decides.
func relinked(doc json.RawMessage, links []stac.Link) (json.RawMessage, error) {
	out, err := decoded(doc)
	if err != nil {
		return nil, err
	}
	var stored []json.RawMessage
	if raw, ok := out["links"]; ok {
		if err := json.Unmarshal(raw, &stored); err != nil {
			return nil, fault.New(fault.Corrupt, "the links of a document do not decode: %w", err)
		}
	}
	kept := []json.RawMessage{}
	for _, raw := range stored {
		var l struct{ Rel string }
		if json.Unmarshal(raw, &l) == nil && (l.Rel == "latest-version" || l.Rel == "successor-version") {
			continue
		}
		kept = append(kept, raw)
	}
	for _, l := range links {
		raw, err := json.Marshal(map[string]string{"rel": l.Rel, "href": l.Href, "type": l.Type, "title": l.Title})
		if err != nil {
			return nil, fault.New(fault.Internal, "write a link: %w", err)
		}
		kept = append(kept, raw)
	}
	if out["links"], err = json.Marshal(kept); err != nil {
		return nil, fault.New(fault.Internal, "write links: %w", err)
	}
	return json.Marshal(out)
}

func decoded(doc json.RawMessage) (map[string]json.RawMessage, error) {
	var out map[string]json.RawMessage
	if err := json.Unmarshal(doc, &out); err != nil || out == nil {
		return nil, fault.New(fault.Corrupt, "a document is no JSON object: %w", err)
	}
	return out, nil
}
