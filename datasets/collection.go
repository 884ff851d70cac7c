package datasets

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/cube/crs"
)

// collection is the version as a STAC collection.
func (p *plan) collection(doc commitDoc, files map[string]fileSum, known []commitDoc) (json.RawMessage, error) {
	box, err := p.bounds()
	if err != nil {
		return nil, err
	}
	slices := p.line.slices
	from, to := slices[0].Time, slices[len(slices)-1].Time
	id := doc.Report.Collection
	key := folder(doc.Name, doc.Revision) + "/"
	description := doc.Description
	if description == "" {
		description = fmt.Sprintf("Version %s of the training set %s over the cube %s.", doc.Revision, doc.Name, doc.Cube)
	}
	c := stac.Collection{
		ID: id, Title: doc.Name + "@" + doc.Revision, Description: description, Keywords: []string{"training set", doc.Name, doc.Cube},
		Extent:     stac.Extent{Spatial: [][]float64{box}, Temporal: [][2]*time.Time{{&from, &to}}},
		Extensions: []string{stac.ExtMLAOI, stac.ExtVersion, stac.ExtScientific, stac.ExtFile},
		Summaries:  stac.Fields{"ml-aoi:split": p.filledSplits()},
		Fields: stac.Fields{
			"version": doc.Revision, "experimental": false,
			"sci:citation": fmt.Sprintf("%s, version %s, digest %s. Terrapin dataset, %d.", doc.Name, doc.Revision, doc.Digest, doc.Created.Year()),
			"bands":        stac.Bands(p.stacBands()), "terrapin:digest": doc.Digest, "terrapin:samples": doc.Report.Samples,
			"terrapin:leakage": doc.Report.Leakage, "terrapin:snapshot": doc.Snapshot, "terrapin:values": p.recipe.Values,
			"terrapin:window": p.recipe.Window, "terrapin:order": doc.Definitions.Order, "terrapin:shuffle": p.shuffle.String(), "created": stac.Time(doc.Created), "updated": stac.Time(doc.Created),
		},
		Links: p.links(doc, known),
		Assets: map[string]stac.Asset{
			"manifest": {Href: stac.AssetHref(key + manifestFile), Type: stac.TypeParquet, Title: "Samples as STAC-GeoParquet", Roles: []string{"data", "metadata"}, Fields: fileFields(files[manifestFile])},
			"index":    {Href: stac.AssetHref(key + indexFile), Type: stac.TypeBinary, Title: "Samples for the server", Roles: []string{"index"}, Fields: fileFields(files[indexFile])},
			"recipe":   {Href: stac.AssetHref(key + recipeFile), Type: stac.TypeYAML, Title: "Recipe", Roles: []string{"metadata"}, Fields: fileFields(files[recipeFile])},
		},
	}
	if p.labels != nil {
		p.describeLabels(&c)
	}
	return c.JSON()
}

// describeLabels adds the label extension's words for a set with labels.
func (p *plan) describeLabels(c *stac.Collection) {
	names := []any{}
	for _, k := range classesOf(p.labels) {
		names = append(names, k.Name)
	}
	c.Extensions = append(c.Extensions, stac.ExtLabel)
	c.Summaries["label:type"] = []string{"raster"}
	c.Summaries["label:tasks"] = []string{"segmentation"}
	c.Summaries["label:methods"] = []string{"manual"}
	c.Summaries["label:properties"] = []string{"label"}
	c.Summaries["label:classes"] = []any{map[string]any{"name": "label", "classes": names}}
}

// links are to what the version is made of and to its neighbours.
func (p *plan) links(doc commitDoc, known []commitDoc) []stac.Link {
	to := func(rel, id, title string) stac.Link {
		return stac.Link{Rel: rel, Href: stac.CollectionHref(id), Type: stac.TypeJSON, Title: title}
	}
	out := []stac.Link{to("derived_from", doc.Cube, "Cube "+doc.Cube+" at snapshot "+doc.Snapshot)}
	out[0].Fields = stac.Fields{"ml-aoi:role": "feature"}
	if doc.Labels != nil {
		l := to("derived_from", "labels-"+doc.Labels.Set, "Labels "+doc.Labels.Set+" "+doc.Labels.Revision)
		l.Fields = stac.Fields{"ml-aoi:role": "label"}
		out = append(out, l)
	}
	for _, s := range doc.Slices {
		out = append(out, stac.Link{Rel: "source", Href: stac.ItemHref(doc.Cube, s.Item), Type: stac.TypeGeoJSON, Title: s.Item})
	}
	if n := len(known); n > 0 {
		previous := known[n-1]
		out = append(out, to("predecessor-version", collectionID(previous.Name, previous.Revision), previous.Name+"@"+previous.Revision))
	}
	// While this is the newest version it is the latest; `latest` always leads to where Open(name) leads
	// at the time of this commit.
	return append(out, to("latest-version", collectionID(doc.Name, doc.Revision), doc.Name+"@"+doc.Revision))
}

// fileFields are size and checksum of an asset; the checksum is a multihash: SHA-256, 32 bytes.
func fileFields(file fileSum) stac.Fields {
	return stac.Fields{"file:size": file.size, "file:checksum": "1220" + file.sum}
}

func (p *plan) filledSplits() []string {
	counts := bySplit(p.samples)
	out := []string{}
	for i, name := range Splits() {
		if counts[i] > 0 {
			out = append(out, name)
		}
	}
	return out
}

func (p *plan) stacBands() []stac.Band {
	var out []stac.Band
	for _, of := range p.groups {
		g := of.region.Group
		for _, s := range of.stats {
			statistics := map[string]any{"count": s.Count}
			if s.Count > 0 {
				statistics = map[string]any{"count": s.Count, "mean": s.Mean, "stddev": s.Std, "minimum": s.Min, "maximum": s.Max}
			}
			fields := stac.Fields{"statistics": statistics}
			if len(p.groups) > 1 && !p.view.Spec().Geographic {
				fields["raster:spatial_resolution"] = g.Grid.Transform[0]
			}
			out = append(out, stac.Band{Name: s.Band, DataType: string(g.DType), Nodata: g.Nodata, Fields: fields})
		}
	}
	return out
}

// bounds is the box around all samples: west, south, east, north.
func (p *plan) bounds() ([]float64, error) {
	all := p.samples[0].window()
	for i := range p.samples {
		w := p.samples[i].window()
		bottom, right := max(all.Row+all.Height, w.Row+w.Height), max(all.Col+all.Width, w.Col+w.Width)
		all.Row, all.Col = min(all.Row, w.Row), min(all.Col, w.Col)
		all.Height, all.Width = bottom-all.Row, right-all.Col
	}
	box, err := crs.BBoxWGS84(p.region.Grid, all)
	return box[:], err
}
