// Package datasets turns a recipe into an immutable dataset version: it resolves and pins the cube
// snapshot and the label revision, enumerates samples, splits them by blocks on the ground, audits
// the split for leakage, takes statistics of the training split, and names all of it by the digest
// td1. It reads cubes and labels and never ingests, predicts or serves. The invariant: a version
// exists when its commit.json does, and from then on its digest gives the same samples, values and
// splits for ever.
package datasets

import (
	"context"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Config is what a commit needs from its surroundings.
type Config struct {
	// Root is the data directory; versions live at datasets/NAME/vN in it.
	Root *store.Bucket
	// Cube opens a cube of that directory by name; its error says which exist.
	Cube func(ctx context.Context, name string) (*layout.Cube, error)
	// Reader reads pixels for the statistics. Nil means one of its own.
	Reader *read.Reader
	// Now tells the time of the commit, which is in no digest. Nil means the clock.
	Now func() time.Time
}

// Values says what numbers a sample's image holds.
type Values string

// The kinds of values.
const (
	// Raw is the stored numbers in the cube's data type.
	Raw Values = "raw"
	// Physical is float32(dn)*scale + offset with the contract of each slice.
	Physical Values = "physical"
)

// Splits lists the splits in the order of their fractions.
func Splits() []string { return []string{"train", "validate", "test"} }

// Class is one value of the label raster.
type Class struct {
	Value int64  `json:"value"`
	Name  string `json:"name"`
}

// LabelPin is the label revision that a version is made of.
type LabelPin struct {
	Set      string     `json:"set"`
	Revision string     `json:"revision"`
	Digest   string     `json:"digest"`
	DType    cube.DType `json:"dtype"`
	Ignore   float64    `json:"ignore"`
	Classes  []Class    `json:"classes"`
}

// PinnedSlice is one slice that samples of a version use.
type PinnedSlice struct {
	ID       cube.SliceID  `json:"id"`
	Time     time.Time     `json:"time"`
	Item     string        `json:"item"`
	Contract cube.Contract `json:"contract"`
}

// BandStats are the statistics of one band over the valid pixels of the training samples that were
// read; Std is that of the population.
type BandStats struct {
	Band  string  `json:"band"`
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean"`
	Std   float64 `json:"std"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
}

// Sample is one window of a version with its time slots.
type Sample struct {
	// ID is 32 hex digits derived from the sample's place.
	ID     string
	Cell   string
	Window cube.Window
	// Slots are the slices in time order, padded with "" to the version's number of slots.
	Slots []cube.SliceID
	Split string
}

// Version is a committed dataset version. It is immutable and safe for concurrent use.
type Version struct {
	Name    string // "crops"
	Version string // "v3"
	Digest  string // "td1:" and 64 hex digits

	Cube     string
	Snapshot string
	// Cell is the path of the cube's only cell, or the name of the resolution whose cells the samples lie in.
	Cell string
	// Grid is that of the cell, or of the resolution's whole frame.
	Grid   cube.Grid
	DType  cube.DType // of the cube
	Nodata *float64   // of the cube; nil if it has none

	Bands     []string // of the samples' own, the finest, resolution, in the recipe's order
	BandIndex []int    // their places on its band axis
	// Groups are the further resolutions of the features, the finer first.
	Groups    []Group
	Slots     int // time slots of every sample
	Size      int // height and width of a sample in pixels of Grid
	Values    Values
	Normalise bool
	Stats     []BandStats // in the order of Bands
	Slices    []PinnedSlice
	Labels    *LabelPin // nil for a set without labels
	Order     string    // name of the default order's algorithm
	Drawn     string    // name of the algorithm of orders with a filter, weights or a window
	// Shuffle is the default, fixed at commit.
	Shuffle order.Shuffle

	Created time.Time
	Actor   string
	Report  Report

	root   *store.Bucket
	commit commitDoc
	index  *index
}

// Slice returns the facts of a pinned slice.
func (v *Version) Slice(id cube.SliceID) (PinnedSlice, bool) {
	for _, s := range v.Slices {
		if s.ID == id {
			return s, true
		}
	}
	return PinnedSlice{}, false
}

// Ref names the version, such as "crops@v3".
func (v *Version) Ref() string { return v.Name + "@" + v.Version }

// Samples is one split of a version, sorted by sample id: the base order of an epoch.
type Samples struct {
	v     *Version
	split string
	first int
	count int
}

// Len is the number of samples.
func (s Samples) Len() int { return s.count }

// At returns the i-th sample of the base order; an index out of range panics, like that of a slice. Samples are
// checked when they are wanted: one whose part of the index is damaged is fault.Corrupt.
func (s Samples) At(i int) (Sample, error) {
	if i < 0 || i >= s.count {
		panic("datasets: sample index out of range")
	}
	sample, err := s.v.index.at(s.first+i, s.v.Slots)
	if err != nil {
		return Sample{}, fault.New(fault.KindOf(err), "dataset %s: %w", s.v.Ref(), err)
	}
	sample.Split = s.split
	return sample, nil
}

// Cells are the paths of the cells that the version's samples lie in.
func (s Samples) Cells() []string { return s.v.index.table.Cells }

// Places hands out where the samples of the base order begin, one after the other: index, which of Cells, and row and column
// in the cell's grid. It ends early where each gives false.
func (s Samples) Places(each func(i, cell, row, col int) bool) error {
	if err := s.v.index.places(s.first, s.count, each); err != nil {
		return fault.New(fault.KindOf(err), "dataset %s: %w", s.v.Ref(), err)
	}
	return nil
}

// HeapBytes is about what the samples of an open version take of the heap: nothing that grows with their number where
// the data directory is a local one.
func (v *Version) HeapBytes() int {
	if v.index == nil {
		return 0
	}
	return v.index.content.HeapBytes()
}
