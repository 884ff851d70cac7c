package zarr

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// named is an extension object of the format: a name, its configuration, and whether a reader that does
// not know it may go on.
type named struct {
	Name   string          `json:"name"`
	Config json.RawMessage `json:"configuration,omitempty"`
}

// UnmarshalJSON accepts the short form too, in which an extension is its name alone.
func (n *named) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &n.Name)
	}
	type plain named
	return json.Unmarshal(text, (*plain)(n))
}

type arrayDoc struct {
	Format       int               `json:"zarr_format"`
	NodeType     string            `json:"node_type"`
	Shape        []int             `json:"shape"`
	DType        dtypeName         `json:"data_type"`
	Grid         named             `json:"chunk_grid"`
	Keys         named             `json:"chunk_key_encoding"`
	Fill         json.RawMessage   `json:"fill_value"`
	Codecs       []named           `json:"codecs"`
	Attrs        map[string]any    `json:"attributes,omitempty"`
	Dims         []*string         `json:"dimension_names,omitempty"`
	Transformers []json.RawMessage `json:"storage_transformers,omitempty"`
}

// dtypeName is a data type as the metadata spells it.
type dtypeName string

// rawConfig is the configuration of raw_bytes, as zarr-python calls the raw types of the format (r8, r16, …).
type rawConfig struct {
	Bytes int `json:"length_bytes"`
}

// UnmarshalJSON accepts both forms of an extension. A configuration that is not known here becomes part of the
// name, so that the type is refused with it.
func (d *dtypeName) UnmarshalJSON(text []byte) error {
	var n named
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	*d = dtypeName(n.Name)
	if len(n.Config) == 0 || string(n.Config) == "{}" {
		return nil
	}
	var raw rawConfig
	if n.Name == "raw_bytes" && json.Unmarshal(n.Config, &raw) == nil && raw.Bytes > 0 && raw.Bytes <= mostRawBits/8 {
		*d = dtypeName("r" + strconv.Itoa(8*raw.Bytes))
		return nil
	}
	*d += dtypeName(" " + string(n.Config))
	return nil
}

// MarshalJSON spells raw types as zarr-python reads them.
func (d dtypeName) MarshalJSON() ([]byte, error) {
	n := rawBytes(cube.DType(d))
	if n == 0 {
		return json.Marshal(string(d))
	}
	config, err := json.Marshal(rawConfig{n})
	if err != nil {
		return nil, err
	}
	return json.Marshal(named{"raw_bytes", config})
}

// JSON is the text of the array's zarr.json.
func (a Array) JSON() ([]byte, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	grid, err := json.Marshal(map[string]any{"chunk_shape": nonNil(a.Chunks)})
	if err != nil {
		return nil, err
	}
	doc := arrayDoc{
		Format: 3, NodeType: "array", Shape: nonNil(a.Shape), DType: dtypeName(a.DType), Attrs: a.Attrs,
		Grid: named{"regular", grid}, Keys: a.keys.doc(), Fill: a.fillJSON(),
	}
	doc.Codecs = docs(a.chain())
	for _, d := range a.Dims {
		doc.Dims = append(doc.Dims, &d)
	}
	return marshal(doc)
}

func nonNil(s []int) []int {
	if s == nil {
		return []int{}
	}
	return s
}

func marshal(doc any) ([]byte, error) {
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fault.New(fault.Invalid, "zarr metadata: %w", err)
	}
	return text, nil
}

// ParseArray reads an array's zarr.json and refuses what it cannot decode.
func ParseArray(text []byte) (Array, error) {
	var doc arrayDoc
	if err := parse(text, &doc, "array"); err != nil {
		return Array{}, err
	}
	if doc.Format != 3 || doc.NodeType != "array" {
		return Array{}, fault.New(fault.Unsupported, "zarr.json: format %d, node type %q, wanted an array of format 3", doc.Format, doc.NodeType)
	}
	if len(doc.Transformers) > 0 {
		return Array{}, fault.New(fault.Unsupported, "zarr.json: storage transformers").
			WithCure("write the array again without storage transformers; no registered one exists")
	}
	a := Array{Shape: doc.Shape, DType: cube.DType(doc.DType), Attrs: doc.Attrs}
	var err error
	if a.Chunks, err = parseGrid(doc.Grid); err != nil {
		return Array{}, err
	}
	if a.keys, err = parseKeys(doc.Keys); err != nil {
		return Array{}, err
	}
	if err = checkDType(a.DType); err != nil {
		return Array{}, fault.New(fault.Unsupported, "zarr.json: data type %q", string(a.DType)).
			WithCure("write the array again as bool, a number, raw_bytes or string; times as int64 with the attribute units")
	}
	if err = a.setFill(doc.Fill); err != nil {
		return Array{}, err
	}
	for _, d := range doc.Dims {
		if d == nil {
			d = new(string)
		}
		a.Dims = append(a.Dims, *d)
	}
	if a.Codecs, err = parseCodecs(doc.Codecs, 0); err != nil {
		return Array{}, err
	}
	if err := a.Check(); err != nil {
		return Array{}, err
	}
	return a, nil
}

// parse decodes a zarr.json; a member it does not know is refused unless it says that it need not
// be understood, as the format demands.
func parse(text []byte, into any, what string) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(into); err != nil {
		return fault.New(fault.Corrupt, "zarr.json of %s: %w", what, err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return fault.New(fault.Corrupt, "zarr.json of %s: %w", what, err)
	}
	for name, value := range members {
		if knownMembers[name] {
			continue
		}
		var extension struct {
			MustUnderstand *bool `json:"must_understand"`
		}
		if json.Unmarshal(value, &extension) != nil || extension.MustUnderstand == nil || *extension.MustUnderstand {
			return fault.New(fault.Unsupported, "zarr.json of %s: unknown member %q", what, name)
		}
	}
	return nil
}

var knownMembers = map[string]bool{
	"zarr_format": true, "node_type": true, "shape": true, "data_type": true, "chunk_grid": true, "chunk_key_encoding": true,
	"fill_value": true, "codecs": true, "attributes": true, "dimension_names": true, "storage_transformers": true, "consolidated_metadata": true,
}

func parseGrid(n named) ([]int, error) {
	var grid struct {
		ChunkShape []int `json:"chunk_shape"`
	}
	if n.Name != "regular" {
		return nil, fault.New(fault.Unsupported, "zarr.json: chunk grid %q", n.Name)
	}
	if err := json.Unmarshal(n.Config, &grid); err != nil {
		return nil, fault.New(fault.Corrupt, "zarr.json: chunk grid: %w", err)
	}
	return grid.ChunkShape, nil
}

type groupDoc struct {
	Format   int            `json:"zarr_format"`
	NodeType string         `json:"node_type"`
	Attrs    map[string]any `json:"attributes"`
}

// GroupJSON is the text of a group's zarr.json.
func GroupJSON(attrs map[string]any) ([]byte, error) {
	if attrs == nil {
		attrs = map[string]any{}
	}
	return marshal(groupDoc{3, "group", attrs})
}

// ParseGroup returns the attributes of a group's zarr.json.
func ParseGroup(text []byte) (map[string]any, error) {
	var doc groupDoc
	if err := parse(text, &doc, "group"); err != nil {
		return nil, err
	}
	if doc.Format != 3 || doc.NodeType != "group" {
		return nil, fault.New(fault.Unsupported, "zarr.json: format %d, node type %q, wanted a group of format 3", doc.Format, doc.NodeType)
	}
	return doc.Attrs, nil
}
