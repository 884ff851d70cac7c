// Package selection makes of a dataset version what its epochs are drawn from: the samples that a filter keeps, the
// weights by which they come, and the groups that share a chunk in storage. It reads the manifest and the index of the
// version and no pixel, and keeps what it made within a bound of bytes. It refuses properties that samples do not have. The
// invariant: a choice depends on the version, the split and what was asked alone, and is built once however
// many runs ask for it at a time.
package selection

import (
	"context"
	"slices"
	"sync"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
)

// Ask is what an epoch is drawn from. The zero value is the whole split.
type Ask struct {
	// Filter is kept only where it is true; nil keeps all.
	Filter cql2.Expr
	// Weights is datasets.Balanced, the canonical text of datasets.ClassWeights or the name of a number that samples have;
	// "" draws each once.
	Weights string
	// Storage groups the samples by where they lie; nil leaves them in the base order.
	Storage *Storage
}

// Storage is how the pixels of a version lie, and what they are grouped for.
type Storage struct {
	order.Storage
	// WindowBytes are those of a window of blocks of chunks; 0 groups by chunk, as order.DrawnByChunk does.
	WindowBytes uint64
}

// FilterText is the canonical text of a filter; "" for none.
func FilterText(e cql2.Expr) string {
	if e == nil {
		return ""
	}
	return cql2.Text(e)
}

// key names a choice.
type key struct {
	version, split, filter, weights string
	storage                         Storage
}

// Cache builds choices and keeps those used last. It is safe for concurrent use.
type Cache struct {
	most int64

	mu    sync.Mutex
	items []*item // the last used first
}

type item struct {
	key    key
	done   chan struct{}
	choice *order.Choice
	err    error
}

// NewCache keeps choices of about so many bytes; the one used last is kept whatever its size.
func NewCache(bytes int64) *Cache { return &Cache{most: bytes} }

// Get makes a choice or finds it. A filter that keeps no sample is fault.Precondition.
func (c *Cache) Get(ctx context.Context, v *datasets.Version, split string, a Ask) (*order.Choice, error) {
	k := key{version: v.Ref() + " " + v.Digest, split: split, filter: FilterText(a.Filter), weights: a.Weights}
	if a.Storage != nil {
		k.storage = *a.Storage
	}
	it, mine := c.item(k)
	if mine {
		// Others may wait for it: it is built to its end, even if the one who asked first goes away.
		go func() {
			it.choice, it.err = build(context.WithoutCancel(ctx), v, split, a)
			close(it.done)
			c.settle(it)
		}()
	}
	select {
	case <-it.done:
		return it.choice, it.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// item finds what is there or being made under a key, or makes room for it.
func (c *Cache) item(k key) (it *item, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := slices.IndexFunc(c.items, func(it *item) bool { return it.key == k }); at >= 0 {
		it = c.items[at]
		c.items = slices.Insert(slices.Delete(c.items, at, at+1), 0, it)
		return it, false
	}
	it = &item{key: k, done: make(chan struct{})}
	c.items = slices.Insert(c.items, 0, it)
	return it, true
}

// settle forgets what failed and, beyond the bound, what was used longest ago.
func (c *Cache) settle(made *item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := int64(0)
	c.items = slices.DeleteFunc(c.items, func(it *item) bool {
		select {
		case <-it.done:
		default:
			return false // somebody is building it
		}
		if it.err != nil {
			return true
		}
		total += it.choice.Bytes()
		return total > c.most && it != made
	})
}
