package gdal

import (
	"math"
	"path/filepath"
	"strings"

	"github.com/airbusgeo/godal"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// BandInfo is what a file says about one of its bands.
type BandInfo struct {
	// Name is the band's description; "" if it has none.
	Name string
	// DType is "" where a cube cannot hold the type, such as complex numbers; TypeName is GDAL's name.
	DType    cube.DType
	TypeName string
	// Nodata is the declared value of pixels without a measurement, nil if none is declared.
	Nodata        *float64
	Scale, Offset float64
	// Mask is true where the file carries an explicit mask for the band, which ReadMask reads.
	Mask bool

	raw godal.DataType
}

// Raster is an open file. It must not be used by two goroutines at once.
type Raster struct {
	// Bands in the order of the file.
	Bands []BandInfo

	path     string
	ds       *godal.Dataset
	wkt      string
	grid     cube.Grid
	placed   bool
	metadata map[string]map[string]string
	log      *messages
}

// Open opens one local raster file. The error says what is wrong with it and how to mend it.
func Open(path string) (opened *Raster, err error) {
	defer guard(path, &err)
	start()
	abs, err := local(path)
	if err != nil {
		return nil, err
	}
	if open.Add(1) > maxOpen {
		open.Add(-1)
		return nil, fault.New(fault.Unavailable, "more than %d rasters are open at once", maxOpen).WithCure("read fewer files at a time")
	}
	r := &Raster{path: path, log: &messages{file: abs}}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	r.ds, err = godal.Open(abs, godal.Drivers(formats...), godal.RasterOnly(), godal.ErrLogger(r.log.logger()))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if err := r.describe(); err != nil {
		return nil, err
	}
	return r, nil
}

// unreadable is the error of a file that GDAL does not open.
func unreadable(path string, err error) error {
	e := fault.New(fault.Corrupt, "%s cannot be opened: %s", path, oneLine(err))
	if !strings.Contains(err.Error(), "not recognized") {
		return e.WithCure("the file is damaged: copy or download it again")
	}
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".nc", ".h5", ".hdf", ".vrt", ".zarr", ".grib", ".grb", ".img", ".jpg", ".jpeg", ".dat", ".bil":
		e.Kind = fault.Unsupported
		return e.WithCure("write it as GeoTIFF first: gdal_translate -of COG %s %s (a file with several variables needs the name that gdalinfo %s prints)",
			Quote(path), Quote(strings.TrimSuffix(path, filepath.Ext(path))+".tif"), Quote(path))
	case ".gpkg", ".shp", ".geojson", ".fgb", ".kml":
		e.Kind = fault.Unsupported
		return e.WithCure("it holds vectors: terrapin labels import takes those")
	}
	return e.WithCure("give a GeoTIFF, COG or JPEG 2000 file; if this is one, it is damaged: copy or download it again")
}

// describe reads the header, refusing absurd sizes before anything depends on them.
func (r *Raster) describe() error {
	s := r.ds.Structure()
	pixels := float64(s.SizeX) * float64(s.SizeY)
	block := float64(s.BlockSizeX) * float64(s.BlockSizeY) * float64(s.DataType.Size())
	switch {
	case s.NBands == 0:
		return fault.New(fault.Invalid, "%s holds no raster bands", r.path).WithCure("give a raster file")
	case s.SizeX > maxEdge || s.SizeY > maxEdge || pixels > maxPixels || s.NBands > maxBands:
		return fault.New(fault.TooLarge, "%s claims %d×%d pixels and %d bands; at most %d pixels, %d on an edge, and %d bands are read",
			r.path, s.SizeX, s.SizeY, s.NBands, int64(maxPixels), maxEdge, maxBands).
			WithCure("if the header is right, cut the file into parts with gdal_translate -srcwin; otherwise it is damaged")
	case block > maxBlockBytes:
		return fault.New(fault.TooLarge, "%s has blocks of %d×%d pixels; at most %d MiB are decoded at once", r.path, s.BlockSizeX, s.BlockSizeY, maxBlockBytes>>20).
			WithCure("tile it: gdal_translate -co TILED=YES %s OUT.tif", Quote(r.path))
	}
	for _, b := range r.ds.Bands() {
		r.Bands = append(r.Bands, describeBand(b))
	}
	r.metadata = map[string]map[string]string{}
	for _, domain := range []string{"", "IMAGERY", "RPC"} {
		r.metadata[domain] = r.ds.Metadatas(godal.Domain(domain))
	}
	r.wkt = r.ds.Projection()
	r.grid = cube.Grid{CRS: authorityCode(r.wkt), Width: s.SizeX, Height: s.SizeY}
	if gt, err := r.ds.GeoTransform(godal.ErrLogger(r.log.logger())); err == nil {
		r.grid.Transform = cube.Affine{gt[1], gt[2], gt[0], gt[4], gt[5], gt[3]}
		r.placed = true
		for _, v := range gt {
			r.placed = r.placed && !math.IsNaN(v) && !math.IsInf(v, 0)
		}
	}
	return nil
}

