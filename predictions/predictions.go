// Package predictions registers models and takes what they predict back: windows of a run are stitched
// to one raster with its validity and published as one item that knows its model, its dataset version
// and its scenes. It owns models/ and predictions/ in the bucket and refuses windows that contradict
// each other. The invariant: nothing of a run is visible before Publish, and a run id stands for one
// content for ever. A run may be published with windows missing: their pixels are not valid in the
// raster, and its coverage, a fraction from 0 to 1, says how much of the area was written.
package predictions

import (
	"encoding/json"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/store"
)

// Config is where predictions are kept.
type Config struct {
	// Root is the data directory's bucket.
	Root *store.Bucket
	// Dir is a folder for unfinished runs; "" means the system's.
	Dir string
	// MemoryBytes bounds what the live runs of the process hold together; 0 means 8 GiB.
	MemoryBytes int64
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (c Config) now() time.Time {
	if c.Now != nil {
		return c.Now().UTC()
	}
	return time.Now().UTC()
}

// RunSpec says what predicts what from what. All but Run, Names and Actor decide the run's id.
type RunSpec struct {
	// Model is the id of a registered model.
	Model string
	// Dataset is the version the model was trained on, "NAME@vN", with its digest; "" takes over what
	// the model says.
	Dataset, DatasetDigest string
	// Cube is what was read.
	Cube *layout.View
	// Cell is the path of a cell of the cube, or the name of a resolution, which stands for the whole of it;
	// "" is the first resolution.
	Cell string
	// Slices are the scenes that were read; none means all of the cell.
	Slices []cube.SliceID
	// Area is the part of the grid predicted; the zero window is the whole grid.
	Area cube.Window
	// Names of the K bands of the prediction.
	Names []string
	DType cube.DType
	// Classes of the values, where the bands hold classes.
	Classes []Class
	// Run is the run's id; "" derives it from the other fields.
	Run   string
	Actor string
}

// Class is a value of a class raster and its name.
type Class struct {
	Value int64  `json:"value"`
	Name  string `json:"name"`
}

// Item is a published prediction.
type Item struct {
	ID         string `json:"item"`
	Collection string `json:"collection"`
	Run        string `json:"run"`
	// Created is false where the same run had been published before.
	Created bool `json:"created"`
	// Coverage is the share of the area's pixels that were written, from 0 to 1; the others are not
	// valid in the raster. Nil if a release that did not count it published the run.
	Coverage *float64        `json:"coverage,omitempty"`
	Document json.RawMessage `json:"document"`
}

// Entry is a line of `predictions ls`.
type Entry struct {
	Item    string            `json:"item"`
	Model   string            `json:"model"`
	Dataset string            `json:"dataset"`
	Run     string            `json:"run"`
	Assets  map[string]string `json:"assets"`
	// Collection, Cube, Digest, Actor and Created say more about it.
	Collection string    `json:"collection"`
	Cube       string    `json:"cube"`
	Digest     string    `json:"digest"`
	Actor      string    `json:"actor"`
	Created    time.Time `json:"created"`
	// Coverage as in Item.
	Coverage *float64 `json:"coverage,omitempty"`
}
