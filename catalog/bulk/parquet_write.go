package bulk

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

// A row group ends with so many items, or so many bytes of JSON: that much is in memory at a time.
const (
	groupItems = 10_000
	groupBytes = 32 << 20
)

// Table says how items are written as STAC-GeoParquet.
type Table struct {
	// Collections are documents of the items' collections, kept in the file's metadata.
	Collections []json.RawMessage
	// TempDir is where items wait, compressed, while their columns are found out; "" is the system's.
	TempDir string
}

// Written tells of a table.
type Written struct {
	Items int
	// LeftOut names members that STAC-GeoParquet has no column for: properties with the name of one of an item's own
	// members, or with an empty name, which no column can have, and members that are neither. Sorted.
	LeftOut []string
}

// WriteParquet writes items as one STAC-GeoParquet file (version 1.1, GeoParquet 1.1), in their order. The columns are
// those that all items need together, so the items are read once and kept in a temporary file until they are known.
// Values that have no type in common are written as JSON text. The memory it takes does not grow with the number of items.
func WriteParquet(ctx context.Context, w io.Writer, items iter.Seq2[json.RawMessage, error], t Table) (Written, error) {
	kept := &spool{dir: t.TempDir}
	defer kept.remove()
	s := newRows()
	for doc, err := range items {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = s.look(doc)
		}
		if err == nil {
			err = kept.add(doc)
		}
		if err != nil {
			return Written{}, err
		}
	}
	s.settle()
	if err := s.write(ctx, w, kept, t.Collections); err != nil {
		return Written{}, err
	}
	return Written{Items: s.items, LeftOut: slices.Sorted(maps.Keys(s.leftOut))}, nil
}

// ownMembers are the columns that are no properties.
var ownMembers = []string{"type", "stac_version", "stac_extensions", "id", "collection", "geometry", "bbox", "links", "assets"}

// rows are items as rows of a table.
type rows struct {
	survey
	items   int
	leftOut map[string]bool
	// kinds are the types of geometry that were met, bounds west, south, east and north of all boxes.
	kinds   map[string]bool
	bounds  []float64
	heights bool
	names   []string // of bbox, once it is known whether there are heights
}

func newRows() *rows {
	s := &rows{leftOut: map[string]bool{}, kinds: map[string]bool{}}
	s.root = &column{kind: record}
	declare := func(c *column, name string, field column) *column {
		if c.index == nil {
			c.index = map[string]int{}
		}
		c.index[name], c.fields, c.names = len(c.fields), append(c.fields, &field), append(c.names, name)
		return c.fields[len(c.fields)-1]
	}
	for _, name := range []string{"type", "stac_version", "id", "collection"} {
		declare(s.root, name, column{kind: text})
	}
	declare(s.root, "stac_extensions", column{kind: list, item: &column{kind: text}})
	declare(s.root, "geometry", column{kind: geometry})
	declare(s.root, "bbox", column{kind: record})
	links := declare(s.root, "links", column{kind: list, item: &column{kind: record}})
	for _, name := range []string{"href", "rel", "type", "title"} {
		declare(links.item, name, column{kind: text})
	}
	declare(s.root, "assets", column{kind: record})
	declare(s.root, "datetime", column{kind: moment})
	return s
}

// each gives an item's cells by the names of their columns.
func each(doc gjson.Result, cell func(name string, v gjson.Result), leftOut func(name string)) {
	doc.ForEach(func(key, v gjson.Result) bool {
		switch name := key.String(); {
		case name == "properties":
			v.ForEach(func(key, v gjson.Result) bool {
				if name := key.String(); slices.Contains(ownMembers, name) {
					leftOut("properties." + name)
				} else if name == "" {
					leftOut(`properties.""`)
				} else {
					cell(name, v)
				}
				return true
			})
		case slices.Contains(ownMembers, name):
			cell(name, v)
		default:
			leftOut(name)
		}
		return true
	})
}

// look widens the columns for an item.
func (s *rows) look(doc json.RawMessage) error {
	item := gjson.ParseBytes(doc)
	if !item.IsObject() || item.Get("type").Str != "Feature" || !item.Get("properties").IsObject() {
		return fault.New(fault.Invalid, "%.60q is no STAC item", doc).WithCure("write items only into a table")
	}
	s.items++
	var bad error
	each(item, func(name string, v gjson.Result) {
		switch {
		case name == "bbox":
			s.lookBox(v)
		case name == "geometry" && v.Type != gjson.Null:
			_, kind, err := toWKB([]byte(v.Raw))
			if s.kinds[kind] = true; err != nil {
				bad = fault.New(fault.Invalid, "item %q: geometry: %w", item.Get("id").Str, err).WithCure("mend its geometry")
			}
		default:
			s.meetField(s.root, name, v)
		}
	}, func(name string) { s.leftOut[name] = true })
	if s.root.kind != record { // more columns than anybody could use
		return fault.New(fault.TooLarge, "the items have more than %d different properties", maxFields).WithCure("write the collections to tables of their own")
	}
	return bad
}

func (s *rows) lookBox(v gjson.Result) {
	b := v.Array()
	if len(b) != 4 && len(b) != 6 {
		return
	}
	s.heights = s.heights || len(b) == 6
	w, n := b[0].Num, b[len(b)/2+1].Num
	box := []float64{w, b[1].Num, b[len(b)/2].Num, n}
	if box[0] > box[2] {
		box[0], box[2] = -180, 180
	}
	if s.bounds == nil {
		s.bounds = box
	}
	for i, join := range []func(float64, float64) float64{minimum, minimum, maximum, maximum} {
		s.bounds[i] = join(s.bounds[i], box[i])
	}
}

