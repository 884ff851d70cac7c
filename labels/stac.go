package labels

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/commit"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// CollectionID is the id of a label set's STAC collection.
func CollectionID(set string) string { return "labels-" + set }

// describeSTAC makes the documents of a revision: the set's collection as it stands now, and one
// item. since is when the set's first revision was made.
func (r record) describeSTAC(l ledger, b burned, since time.Time) (commit.STAC, error) {
	window := b.extent
	if window.Empty() {
		window = l.Grid.All()
	}
	geometry, bbox, err := stac.Footprint(l.Grid, window)
	if err != nil {
		return commit.STAC{}, err
	}
	item, err := r.item(l, geometry, bbox).JSON()
	if err != nil {
		return commit.STAC{}, err
	}
	_, whole, err := stac.Footprint(l.Grid, l.Grid.All())
	if err != nil {
		return commit.STAC{}, err
	}
	collection, err := r.collection(whole, since).JSON()
	if err != nil {
		return commit.STAC{}, err
	}
	return commit.STAC{Collections: []json.RawMessage{collection}, Items: []json.RawMessage{item}}, nil
}

// item describes the revision. Its raster stands for the whole, so the label type is raster; the
// features it was burned from are an asset beside it.
func (r record) item(l ledger, geometry json.RawMessage, bbox []float64) stac.Item {
	names := make([]string, 0, len(r.Classes))
	classes := make([]map[string]any, 0, len(r.Classes))
	for _, c := range r.Classes {
		names = append(names, c.Name)
		classes = append(classes, map[string]any{"value": c.Value, "name": classificationName(c), "title": c.Name})
	}
	t := l.Grid.Transform
	properties := stac.Fields{
		"datetime": r.Created, "created": r.Created, "title": fmt.Sprintf("Labels %s, revision %s", r.Name, r.Revision),
		"version":          r.Revision,
		"label:type":       "raster",
		"label:properties": nil,
		"label:description": fmt.Sprintf("Revision %s of the label set %s on the cube %s: %d features, burned in order by the centre rule.",
			r.Revision, r.Name, r.Cube, r.Features),
		"label:tasks": []string{"segmentation"},
		"proj:code":   l.Grid.CRS, "proj:shape": []int{l.Grid.Height, l.Grid.Width}, "proj:transform": t[:],
		"terrapin:labels": r.Name, "terrapin:revision": r.Revision, "terrapin:digest": r.Digest,
		"terrapin:state": string(r.State), "terrapin:cube": r.Cube, "terrapin:actor": r.Actor,
	}
	raster := stac.Fields{}
	if len(classes) > 0 {
		properties["label:classes"] = []map[string]any{{"name": nil, "classes": names}}
		raster["classification:classes"] = classes
	}
	links := []stac.Link{
		{Rel: "collection", Href: stac.CollectionHref(CollectionID(r.Name)), Type: stac.TypeJSON},
		{Rel: "source", Href: stac.CollectionHref(r.Cube), Type: stac.TypeJSON, Title: "the cube the labels lie on"},
	}
	if r.Parent != "" {
		links = append(links, stac.Link{Rel: "predecessor-version", Href: stac.ItemHref(CollectionID(r.Name), r.itemID(r.Parent)), Type: stac.TypeGeoJSON})
	}
	ignore := r.Ignore
	return stac.Item{
		ID: r.itemID(r.Revision), Collection: CollectionID(r.Name), Geometry: geometry, BBox: bbox,
		Properties: properties, Links: links,
		Extensions: []string{stac.ExtLabel, stac.ExtVersion, stac.ExtProjection, stac.ExtClassification, stac.ExtFile},
		Assets: map[string]stac.Asset{
			"raster": {
				Href: stac.AssetHref(r.Data + "/raster"), Type: stac.TypeZarr3, Title: "class raster on the cube's grid",
				Roles:  []string{"labels", "labels-raster", "data"},
				Bands:  []stac.Band{{Name: "label", DataType: string(r.DType), Nodata: &ignore}},
				Fields: raster,
			},
			"features": {
				Href: stac.AssetHref(r.Data + "/features.geojson"), Type: stac.TypeGeoJSON, Title: "features with their origin",
				Roles:  []string{"labels", "labels-vector"},
				Fields: stac.Fields{"file:checksum": "1220" + r.FeaturesSHA256},
			},
		},
	}
}

func (r record) itemID(revision string) string { return r.Name + "-" + revision }

func (r record) collection(bbox []float64, since time.Time) stac.Collection {
	return stac.Collection{
		ID: CollectionID(r.Name), Title: "Labels " + r.Name,
		Description: fmt.Sprintf("The label set %s on the cube %s. Each item is one revision; the newest is %s.", r.Name, r.Cube, r.Revision),
		Keywords:    []string{"labels"},
		Extent:      stac.Extent{Spatial: [][]float64{bbox}, Temporal: [][2]*time.Time{{&since, &r.Created}}},
		Extensions:  []string{stac.ExtLabel, stac.ExtVersion},
		Links: []stac.Link{
			{Rel: "source", Href: stac.CollectionHref(r.Cube), Type: stac.TypeJSON},
			{Rel: "latest-version", Href: stac.ItemHref(CollectionID(r.Name), r.itemID(r.Revision)), Type: stac.TypeGeoJSON},
		},
		Fields: stac.Fields{"version": r.Revision, "terrapin:cube": r.Cube},
	}
}

// classificationName is a class's name in the letters the classification extension allows.
func classificationName(c Class) string {
	out := []rune(c.Name)
	for i, r := range out {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			out[i] = '_'
		}
	}
	return string(out)
}

// sameCube refuses to mix two cubes in one set.
func (r record) sameCube(name string, g cube.Grid) error {
	if r.Cube == name && r.Grid == g {
		return nil
	}
	what := fmt.Sprintf("on the cube %q", r.Cube)
	if r.Cube == name {
		what = fmt.Sprintf("on another grid of the cube %q", name)
	}
	return fault.New(fault.Conflict, "label set %q lies %s", r.Name, what).WithCure("import into a set of another name")
}
