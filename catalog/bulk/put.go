package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// shelved is what a load knows of a collection.
type shelved struct {
	origin catalog.Origin
	// derived is its extent where the collection is made of its items.
	derived *extent
}

func (r *loading) count(collections, items []one, made map[string]json.RawMessage) {
	r.done.Items += len(items)
	for _, o := range collections {
		r.done.Collections = append(r.done.Collections, o.collection.ID)
		r.shelf[o.collection.ID] = &shelved{origin: catalog.Posted}
	}
	r.done.Derived = slices.AppendSeq(r.done.Derived, maps.Keys(made))
	if len(r.done.Collections) > 1000 || len(r.done.Derived) > 1000 {
		r.result()
	}
}

// place sees that every item has a collection that it may be put in, and returns the documents of those that are made of
// their items.
func (r *loading) place(ctx context.Context, s Source, b *batch) (items []one, made map[string]json.RawMessage, err error) {
	fresh := map[string]bool{}
	for _, o := range b.collections {
		fresh[o.collection.ID] = true
	}
	grown := map[string]bool{}
	items = make([]one, 0, len(b.items))
	for _, o := range b.items {
		id := o.item.Ref.Collection
		if fresh[id] {
			items = append(items, o)
			continue
		}
		known, err := r.lookUp(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		if known.origin == catalog.FromBucket {
			o.bad = fault.New(fault.Precondition, "collection %q is made of what the bucket holds", id).WithCure("load the item into another collection")
		} else if known.derived == nil && known.origin == catalog.Posted {
			items = append(items, o)
			continue
		} else if err := CheckCollectionID(id); err != nil {
			o.bad = err
		}
		if o.bad != nil {
			if err := r.reject(s, o); err != nil {
				return nil, nil, err
			}
			continue
		}
		if known.derived.add(o.item) {
			grown[id] = true
		}
		items = append(items, o)
	}
	made = map[string]json.RawMessage{}
	for id := range grown {
		made[id] = r.shelf[id].derived.collection(id)
	}
	return items, made, nil
}

// lookUp finds out once what a collection is.
func (r *loading) lookUp(ctx context.Context, id string) (*shelved, error) {
	if known := r.shelf[id]; known != nil {
		return known, nil
	}
	var doc json.RawMessage
	known := &shelved{}
	err := r.again(ctx, func() (err error) {
		doc, known.origin, err = r.Target.Collection(ctx, id)
		return err
	})
	switch {
	case errors.Is(err, catalog.ErrNotFound) || fault.Is(err, fault.NotFound):
		known.origin, known.derived = catalog.Posted, &extent{}
	case err != nil:
		return nil, err
	case known.origin == catalog.Posted:
		known.derived = derivedExtent(doc)
	}
	r.shelf[id] = known
	return known, nil
}

// try puts, again where the target is not there for a while.
func (r *loading) try(ctx context.Context, collections []json.RawMessage, items []catalog.Entry) error {
	if len(collections)+len(items) == 0 {
		return nil
	}
	return r.again(ctx, func() error { return r.Target.Put(ctx, collections, items) })
}

func (r *loading) again(ctx context.Context, do func() error) error {
	const tries = 6
	wait := r.Backoff
	for n := 1; ; n++ {
		err := do()
		if err == nil || n == tries || !passes(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}

// apart puts a batch that was not taken as a whole in ever smaller parts, and rejects the documents that are not taken by
// themselves.
func (r *loading) apart(ctx context.Context, s Source, b *batch, items []one, made map[string]json.RawMessage) error {
	for _, o := range b.collections {
		err := r.try(ctx, []json.RawMessage{o.collection.Document}, nil)
		if err == nil {
			r.count([]one{o}, nil, nil)
		} else if err := r.refused(s, o, err); err != nil {
			return err
		}
	}
	for id, doc := range made {
		if err := r.try(ctx, []json.RawMessage{doc}, nil); err != nil && !ofDocument(err) {
			return err // its items are rejected else, and say why
		}
		r.done.Derived = append(r.done.Derived, id)
	}
	return r.halves(ctx, s, items)
}

func (r *loading) halves(ctx context.Context, s Source, items []one) error {
	if len(items) == 0 {
		return nil
	}
	err := r.try(ctx, nil, entries(items))
	switch {
	case err == nil:
		r.count(nil, items, nil)
		return nil
	case len(items) == 1:
		return r.refused(s, items[0], err)
	case !ofDocument(err):
		return err
	}
	half := len(items) / 2
	if err := r.halves(ctx, s, items[:half]); err != nil {
		return err
	}
	return r.halves(ctx, s, items[half:])
}

// refused rejects a document that the target does not take; an error of the target itself ends the load.
func (r *loading) refused(s Source, o one, err error) error {
	if !ofDocument(err) {
		return err
	}
	o.bad = err
	return r.reject(s, o)
}
