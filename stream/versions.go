package stream

import (
	"context"
	"slices"
	"sync"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/store"
)

// Bounds of what stays open. Samples take room on the heap only where their index cannot be mapped.
const (
	maxVersions  = 16
	maxBytesOpen = 320 << 20
)

// versions keeps dataset versions open, by "name@vN". A version never changes, so that one that was
// opened once is as good as one opened now.
type versions struct {
	root *store.Bucket

	mu   sync.Mutex
	open []openVersion // the last used first
}

type openVersion struct {
	version *datasets.Version
	bytes   int
}

// get opens "name@vN", or the version that is the newest of "name" at this moment.
func (c *versions) get(ctx context.Context, ref string) (*datasets.Version, error) {
	ref, err := datasets.Resolve(ctx, c.root, ref)
	if err != nil {
		return nil, err
	}
	if v := c.known(ref); v != nil {
		return v, nil
	}
	v, err := datasets.Open(ctx, c.root, ref)
	if err != nil {
		return nil, err
	}
	return c.keep(openVersion{version: v, bytes: v.HeapBytes()}), nil
}

// known finds an open version and marks it as used last.
func (c *versions) known(ref string) *datasets.Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.open, func(o openVersion) bool { return o.version.Ref() == ref })
	if at < 0 {
		return nil
	}
	found := c.open[at]
	copy(c.open[1:at+1], c.open[:at])
	c.open[0] = found
	return found.version
}

// keep puts a version first and lets go of those used longest ago, but never of this one. Of two that
// were opened at once, the one that was kept first is used by both.
func (c *versions) keep(entry openVersion) *datasets.Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.open {
		if o.version.Ref() == entry.version.Ref() {
			return o.version
		}
	}
	c.open = slices.Insert(c.open, 0, entry)
	total := 0
	for i, o := range c.open {
		if total += o.bytes; i > 0 && (i >= maxVersions || total > maxBytesOpen) {
			clear(c.open[i:])
			c.open = c.open[:i]
			break
		}
	}
	return entry.version
}
