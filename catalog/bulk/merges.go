package bulk

import (
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/terrapin-eo/terrapin/catalog/tree"
)

// merge is what became of the bands of an asset that had no members of the names that were lifted into it.
type merge struct {
	// eo and raster are how the lists were written that it was made of, "" for none.
	eo, raster string
	// bands is the list, "" for none; lifted are the members that the asset got.
	bands  string
	lifted tree.Members
}

// mergeCache remembers merges: the items of a collection have the same bands, and to merge them takes most of the time of an upgrade.
type mergeCache struct {
	mu sync.RWMutex
	// known are by the hash of both lists; of several with the same one is kept.
	known map[uint64]*merge
	size  int
}

// merges are those of all loads.
var merges mergeCache

// The most that is remembered; beyond, all is forgotten and learned again.
const (
	mergesBytes = 8 << 20
	mergeBytes  = 8 << 10
)

var bandsSeed = maphash.MakeSeed()

// bandsHash tells lists of bands that are written alike; 0 where that is not worth it.
func bandsHash(t *tree.Tree, eo, raster tree.Node) uint64 {
	a, b := t.Raw(eo), t.Raw(raster)
	if !t.Plain() || t.Spaced() || len(a)+len(b) > mergeBytes {
		return 0
	}
	return bits.RotateLeft64(maphash.Bytes(bandsSeed, a), 1) ^ maphash.Bytes(bandsSeed, b) | 1
}

// apply does to an asset what was done to one with the same bands, unless it has members that were lifted there.
func (c *mergeCache) apply(t *tree.Tree, asset, eo, raster tree.Node, hash uint64) bool {
	c.mu.RLock()
	m := c.known[hash]
	c.mu.RUnlock()
	if m == nil || m.eo != string(t.Raw(eo)) || m.raster != string(t.Raw(raster)) || t.HasAny(asset, m.lifted) {
		return false
	}
	t.Add(asset, m.lifted)
	n := eo
	if n == tree.None {
		n = raster
	}
	if m.bands != "" {
		t.Rename(n, "bands")
		t.SetValue(n, m.bands)
	}
	t.Drop(asset, "eo:bands")
	t.Drop(asset, "raster:bands")
	return true
}

func (c *mergeCache) keep(hash uint64, m *merge) {
	if !m.lifted.Plain() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.known[hash]; old != nil && old.eo == m.eo && old.raster == m.raster {
		return // another load was as fast
	}
	size := 2*(len(m.eo)+len(m.raster)) + len(m.bands) + 500
	if c.known == nil || c.size+size > mergesBytes {
		c.known, c.size = map[uint64]*merge{}, 0
	}
	c.known[hash] = m
	c.size += size
}
