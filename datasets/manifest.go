package datasets

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/fault"
)

var (
	micros    = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	bboxType  = arrow.StructOf(required("xmin", arrow.PrimitiveTypes.Float64), required("ymin", arrow.PrimitiveTypes.Float64), required("xmax", arrow.PrimitiveTypes.Float64), required("ymax", arrow.PrimitiveTypes.Float64))
	linkType  = arrow.StructOf(required("rel", arrow.BinaryTypes.String), required("href", arrow.BinaryTypes.String), required("type", arrow.BinaryTypes.String))
	assetType = arrow.StructOf(required("href", arrow.BinaryTypes.String), required("type", arrow.BinaryTypes.String), list("roles", arrow.BinaryTypes.String))
)

func required(name string, t arrow.DataType) arrow.Field { return arrow.Field{Name: name, Type: t} }

// list is nullable throughout: arrow v17 writes lists that are not as all NULL in some forms.
func list(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: arrow.ListOf(t), Nullable: true}
}

// manifestSchema is a STAC-GeoParquet of one item for each sample, and what a sample is in the cube:
// pixel offsets in the cell's grid, the time slots and the classes. label_sha256 and pixels_sha256 sum up what the
// sample's leaf holds, so that two versions can be compared without their cubes.
var manifestSchema = arrow.NewSchema([]arrow.Field{
	required("type", arrow.BinaryTypes.String),
	required("stac_version", arrow.BinaryTypes.String),
	list("stac_extensions", arrow.BinaryTypes.String),
	required("id", arrow.BinaryTypes.String),
	required("collection", arrow.BinaryTypes.String),
	{Name: "geometry", Type: arrow.BinaryTypes.Binary, Nullable: true, Metadata: arrow.NewMetadata([]string{"ARROW:extension:name"}, []string{"geoarrow.wkb"})},
	required("bbox", bboxType),
	list("links", linkType),
	{Name: "assets", Type: arrow.StructOf(required("cube", assetType))},
	required("datetime", micros),
	required("start_datetime", micros),
	required("end_datetime", micros),
	required("split", arrow.BinaryTypes.String),
	required("ml-aoi:split", arrow.BinaryTypes.String),
	required("cell", arrow.BinaryTypes.String),
	required("row", arrow.PrimitiveTypes.Int32),
	required("col", arrow.PrimitiveTypes.Int32),
	required("height", arrow.PrimitiveTypes.Int32),
	required("width", arrow.PrimitiveTypes.Int32),
	list("times", micros),
	list("slots", arrow.BinaryTypes.String),
	required("block", arrow.BinaryTypes.String),
	required("label_sha256", arrow.BinaryTypes.String),
	required("pixels_sha256", arrow.BinaryTypes.String),
	required("leaf", arrow.BinaryTypes.String),
	required(ClassColumn, arrow.BinaryTypes.String),
	list(CountsColumn, countType),
}, nil)

// rowGroup is how many samples one row group of the manifest holds.
const rowGroup = 64 << 10

