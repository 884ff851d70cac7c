package predictions

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/commit"
)

// ModelCollection is the id of the STAC collection of all models.
const ModelCollection = "models"

// mlmName is what mlm allows as a model's name.
var mlmName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]$`)

// describe makes the documents of a model: its item, and the collection that holds all of them, which
// says nothing of its members so that every model may bring it along.
func (r modelRecord) describe() (commit.STAC, error) {
	item, err := r.item().JSON()
	if err != nil {
		return commit.STAC{}, err
	}
	collection, err := stac.Collection{
		ID: ModelCollection, Title: "Models", Description: "Registered models: what they expect, what they predict, and what they were trained on.",
		Keywords:   []string{"models", "mlm"},
		Extent:     stac.Extent{Spatial: [][]float64{{-180, -90, 180, 90}}, Temporal: [][2]*time.Time{{nil, nil}}},
		Extensions: []string{stac.ExtMLM},
	}.JSON()
	if err != nil {
		return commit.STAC{}, err
	}
	return commit.STAC{Collections: []json.RawMessage{collection}, Items: []json.RawMessage{item}}, nil
}

// item describes the model. It has no geometry: where a model holds is not known from what it saw.
func (r modelRecord) item() stac.Item {
	m := r.Model
	p := stac.Fields{
		"datetime": r.Created, "created": r.Created, "title": or(m.Name, m.ID),
		"mlm:name": m.mlmName(), "mlm:architecture": or(m.Architecture, "unspecified"), "mlm:tasks": []string{m.Task},
		"mlm:input": m.mlmInputs(), "mlm:output": []map[string]any{m.mlmOutput()},
		"terrapin:model": m.ID, "terrapin:model_digest": r.Digest, "terrapin:actor": r.Actor,
	}
	set := func(key string, value any, given bool) {
		if given {
			p[key] = value
		}
	}
	set("description", m.Description, m.Description != "")
	set("mlm:framework", m.Framework, m.Framework != "")
	set("mlm:framework_version", m.FrameworkVersion, m.FrameworkVersion != "")
	set("mlm:total_parameters", m.Parameters, m.Parameters > 0)
	set("mlm:hyperparameters", m.Hyperparameters, len(m.Hyperparameters) > 0)
	set("terrapin:metrics", m.Metrics, len(m.Metrics) > 0)
	set("terrapin:dataset", m.Dataset, m.Dataset != "")
	set("terrapin:dataset_digest", m.DatasetDigest, m.DatasetDigest != "")
	if bands := m.bands(); len(bands) > 0 {
		p["terrapin:bands"] = stac.Bands(bands)
		// STAC wants bands beside the properties' on some asset, mlm wants them in the properties.
		set("bands", stac.Bands(bands), m.Artifact != nil)
	}
	links := []stac.Link{{Rel: "collection", Href: stac.CollectionHref(ModelCollection), Type: stac.TypeJSON}}
	if m.Dataset != "" {
		links = append(links, stac.Link{
			Rel: "derived_from", Href: stac.CollectionHref(datasetCollection(m.Dataset)), Type: stac.TypeJSON,
			Title: "trained on " + m.Dataset, Fields: stac.Fields{"ml-aoi:split": "train"},
		})
	}
	return stac.Item{
		ID: m.ID, Collection: ModelCollection, Properties: p, Links: links, Assets: m.assets(),
		Extensions: []string{stac.ExtMLM, stac.ExtFile, stac.ExtClassification},
	}
}

func (m Model) mlmName() string {
	for _, name := range []string{m.Name, m.ID} {
		if mlmName.MatchString(name) {
			return name
		}
	}
	return "model " + m.ID
}

// bands lists the bands of all inputs, once each.
func (m Model) bands() []stac.Band {
	var out []stac.Band
	seen := map[string]bool{}
	for _, in := range m.Inputs {
		for _, b := range in.Bands {
			if !seen[b] {
				seen[b] = true
				out = append(out, stac.Band{Name: b})
			}
		}
	}
	return out
}

// mlmInputs writes the inputs. mlm wants the axis of named bands to be called so, and bands to be
// named only where the item describes them, which takes an asset.
func (m Model) mlmInputs() []map[string]any {
	out := []map[string]any{}
	for _, in := range m.Inputs {
		dims := make([]string, len(in.Dims))
		has := false
		for i, d := range in.Dims {
			if d == "channel" && len(in.Bands) > 0 || d == "bands" {
				d = "bands"
				has = true
			}
			dims[i] = d
		}
		bands := in.Bands
		if !has || bands == nil || m.Artifact == nil {
			bands = []string{}
		}
		if len(bands) == 0 {
			for i, d := range dims {
				if d == "bands" {
					dims[i] = "channel"
				}
			}
		}
		out = append(out, map[string]any{
			"name": in.Name, "bands": bands,
			"input": map[string]any{"shape": in.Shape, "dim_order": dims, "data_type": in.DType},
		})
	}
	return out
}

func (m Model) mlmOutput() map[string]any {
	kind := "float32"
	if len(m.Classes) > 0 {
		kind = "uint8"
		for _, c := range m.Classes {
			if c.Value < 0 || c.Value > 255 {
				kind = "int32"
			}
		}
	}
	out := map[string]any{
		"name": m.Task, "tasks": []string{m.Task}, "bands": []string{},
		"result": map[string]any{"shape": []int{-1, -1, -1}, "dim_order": []string{"batch", "height", "width"}, "data_type": kind},
	}
	if len(m.Classes) > 0 {
		out["classification:classes"] = classification(m.Classes)
	}
	return out
}

func (m Model) assets() map[string]stac.Asset {
	a := m.Artifact
	if a == nil {
		return map[string]stac.Asset{}
	}
	f := stac.Fields{"mlm:artifact_type": m.artifactType()}
	if a.SHA256 != "" {
		f["file:checksum"] = multihash(a.SHA256)
	}
	if a.Size > 0 {
		f["file:size"] = a.Size
	}
	return map[string]stac.Asset{"model": {
		Href: a.Href, Type: stac.TypeBinary, Title: "weights", Roles: []string{"mlm:model", "mlm:weights", "data"},
		Bands: m.bands(), Fields: f,
	}}
}

// classification writes classes as the extension does, old and new readers included.
func classification(classes []Class) []map[string]any {
	out := []map[string]any{}
	for _, c := range classes {
		name := []rune(c.Name)
		for i, r := range name {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
				name[i] = '_'
			}
		}
		out = append(out, map[string]any{"value": c.Value, "name": string(name), "description": c.Name})
	}
	return out
}

// multihash is a SHA-256 as the file extension writes it.
func multihash(sha256hex string) string { return fmt.Sprintf("1220%s", sha256hex) }

func or(s, fallback string) string {
	if s != "" {
		return s
	}
	return fallback
}

// artifactType is the one given, else the usual one of the framework.
func (m Model) artifactType() string {
	if m.Artifact.Type == "" && strings.EqualFold(m.Framework, "pytorch") {
		return "torch.save"
	}
	return or(m.Artifact.Type, "unspecified")
}
