package ingest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// zarrMeta is the file that makes a folder a node of Zarr v3.
const zarrMeta = "zarr.json"

// zarrStep is one scene of a plain Zarr group: a step on its time axis, or all of a group without one.
type zarrStep struct {
	store *zarrStore
	at    int // on the time axis
	time  time.Time
}

// zarrStore is a plain Zarr v3 group on this machine whose headers were read.
type zarrStore struct {
	path  string
	attrs map[string]any
	// arrays are those that can be read, unread says what is wrong with the others.
	arrays map[string]zarr.Array
	unread map[string]error
	times  []time.Time // nil without a time axis
	bands  map[string]zarrBand
	valid  string // the array of validity, "" without one
	grid   cube.Grid
	notes  []string
	cached chunkStore
}

// zarrBand is where a band lies: an array of its own, or a place on the band axis of one.
type zarrBand struct {
	array string
	band  int // -1 without a band axis
}

// isZarr reports whether a path is a folder of Zarr, of whichever version.
func isZarr(path string) bool {
	for _, name := range []string{zarrMeta, ".zgroup", ".zarray", ".zmetadata"} {
		if info, err := os.Stat(filepath.Join(path, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// zarrFiles lists every file of a group.
func zarrFiles(path string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		return nil, fault.New(fault.Invalid, "folder %s cannot be listed: %w", path, err).WithCure("check its permissions")
	}
	return files, nil
}

// expand turns a source into its scenes: those of a folder, or the steps of a Zarr group. The name of a
// step is that of the group with its time behind it.
func (r *run) expand(path string) ([]string, error) {
	if !isZarr(path) {
		return expand(path)
	}
	store, err := r.openStore(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	if r.steps == nil {
		r.steps = map[string]zarrStep{}
	}
	if store.times == nil {
		r.steps[path] = zarrStep{store: store}
		return []string{path}, nil
	}
	var names []string
	for i, t := range store.times {
		name := path + "#" + stamp(t)
		for n := 2; slices.Contains(names, name); n++ {
			name = fmt.Sprintf("%s#%s#%d", path, stamp(t), n)
		}
		r.steps[name] = zarrStep{store, i, t}
		names = append(names, name)
	}
	return names, nil
}

// openStore reads the headers of a group and finds bands, times and grid.
func (r *run) openStore(path string) (*zarrStore, error) {
	s := &zarrStore{path: path, arrays: map[string]zarr.Array{}, unread: map[string]error{}, bands: map[string]zarrBand{}}
	if len(r.groups) > 1 {
		return nil, fault.New(fault.Invalid, "%s is on one grid, and the cube has %s: %s", path, plural(len(r.groups), "resolution", "resolutions"), r.groupNames()).
			WithCure("make a cube of one resolution for it")
	}
	if err := s.readHeaders(); err != nil {
		return nil, err
	}
	for _, find := range []func() error{func() error { return s.findBands(r.groups[0], r.req.Bands) }, s.findTimes, s.findGrid} {
		if err := find(); err != nil {
			return nil, err
		}
	}
	s.findValid()
	return s, nil
}

// readHeaders reads the zarr.json of the group and of every array directly in it.
func (s *zarrStore) readHeaders() error {
	text, err := os.ReadFile(filepath.Join(s.path, zarrMeta))
	if os.IsNotExist(err) {
		return fault.New(fault.Unsupported, "%s is Zarr of version 2", s.path).
			WithCure("write it as version 3: python -c 'import xarray, sys; xarray.open_zarr(sys.argv[1], mask_and_scale=False).to_zarr(sys.argv[2], zarr_format=3)' IN OUT")
	}
	if err != nil {
		return fault.New(fault.Invalid, "%s cannot be read: %w", s.path, err).WithCure("check the permissions")
	}
	var node struct {
		Type string `json:"node_type"`
	}
	if json.Unmarshal(text, &node) == nil && node.Type == "array" {
		return fault.New(fault.Invalid, "%s is one Zarr array, without times and places", s.path).WithCure("give the group that holds it: %s", filepath.Dir(s.path))
	}
	if s.attrs, err = zarr.ParseGroup(text); err != nil {
		return fault.New(fault.KindOf(err), "%s: %w", s.path, err).WithCure("write it again with a current zarr")
	}
	entries, err := os.ReadDir(s.path)
	if err != nil {
		return fault.New(fault.Invalid, "%s cannot be listed: %w", s.path, err).WithCure("check the permissions")
	}
	var groups []string
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(s.path, e.Name(), zarrMeta))
		if err != nil {
			continue
		}
		if json.Unmarshal(text, &node) == nil && node.Type == "group" {
			groups = append(groups, filepath.Join(s.path, e.Name()))
			continue
		}
		a, err := zarr.ParseArray(text)
		if err != nil {
			s.unread[e.Name()] = err
			continue
		}
		s.arrays[e.Name()] = a
	}
	if len(s.arrays) == 0 && len(groups) > 0 {
		return fault.New(fault.Invalid, "%s holds groups and no arrays", s.path).WithCure("name the group with the arrays: %s …", groups[0])
	}
	return nil
}

// axes are the names by which dimensions are known.
var axes = map[string]string{
	"time": "time", "t": "time", "datetime": "time", "date": "time",
	"band": "band", "bands": "band", "channel": "band", "channels": "band", "spectral": "band",
	"y": "y", "lat": "y", "latitude": "y", "northing": "y",
	"x": "x", "lon": "x", "longitude": "x", "easting": "x",
}

// axesOf writes an array's dimensions in our names, such as "time band y x".
func axesOf(a zarr.Array) string {
	var names []string
	for _, d := range a.Dims {
		names = append(names, axes[strings.ToLower(d)])
	}
	return strings.Join(names, " ")
}

// dimension is the place of one of our axes in an array, or -1.
func dimension(a zarr.Array, axis string) int {
	return slices.IndexFunc(a.Dims, func(d string) bool { return axes[strings.ToLower(d)] == axis })
}

// dimensionName is what the group calls one of our axes.
func (s *zarrStore) dimensionName(axis string) string {
	for _, b := range s.bands {
		if a := s.arrays[b.array]; dimension(a, axis) >= 0 {
			return a.Dims[dimension(a, axis)]
		}
	}
	return axis
}

// sample is one of the arrays with pixels; all have the same axes.
func (s *zarrStore) sample() zarr.Array {
	for _, b := range s.bands {
		return s.arrays[b.array]
	}
	return zarr.Array{}
}
