package stac

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
)

// CubeAssetHref is where the API serves a cube's repository, relative to its root. Icechunk's HTTP
// storage opens it.
func CubeAssetHref(name string) string { return AssetHref("cubes/" + name) }

// ZarrHref is where the API serves a cube, or the group at a path in it, as plain Zarr, relative to its
// root: at the newest snapshot.
func ZarrHref(name string, path ...string) string {
	return "zarr/" + escape(name) + "/main/" + strings.Join(append(path, ""), "/")
}

// SceneItem is the item of one slice of a cube.
func SceneItem(spec layout.Spec, cell layout.Cell, s cube.Slice) (Item, error) {
	geometry, bbox, err := Footprint(cell.Grid, s.Footprint)
	if err != nil {
		return Item{}, err
	}
	props := Fields{}
	extensions := []string{ExtProjection, ExtRaster, ExtTimestamps, ExtZarr}
	for k, v := range s.Properties {
		if strings.HasPrefix(k, "proj:") || strings.HasPrefix(k, "terrapin:") {
			continue // the source's grid is not ours
		}
		if strings.HasPrefix(k, "eo:") {
			extensions = append(extensions, ExtEO)
		}
		props[k] = v
	}
	for k, v := range Projection(cell.Grid, s.Footprint) {
		props[k] = v
	}
	props["datetime"], props["published"], props["created"] = s.Time, s.Available, s.Ingested
	if !spec.Geographic {
		props["gsd"] = cell.Grid.Transform[0]
	}
	props["terrapin:slice"], props["terrapin:source"], props["terrapin:content"] = s.ID, s.Source, s.Content
	props["terrapin:published_from"] = s.AvailableFrom
	if s.Actor != "" {
		props["terrapin:actor"] = s.Actor
	}
	if s.Contract.Baseline != "" {
		props["terrapin:baseline"] = s.Contract.Baseline
	}
	asset := cubeAsset(spec, "Pixels of this scene in the cube")
	asset.Bands = CubeBands(spec, s.Contract)
	asset.Fields["terrapin:path"] = cell.Path
	return Item{
		ID: s.Item, Collection: spec.Name, Geometry: geometry, BBox: bbox, Properties: props,
		Assets: map[string]Asset{"cube": asset, "zarr": zarrAsset(ZarrHref(spec.Name, cell.Path))}, Extensions: extensions,
	}, nil
}

// CubeBands describes a cube's bands under a radiometric contract.
func CubeBands(spec layout.Spec, c cube.Contract) []Band {
	out := make([]Band, len(spec.Bands))
	for i, b := range spec.Bands {
		out[i] = Band{Name: b.Name, DataType: string(spec.DType), Nodata: spec.Nodata,
			Fields: Fields{"raster:scale": c.Scale, "raster:offset": c.Offset}}
		if !spec.Geographic {
			out[i].Fields["raster:spatial_resolution"] = spec.Grid.Transform[0]
		}
	}
	return out
}

func cubeAsset(spec layout.Spec, title string) Asset {
	return Asset{
		Href: CubeAssetHref(spec.Name), Type: TypeZarr3, Title: title, Roles: []string{"data"},
		Description: "An Icechunk repository: open it with icechunk and zarr or xarray.",
		Fields:      Fields{"zarr:node_type": "group", "zarr:zarr_format": 3, "zarr:consolidated": false},
	}
}

// zarrAsset is a group of a cube for readers of plain Zarr.
func zarrAsset(href string) Asset {
	return Asset{
		Href: href, Type: TypeZarr3, Title: "The cube as plain Zarr over HTTP", Roles: []string{"data"},
		Description: "Zarr v3 at the newest snapshot, read-only: open it with zarr, xarray or GDAL.",
		Fields:      Fields{"zarr:node_type": "group", "zarr:zarr_format": 3, "zarr:consolidated": true},
	}
}

