// Package quality says how well an order mixes, by measures that other loaders can be held against (docs/spec/order.md,
// "Measures of mixing"). It owns the arithmetic; it refuses to know where the samples come from, and reads nothing. The invariant: a
// measure depends on the order, on what the samples share, and on the batch size alone.
package quality

import (
	"math"
	"slices"
)

// Samples are what samples have in common, by their index in the base order.
type Samples struct {
	// Chunk is the number of the chunk that a sample begins in; the numbers follow storage.
	Chunk []uint32
	// Block is the number of the block of BlockEdge × BlockEdge chunks that it begins in.
	Block []uint32
	// Scenes is the number, in SceneLists, of the list of scenes that a sample shows.
	Scenes     []uint32
	SceneLists [][]uint32
	// Class is the number of the class that a sample has most of, -1 for none; nil where there are no labels.
	Class []int32
}

// BlockEdge is how many chunks lie along the edge of a block.
const BlockEdge = 4

// Measures are those of one epoch. Of a uniform order, DistinctChunks, DistinctBlocks, DistinctScenes, DeltaEntropy and LabelChi2 are
// about 1, and Spearman is about 0. What cannot be said of so few samples is nil.
type Measures struct {
	// DistinctChunks is how many chunks a batch has samples of, DistinctBlocks how many blocks of chunks, and DistinctScenes
	// how many scenes, each as a share of what is expected under a uniform order; the mean of all batches.
	DistinctChunks float64 `json:"distinct_chunks"`
	DistinctBlocks float64 `json:"distinct_blocks"`
	DistinctScenes float64 `json:"distinct_scenes"`
	// LargestChunkShare is the share of a batch that is of one chunk, the one it has most of; the mean of all batches.
	LargestChunkShare float64 `json:"largest_chunk_share"`
	// DeltaEntropy is the entropy of how far apart two samples that follow each other are stored, as a share of that
	// under a uniform order.
	DeltaEntropy *float64 `json:"delta_entropy"`
	// Spearman is the rank correlation of position and place in storage: 1 is the order of storage.
	Spearman *float64 `json:"spearman"`
	// LabelChi2 is the χ² of a batch's classes against those of the epoch, as a share of what is expected under a
	// uniform order; the mean of all batches. It is nil where there are fewer than two classes.
	LabelChi2 *float64 `json:"label_chi2"`
	// EpochOverlap is the share of the pairs of samples of a batch that share one in the next epoch again: 1 are the same
	// batches, a uniform order has (batch − 1) / (samples − 1).
	EpochOverlap *float64 `json:"epoch_overlap"`
}

// Of measures an epoch: the indices of its samples by position, and those of the next epoch. Batches are of so many; a
// shorter last one is left out, if there is another.
func Of(s Samples, epoch, next []uint32, batch int) Measures {
	if len(epoch) == 0 || batch < 1 {
		return Measures{}
	}
	batch = min(batch, len(epoch))
	e := measured{Samples: s, epoch: epoch, batch: batch, batches: slices.Collect(whole(epoch, batch))}
	m := Measures{EpochOverlap: figure(e.overlap(next))}
	m.DistinctChunks, m.LargestChunkShare = e.distinct(s.Chunk)
	m.DistinctBlocks, _ = e.distinct(s.Block)
	m.DistinctScenes = e.scenes()
	places := e.places()
	m.DeltaEntropy, m.Spearman = figure(deltaEntropy(places)), figure(spearman(places))
	m.LabelChi2 = e.labels()
	return m
}

// figure is a number that JSON can write, or nil.
func figure(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// whole yields the batches that are full.
func whole(epoch []uint32, batch int) func(yield func([]uint32) bool) {
	return slices.Chunk(epoch[:len(epoch)/batch*batch], batch)
}

// measured is an epoch being measured.
type measured struct {
	Samples
	epoch   []uint32
	batch   int
	batches [][]uint32
}

// distinct gives the share of distinct places, by their number for each sample, and that of the largest.
func (e *measured) distinct(place []uint32) (distinct, largest float64) {
	counts := map[uint32]int{}
	for _, i := range e.epoch {
		counts[place[i]]++
	}
	expected := expectedDistinct(counts, len(e.epoch), e.batch)
	for _, b := range e.batches {
		in, most := map[uint32]int{}, 0
		for _, i := range b {
			in[place[i]]++
			most = max(most, in[place[i]])
		}
		distinct += float64(len(in)) / expected
		largest += float64(most) / float64(e.batch)
	}
	n := float64(len(e.batches))
	return distinct / n, largest / n
}

// scenes gives the share of distinct scenes.
func (e *measured) scenes() (distinct float64) {
	lists := map[uint32]int{}
	for _, i := range e.epoch {
		lists[e.Scenes[i]]++
	}
	counts := map[uint32]int{}
	for list, n := range lists {
		for _, scene := range e.SceneLists[list] {
			counts[scene] += n
		}
	}
	expected := expectedDistinct(counts, len(e.epoch), e.batch)
	if expected == 0 {
		return 1 // no sample shows any
	}
	for _, b := range e.batches {
		lists, in := map[uint32]bool{}, map[uint32]bool{}
		for _, i := range b {
			if list := e.Scenes[i]; !lists[list] {
				lists[list] = true
				for _, scene := range e.SceneLists[list] {
					in[scene] = true
				}
			}
		}
		distinct += float64(len(in)) / expected
	}
	return distinct / float64(len(e.batches))
}

// expectedDistinct is how many groups, of so many of n samples each, a batch drawn without replacement has samples of.
func expectedDistinct(counts map[uint32]int, n, batch int) float64 {
	groups := map[int]int{} // of a size
	for _, size := range counts {
		groups[size]++
	}
	expected := 0.0
	for size, many := range groups {
		none := 1.0
		for i := range batch {
			none *= max(0, float64(n-size-i)) / float64(n-i)
		}
		expected += float64(many) * (1 - none)
	}
	return expected
}

// labels is the χ² of classes. A sample without a class is of one more.
func (e *measured) labels() *float64 {
	if e.Class == nil {
		return nil
	}
	counts := map[int32]float64{}
	for _, i := range e.epoch {
		counts[e.Class[i]]++
	}
	n, b := float64(len(e.epoch)), float64(e.batch)
	expected := float64(len(counts)-1) * (n - b) / (n - 1)
	if len(counts) < 2 || expected == 0 {
		return nil
	}
	sum := 0.0
	for _, batch := range e.batches {
		in := map[int32]float64{}
		for _, i := range batch {
			in[e.Class[i]]++
		}
		for class, all := range counts {
			want := b * all / n
			sum += (in[class] - want) * (in[class] - want) / want
		}
	}
	return figure(sum / float64(len(e.batches)) / expected)
}

// overlap is how many pairs of batches meet again. Of a sample that comes several times the last place counts.
func (e *measured) overlap(next []uint32) float64 {
	b := float64(e.batch)
	if e.batch < 2 || len(next) == 0 {
		return math.NaN()
	}
	again := map[uint32]int{}
	for at, i := range next {
		again[i] = at / e.batch
	}
	pairs := 0.0
	for _, batch := range e.batches {
		in := map[int]float64{}
		for _, i := range batch {
			if at, there := again[i]; there {
				in[at]++
			}
		}
		for _, k := range in {
			pairs += k * (k - 1) / 2
		}
	}
	return pairs / (float64(len(e.batches)) * b * (b - 1) / 2)
}
