// Package export writes a part of a cube as files that need no Terrapin: one cloud-optimised GeoTIFF for
// each scene, or one plain Zarr v3 group. It owns the choice of the part, the names of the files and the
// journal by which an export that was cut off goes on; it changes no cube.
//
// The invariant: what stands under its final name is whole, and stands in the journal with its SHA-256
// once it is known to; the one file that makes a Zarr group open is written last.
package export

import (
	"context"
	"os"
	"path/filepath"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
)

// Format is what is written.
type Format string

// The formats.
const (
	COG  Format = "cog"
	Zarr Format = "zarr"
)

// Config is what Run reads with.
type Config struct {
	Cube   *layout.Cube
	Reader *read.Reader
}

// Request is one export.
type Request struct {
	// Out is the folder to write; it is made where it is not there, and must be empty unless Resume is set.
	Out    string
	Format Format
	// Version is a branch, tag or snapshot; "" is the newest, or with Resume the one begun with.
	Version string
	// Group names a resolution; "" is the first.
	Group string
	// Bounds, in the cube's CRS, are snapped outwards to whole pixels; nil is everything. Window says the
	// same in pixels of the group's frame; at most one of them is given.
	Bounds *[4]float64
	Window *cube.Window
	// Span chooses scenes by their acquisition time; the zero value is all.
	Span cube.Span
	// Bands are names, in the order wanted; nil is all of the group's.
	Bands []string
	// Shard is the edge of a shard in pixels, a multiple of the chunk's; 0 writes every chunk by itself. Zarr only.
	Shard int
	// Resume goes on with an export that was cut off: what its journal names is checked and not written again.
	Resume bool
	// Progress is told how many scenes are done; nil tells nobody.
	Progress func(done, total int)
}

// File is one thing that was written, with its path as Out leads to it. A Zarr group is one, of all its
// bytes, and has no digest of its own.
type File struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
}

// Report is the document of `cube export`.
type Report struct {
	Cube     string `json:"cube"`
	Snapshot string `json:"snapshot"`
	Format   Format `json:"format"`
	Group    string `json:"group"`
	// Window is the part of the group's frame that was written.
	Window cube.Window `json:"window"`
	Scenes int         `json:"scenes"`
	Files  []File      `json:"files"`
	// Skipped counts the files that were there already and whole.
	Skipped int `json:"skipped"`
	// Note tells what the format could not keep.
	Note string `json:"note,omitempty"`
}

// Run writes an export. After an error the same request with Resume goes on where it ended.
func Run(ctx context.Context, cfg Config, req Request) (Report, error) {
	j, err := openJournal(req)
	if err != nil {
		return Report{}, err
	}
	defer j.close()
	version := req.Version
	if version == "" && j.begun != nil {
		version = j.begun.Snapshot
	}
	view, err := cfg.Cube.At(ctx, version)
	if err != nil {
		return Report{}, err
	}
	p, err := choose(view, req)
	if err != nil {
		return Report{}, err
	}
	p.reader, p.out = cfg.Reader, req.Out
	if err := j.begin(p.heading(req)); err != nil {
		return Report{}, err
	}
	p.journal = j
	report := Report{Cube: view.Spec().Name, Snapshot: view.Snapshot(), Format: req.Format, Group: p.group.Name, Window: p.window, Scenes: len(p.slices), Files: []File{}}
	switch req.Format {
	case COG:
		err = p.writeCOGs(ctx, req, &report)
	case Zarr:
		err = p.writeZarr(ctx, req, &report)
	}
	if err != nil {
		return Report{}, fault.New(fault.KindOf(err), "export cube %q: %w", view.Spec().Name, err)
	}
	return report, j.close()
}

// tell says how many scenes are done.
func (r Request) tell(done, total int) {
	if r.Progress != nil {
		r.Progress(done, total)
	}
}

// put writes a file under a name that is no final one, and gives it its own.
func (p *part) put(name string, write func(path string) error) error {
	final := filepath.Join(p.out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(final), 0o777); err != nil {
		return unwritable(final, err)
	}
	half := filepath.Join(filepath.Dir(final), halfPrefix+filepath.Base(final))
	if err := write(half); err != nil {
		_ = os.Remove(half) // one that stays is written over
		return err
	}
	if err := os.Rename(half, final); err != nil {
		return unwritable(final, err)
	}
	return nil
}

// halfPrefix begins the names of files that are being written.
const halfPrefix = ".half-"

func unwritable(path string, err error) error {
	return fault.New(fault.Precondition, "write %s: %w", path, err).WithCure("check the free space and the permissions of its folder, and go on with --resume")
}
