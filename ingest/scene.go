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

// fileBands gives each band of a file its name.
func (r *run) fileBands(raster *gdal.Raster) (names []string, note string, err error) {
	want := bandNames(r.spec.Bands)
	named := 0
	for _, b := range raster.Bands {
		names = append(names, b.Name)
		if b.Name != "" {
			named++
		}
	}
	given := r.req.Bands
	switch {
	case len(given) > 0 && len(given) != len(names):
		return nil, "", fault.New(fault.Invalid, "%s has %d bands, and --bands names %d", raster.Path(), len(names), len(given)).
			WithCure("name every band of the file, in its order")
	case len(given) > 0:
		for i, n := range names {
			if n != "" && n != given[i] {
				return nil, "", fault.New(fault.Invalid, "band %d of %s is named %q, and --bands says %q", i+1, raster.Path(), n, given[i]).
					WithCure("leave out --bands, or correct it")
			}
		}
		if named == 0 {
			note = "bands without names taken as --bands gives them: " + strings.Join(given, ",")
		}
		return given, note, nil
	case named == 0 && len(names) == len(want):
		return want, "bands without names taken in order as " + strings.Join(want, ","), nil
	case named == 0:
		return nil, "", fault.New(fault.Invalid, "%s has %s without names, and the cube has %d: %s", raster.Path(), plural(len(names), "band", "bands"), len(want), strings.Join(want, ",")).
			WithCure("name the file's bands in their order: --bands …")
	}
	return names, "", nil
}

// indexOf finds a band by its name.
func indexOf(names []string, want, path string) (int, error) {
	found := -1
	for i, n := range names {
		if n != want {
			continue
		}
		if found >= 0 {
			return 0, fault.New(fault.Invalid, "%s has two bands named %q (%d and %d)", path, want, found+1, i+1).
				WithCure("name its bands differently")
		}
		found = i
	}
	if found < 0 {
		return 0, fault.New(fault.Invalid, "%s lacks the band %q; it has %s", path, want, list(names)).
			WithCure("give a file with all the cube's bands (gdalbuildvrt -separate, then gdal_translate, puts single files together in the order given), or a STAC item whose assets hold them")
	}
	return found, nil
}

// list writes band names for a person, at most a dozen of them.
func list(names []string) string {
	const most = 12
	var out []string
	for i, n := range names {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		if n == "" {
			n = "(no name)"
		}
		out = append(out, n)
	}
	return strings.Join(out, ", ")
}

// openItem opens the assets of a STAC item that hold the cube's bands.
func (r *run) openItem(sc *scene) error {
	it, err := readItem(sc.path)
	if err != nil {
		return err
	}
	sc.item, sc.source = it, it.ID
	index := map[string]int{} // file → sc.rasters
	for _, b := range r.spec.Bands {
		p, err := r.findAsset(sc, index, b.Name)
		if err != nil {
			return err
		}
		sc.bands = append(sc.bands, p)
	}
	return nil
}

// findAsset looks for a band among the names that assets declare, then among their keys, then in the
// files themselves.
func (r *run) findAsset(sc *scene, index map[string]int, want string) (place, error) {
	it := sc.item
	var undeclared []string
	for _, key := range it.keys() {
		a := it.Assets[key]
		names := a.names()
		if names == nil {
			if a.raster() {
				undeclared = append(undeclared, key)
			}
			continue
		}
		for i, n := range names {
			if n == want {
				return sc.use(index, key, i, len(names))
			}
		}
	}
	if a := it.Assets[want]; a != nil && len(a.names()) <= 1 {
		return sc.use(index, want, 0, 1)
	}
	for _, key := range undeclared {
		p, err := sc.use(index, key, 0, 0)
		if err != nil {
			continue // an asset that is no concern of the cube may be broken
		}
		for i, b := range sc.rasters[p.raster].Bands {
			if b.Name == want {
				p.band = i
				return p, nil
			}
		}
	}
	return place{}, fault.New(fault.Invalid, "no asset of STAC item %s holds the band %q; its assets are %s", sc.path, want, list(it.keys())).
		WithCure("name the band in the asset's bands (or eo:bands), or by the asset's key")
}

