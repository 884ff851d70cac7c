package layout

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
)

// Names of the arrays of a cell, and of those in its group of records.
const (
	Image = "image"
	Valid = "valid"

	timeArray   = "time"
	recordArray = "records/slice"
	imageDigest = "records/image_sha256"
	validDigest = "records/valid_sha256"

	// timeChunk is the number of times in one chunk of the time coordinate.
	timeChunk = 4096
	// recordBytes is the room for one slice record; the blanks at its end compress to nothing.
	recordBytes = 16384
	digestBytes = 32
)

// arrays is the metadata of every array of a cell with n slices, by path below the cell.
func (s Spec) arrays(n int) map[string]zarr.Array {
	h, w, c, b := s.Grid.Height, s.Grid.Width, s.ChunkSize(), len(s.Bands)
	ny, nx := chunks(h, c), chunks(w, c)
	data := []string{"time", "band", "y", "x"}
	digests := []string{"time", "y_chunk", "x_chunk", "digest_byte"}
	image := zarr.Array{
		Shape: []int{n, b, h, w}, Chunks: []int{1, b, c, c}, DType: s.DType, Fill: s.Fill(), Dims: data,
		Attrs: map[string]any{"long_name": "stored numbers of the source", "grid_mapping": "spatial_ref", "coordinates": "spatial_ref", "ancillary_variables": Valid},
	}
	if s.Nodata != nil {
		image.Attrs["nodata"] = cube.Number(*s.Nodata)
	}
	valid := zarr.Array{
		Shape: image.Shape, Chunks: image.Chunks, DType: cube.Uint8, Dims: data,
		Attrs: map[string]any{
			"long_name": "observed by the source", "flag_values": []int{0, 1}, "flag_meanings": "not_observed observed",
			"grid_mapping": "spatial_ref", "coordinates": "spatial_ref",
		},
	}
	return map[string]zarr.Array{
		Image: image,
		Valid: valid,
		timeArray: {
			Shape: []int{n}, Chunks: []int{timeChunk}, DType: cube.Int64, Dims: []string{"time"}, Codecs: zarr.Small(),
			Attrs: map[string]any{"long_name": "acquisition time", "standard_name": "time", "axis": "T", "units": "microseconds since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian"},
		},
		"band": {Shape: []int{b}, Chunks: []int{b}, DType: zarr.String, Dims: []string{"band"}, Attrs: map[string]any{"long_name": "band name"}},
		"y":    s.axis("y", h),
		"x":    s.axis("x", w),
		"spatial_ref": {
			Shape: []int{}, Chunks: []int{}, DType: cube.Int64, Dims: []string{}, Codecs: zarr.Small(), Attrs: s.gridMapping(),
		},
		recordArray: {
			Shape: []int{n, recordBytes}, Chunks: []int{1, recordBytes}, DType: cube.Uint8, Fill: ' ', Dims: []string{"time", "byte"}, Codecs: zarr.Small(),
			Attrs: map[string]any{"long_name": "slice records, JSON padded with blanks"},
		},
		imageDigest: {
			Shape: []int{n, ny, nx, digestBytes}, Chunks: []int{1, ny, nx, digestBytes}, DType: cube.Uint8, Dims: digests, Codecs: zarr.Small(),
			Attrs: map[string]any{"long_name": "SHA-256 of the decoded values of each chunk of image, cropped to the array"},
		},
		validDigest: {
			Shape: []int{n, ny, nx, digestBytes}, Chunks: []int{1, ny, nx, digestBytes}, DType: cube.Uint8, Dims: digests, Codecs: zarr.Small(),
			Attrs: map[string]any{"long_name": "SHA-256 of the decoded values of each chunk of valid, cropped to the array"},
		},
	}
}

func chunks(n, edge int) int { return (n + edge - 1) / edge }

// sliced names the arrays that have one chunk row per slice, which a late scene moves.
var sliced = []string{Image, Valid, recordArray, imageDigest, validDigest}

func (s Spec) axis(name string, n int) zarr.Array {
	attrs := map[string]any{"axis": strings.ToUpper(name), "units": "metre", "standard_name": "projection_" + name + "_coordinate", "long_name": name + " of pixel centres"}
	if s.Geographic {
		attrs["standard_name"] = map[string]string{"x": "longitude", "y": "latitude"}[name]
		attrs["units"] = map[string]string{"x": "degrees_east", "y": "degrees_north"}[name]
	}
	return zarr.Array{Shape: []int{n}, Chunks: []int{n}, DType: cube.Float64, Dims: []string{name}, Codecs: zarr.Small(), Attrs: attrs}
}

