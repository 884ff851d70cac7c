package datasets

import (
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
)

// manifestRows makes the rows of a manifest.
type manifestRows struct {
	plan       *plan
	collection string
	classes    []Class
	bounds     [4]float64 // of all rows so far

	columns map[string]array.Builder
	leaf    leaf
	text    []byte
}

func (p *plan) manifestRows(collection string) *manifestRows {
	m := &manifestRows{plan: p, collection: collection, bounds: [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}}
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
	ring, err := crs.FootprintWGS84(p.region.Grid, s.window())
	if err != nil {
		return err
	}
	box := ringBounds(ring)
	for k := range 2 {
		m.bounds[k], m.bounds[k+2] = min(m.bounds[k], box[k]), max(m.bounds[k+2], box[k+2])
	}
	m.string("type", "Feature")
	m.string("stac_version", stac.Version)
	texts(m.columns["stac_extensions"], stac.ExtMLAOI)
	m.string("id", s.id.String())
	m.string("collection", m.collection)
	m.columns["geometry"].(*array.BinaryBuilder).Append(wkbPolygon(ring))
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