// use opens the file of an asset once. count is how many bands it must have; 0 = any number.
func (sc *scene) use(index map[string]int, key string, band, count int) (place, error) {
	file, err := sc.item.file(key)
	if err != nil {
		return place{}, err
	}
	at, isOpen := index[file]
	if !isOpen {
		raster, err := gdal.Open(file)
		if err != nil {
			return place{}, fault.New(fault.KindOf(err), "asset %q: %w", key, err)
		}
		at = len(sc.rasters)
		sc.rasters = append(sc.rasters, raster)
		index[file] = at
	}
	if n := len(sc.rasters[at].Bands); count > 0 && n != count {
		return place{}, fault.New(fault.Invalid, "asset %q of %s declares %d bands, its file has %d", key, sc.path, count, n).
			WithCure("declare every band of the file in the asset's bands")
	}
	return place{raster: at, band: band, asset: sc.item.Assets[key]}, nil
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

// date finds the acquisition time: the pattern in the file's name, else the item's time, else the
// IMAGERY metadata of the file. Neither TIFFTAG_DATETIME, which writers set to the time of writing,
// nor the file's clock is asked.
func (r *run) date(sc *scene) error {
	var missed error
	if r.pattern != nil {
		t, err := r.pattern.find(filepath.Base(sc.path))
		if err == nil {
			sc.time = t
			return r.availability(sc)
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		missed = err
	}
	if sc.item != nil {
		t, ok, err := sc.item.time()
		if err != nil {
			return err
		}
		if ok {
			sc.time = t
			return r.availability(sc)
		}
		return fault.New(fault.Invalid, "STAC item %s has neither datetime nor start_datetime", sc.path).WithCure("give it one, or a --datetime-pattern for the file's name")
	}
	if s := sc.rasters[0].Metadata("IMAGERY")["ACQUISITIONDATETIME"]; s != "" {
		t, err := parseAcquisition(s)
		if err != nil {
			return fault.New(fault.Invalid, "%s: its metadata ACQUISITIONDATETIME is %q, not a time", sc.path, s).WithCure("give a --datetime-pattern for the file's name")
		}
		sc.time = t
		if missed != nil {
			sc.notes = append(sc.notes, missed.Error()+"; the time is that of its metadata ACQUISITIONDATETIME")
		}
		return r.availability(sc)
	}
	cure := "give a --datetime-pattern that fits the file's name, such as 's2_%Y%m%d', or a STAC item with a datetime"
	if tag := sc.rasters[0].Metadata("")["TIFFTAG_DATETIME"]; tag != "" {
		cure += fmt.Sprintf(" (TIFFTAG_DATETIME = %s is not used: it is when the file was written)", tag)
	}
	if missed != nil {
		return fault.New(fault.Invalid, "%s: %w", sc.path, missed).WithCure("%s", cure)
	}
	return fault.New(fault.Invalid, "%s does not say when it was acquired", sc.path).WithCure("%s", cure)
}

// parseAcquisition reads GDAL's IMAGERY time, which has no zone and means UTC, or RFC 3339.
func parseAcquisition(s string) (time.Time, error) {
	var first error
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999", "2006-01-02T15:04:05.999999"} {
		t, err := time.Parse(layout, strings.TrimSpace(s))
		if err == nil {
			return t.UTC().Truncate(time.Microsecond), nil
		}
		if first == nil {
			first = err
		}
	}
	return time.Time{}, first
}

func (r *run) availability(sc *scene) error {
	if sc.item == nil {
		return nil
	}
	t, from, err := sc.item.available()
	if err != nil {
		return err
	}
	if from != "" && t.Before(sc.time) {
		return fault.New(fault.Invalid, "STAC item %s was %s at %s, before it was acquired at %s", sc.path, from, stamp(t), stamp(sc.time)).
			WithCure("correct the time that is wrong")
	}
	sc.available, sc.availableFrom = t, from
	sc.properties = sc.item.properties()
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
				WithCure("put such bands into cubes of their own, or remove the scales with gdal_edit.py -unsetstats -scale 1 -offset 0")
		}
		sc.contract = c
	}
	return nil
}
