package postgres

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// work is what has to be written to fulfil a wish. Lists are sorted by key.
type work struct {
	// gone are collections that are removed with their items, and some of them put anew.
	gone []string
	// newCollections and changedCollections are put.
	newCollections, changedCollections []catalog.CollectionEntry
	goneItems                          []goneItem
	newItems                           []*record
	changedItems                       []changedItem
	marks                              map[string]string
	forgetMarks                        bool
}

type goneItem struct {
	ref catalog.ItemRef
	old heldItem
}

type changedItem struct {
	old heldItem
	*record
}

func (w work) changes() bool {
	return len(w.gone)+len(w.newCollections)+len(w.changedCollections)+len(w.goneItems)+len(w.newItems)+len(w.changedItems) > 0
}

func (w work) marked() bool { return w.forgetMarks || len(w.marks) > 0 }

// decide compares the wish with what is there, in the order that catalog.Changes has.
func (w *writer) decide() (work, error) {
	out := work{marks: w.Marks, forgetMarks: w.Reset}
	d := decision{writer: w, gone: map[string]bool{}}
	if err := d.removals(); err != nil {
		return work{}, err
	}
	if err := d.puts(&out); err != nil {
		return work{}, err
	}
	for id := range d.gone {
		out.gone = append(out.gone, id)
	}
	slices.Sort(out.gone)
	return out, d.decideItems(&out)
}

// decision is what was decided so far of collections.
type decision struct {
	*writer
	gone map[string]bool
}

// there is a collection as it is at this point.
func (d *decision) there(id string) (heldCollection, bool) {
	c, ok := d.held.collections[id]
	return c, ok && !d.gone[id]
}

// may refuses to touch a collection of the other origin.
func (d *decision) may(id string) error {
	if c, ok := d.there(id); ok && c.origin != d.Origin {
		return fault.New(fault.Precondition, "collection %q has another origin than the change", id).
			WithCure("change it where it comes from, or use another collection")
	}
	return nil
}

func (d *decision) removals() error {
	if d.Reset {
		for id, c := range d.held.collections {
			if c.origin == catalog.FromBucket {
				d.gone[id] = true
			}
		}
	}
	for _, id := range d.DeleteCollections {
		if err := d.may(id); err != nil {
			return err
		}
		if _, ok := d.there(id); ok {
			d.gone[id] = true
		}
	}
	for _, ref := range d.DeleteItems {
		if err := d.may(ref.Collection); err != nil {
			return err
		}
	}
	return nil
}

func (d *decision) puts(out *work) error {
	entries := make([]catalog.CollectionEntry, 0, len(d.wish.collections))
	for _, c := range d.wish.collections {
		entries = append(entries, c)
	}
	slices.SortFunc(entries, func(a, b catalog.CollectionEntry) int { return cmp.Compare(a.ID, b.ID) })
	for _, c := range entries {
		old, ok := d.there(c.ID)
		if ok && d.Origin == catalog.FromBucket && old.origin == catalog.Posted {
			d.gone[c.ID], ok = true, false
		}
		if err := d.may(c.ID); err != nil {
			return err
		}
		switch {
		case !ok:
			out.newCollections = append(out.newCollections, c)
		case !bytes.Equal(old.etag, etagOf(c.Document)):
			out.changedCollections = append(out.changedCollections, c)
		}
	}
	return nil
}

func (d *decision) decideItems(out *work) error {
	deleted := make(map[catalog.ItemRef]bool, len(d.DeleteItems))
	for _, ref := range d.DeleteItems {
		deleted[ref] = true
	}
	for _, ref := range d.refs {
		old, ok := d.held.items[ref]
		ok = ok && !d.gone[ref.Collection]
		r, put := d.wish.items[ref]
		switch {
		case put:
			if err := d.takes(ref); err != nil {
				return err
			}
			if !ok {
				out.newItems = append(out.newItems, r)
			} else if !bytes.Equal(old.etag, r.etag) {
				out.changedItems = append(out.changedItems, changedItem{old, r})
			}
		case ok && deleted[ref]:
			out.goneItems = append(out.goneItems, goneItem{ref, old})
		}
	}
	return nil
}

// takes refuses an item whose collection is not there or has another origin.
func (d *decision) takes(ref catalog.ItemRef) error {
	if _, ok := d.there(ref.Collection); ok {
		return d.may(ref.Collection)
	}
	if _, ok := d.wish.collections[ref.Collection]; ok {
		return nil
	}
	return fault.New(fault.NotFound, "item %q: its collection %q: %w", ref.ID, ref.Collection, catalog.ErrNotFound).
		WithCure("put the collection first")
}
