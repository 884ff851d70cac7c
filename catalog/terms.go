package catalog

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// defaultTerms is how many buckets there are where Aggregation.Most says nothing.
const defaultTerms = 100

// TermBuckets are the buckets of Terms: the most frequent first; of equal ones, numbers by their value, then other texts bytewise.
// Beyond so many, which may be 0 for 100, they are left out, and rest counts what they hold.
func TermBuckets(counts map[string]int, most int) (buckets []Bucket, rest int) {
	if most <= 0 {
		most = defaultTerms
	}
	type term struct {
		Bucket
		number float64 // NaN for others
	}
	all := make([]term, 0, len(counts))
	for key, n := range counts {
		all = append(all, term{Bucket{Key: key, Count: n}, numberOf(key)})
	}
	slices.SortFunc(all, func(x, y term) int {
		if n := cmp.Compare(y.Count, x.Count); n != 0 {
			return n
		}
		switch a, b := math.IsNaN(x.number), math.IsNaN(y.number); {
		case a != b && b:
			return -1
		case a != b:
			return 1
		case !a && x.number != y.number:
			return cmp.Compare(x.number, y.number)
		}
		return cmp.Compare(x.Key, y.Key)
	})
	for i, t := range all {
		if i < most {
			buckets = append(buckets, t.Bucket)
		} else {
			rest += t.Count
		}
	}
	return buckets, rest
}

// numberOf is the number that a term is the text of, else NaN.
func numberOf(key string) float64 {
	v, err := strconv.ParseFloat(key, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return math.NaN()
	}
	if text, err := json.Marshal(v); err != nil || string(text) != key {
		return math.NaN()
	}
	return v
}
