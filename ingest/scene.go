package ingest

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
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
	// window is where the scene lies on the cube's grid; it may reach over the edge.
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
	// bands has one entry for each band of the cube, in the cube's order.
	bands []place
}

// place is where a band of the cube lies in the source.
type place struct {
	raster int // in scene.rasters
	band   int // from 0
	asset  *asset
}

func (sc *scene) close() {
	for _, r := range sc.rasters {
		r.Close()
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
	if isJSON(path) {
		err = r.openItem(sc)
	} else {
		err = r.openFile(sc)
	}
	if err != nil {
		return nil, err
	}
	for _, check := range []func(*scene) error{r.checkTypes, r.place, r.date, r.radiometry} {
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
	for _, b := range r.spec.Bands {
		at, err := indexOf(names, b.Name, sc.path)
		if err != nil {
			return err
		}
		sc.bands = append(sc.bands, place{band: at})
	}
	return nil
}

// checkTypes holds every band to the cube's data type, and remarks on nodata that differs.
func (r *run) checkTypes(sc *scene) error {
	differs := map[string]bool{}
	for i, p := range sc.bands {
		raster := sc.rasters[p.raster]
		b := raster.Bands[p.band]
		name := r.spec.Bands[i].Name
		if b.DType != r.spec.DType {
			return fault.New(fault.Invalid, "band %s of %s is %s, the cube's is %s", name, raster.Path(), b.TypeName, gdal.TypeName(r.spec.DType)).
				WithCure("if its values fit, convert it: gdal_translate -ot %s %s %s", gdal.TypeName(r.spec.DType), gdal.Quote(raster.Path()), gdal.Quote(mended(raster.Path())))
		}
		if b.Nodata != nil && r.spec.Nodata != nil && *b.Nodata != *r.spec.Nodata && !(*b.Nodata != *b.Nodata && *r.spec.Nodata != *r.spec.Nodata) {
			differs[fmt.Sprintf("nodata is %g in the source and %g in the cube: the source's numbers are kept, and its nodata pixels are not valid", *b.Nodata, *r.spec.Nodata)] = true
		}
	}
	for note := range differs {
		sc.notes = append(sc.notes, note)
	}
	return nil
}

// radiometry finds the one contract of the slice.
func (r *run) radiometry(sc *scene) error {
	for i, p := range sc.bands {
		raster := sc.rasters[p.raster]
		b := raster.Bands[p.band]
		c := cube.Contract{Scale: b.Scale, Offset: b.Offset}
		if c.Scale == 0 && c.Offset == 0 {
			c.Scale = 1
		}
		if p.asset != nil {
			var err error
			if c, err = p.asset.apply(c, p.band, "band "+r.spec.Bands[i].Name+" of "+raster.Path()); err != nil {
				return err
			}
		}
		if sc.item != nil {
			c.Baseline = sc.item.baseline()
		}
		if i > 0 && c != sc.contract {
			return fault.New(fault.Unsupported, "%s: band %s has scale %g and offset %g, band %s has %g and %g; a slice has one for all its bands",
				sc.path, r.spec.Bands[0].Name, sc.contract.Scale, sc.contract.Offset, r.spec.Bands[i].Name, c.Scale, c.Offset).
				WithCure("put such bands into cubes of their own, or remove the scales with gdal_edit.py -scale 1 -offset 0")
		}
		sc.contract = c
	}
	return nil
}