func describeBand(b godal.Band) BandInfo {
	s := b.Structure()
	info := BandInfo{Name: b.Description(), raw: s.DataType, TypeName: s.DataType.String(), Scale: s.Scale, Offset: s.Offset}
	info.DType = dtypes[s.DataType]
	if info.DType == cube.Uint8 && b.Metadata("PIXELTYPE", godal.Domain("IMAGE_STRUCTURE")) == "SIGNEDBYTE" {
		info.DType = cube.Int8 // how GDAL before 3.7 says so
	}
	if nodata, ok := b.NoData(); ok {
		info.Nodata = &nodata
	}
	const perDataset, alpha = 2, 4
	flags := b.MaskFlags()
	info.Mask = flags&perDataset != 0 && flags&alpha == 0
	return info
}

// dtypes maps what the binding can read. 64-bit integers are not among it.
var dtypes = map[godal.DataType]cube.DType{
	godal.Byte: cube.Uint8, godal.Int8: cube.Int8, godal.Int16: cube.Int16, godal.UInt16: cube.Uint16,
	godal.Int32: cube.Int32, godal.UInt32: cube.Uint32, godal.Float32: cube.Float32, godal.Float64: cube.Float64,
}

// Path is the path as it was given to Open.
func (r *Raster) Path() string { return r.path }

// Size is the width and height in pixels.
func (r *Raster) Size() (width, height int) { return r.grid.Width, r.grid.Height }

// Grid is the raster's frame. A file without a CRS, with one that no authority's code names, without
// a transform, or rotated, is refused with the cure for each.
func (r *Raster) Grid() (cube.Grid, error) {
	switch {
	case r.wkt == "" && r.ds != nil && r.ds.GCPProjection() != "":
		return cube.Grid{}, fault.New(fault.Invalid, "%s has ground control points instead of a grid", r.path).
			WithCure("warp it onto one: gdalwarp -t_srs EPSG:n -r near %s OUT.tif", Quote(r.path))
	case r.wkt == "":
		return cube.Grid{}, fault.New(fault.Invalid, "%s has no CRS%s", r.path, r.remark()).
			WithCure("if you know it, write it into a copy: gdal_translate -a_srs EPSG:n %s OUT.tif", Quote(r.path))
	case r.grid.CRS == "":
		return cube.Grid{}, fault.New(fault.Invalid, "%s has a CRS that matches no EPSG code: %s", r.path, head(r.wkt)).
			WithCure("if you know the code, write it into a copy: gdal_translate -a_srs EPSG:n %s OUT.tif; otherwise reproject: gdalwarp -t_srs EPSG:n %s OUT.tif", Quote(r.path), Quote(r.path))
	case !r.placed:
		return cube.Grid{}, fault.New(fault.Invalid, "%s has a CRS but no transform from pixels to coordinates%s", r.path, r.remark()).
			WithCure("write the corners into a copy: gdal_translate -a_ullr ulx uly lrx lry %s OUT.tif", Quote(r.path))
	}
	if err := r.grid.Check(); err != nil {
		return cube.Grid{}, fault.New(fault.Invalid, "%s: %w", r.path, err).
			WithCure("make it north-up: gdalwarp -t_srs %s -r near %s OUT.tif", r.grid.CRS, Quote(r.path))
	}
	return r.grid, nil
}

// WKT is the CRS in well-known text, "" if the file has none.
func (r *Raster) WKT() string { return r.wkt }

// Metadata returns the items of a metadata domain: "" (the default one), "IMAGERY" or "RPC".
func (r *Raster) Metadata(domain string) map[string]string { return r.metadata[domain] }

// remark quotes GDAL's first warning, which tells a damaged header from an incomplete one.
func (r *Raster) remark() string {
	if len(r.log.warnings) == 0 {
		return ""
	}
	return " (GDAL remarks: " + r.log.warnings[0] + ")"
}

// Close releases the handle; a second call does nothing.
func (r *Raster) Close() {
	if r.ds != nil {
		// A file opened for reading has nothing to lose at closing, so there is no error to report.
		_ = r.ds.Close(godal.ErrLogger(r.log.logger()))
		r.ds = nil
	}
	if r.log != nil && !r.log.closed {
		r.log.closed = true
		open.Add(-1)
	}
}

// Quote makes a path one word of a shell, for the commands in cures.
func Quote(path string) string {
	special := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-+=:,@", c))
	}
	if path != "" && strings.IndexFunc(path, special) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// head is the beginning of a WKT, which holds the system's name.
func head(wkt string) string {
	wkt = strings.Join(strings.Fields(wkt), " ")
	if len(wkt) > 80 {
		return wkt[:80] + "…"
	}
	return wkt
}
