package stac

import (
	"fmt"
	"slices"
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

// SceneItem is the item of one slice of a cube: one, however many cells the slice stands in.
func SceneItem(spec layout.Spec, s cube.Slice) (Item, error) {
	geometry, bbox, err := Footprint(spec.Grid, s.Footprint)
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
	for k, v := range Projection(spec.Grid, s.Footprint) {
		props[k] = v
	}
	props["datetime"], props["published"], props["created"] = s.Time, s.Available, s.Ingested
	if !spec.Geographic {
		props["gsd"] = gsd(spec)[0]
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
	paths := spec.Paths(s.Footprint)
	asset.Fields["terrapin:path"] = paths[0]
	if len(paths) > 1 {
		asset.Fields["terrapin:paths"] = paths
	}
	assets := map[string]Asset{"cube": asset, "zarr": zarrAsset(ZarrHref(spec.Name, paths[0]))}
	for _, path := range paths[1:] {
		assets["zarr-"+strings.ReplaceAll(path, "/", "-")] = zarrAsset(ZarrHref(spec.Name, path))
	}
	return Item{
		ID: s.Item, Collection: spec.Name, Geometry: geometry, BBox: bbox, Properties: props,
		Assets: assets, Extensions: extensions,
	}, nil
}

// CubeBands describes a cube's bands, at all resolutions, under a radiometric contract.
func CubeBands(spec layout.Spec, c cube.Contract) []Band {
	var out []Band
	for _, g := range spec.Groups() {
		for _, b := range g.Bands {
			band := Band{Name: b.Name, DataType: string(g.DType), Nodata: g.Nodata, Fields: Fields{"raster:scale": c.Scale, "raster:offset": c.Offset}}
			if !spec.Geographic {
				band.Fields["raster:spatial_resolution"] = g.Grid.Transform[0]
			}
			out = append(out, band)
		}
	}
	return out
}

// gsd lists the pixel sizes of a cube, the finest first.
func gsd(spec layout.Spec) []float64 {
	var out []float64
	for _, g := range spec.Groups() {
		out = append(out, g.Grid.Transform[0])
	}
	slices.Sort(out)
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
	return cubeCollection(v.Spec(), v.Slices(), v.Snapshot())
}

func cubeCollection(spec layout.Spec, scenes []cube.Slice, snapshot string) (Collection, error) {
	_, bbox, err := Footprint(spec.Grid, spec.Grid.All())
	if err != nil {
		return Collection{}, err
	}
	first, last := timeSpan(scenes)
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
			spec.Name, len(asset.Bands), spec.Grid.Width, spec.Grid.Height, spec.Grid.CRS),
		Keywords:   []string{"datacube", "imagery"},
		Extent:     Extent{Spatial: [][]float64{bbox}, Temporal: [][2]*time.Time{{first, last}}},
		Summaries:  Fields{"bands": Bands(asset.Bands), "proj:code": []string{spec.Grid.CRS}},
		Assets:     map[string]Asset{"cube": asset, "zarr": zarrAsset(ZarrHref(spec.Name))},
		Extensions: []string{ExtDatacube, ExtProjection, ExtRaster, ExtZarr},
		Fields: Fields{
			"cube:dimensions": dimensions(spec, first, last), "cube:variables": variables(spec),
			"terrapin:snapshot": snapshot, "terrapin:scenes": len(scenes),
		},
	}
	if !spec.Geographic {
		c.Summaries["gsd"] = gsd(spec)
	}
	if spec.CellSize > 0 {
		c.Fields["terrapin:cell_size"] = spec.CellSize
		c.Description += fmt.Sprintf(" It lies in cells of %d × %d pixels, r0c0 in the upper left, which come into being with the scenes that touch them.", spec.CellSize, spec.CellSize)
	}
	if len(spec.Flags) > 0 {
		c.Fields["terrapin:flags"] = spec.Flags
	}
	return c, nil
}

// timeSpan returns the first and last acquisition, nil without any. Slices are in time order.
func timeSpan(scenes []cube.Slice) (first, last *time.Time) {
	if len(scenes) == 0 {
		return nil, nil
	}
	return &scenes[0].Time, &scenes[len(scenes)-1].Time
}

// suffix tells the dimensions and variables of further resolutions from those of the first.
func suffix(i int, g layout.Group) string {
	if i == 0 {
		return ""
	}
	return "_" + g.Name
}

// dimensions are those of the whole frame; cells cut y and x into parts.
func dimensions(spec layout.Spec, first, last *time.Time) object {
	out := object{"time": object{"type": "temporal", "extent": timePair(first, last)}}
	for i, g := range spec.Groups() {
		minX, minY, maxX, maxY := g.Grid.Bounds()
		axis := func(name string, lo, hi, step float64) object {
			o := object{"type": "spatial", "axis": name, "extent": []float64{lo, hi}, "step": step}
			if code, err := strconv.Atoi(strings.TrimPrefix(g.Grid.CRS, "EPSG:")); err == nil {
				o["reference_system"] = code
			}
			return o
		}
		out["band"+suffix(i, g)] = object{"type": "bands", "values": g.BandNames()}
		out["y"+suffix(i, g)] = axis("y", minY, maxY, g.Grid.Transform[4])
		out["x"+suffix(i, g)] = axis("x", minX, maxX, g.Grid.Transform[0])
	}
	return out
}

func variables(spec layout.Spec) object {
	out := object{}
	for i, g := range spec.Groups() {
		s := suffix(i, g)
		out["image"+s], out["valid"+s] = pixels(g, []string{"time", "band" + s, "y" + s, "x" + s})
	}
	if len(spec.Flags) > 0 {
		names := make([]string, len(spec.Flags))
		for i, f := range spec.Flags {
			names[i] = fmt.Sprintf("%s (%d)", f.Name, f.Mask)
		}
		out["flags"] = object{"type": "auxiliary", "variable_type": "auxiliary", "dimensions": []string{"time", "y", "x"}, "data_type": cube.Uint16,
			"description": "What is said of the pixel, as bits: " + strings.Join(names, ", ") + "."}
	}
	return out
}

// pixels describes the arrays of one resolution.
func pixels(g layout.Group, dims []string) (image, valid object) {
	image = object{"type": "data", "variable_type": "data", "dimensions": dims, "data_type": g.DType,
		"description": "The source's numbers, unchanged."}
	if g.Nodata != nil {
		image["nodata"] = Number(*g.Nodata)
	}
	return image, object{"type": "auxiliary", "variable_type": "auxiliary", "dimensions": dims, "data_type": cube.Uint8,
		"description": "1 where the pixel was observed."}
}