// centres are the coordinates of an axis. They are computed as rasterio does, from the centre's index.
func (s Spec) centres(name string, n int) []byte {
	out := make([]byte, 0, 8*n)
	for i := range n {
		x, y := s.Grid.Transform.Apply(float64(i)+0.5, float64(i)+0.5)
		if name == "y" {
			x = y
		}
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
	}
	return out
}

// gridMapping is the CF variable that rioxarray and GDAL read the CRS and the transform from.
func (s Spec) gridMapping() map[string]any {
	t := s.Grid.Transform
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	attrs := map[string]any{
		"GeoTransform": strings.Join([]string{number(t[2]), number(t[0]), number(t[1]), number(t[5]), number(t[3]), number(t[4])}, " "),
	}
	if s.WKT != "" {
		attrs["crs_wkt"], attrs["spatial_ref"] = s.WKT, s.WKT
	}
	if s.Geographic {
		attrs["grid_mapping_name"] = "latitude_longitude"
	}
	return attrs
}

// geoAttrs places a cell by the GeoZarr conventions; values on a group hold for the arrays in it.
func (s Spec) geoAttrs() map[string]any {
	minX, minY, maxX, maxY := s.Grid.Bounds()
	attrs := map[string]any{
		"Conventions":        "CF-1.11",
		"spatial:dimensions": []string{"y", "x"}, "spatial:transform": s.Grid.Transform, "spatial:shape": []int{s.Grid.Height, s.Grid.Width},
		"spatial:bbox": []float64{minX, minY, maxX, maxY}, "spatial:registration": "pixel",
		"zarr_conventions": []any{
			convention("proj", "f17cb550-5864-4468-aeb7-f3180cfb622f", "Coordinate reference system information for geospatial data"),
			convention("spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
		},
	}
	if s.Grid.CRS != "" {
		attrs["proj:code"] = s.Grid.CRS
	}
	return attrs
}

func convention(name, uuid, description string) map[string]any {
	const tag = "v0.1"
	return map[string]any{
		"name": name, "uuid": uuid, "description": description,
		"schema_url": fmt.Sprintf("https://raw.githubusercontent.com/zarr-conventions/%s/refs/tags/%s/schema.json", name, tag),
		"spec_url":   fmt.Sprintf("https://github.com/zarr-conventions/%s/blob/%s/README.md", name, tag),
	}
}

// putArray creates or updates one array of a transaction.
func putArray(tx *icechunk.Tx, path string, a zarr.Array) error {
	meta, err := a.JSON()
	if err != nil {
		return err
	}
	info := icechunk.ArrayInfo{Shape: make([]uint64, len(a.Shape)), NumChunks: make([]uint32, len(a.Shape)), Dims: a.Dims}
	for i, n := range a.NumChunks() {
		info.Shape[i], info.NumChunks[i] = uint64(a.Shape[i]), uint32(n)
	}
	return tx.PutArray(path, meta, info)
}

// putNodes writes the groups and arrays of an empty cube, and its coordinates.
func putNodes(ctx context.Context, tx *icechunk.Tx, pack *icechunk.Pack, s Spec) error {
	cell := "/" + s.cellPath()
	groups := []struct {
		path  string
		attrs map[string]any
	}{
		{"/", map[string]any{"terrapin": s.doc()}},
		{cell[:strings.LastIndexByte(cell, '/')], nil},
		{cell, s.geoAttrs()},
		{cell + "/records", map[string]any{"description": "what each slice is and the digests that prove it; see docs/spec/cube-layout.md"}},
	}
	for _, g := range groups {
		meta, err := zarr.GroupJSON(g.attrs)
		if err != nil {
			return err
		}
		if err := tx.PutGroup(g.path, meta); err != nil {
			return err
		}
	}
	arrays := s.arrays(0)
	for name, a := range arrays {
		if err := putArray(tx, cell+"/"+name, a); err != nil {
			return err
		}
	}
	coords := map[string][]byte{"band": zarr.EncodeStrings(s.BandNames())}
	for _, name := range []string{"y", "x"} {
		encoded, err := arrays[name].Encode(s.centres(name, arrays[name].Shape[0]))
		if err != nil {
			return err
		}
		coords[name] = encoded
	}
	for name, encoded := range coords {
		ref, err := pack.Add(ctx, encoded)
		if err != nil {
			return err
		}
		if err := tx.SetRef(cell+"/"+name, []uint32{0}, ref); err != nil {
			return err
		}
	}
	return nil
}
