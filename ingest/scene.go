package ingest

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
)

// facts are what the headers of a scene say, all checked.
type facts struct {
	// source is the scene's own id: the STAC item's, or the file's name without its ending.
	source string
	time   time.Time
	// available is zero where the source does not say.
	available     time.Time
	availableFrom string
	contract      cube.Contract
	properties    map[string]any
	// window is where the scene lies on the first group's grid, at all resolutions; it may reach over the edge.
	window cube.Window
	notes  []string
}

func (f facts) note() string { return strings.Join(f.notes, "; ") }

// scene is an open source. Its rasters must be closed.
type scene struct {
	facts
	path    string
	item    *item
	rasters []*gdal.Raster
	// layers has one entry for each resolution of the cube, in the cube's order.
	layers []layer
	masks  []mask
	// zarr is the step of a Zarr group that the pixels come from, in place of rasters.
	zarr *zarrStep
	// zarrFlags is how the array flags of that group becomes the cube's flags; nil where it is not read.
	zarrFlags *flagRule
}

// layer is a scene at one resolution of the cube.
type layer struct {
	group layout.Group
	// bands has one entry for each band of the group, in its order.
	bands []place
	// window is where they lie on the group's grid; it may reach over the edge.
	window cube.Window
}

// place is where a band of the cube lies in the source.
type place struct {
	raster int // in scene.rasters
	band   int // from 0
	key    string
	asset  *asset // nil in a file
}

func (sc *scene) close() {
	for _, r := range sc.rasters {
		r.Close()
	}
	if sc.zarr != nil {
		sc.zarr.store.cached = chunkStore{}
	}
}

// open opens a source and checks everything that its headers tell.
func (r *run) open(path string) (opened *scene, err error) {
	sc := &scene{path: path}
	defer func() {
		if err != nil {
			sc.close()
		}
	}()
	if step, ok := r.steps[path]; ok {
		return sc, r.openZarr(sc, step)
	}
	if isJSON(path) {
		err = r.openItem(sc)
	} else {
		err = r.openFile(sc)
	}
	if err != nil {
		return nil, err
	}
	for _, check := range []func(*scene) error{r.checkTypes, r.place, r.placeMasks, r.date, r.radiometry} {
		if err := check(sc); err != nil {
			return nil, err
		}
	}
	return sc, nil
}

func (r *run) openFile(sc *scene) error {
	base := filepath.Base(sc.path)
	sc.source = strings.TrimSuffix(base, filepath.Ext(base))
	raster, err := gdal.Open(sc.path)
	if err != nil {
		return err
	}
	sc.rasters = append(sc.rasters, raster)
	if _, err := raster.Grid(); err != nil { // before the bands: a picture that is no map says so
		return err
	}
	names, note, err := r.fileBands(raster)
	if err != nil {
		return err
	}
	if note != "" {
		sc.notes = append(sc.notes, note)
	}
	if len(r.groups) > 1 {
		return fault.New(fault.Invalid, "%s is one raster, and the cube has %s: %s", sc.path, plural(len(r.groups), "resolution", "resolutions"), r.groupNames()).
			WithCure("give a STAC item whose assets hold the bands of each resolution")
	}
	l := layer{group: r.groups[0]}
	for _, b := range l.group.Bands {
		at, err := indexOf(names, b.Name, sc.path)
		if err != nil {
			return err
		}
		l.bands = append(l.bands, place{band: at})
	}
	sc.layers = append(sc.layers, l)
	return r.fileMasks(sc, names)
}

// checkTypes holds every band to the cube's data type, and remarks on nodata that differs.
func (r *run) checkTypes(sc *scene) error {
	differs := map[string]bool{}
	for _, l := range sc.layers {
		for i, p := range l.bands {
			raster := sc.rasters[p.raster]
			b := raster.Bands[p.band]
			want, nodata := l.group.DType, l.group.Nodata
			if b.DType != want {
				return fault.New(fault.Invalid, "band %s of %s is %s, the cube's is %s", l.group.Bands[i].Name, raster.Path(), b.TypeName, gdal.TypeName(want)).
					WithCure("if its values fit, convert it: gdal_translate -ot %s %s %s", gdal.TypeName(want), gdal.Quote(raster.Path()), gdal.Quote(mended(raster.Path())))
			}
			if b.Nodata != nil && nodata != nil && !sameNodata(b.Nodata, nodata) {
				differs[fmt.Sprintf("nodata is %g in the source and %g in the cube: the source's numbers are kept, and its nodata pixels are not valid", *b.Nodata, *nodata)] = true
			}
		}
	}
	for note := range differs {
		sc.notes = append(sc.notes, note)
	}
	return nil
}

// radiometry finds the one contract of the slice.
func (r *run) radiometry(sc *scene) error {
	first := ""
	for _, l := range sc.layers {
		for i, p := range l.bands {
			c, err := sc.contractOf(p, l.group.Bands[i].Name)
			if err != nil {
				return err
			}
			if first == "" {
				first, sc.contract = l.group.Bands[i].Name, c
			}
			if c != sc.contract {
				return fault.New(fault.Unsupported, "%s: band %s has scale %g and offset %g, band %s has %g and %g; a slice has one for all its bands",
					sc.path, first, sc.contract.Scale, sc.contract.Offset, l.group.Bands[i].Name, c.Scale, c.Offset).
					WithCure("put such bands into cubes of their own, or remove the scales with gdal_edit.py -scale 1 -offset 0")
			}
		}
	}
	return nil
}

// contractOf is what file and item declare of one band.
func (sc *scene) contractOf(p place, name string) (cube.Contract, error) {
	raster := sc.rasters[p.raster]
	b := raster.Bands[p.band]
	c := cube.Contract{Scale: b.Scale, Offset: b.Offset}
	if c.Scale == 0 && c.Offset == 0 {
		c.Scale = 1
	}
	if p.asset != nil {
		var err error
		if c, err = p.asset.apply(c, p.band, "band "+name+" of "+raster.Path()); err != nil {
			return c, err
		}
	}
	if sc.item != nil {
		c.Baseline = sc.item.baseline()
	}
	return c, nil
}
