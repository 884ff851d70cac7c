package catalogtest

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// Apply makes a set of changes on a copy and puts the copy in place.
func (m *Memory) Apply(ctx context.Context, ch catalog.Changes) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, fault.New(fault.Canceled, "apply changes: %w", err)
	}
	if m.closed {
		return 0, fault.New(fault.Precondition, "the catalog is closed")
	}
	c := change{state: m.state.clone(), origin: ch.Origin}
	if err := c.apply(ch); err != nil {
		return 0, err
	}
	m.state = c.state
	if c.changed {
		m.revision++
	}
	return m.revision, nil
}

// change is a set of changes being made.
type change struct {
	state
	origin  catalog.Origin
	changed bool
}

func (c *change) apply(ch catalog.Changes) error {
	for _, cond := range ch.Conditions {
		if err := c.hold(cond); err != nil {
			return err
		}
	}
	if ch.Reset {
		if err := c.reset(); err != nil {
			return err
		}
	}
	for _, id := range ch.DeleteCollections {
		if err := c.may(id); err != nil {
			return err
		}
		c.deleteCollection(id)
	}
	for _, ref := range ch.DeleteItems {
		if err := c.may(ref.Collection); err != nil {
			return err
		}
		if _, ok := c.items[ref]; ok {
			delete(c.items, ref)
			c.changed = true
		}
	}
	for _, doc := range ch.Collections {
		if err := c.putCollection(doc); err != nil {
			return err
		}
	}
	for _, doc := range ch.Items {
		if err := c.putItem(doc); err != nil {
			return err
		}
	}
	for _, e := range ch.Entries {
		if err := c.putItem(e.Document); err != nil {
			return err
		}
	}
	for name, value := range ch.Marks {
		if c.marks[name] = value; value == "" {
			delete(c.marks, name)
		}
	}
	return nil
}

func (c *change) hold(cond catalog.Condition) error {
	r, ok := c.items[cond.Ref]
	if cond.Ref.ID == "" {
		r, ok = c.collections[cond.Ref.Collection]
	}
	return cond.Check(ok, func() string { return catalog.ETag(r.document) })
}

// reset forgets what came from the bucket.
func (c *change) reset() error {
	if c.origin != catalog.FromBucket {
		return fault.New(fault.Precondition, "what is posted cannot reset what the bucket decides")
	}
	for id, r := range c.collections {
		if r.origin == catalog.FromBucket {
			c.deleteCollection(id)
		}
	}
	clear(c.marks)
	return nil
}

// may refuses to touch a collection of the other origin.
func (c *change) may(collection string) error {
	if r, ok := c.collections[collection]; ok && r.origin != c.origin {
		return fault.New(fault.Precondition, "collection %q has another origin than the change", collection).
			WithCure("change it where it comes from, or use another collection")
	}
	return nil
}

func (c *change) deleteCollection(id string) {
	if _, ok := c.collections[id]; !ok {
		return
	}
	c.changed = true
	delete(c.collections, id)
	for ref := range c.items {
		if ref.Collection == id {
			delete(c.items, ref)
		}
	}
}

func (c *change) putCollection(doc json.RawMessage) error {
	r, err := collectionRecord(doc, c.origin)
	if err != nil {
		return err
	}
	old, ok := c.collections[r.ref.Collection]
	switch {
	case ok && old.origin == c.origin && bytes.Equal(old.document, r.document):
		return nil
	case ok && c.origin == catalog.FromBucket && old.origin == catalog.Posted:
		c.deleteCollection(r.ref.Collection)
	default:
		if err := c.may(r.ref.Collection); err != nil {
			return err
		}
	}
	c.collections[r.ref.Collection] = r
	c.changed = true
	return nil
}

func (c *change) putItem(doc json.RawMessage) error {
	r, err := itemRecord(doc, c.origin)
	if err != nil {
		return err
	}
	if _, ok := c.collections[r.ref.Collection]; !ok {
		return fault.New(fault.NotFound, "item %q: its collection %q: %w", r.ref.ID, r.ref.Collection, catalog.ErrNotFound).
			WithCure("put the collection first")
	}
	if err := c.may(r.ref.Collection); err != nil {
		return err
	}
	if old, ok := c.items[r.ref]; ok && bytes.Equal(old.document, r.document) {
		return nil
	}
	c.items[r.ref] = r
	c.changed = true
	return nil
}