// CubeCollection is the collection of a cube's scenes.
func CubeCollection(v *layout.View) (Collection, error) {
	return cubeCollection(v.Spec(), v.Cells(), v.Snapshot())
}

func cubeCollection(spec layout.Spec, cells []layout.Cell, snapshot string) (Collection, error) {
	_, bbox, err := Footprint(spec.Grid, spec.Grid.All())
	if err != nil {
		return Collection{}, err
	}
	first, last, scenes := timeSpan(cells)
	asset := cubeAsset(spec, "The cube")
	asset.Bands = CubeBands(spec, cube.DefaultContract())
	for i := range asset.Bands { // scale and offset are each scene's
		delete(asset.Bands[i].Fields, "raster:scale")
		delete(asset.Bands[i].Fields, "raster:offset")
	}
	for k, f := range Projection(spec.Grid, spec.Grid.All()) {
		asset.Fields[k] = f
	}
	c := Collection{
		ID: spec.Name, Title: "Cube " + spec.Name,
		Description: fmt.Sprintf("Scenes of the data cube %s: %d bands on a grid of %d × %d pixels in %s.",
			spec.Name, len(spec.Bands), spec.Grid.Width, spec.Grid.Height, spec.Grid.CRS),
		Keywords:   []string{"datacube", "imagery"},
		Extent:     Extent{Spatial: [][]float64{bbox}, Temporal: [][2]*time.Time{{first, last}}},
		Summaries:  Fields{"bands": Bands(asset.Bands), "proj:code": []string{spec.Grid.CRS}},
		Assets:     map[string]Asset{"cube": asset, "zarr": zarrAsset(ZarrHref(spec.Name))},
		Extensions: []string{ExtDatacube, ExtProjection, ExtRaster, ExtZarr},
		Fields: Fields{
			"cube:dimensions": dimensions(spec, first, last), "cube:variables": variables(spec),
			"terrapin:snapshot": snapshot, "terrapin:scenes": scenes,
		},
	}
	if !spec.Geographic {
		c.Summaries["gsd"] = []float64{spec.Grid.Transform[0]}
	}
	return c, nil
}

// timeSpan returns the first and last acquisition in all cells, nil without any, and their number.
func timeSpan(cells []layout.Cell) (first, last *time.Time, n int) {
	for _, cell := range cells {
		for _, s := range cell.Slices {
			if first == nil || s.Time.Before(*first) {
				first = &s.Time
			}
			if last == nil || s.Time.After(*last) {
				last = &s.Time
			}
			n++
		}
	}
	return first, last, n
}

func dimensions(spec layout.Spec, first, last *time.Time) object {
	minX, minY, maxX, maxY := spec.Grid.Bounds()
	names := make([]string, len(spec.Bands))
	for i, b := range spec.Bands {
		names[i] = b.Name
	}
	axis := func(name string, lo, hi, step float64) object {
		o := object{"type": "spatial", "axis": name, "extent": []float64{lo, hi}, "step": step}
		if code, err := strconv.Atoi(strings.TrimPrefix(spec.Grid.CRS, "EPSG:")); err == nil {
			o["reference_system"] = code
		}
		return o
	}
	return object{
		"time": object{"type": "temporal", "extent": timePair(first, last)},
		"band": object{"type": "bands", "values": names},
		"y":    axis("y", minY, maxY, spec.Grid.Transform[4]),
		"x":    axis("x", minX, maxX, spec.Grid.Transform[0]),
	}
}

func variables(spec layout.Spec) object {
	dims := []string{"time", "band", "y", "x"}
	image := object{"type": "data", "variable_type": "data", "dimensions": dims, "data_type": spec.DType,
		"description": "The source's numbers, unchanged."}
	if spec.Nodata != nil {
		image["nodata"] = Number(*spec.Nodata)
	}
	return object{"image": image, "valid": object{"type": "auxiliary", "variable_type": "auxiliary", "dimensions": dims, "data_type": cube.Uint8,
		"description": "1 where the pixel was observed."}}
}