func minimum(a, b float64) float64 { return min(a, b) }
func maximum(a, b float64) float64 { return max(a, b) }

// settle ends the survey.
func (s *rows) settle() {
	if s.names = []string{"xmin", "ymin", "xmax", "ymax"}; s.heights {
		s.names = []string{"xmin", "ymin", "zmin", "xmax", "ymax", "zmax"}
	}
	box := s.root.fields[s.root.index["bbox"]]
	for i, name := range s.names {
		if box.index == nil {
			box.index = map[string]int{}
		}
		box.index[name], box.fields, box.names = i, append(box.fields, &column{kind: number}), append(box.names, name)
	}
	if assets := s.root.fields[s.root.index["assets"]]; assets.kind == record && len(assets.fields) == 0 {
		assets.kind = nothing
	}
	for i, f := range s.root.fields {
		if f.kind == nothing && momentNames[s.root.names[i]] {
			f.kind = moment
		}
	}
	s.root.settle()
}

// write writes the items that were kept.
func (s *rows) write(ctx context.Context, w io.Writer, kept *spool, collections []json.RawMessage) error {
	failed := func(err error) error { return fault.New(fault.Unavailable, "write the table: %w", err) }
	schema := arrow.NewSchema(s.root.arrowType().(*arrow.StructType).Fields(), nil)
	// Snappy, as zstd in arrow v17 makes an encoder of 6 MB for every page; and no Arrow schema, beside which pyarrow does
	// not show the file's metadata.
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithCreatedBy("terrapin"),
		parquet.WithRootRepetition(parquet.Repetitions.Required), parquet.WithVersion(parquet.V2_LATEST))
	out, err := s.begin(schema, w, props)
	if err != nil {
		return failed(err)
	}
	for key, value := range s.metadata(collections) {
		if err := out.AppendKeyValueMetadata(key, value); err != nil {
			return failed(err)
		}
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	items, bytes := 0, 0
	flush := func() error {
		if items == 0 {
			return nil
		}
		group := builder.NewRecord()
		defer group.Release()
		items, bytes = 0, 0
		return out.Write(group)
	}
	for doc, err := range kept.all() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		s.add(builder, gjson.ParseBytes(doc))
		if items, bytes = items+1, bytes+len(doc); items == groupItems || bytes >= groupBytes {
			if err := flush(); err != nil {
				return failed(err)
			}
		}
	}
	if err := flush(); err != nil {
		return failed(err)
	}
	if err := out.Close(); err != nil {
		return failed(err)
	}
	return nil
}

// begin starts a table. The library panics where it cannot write the first bytes, and does not say why.
func (s *rows) begin(schema *arrow.Schema, w io.Writer, props *parquet.WriterProperties) (out *pqarrow.FileWriter, err error) {
	to := &firstError{Writer: w}
	defer func() {
		if v := recover(); v != nil {
			if err = to.err; err == nil {
				panic(v)
			}
		}
	}()
	return pqarrow.NewFileWriter(schema, nopCloser{to}, props, pqarrow.NewArrowWriterProperties(pqarrow.WithCoerceTimestamps(arrow.Microsecond)))
}

// firstError remembers why something could not be written.
type firstError struct {
	io.Writer
	err error
}

func (w *firstError) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// nopCloser keeps the table's writer from closing what it was given.
type nopCloser struct{ io.Writer }

// geoColumn is what GeoParquet says of a column.
type geoColumn struct {
	Encoding string    `json:"encoding"`
	Types    []string  `json:"geometry_types"`
	BBox     []float64 `json:"bbox,omitempty"`
	Edges    string    `json:"edges,omitempty"`
	Covering any       `json:"covering,omitempty"`
	// CRS is left out where it is longitude and latitude, and null where every row has its own.
	CRS *json.RawMessage `json:"crs,omitempty"`
}

// metadata is what the file says of itself.
func (s *rows) metadata(collections []json.RawMessage) map[string]string {
	covering := map[string][]string{}
	for _, name := range []string{"xmin", "ymin", "xmax", "ymax"} {
		covering[name] = []string{"bbox", name}
	}
	unknown := json.RawMessage("null")
	columns := map[string]geoColumn{"geometry": {Encoding: "WKB", Types: slices.AppendSeq([]string{}, maps.Keys(s.kinds)), BBox: s.bounds, Edges: "planar",
		Covering: map[string]any{"bbox": covering}}}
	slices.Sort(columns["geometry"].Types)
	if i, ok := s.root.index["proj:geometry"]; ok && s.root.fields[i].kind == geometry {
		columns["proj:geometry"] = geoColumn{Encoding: "WKB", Types: []string{}, CRS: &unknown}
	}
	stac := map[string]any{"version": "1.1.0"}
	if len(collections) > 0 {
		byID := map[string]json.RawMessage{}
		for _, doc := range collections {
			byID[gjson.GetBytes(doc, "id").Str] = doc
		}
		stac["collections"] = byID
	}
	out := map[string]string{}
	for key, value := range map[string]any{
		"geo":             map[string]any{"version": "1.1.0", "primary_column": "geometry", "columns": columns},
		"stac-geoparquet": stac,
		textsKey:          s.root.texts(nil),
	} {
		raw, err := json.Marshal(value)
		if err != nil { // of documents that are JSON
			panic(err)
		}
		out[key] = string(raw)
	}
	return out
}

// textsKey is where a file says which columns, by their paths, hold JSON as text.
const textsKey = "terrapin:json"
