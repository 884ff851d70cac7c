package datasets

import (
	"encoding/json"
	"io"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

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
func (p *plan) manifest(out io.Writer, collection string) error {
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCreatedBy("terrapin"),
		parquet.WithRootRepetition(parquet.Repetitions.Required), parquet.WithVersion(parquet.V2_LATEST))
	w, err := pqarrow.NewFileWriter(manifestSchema, out, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema(), pqarrow.WithCoerceTimestamps(arrow.Microsecond)))
	if err != nil {
		return written(err)
	}
	tried, err := p.trial(collection)
	if err != nil {
		return err
	}
	rows := p.manifestRows(collection)
	for first := 0; first < len(p.samples); first += rowGroup {
		record, err := rows.record(p.samples[first:min(first+rowGroup, len(p.samples))])
		if err != nil {
			return err
		}
		if err = tried.take(record); err == nil {
			err = written(w.Write(record))
		}
		record.Release()
		if err != nil {
			return err
		}
	}
	if err := tried.check(); err != nil {
		return err
	}
	bounds := rows.bounds
	if rows.crossing {
		box, err := p.bounds()
		if err != nil {
			return err
		}
		bounds = [4]float64(box)
	}
	// In this order: the same samples give the same bytes, by which a commit knows what it left behind.
	for _, entry := range []struct {
		key   string
		value any
	}{{"geo", geoMetadata(bounds, slices.Sorted(maps.Keys(rows.shapes)))}, {"stac-geoparquet", map[string]any{"version": "1.0.0"}}} {
		text, err := json.Marshal(entry.value)
		if err != nil {
			return written(err)
		}
		if err := w.AppendKeyValueMetadata(entry.key, string(text)); err != nil {
			return written(err)
		}
	}
	return written(w.Close())
}

// written says what failed; nil stays nil.
func written(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Internal, "write the manifest: %w", err)
}

// geoMetadata is the "geo" entry of GeoParquet 1.1; without a CRS it is longitude and latitude.
func geoMetadata(b [4]float64, shapes []string) any {
	corner := func(x, y string) []string { return []string{"bbox", x + y} }
	return map[string]any{
		"version": "1.1.0", "primary_column": "geometry",
		"columns": map[string]any{"geometry": map[string]any{
			"encoding": "WKB", "geometry_types": shapes, "bbox": b,
			"covering": map[string]any{"bbox": map[string]any{
				"xmin": corner("x", "min"), "ymin": corner("y", "min"), "xmax": corner("x", "max"), "ymax": corner("y", "max")}},
		}},
	}
}
