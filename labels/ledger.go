package labels

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// feature is one line of a ledger: a polygon with its class, or a class raster.
type feature struct {
	// Source and ID name the feature.
	Source, ID string
	// Shape is what a polygon covers, in longitude and latitude; empty for a raster.
	Shape shape
	// Value is the class of a polygon.
	Value int64
	// Mask describes a raster; nil for a polygon.
	Mask *mask
	// Attributes are the source's own properties, kept as they came.
	Attributes json.RawMessage
	Origin     origin
}

// origin is where a feature came from. It decides no digest.
type origin struct {
	SHA256   string    `json:"sha256"`
	Tool     string    `json:"tool,omitempty"`
	Actor    string    `json:"actor"`
	Imported time.Time `json:"imported"`
}

// mask describes a class raster in a ledger. Its pixels lie at Key as a plain Zarr array that is
// never written again.
type mask struct {
	Key    string      `json:"key"`
	Digest string      `json:"digest"`
	Window cube.Window `json:"window"`
	DType  cube.DType  `json:"dtype"`
	// Ignore is the value of its pixels that say nothing.
	Ignore float64 `json:"ignore"`
	// Values are the classes in it, ascending.
	Values []int64 `json:"values"`

	pixels []byte // of a mask that is being imported, cropped to the cube
}

// ledger is the content of a revision.
type ledger struct {
	Grid     cube.Grid
	DType    cube.DType
	Ignore   float64
	ClassMap classMap
	Features []feature
}

// classes lists the named classes and every other value in use, in order of the values.
func (l ledger) classes() []Class {
	used := map[int64]bool{}
	for _, f := range l.Features {
		for _, v := range f.values() {
			used[v] = true
		}
	}
	return l.ClassMap.classes(used)
}

func (f feature) values() []int64 {
	if f.Mask != nil {
		return f.Mask.Values
	}
	return []int64{f.Value}
}

// digest covers everything that decides what a revision means: one canonical JSON line for the frame
// and one for each feature, in order.
func (l ledger) digest() (string, error) {
	h := sha256.New()
	head, err := cube.Canonical(map[string]any{
		"grid": l.Grid, "dtype": l.DType, "ignore": l.Ignore, "classes": l.classes(),
	})
	if err != nil {
		return "", err
	}
	h.Write(append(head, '\n'))
	for _, f := range l.Features {
		line := map[string]any{"source": f.Source, "feature": f.ID}
		if f.Mask != nil {
			line["mask"], line["window"] = f.Mask.Digest, f.Mask.Window
		} else {
			line["class"], line["geometry"] = f.Value, f.Shape
		}
		data, err := cube.Canonical(line)
		if err != nil {
			return "", err
		}
		h.Write(append(data, '\n'))
		h.Write(append(compact(f.Attributes), '\n'))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// with returns the ledger with features added: one whose name is there already takes the old one's
// place in the order, the others follow at the end.
func (l ledger) with(added []feature) ledger {
	type name struct{ source, id string }
	at := make(map[name]int, len(l.Features))
	out := l
	out.Features = append([]feature(nil), l.Features...)
	for i, f := range out.Features {
		at[name{f.Source, f.ID}] = i
	}
	for _, f := range added {
		if i, there := at[name{f.Source, f.ID}]; there {
			if !sameContent(out.Features[i], f) {
				out.Features[i] = f
			}
			continue
		}
		at[name{f.Source, f.ID}] = len(out.Features)
		out.Features = append(out.Features, f)
	}
	return out
}

// sameContent tells whether two features of one name differ in more than their origin.
func sameContent(a, b feature) bool {
	if (a.Mask == nil) != (b.Mask == nil) || !bytes.Equal(compact(a.Attributes), compact(b.Attributes)) {
		return false
	}
	if a.Mask != nil {
		return a.Mask.Digest == b.Mask.Digest && a.Mask.Window == b.Mask.Window
	}
	return a.Value == b.Value && a.Shape.equal(b.Shape)
}

func compact(raw json.RawMessage) []byte {
	var b bytes.Buffer
	if len(raw) == 0 || json.Compact(&b, raw) != nil {
		return []byte("null")
	}
	return b.Bytes()
}

// geoJSON is the form a ledger is kept in: a feature collection in order, in which a class raster
// stands as its outline.
type geoJSON struct {
	Type     string           `json:"type"`
	Features []geoJSONFeature `json:"features"`
}

type geoJSONFeature struct {
	Type       string            `json:"type"`
	ID         string            `json:"id"`
	Geometry   geoJSONGeometry   `json:"geometry"`
	Properties geoJSONProperties `json:"properties"`
}

type geoJSONGeometry struct {
	Type        string `json:"type"`
	Coordinates shape  `json:"coordinates"`
}

type geoJSONProperties struct {
	Source  string `json:"source"`
	Feature string `json:"feature"`
	Class   *int64 `json:"class,omitempty"`
	Name    string `json:"class_name,omitempty"`
	Mask    *mask  `json:"mask,omitempty"`
	origin
	Attributes json.RawMessage `json:"attributes,omitempty"`
}

// encode writes the features as GeoJSON, one a line.
func (l ledger) encode() ([]byte, error) {
	names := map[int64]string{}
	for _, c := range l.classes() {
		names[c.Value] = c.Name
	}
	var b bytes.Buffer
	b.WriteString(`{"type":"FeatureCollection","features":[`)
	for i, f := range l.Features {
		out := geoJSONFeature{
			Type: "Feature", ID: f.Source + "#" + f.ID,
			Geometry: geoJSONGeometry{Type: "MultiPolygon", Coordinates: f.Shape},
			Properties: geoJSONProperties{
				Source: f.Source, Feature: f.ID, Mask: f.Mask, origin: f.Origin, Attributes: f.Attributes,
			},
		}
		if f.Mask == nil {
			out.Properties.Class, out.Properties.Name = &f.Value, names[f.Value]
		}
		data, err := json.Marshal(out)
		if err != nil {
			return nil, fault.New(fault.Internal, "write the features: %w", err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(data)
	}
	b.WriteString("\n]}\n")
	return b.Bytes(), nil
}

// decodeFeatures is the inverse of encode.
func decodeFeatures(data []byte) ([]feature, error) {
	var in geoJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fault.New(fault.Corrupt, "features.geojson does not parse: %w", err)
	}
	out := make([]feature, 0, len(in.Features))
	for _, g := range in.Features {
		f := feature{
			Source: g.Properties.Source, ID: g.Properties.Feature, Shape: g.Geometry.Coordinates,
			Mask: g.Properties.Mask, Origin: g.Properties.origin, Attributes: g.Properties.Attributes,
		}
		if g.Properties.Class != nil {
			f.Value = *g.Properties.Class
		}
		out = append(out, f)
	}
	return out, nil
}
