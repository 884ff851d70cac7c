package quality

import (
	"cmp"
	"math"
	"slices"
)

// places are where the samples of an epoch lie, by position: their ranks among those there are, chunk by chunk.
func (e *measured) places() []int {
	there := slices.Clone(e.epoch)
	slices.SortFunc(there, func(a, b uint32) int { return cmp.Or(cmp.Compare(e.Chunk[a], e.Chunk[b]), cmp.Compare(a, b)) })
	there = slices.Compact(there)
	ranks := make(map[uint32]int, len(there))
	for rank, i := range there {
		ranks[i] = rank
	}
	out := make([]int, len(e.epoch))
	for at, i := range e.epoch {
		out[at] = ranks[i]
	}
	return out
}

// Distances are counted in as many classes of equal width as leave each enough of them.
const (
	fewestBins, mostBins = 2, 64
	perBin               = 16
)

// deltaEntropy is that of the distances between samples that follow each other, as a share of that under a uniform order.
func deltaEntropy(places []int) float64 {
	n := len(places)
	if n < 3 {
		return math.NaN()
	}
	bins := min(max(n/perBin, fewestBins), mostBins)
	found, expected := make([]float64, bins), make([]float64, bins)
	bin := func(distance int) int { return min(distance*bins/n, bins-1) }
	for i := 1; i < n; i++ {
		d := places[i] - places[i-1]
		found[bin(max(d, -d))]++
	}
	for d := 1; d < n; d++ {
		expected[bin(d)] += 2 * float64(n-d) / (float64(n) * float64(n-1))
	}
	return entropy(found) / entropy(expected)
}

// entropy of a histogram, in nats.
func entropy(counts []float64) (h float64) {
	total := 0.0
	for _, c := range counts {
		total += c
	}
	for _, c := range counts {
		if c > 0 {
			h -= c / total * math.Log(c/total)
		}
	}
	return h
}

// spearman is the correlation of positions with places, which are ranks already; where samples come several times they
// are nearly so.
func spearman(places []int) float64 {
	n := float64(len(places))
	mean := 0.0
	for _, p := range places {
		mean += float64(p) / n
	}
	both, at, in := 0.0, 0.0, 0.0
	for i, p := range places {
		x, y := float64(i)-(n-1)/2, float64(p)-mean
		both, at, in = both+x*y, at+x*x, in+y*y
	}
	if at == 0 || in == 0 {
		return math.NaN()
	}
	return both / math.Sqrt(at*in)
}
