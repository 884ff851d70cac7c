package catalogtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// Memory is a catalog that answers by looking at every document: no index, no plan, nothing kept between two
// questions. It is the definition of the answers that back ends are held to, and fit for tests of what
// stands on a catalog.
type Memory struct {
	mu       sync.RWMutex
	state    state
	revision int64
	signer   catalog.Signer
	closed   bool
	// wrong is a mistake that is planted, for the test of Compare.
	wrong mistake
}

// state is what a set of changes replaces as a whole.
type state struct {
	collections map[string]record
	items       map[catalog.ItemRef]record
	marks       map[string]string
}

var (
	_ catalog.Catalog     = (*Memory)(nil)
	_ catalog.Snapshotter = (*Memory)(nil)
)

// NewMemory returns an empty catalog.
func NewMemory() *Memory {
	key := make([]byte, catalog.KeySize)
	rand.Read(key) // never fails
	return &Memory{
		signer: catalog.NewSigner(key),
		state:  state{collections: map[string]record{}, items: map[catalog.ItemRef]record{}, marks: map[string]string{}},
	}
}

// Close refuses everything that comes after.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// Ping reports whether the catalog is open.
func (m *Memory) Ping(ctx context.Context) error {
	_, err := m.look(ctx)
	return err
}

// look returns the state of this moment, which nobody changes any more.
func (m *Memory) look(ctx context.Context) (state, error) {
	if err := ctx.Err(); err != nil {
		return state{}, fault.New(fault.Canceled, "ask the catalog: %w", err)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return state{}, fault.New(fault.Precondition, "the catalog is closed")
	}
	return m.state, nil
}

func (s state) clone() state {
	return state{collections: maps.Clone(s.collections), items: maps.Clone(s.items), marks: maps.Clone(s.marks)}
}

// Snapshot shows the state of this moment.
func (m *Memory) Snapshot(ctx context.Context, do func(catalog.Reader) error) error {
	now, err := m.look(ctx)
	if err != nil {
		return err
	}
	return do(&Memory{state: now, signer: m.signer, wrong: m.wrong})
}

// Collection returns one collection's document.
func (m *Memory) Collection(ctx context.Context, s catalog.Scope, id string) (json.RawMessage, error) {
	now, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	r, ok := now.collections[id]
	if !ok || !s.SeesAll() {
		return nil, fault.New(fault.NotFound, "collection %q: %w", id, catalog.ErrNotFound)
	}
	return slices.Clone(r.document), nil
}

// Item returns one item's document.
func (m *Memory) Item(ctx context.Context, s catalog.Scope, ref catalog.ItemRef) (json.RawMessage, error) {
	now, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	r, ok := now.items[ref]
	if !ok || !s.SeesAll() {
		return nil, fault.New(fault.NotFound, "item %q of collection %q: %w", ref.ID, ref.Collection, catalog.ErrNotFound)
	}
	return slices.Clone(r.document), nil
}

// Marks returns every mark.
func (m *Memory) Marks(ctx context.Context) (map[string]string, error) {
	now, err := m.look(ctx)
	return maps.Clone(now.marks), err
}
