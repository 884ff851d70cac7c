package postgres

import (
	"cmp"
	"slices"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// wish is a set of changes that was read: what is to be there and what not, whatever is there now.
type wish struct {
	catalog.Changes
	collections map[string]catalog.CollectionEntry
	items       map[catalog.ItemRef]*record
	// names are the collections, and refs the items, that are changed or looked at, sorted.
	names []string
	refs  []catalog.ItemRef
}

func read(ch catalog.Changes) (wish, error) {
	if ch.Reset && ch.Origin != catalog.FromBucket {
		return wish{}, fault.New(fault.Precondition, "what is posted cannot reset what the bucket decides").WithCure("leave Reset out")
	}
	w := wish{Changes: ch, collections: map[string]catalog.CollectionEntry{}}
	for _, doc := range ch.Collections {
		c, err := catalog.ParseCollection(doc)
		if err != nil {
			return wish{}, err
		}
		w.collections[c.ID] = c
		w.names = append(w.names, c.ID)
	}
	entries, err := ch.Read()
	if err != nil {
		return wish{}, err
	}
	w.items = newRecords(entries, ch.Origin)
	for ref := range w.items {
		w.refs = append(w.refs, ref)
	}
	w.names = append(w.names, ch.DeleteCollections...)
	w.refs = append(w.refs, ch.DeleteItems...)
	for _, cond := range ch.Conditions {
		if cond.Ref.ID == "" {
			w.names = append(w.names, cond.Ref.Collection)
		} else {
			w.refs = append(w.refs, cond.Ref)
		}
	}
	slices.SortFunc(w.refs, func(a, b catalog.ItemRef) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.ID, b.ID))
	})
	w.refs = slices.Compact(w.refs)
	for i, ref := range w.refs {
		if i == 0 || ref.Collection != w.refs[i-1].Collection {
			w.names = append(w.names, ref.Collection)
		}
	}
	slices.Sort(w.names)
	w.names = slices.Compact(w.names)
	return w, nil
}

// mayBeNew reports whether the wish is for nothing but items that are put, and so many that it pays not to look for each beforehand where those
// before were all new.
func (w wish) mayBeNew() bool {
	const many = 200
	return len(w.items) >= many && len(w.refs) == len(w.items) && len(w.Conditions)+len(w.DeleteCollections) == 0 && !w.Reset
}

// strength is how a collection is locked: what the others may not do meanwhile.
type strength int

const (
	keep   strength = iota // removing it
	look                   // and changing it
	change                 // and looking at it, but not putting items in it
	remove                 // anything
)

var strengths = [...]string{"FOR KEY SHARE", "FOR SHARE", "FOR NO KEY UPDATE", "FOR UPDATE"}

// strengthOf is what the wish needs of a collection. One from the bucket may take the place of a posted one with its items.
func (w wish) strengthOf(name string) strength {
	if w.Reset || slices.Contains(w.DeleteCollections, name) {
		return remove
	}
	if _, put := w.collections[name]; put {
		if w.Origin == catalog.FromBucket {
			return remove
		}
		return change
	}
	for _, cond := range w.Conditions {
		if cond.Ref.ID == "" && cond.Ref.Collection == name {
			return look
		}
	}
	return keep
}