// manifest writes manifest.parquet: the samples by id. What the recipe says of the training split is tried on it.
func (p *plan) manifest(collection string) ([]byte, error) {
	var out bytes.Buffer
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCreatedBy("terrapin"),
		parquet.WithRootRepetition(parquet.Repetitions.Required), parquet.WithVersion(parquet.V2_LATEST))
	w, err := pqarrow.NewFileWriter(manifestSchema, &out, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema(), pqarrow.WithCoerceTimestamps(arrow.Microsecond)))
	if err != nil {
		return nil, written(err)
	}
	tried, err := p.trial(collection)
	if err != nil {
		return nil, err
	}
	bounds := [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for first := 0; first < len(p.samples); first += rowGroup {
		record, err := p.manifestRows(first, min(first+rowGroup, len(p.samples)), collection, &bounds)
		if err != nil {
			return nil, err
		}
		if err = tried.take(record); err == nil {
			err = written(w.Write(record))
		}
		record.Release()
		if err != nil {
			return nil, err
		}
	}
	if err := tried.check(); err != nil {
		return nil, err
	}
	// In this order: the same samples give the same bytes, by which a commit knows what it left behind.
	for _, entry := range []struct {
		key   string
		value any
	}{{"geo", geoMetadata(bounds)}, {"stac-geoparquet", map[string]any{"version": "1.0.0"}}} {
		text, err := json.Marshal(entry.value)
		if err != nil {
			return nil, written(err)
		}
		if err := w.AppendKeyValueMetadata(entry.key, string(text)); err != nil {
			return nil, written(err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, written(err)
	}
	return out.Bytes(), nil
}

// written says what failed; nil stays nil.
func written(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Internal, "write the manifest: %w", err)
}

// geoMetadata is the "geo" entry of GeoParquet 1.1; without a CRS it is longitude and latitude.
func geoMetadata(b [4]float64) any {
	corner := func(x, y string) []string { return []string{"bbox", x + y} }
	return map[string]any{
		"version": "1.1.0", "primary_column": "geometry",
		"columns": map[string]any{"geometry": map[string]any{
			"encoding": "WKB", "geometry_types": []string{"Polygon"}, "bbox": b,
			"covering": map[string]any{"bbox": map[string]any{
				"xmin": corner("x", "min"), "ymin": corner("y", "min"), "xmax": corner("x", "max"), "ymax": corner("y", "max")}},
		}},
	}
}

func (p *plan) manifestRows(first, end int, collection string, bounds *[4]float64) (arrow.Record, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, manifestSchema)
	defer b.Release()
	columns := map[string]array.Builder{}
	for i, f := range manifestSchema.Fields() {
		columns[f.Name] = b.Field(i)
	}
	var classes []Class
	if p.labels != nil {
		classes = classesOf(p.labels)
	}
	text := func(name, v string) { columns[name].(*array.StringBuilder).Append(v) }
	moment := func(name string, v int64) { columns[name].(*array.TimestampBuilder).Append(arrow.Timestamp(v)) }
	for i := first; i < end; i++ {
		s := p.samples[i]
		l, err := p.leaf(s)
		if err != nil {
			return nil, err
		}
		slices := p.homes.of(s).slices
		start, last := slices[0].Micros(), slices[len(slices)-1].Micros()
		ring, err := crs.FootprintWGS84(p.region.Grid, s.window)
		if err != nil {
			return nil, err
		}
		box := ringBounds(ring)
		for k := range 2 {
			bounds[k], bounds[k+2] = min(bounds[k], box[k]), max(bounds[k+2], box[k+2])
		}
		text("type", "Feature")
		text("stac_version", stac.Version)
		texts(columns["stac_extensions"], stac.ExtMLAOI)
		text("id", s.id)
		text("collection", collection)
		columns["geometry"].(*array.BinaryBuilder).Append(wkbPolygon(ring))
		structOf(columns["bbox"], func(k int, f array.Builder) { f.(*array.Float64Builder).Append(box[k]) })
		links := columns["links"].(*array.ListBuilder)
		links.Append(true)
		link := []string{"collection", stac.CollectionHref(collection), stac.TypeJSON}
		structOf(links.ValueBuilder(), func(k int, f array.Builder) { f.(*array.StringBuilder).Append(link[k]) })
		structOf(columns["assets"], func(_ int, f array.Builder) { p.cubeAsset(f) })
		moment("datetime", last)
		moment("start_datetime", start)
		moment("end_datetime", last)
		text("split", l.Split)
		text("ml-aoi:split", l.Split)
		text("cell", l.Cell)
		for name, v := range map[string]int{"row": l.Row, "col": l.Col, "height": l.Height, "width": l.Width} {
			columns[name].(*array.Int32Builder).Append(int32(v))
		}
		times := columns["times"].(*array.ListBuilder)
		times.Append(true)
		for _, slice := range slices {
			times.ValueBuilder().(*array.TimestampBuilder).Append(arrow.Timestamp(slice.Micros()))
		}
		texts(columns["slots"], ids(l.Slots)...)
		text("block", s.block.String())
		text("label_sha256", sumOf(l.Label))
		text("pixels_sha256", sumOf(l.Pixels))
		text("leaf", hex.EncodeToString(p.hashes[i][:]))
		text(ClassColumn, dominant(s.labels, classes))
		appendCounts(columns[CountsColumn], s.labels)
	}
	return b.NewRecord(), nil
}

// cubeAsset points a sample to the cube it is read from.
func (p *plan) cubeAsset(b array.Builder) {
	s := b.(*array.StructBuilder)
	s.Append(true)
	s.FieldBuilder(0).(*array.StringBuilder).Append(stac.CollectionHref(p.recipe.Cube))
	s.FieldBuilder(1).(*array.StringBuilder).Append(stac.TypeJSON)
	texts(s.FieldBuilder(2), "data")
}

func structOf(b array.Builder, fill func(k int, f array.Builder)) {
	s := b.(*array.StructBuilder)
	s.Append(true)
	for k := range s.NumField() {
		fill(k, s.FieldBuilder(k))
	}
}

func texts(b array.Builder, values ...string) {
	l := b.(*array.ListBuilder)
	l.Append(true)
	for _, v := range values {
		l.ValueBuilder().(*array.StringBuilder).Append(v)
	}
}

func ids(slots []cube.SliceID) []string {
	out := make([]string, len(slots))
	for i, s := range slots {
		out[i] = string(s)
	}
	return out
}

// sumOf is one digest for a list of digests.
func sumOf(digests []string) string {
	sum := sha256.Sum256([]byte(strings.Join(digests, "\n")))
	return hex.EncodeToString(sum[:])
}

func ringBounds(ring [][2]float64) [4]float64 {
	b := [4]float64{ring[0][0], ring[0][1], ring[0][0], ring[0][1]}
	for _, p := range ring {
		b[0], b[1] = min(b[0], p[0]), min(b[1], p[1])
		b[2], b[3] = max(b[2], p[0]), max(b[3], p[1])
	}
	return b
}

// wkbPolygon is well-known binary, little-endian, of one ring.
func wkbPolygon(ring [][2]float64) []byte {
	out := []byte{1}
	out = binary.LittleEndian.AppendUint32(out, 3)
	out = binary.LittleEndian.AppendUint32(out, 1)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(ring)))
	for _, p := range ring {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(p[0]))
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(p[1]))
	}
	return out
}
