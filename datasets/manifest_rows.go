package datasets

import (
	"encoding/hex"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/cube"
)

// manifestRows makes the rows of a manifest.
type manifestRows struct {
	plan       *plan
	collection string
	classes    []Class
	bounds     [4]float64 // of all rows so far
	crossing   bool       // a row's box goes over the antimeridian: bounds say nothing then
	shapes     map[string]bool

	columns map[string]array.Builder
	leaf    leaf
	text    []byte
}

func (p *plan) manifestRows(collection string) *manifestRows {
	m := &manifestRows{plan: p, collection: collection, shapes: map[string]bool{}, bounds: [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}}
	if p.labels != nil {
		m.classes = classesOf(p.labels)
	}
	return m
}

// record is the rows of some samples.
func (m *manifestRows) record(samples []sample) (arrow.Record, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, manifestSchema)
	defer b.Release()
	b.Reserve(len(samples))
	m.columns = map[string]array.Builder{}
	for i, f := range manifestSchema.Fields() {
		m.columns[f.Name] = b.Field(i)
	}
	for i := range samples {
		if err := m.add(&samples[i]); err != nil {
			return nil, err
		}
	}
	return b.NewRecord(), nil
}

func (m *manifestRows) string(name, v string) { m.columns[name].(*array.StringBuilder).Append(v) }

func (m *manifestRows) moment(name string, v int64) {
	m.columns[name].(*array.TimestampBuilder).Append(arrow.Timestamp(v))
}

func (m *manifestRows) number(name string, v int) {
	m.columns[name].(*array.Int32Builder).Append(int32(v))
}

func (m *manifestRows) add(s *sample) error {
	p, l := m.plan, &m.leaf
	if err := p.leaf(s, l); err != nil {
		return err
	}
	at := p.homes.of(s)
	start, last := at.slices[0].Micros(), at.slices[len(at.slices)-1].Micros()
	shape, box, err := stac.Outline(p.region.Grid, s.window())
	if err != nil {
		return err
	}
	m.shapes[shape.GeoJSONType()] = true
	m.crossing = m.crossing || box[0] > box[2]
	for k := range 2 {
		m.bounds[k], m.bounds[k+2] = min(m.bounds[k], box[k]), max(m.bounds[k+2], box[k+2])
	}
	m.string("type", "Feature")
	m.string("stac_version", stac.Version)
	texts(m.columns["stac_extensions"], stac.ExtMLAOI)
	m.string("id", s.id.String())
	m.string("collection", m.collection)
	m.columns["geometry"].(*array.BinaryBuilder).Append(geo.AppendWKB(nil, shape))
	structOf(m.columns["bbox"], func(k int, f array.Builder) { f.(*array.Float64Builder).Append(box[k]) })
	links := m.columns["links"].(*array.ListBuilder)
	links.Append(true)
	link := []string{"collection", stac.CollectionHref(m.collection), stac.TypeJSON}
	structOf(links.ValueBuilder(), func(k int, f array.Builder) { f.(*array.StringBuilder).Append(link[k]) })
	structOf(m.columns["assets"], func(_ int, f array.Builder) { m.cubeAsset(f) })
	m.moment("datetime", last)
	m.moment("start_datetime", start)
	m.moment("end_datetime", last)
	m.string("split", l.split)
	m.string("ml-aoi:split", l.split)
	m.string("cell", at.cell)
	m.number("row", l.window.Row)
	m.number("col", l.window.Col)
	m.number("height", l.window.Height)
	m.number("width", l.window.Width)
	times := m.columns["times"].(*array.ListBuilder)
	times.Append(true)
	for _, slice := range at.slices {
		times.ValueBuilder().(*array.TimestampBuilder).Append(arrow.Timestamp(slice.Micros()))
	}
	texts(m.columns["slots"], ids(at.ids)...)
	m.string("block", s.block.String())
	m.string("label_sha256", l.label.sum)
	m.string("pixels_sha256", l.pixels.sum)
	var sum hash
	sum, m.text = l.hash(m.text)
	m.string("leaf", hex.EncodeToString(sum[:]))
	counts := p.counts.of(s.labels)
	m.string(ClassColumn, dominant(counts, m.classes))
	appendCounts(m.columns[CountsColumn], counts)
	return nil
}

// cubeAsset points a sample to the cube it is read from.
func (m *manifestRows) cubeAsset(b array.Builder) {
	s := b.(*array.StructBuilder)
	s.Append(true)
	s.FieldBuilder(0).(*array.StringBuilder).Append(stac.CollectionHref(m.plan.recipe.Cube))
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
