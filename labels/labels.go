// Package labels keeps label sets: append-only revisions of polygons and class rasters over one cube,
// each feature with who made it, from what and when. It owns reading what labellers upload, the class
// map, and burning a revision to the cube's grid; it refuses, feature by feature and with a cure, what
// has no certain place or class. The invariant: a revision exists when its commit.json exists, never
// changes afterwards, and its digest says what is in it.
//
// A revision is a ledger in order: later features burn over earlier ones, and a class raster is one
// feature whose nodata pixels say nothing. A feature is named by its source (a file's name without
// folders) and its id in that source. The same name again replaces the feature where it stands in the
// order; everything else is added at the end.
package labels

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Config is where labels are kept and which cube they lie on.
type Config struct {
	// Root is the data directory's bucket.
	Root *store.Bucket
	// Cube gives the grid; a set belongs to one cube for ever.
	Cube *layout.Cube
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (c Config) now() time.Time {
	if c.Now != nil {
		return c.Now().UTC()
	}
	return time.Now().UTC()
}

// State is how far a revision's review has come.
type State string

// The states of a revision.
const (
	// Accepted revisions are what datasets train on.
	Accepted State = "accepted"
	// Draft revisions are kept and shown, and used only by name.
	Draft State = "draft"
)

// Class is a class value and its name; a class without a name of its own is called by its value.
type Class struct {
	Value int64  `json:"value"`
	Name  string `json:"name"`
}

// Revision is an open revision of a label set. It is immutable and safe for concurrent use.
type Revision struct {
	Set      string
	Revision string
	// Digest covers grid, data type, ignore value, class map and every feature in order; neither
	// actor nor time.
	Digest string
	State  State
	Cube   string
	Grid   cube.Grid
	DType  cube.DType
	// Ignore is the value of pixels without a label.
	Ignore  float64
	Classes []Class
	// Actor and Created say who made the revision and when.
	Actor   string
	Created time.Time
	// Features is the number of features in the ledger.
	Features int

	raster *zarr.Plain
}

// Open opens a revision such as "r3"; "" is the newest accepted one. What does not exist is
// fault.NotFound and says which revisions there are.
func Open(ctx context.Context, root *store.Bucket, set, revision string) (*Revision, error) {
	rec, err := find(ctx, root, set, revision)
	if err != nil {
		return nil, err
	}
	p, err := zarr.OpenDense(ctx, root, rec.Data+"/raster")
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "open labels %s %s: %w", set, rec.Revision, err)
	}
	return &Revision{
		Set: rec.Name, Revision: rec.Revision, Digest: rec.Digest, State: rec.State, Cube: rec.Cube, Grid: rec.Grid,
		DType: rec.DType, Ignore: rec.Ignore, Classes: rec.Classes, Actor: rec.Actor, Created: rec.Created,
		Features: rec.Features, raster: p,
	}, nil
}

// Read fills dst with the class values of a window, in the revision's data type and C order; pixels
// outside of the grid or without a label hold the ignore value.
func (r *Revision) Read(ctx context.Context, w cube.Window, dst []byte) error {
	if want := w.Height * w.Width * r.DType.Size(); len(dst) != want {
		return fault.New(fault.Internal, "read labels %s %s: a buffer of %d bytes for a window of %d", r.Set, r.Revision, len(dst), want)
	}
	if err := r.raster.ReadWindow(ctx, w, r.Ignore, dst); err != nil {
		return fault.New(fault.KindOf(err), "read labels %s %s: %w", r.Set, r.Revision, err)
	}
	return nil
}

// ChunkEdge is the height and width, in pixels, of the chunks of the burned raster.
func (r *Revision) ChunkEdge() int { return r.raster.Array().Chunks[0] }

// ChunkDigests returns the SHA-256, in hex, of the decoded values of every chunk of the burned raster
// that a window touches, row by row.
func (r *Revision) ChunkDigests(ctx context.Context, w cube.Window) ([]string, error) {
	d, err := r.raster.ChunkDigests(ctx, w)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "digests of labels %s %s: %w", r.Set, r.Revision, err)
	}
	return d, nil
}

// Entry describes a revision without opening its pixels.
type Entry struct {
	Set      string    `json:"labels"`
	Revision string    `json:"revision"`
	Digest   string    `json:"digest"`
	State    State     `json:"state"`
	Cube     string    `json:"cube"`
	Features int       `json:"features"`
	Classes  []Class   `json:"classes"`
	Actor    string    `json:"actor"`
	Created  time.Time `json:"created"`
	// Message says what made the revision, such as "import fields.geojson".
	Message string `json:"message"`
}

// List describes the newest revision of every set, in order of the names.
func List(ctx context.Context, root *store.Bucket) ([]Entry, error) {
	names, err := sets(ctx, root)
	if err != nil {
		return nil, err
	}
	list := []Entry{}
	for _, name := range names {
		log, err := Log(ctx, root, name)
		if err != nil {
			return nil, err
		}
		list = append(list, log[0])
	}
	return list, nil
}

// Log describes the revisions of a set, newest first. An unknown set is fault.NotFound.
func Log(ctx context.Context, root *store.Bucket, set string) ([]Entry, error) {
	recs, err := history(ctx, root, set)
	if err != nil {
		return nil, err
	}
	log := make([]Entry, 0, len(recs))
	for i := len(recs) - 1; i >= 0; i-- {
		log = append(log, recs[i].describe())
	}
	return log, nil
}

// number reads "r12" as 12; anything else is 0.
func number(revision string) int {
	digits, ok := strings.CutPrefix(revision, "r")
	if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 && revision == "r"+strconv.Itoa(n) {
		return n
	}
	return 0
}
