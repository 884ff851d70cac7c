package layout

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/cube/zarr"
)

func (s Spec) axis(name string, n int) zarr.Array {
	attrs := map[string]any{"axis": strings.ToUpper(name), "units": "metre", "standard_name": "projection_" + name + "_coordinate", "long_name": name + " of pixel centres"}
	if s.Geographic {
		attrs["standard_name"] = map[string]string{"x": "longitude", "y": "latitude"}[name]
		attrs["units"] = map[string]string{"x": "degrees_east", "y": "degrees_north"}[name]
	}
	return zarr.Array{Shape: []int{n}, Chunks: []int{n}, DType: cube.Float64, Dims: []string{name}, Codecs: zarr.Small(), Attrs: attrs}
}

// centres are the coordinates of an axis. They are computed as rasterio does, from the centre's index.
func centres(grid cube.Grid, name string, n int) []byte {
	out := make([]byte, 0, 8*n)
	for i := range n {
		x, y := grid.Transform.Apply(float64(i)+0.5, float64(i)+0.5)
		if name == "y" {
			x = y
		}
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
	}
	return out
}

// gridMapping is the CF variable that rioxarray and GDAL read the CRS and the transform from.
func (s Spec) gridMapping(grid cube.Grid) map[string]any {
	t := grid.Transform
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	attrs := map[string]any{
		"GeoTransform": strings.Join([]string{number(t[2]), number(t[0]), number(t[1]), number(t[5]), number(t[3]), number(t[4])}, " "),
	}
	if s.WKT != "" {
		attrs["crs_wkt"], attrs["spatial_ref"] = s.WKT, s.WKT
	}
	maps.Copy(attrs, crs.GridMapping(s.Grid.CRS, s.WKT))
	if s.Geographic {
		attrs["grid_mapping_name"] = "latitude_longitude"
	}
	return attrs
}

// geoAttrs places a cell by the GeoZarr conventions; values on a group hold for the arrays in it.
func geoAttrs(grid cube.Grid) map[string]any {
	minX, minY, maxX, maxY := grid.Bounds()
	attrs := map[string]any{
		"Conventions":        "CF-1.11",
		"spatial:dimensions": []string{"y", "x"}, "spatial:transform": grid.Transform, "spatial:shape": []int{grid.Height, grid.Width},
		"spatial:bbox": []float64{minX, minY, maxX, maxY}, "spatial:registration": "pixel",
		"zarr_conventions": []any{
			convention("proj", "f17cb550-5864-4468-aeb7-f3180cfb622f", "Coordinate reference system information for geospatial data"),
			convention("spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
		},
	}
	if grid.CRS != "" {
		attrs["proj:code"] = grid.CRS
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
