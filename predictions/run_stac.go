package predictions

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/commit"
)

// CollectionID is the id of the STAC collection of a cube's predictions.
func CollectionID(cube string) string { return "predictions-" + cube }

// rasterAsset is the key of the raster among the item's assets.
const rasterAsset = "prediction"

func (r runRecord) published() Item {
	return Item{ID: r.Name, Collection: CollectionID(r.Cube), Run: r.Name, Coverage: r.Coverage, Document: r.STAC.Items[0]}
}

func (r runRecord) entry() Entry {
	return Entry{
		Item: r.Name, Model: r.Model, Dataset: r.Dataset, Run: r.Name, Assets: map[string]string{rasterAsset: stac.AssetHref(r.Key)},
		Collection: CollectionID(r.Cube), Cube: r.Cube, Digest: r.Digest, Actor: r.Actor, Created: r.Created, Coverage: r.Coverage,
	}
}

// describe makes the documents of a run: its item, and the collection of its cube's predictions, which
// says nothing of its members so that every run may bring it along.
func (r *Run) describe(rec runRecord) (commit.STAC, error) {
	geometry, bbox, err := stac.Footprint(r.region.Grid, rec.Area)
	if err != nil {
		return commit.STAC{}, err
	}
	item, err := r.stacItem(rec, geometry, bbox).JSON()
	if err != nil {
		return commit.STAC{}, err
	}
	_, whole, err := stac.Footprint(r.region.Grid, r.region.Grid.All())
	if err != nil {
		return commit.STAC{}, err
	}
	collection, err := stac.Collection{
		ID: CollectionID(rec.Cube), Title: "Predictions on " + rec.Cube,
		Description: fmt.Sprintf("What models predicted from the cube %s. Each item is one run.", rec.Cube),
		Keywords:    []string{"predictions"},
		Extent:      stac.Extent{Spatial: [][]float64{whole}, Temporal: [][2]*time.Time{{nil, nil}}},
		Links:       []stac.Link{{Rel: "derived_from", Href: stac.CollectionHref(rec.Cube), Type: stac.TypeJSON}},
		ItemAssets: map[string]stac.Asset{
			rasterAsset: {Type: stac.TypeCOG, Title: "prediction", Roles: []string{"data"}},
		},
		Fields: stac.Fields{"terrapin:cube": rec.Cube},
	}.JSON()
	if err != nil {
		return commit.STAC{}, err
	}
	return commit.STAC{Collections: []json.RawMessage{collection}, Items: []json.RawMessage{item}}, nil
}

// stacItem describes the run: what it says, where, and everything it came from.
func (r *Run) stacItem(rec runRecord, geometry json.RawMessage, bbox []float64) stac.Item {
	g := r.grid()
	x0, y0, x1, y1 := g.Bounds()
	first, last := r.slices[0].Time, r.slices[len(r.slices)-1].Time
	p := stac.Fields{
		"datetime": last, "start_datetime": first, "end_datetime": last, "created": rec.Created,
		"title":            fmt.Sprintf("Prediction of %s on %s", rec.Model, rec.Cube),
		"processing:level": "L4",
		"processing:lineage": fmt.Sprintf("%d scenes of the cube %s at snapshot %s, predicted by the model %s window by window, stitched by their cores.",
			len(r.slices), rec.Cube, rec.Snapshot, rec.Model),
		"processing:expression": map[string]any{"format": "stac-mlm", "expression": stac.ItemHref(ModelCollection, rec.Model)},
		"processing:software":   map[string]string{"terrapin": release()},
		"processing:datetime":   rec.Created,
		"proj:code":             g.CRS, "proj:shape": []int{g.Height, g.Width}, "proj:transform": g.Transform[:],
		"proj:bbox":      []float64{x0, y0, x1, y1},
		"terrapin:model": rec.Model, "terrapin:model_digest": rec.ModelDigest, "terrapin:run": rec.Name, "terrapin:digest": rec.Digest,
		"terrapin:cube": rec.Cube, "terrapin:snapshot": rec.Snapshot, "terrapin:slices": rec.Slices, "terrapin:actor": rec.Actor,
		"terrapin:coverage": rec.Coverage,
	}
	if rec.Dataset != "" {
		p["terrapin:dataset"], p["terrapin:dataset_digest"] = rec.Dataset, rec.DatasetDigest
	}
	asset := stac.Asset{
		Href: stac.AssetHref(rec.Key), Type: stac.TypeCOG, Title: "prediction, with its validity as an internal mask", Roles: []string{"data"},
		Fields: stac.Fields{"file:checksum": multihash(rec.SHA256), "file:size": rec.Size},
	}
	for _, name := range rec.Names {
		b := stac.Band{Name: name, DataType: string(rec.DType)}
		if len(rec.Classes) > 0 {
			b.Fields = stac.Fields{"classification:classes": classification(rec.Classes)}
		}
		asset.Bands = append(asset.Bands, b)
	}
	return stac.Item{
		ID: rec.Name, Collection: CollectionID(rec.Cube), Geometry: geometry, BBox: bbox, Properties: p, Links: r.links(rec),
		Assets:     map[string]stac.Asset{rasterAsset: asset},
		Extensions: []string{stac.ExtProcessing, stac.ExtFile, stac.ExtClassification, stac.ExtProjection},
	}
}

// links lead to everything the run came from. The model's carries its mlm name, as the extension's
// guide for derived items has it.
func (r *Run) links(rec runRecord) []stac.Link {
	links := []stac.Link{
		{Rel: "collection", Href: stac.CollectionHref(CollectionID(rec.Cube)), Type: stac.TypeJSON},
		{
			Rel: "derived_from", Href: stac.ItemHref(ModelCollection, rec.Model), Type: stac.TypeGeoJSON, Title: "model " + rec.Model,
			Fields: stac.Fields{"mlm:name": r.model.mlmName()},
		},
	}
	if rec.Dataset != "" {
		links = append(links, stac.Link{
			Rel: "derived_from", Href: stac.CollectionHref(datasetCollection(rec.Dataset)), Type: stac.TypeJSON, Title: "dataset version " + rec.Dataset,
		})
	}
	for _, s := range r.slices {
		links = append(links, stac.Link{Rel: "derived_from", Href: stac.ItemHref(rec.Cube, s.Item), Type: stac.TypeGeoJSON, Title: "scene " + s.Item})
	}
	return links
}

// release is the version this program was built from.
func release() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
