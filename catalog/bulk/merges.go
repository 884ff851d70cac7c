package bulk

import (
	"sync"

	"github.com/terrapin-eo/terrapin/catalog/tree"
)

// merge is what became of the bands of an asset that had no members of the names that were lifted into it.
type merge struct {
	// bands is the list, "" for none; lifted are the members that the asset got.
	bands  string
	lifted tree.Members
}

// mergeCache remembers merges: the items of a collection have the same bands, and to merge them takes most of the time of an upgrade.
type mergeCache struct {
	mu    sync.RWMutex
	known map[string]merge
	size  int
}

// merges are those of all loads.
var merges mergeCache

// The most that is remembered; beyond, all is forgotten and learned again.
const (
	mergesBytes = 8 << 20
	mergeBytes  = 8 << 10
)

// bandsKey tells lists of bands that are written alike; nil where that is not worth it.
func bandsKey(t *tree.Tree, eo, raster tree.Node) []byte {
	a, b := t.Raw(eo), t.Raw(raster)
	if !t.Plain() || t.Spaced() || len(a)+len(b) > mergeBytes {
		return nil
	}
	return append(append(append(make([]byte, 0, len(a)+len(b)+1), a...), ' '), b...)
}

// apply does to an asset what was done to one with the same bands, unless it has members that were lifted there.
func (c *mergeCache) apply(t *tree.Tree, asset, eo, raster tree.Node, key []byte) bool {
	c.mu.RLock()
	m, ok := c.known[string(key)]
	c.mu.RUnlock()
	if !ok || t.HasAny(asset, m.lifted) {
		return false
	}
	t.Add(asset, m.lifted)
	if m.bands != "" {
		n := eo
		if n == tree.None {
			n = raster
		}
		t.Rename(n, "bands")
		t.SetValue(n, m.bands)
	}
	t.Drop(asset, "eo:bands")
	t.Drop(asset, "raster:bands")
	return true
}

func (c *mergeCache) keep(key []byte, m merge) {
	if !m.lifted.Plain() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	size := 2*len(key) + len(m.bands) + 500
	if c.known == nil || c.size+size > mergesBytes {
		c.known, c.size = map[string]merge{}, 0
	}
	c.known[string(key)] = m
	c.size += size
}
