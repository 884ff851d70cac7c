package selection

import (
	"bytes"
	"context"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/paulmach/orb"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// Samples that cross the antimeridian, or lie beyond it on a grid that runs on, are where they are to every filter by place,
// also those of versions whose manifests have longitudes beyond 180.
func TestFiltersBeyondTheAntimeridian(t *testing.T) {
	spec := layout.Spec{
		Name: "wide", Grid: cube.Grid{CRS: "EPSG:4326", Transform: cube.Affine{1, 0, 170, 0, -1, 60}, Width: 24, Height: 8},
		Bands: []cube.Band{{Name: "a"}}, DType: cube.Uint8, Chunk: 16, Geographic: true,
	}
	root := store.New(mem.New(), "mem://data")
	c, err := layout.Create(t.Context(), root.Sub("cubes/wide"), spec)
	require.NoError(t, err)
	layouttest.Commit(t, c, layouttest.RandomIn(spec, 1, "a", layouttest.Date(3, 1, 0), spec.Grid.All()))
	cfg := datasets.Config{Root: root, Cube: func(context.Context, string) (*layout.Cube, error) { return c, nil }}
	_, err = datasets.Commit(t.Context(), cfg, []byte("name: wide\ncube: wide\nwindow: {size: 4}\nsplit: {by: block, block_m: 400000, train: 1, validate: 0, test: 0, salt: 1}\n"), "test")
	require.NoError(t, err, fault.CureOf(err))
	ask := func(text string) []int {
		v, err := datasets.Open(t.Context(), root, "wide@v1")
		require.NoError(t, err)
		c, err := NewCache(1<<20).Get(t.Context(), v, "train", Ask{Filter: filter(t, text)})
		if fault.Is(err, fault.Invalid) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Precondition) {
			return nil // none passes
		}
		require.NoError(t, err, text)
		return kept(c, order.Base)
	}
	check := func(t *testing.T) {
		for text, n := range map[string]int{ // 2 rows of windows from 170, 174, 178, 182, 186 and 190
			"S_INTERSECTS(geometry, BBOX(-180, -90, 180, 90))": 12, "S_DISJOINT(geometry, BBOX(0, 0, 10, 10))": 12,
			"geometry IS NOT NULL": 12, "geometry IS NULL": 0,
			"S_INTERSECTS(geometry, BBOX(179, 50, -179, 60))": 2, "S_INTERSECTS(geometry, POINT(-179 57))": 1, "S_INTERSECTS(geometry, POINT(181 57))": 1,
			"S_INTERSECTS(geometry, BBOX(-173, 50, -160, 60))": 4, "NOT S_INTERSECTS(geometry, BBOX(-173, 50, -160, 60))": 8,
			"S_WITHIN(geometry, BBOX(177, 50, -177, 61))": 2,
		} {
			require.Len(t, ask(text), n, text)
		}
	}
	t.Run("committed now", check)
	const key = "datasets/wide/v1/manifest.parquet"
	data, _, err := root.Read(t.Context(), key, store.Range{})
	require.NoError(t, err)
	_, err = root.Write(t.Context(), key, uncut(t, data, spec.Grid), store.Condition{})
	require.NoError(t, err)
	t.Run("committed before", check)
}

// uncut is a manifest whose outlines run on past 180, as older releases wrote it.
func uncut(t *testing.T, data []byte, grid cube.Grid) []byte {
	t.Helper()
	whole := readTable(t, data)
	defer whole.Release()
	number := func(name string, i int) int {
		return int(whole.Column(whole.Schema().FieldIndices(name)[0]).Data().Chunk(0).(*array.Int32).Value(i))
	}
	shapes, cut := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary), 0
	at := whole.Schema().FieldIndices("geometry")[0]
	for i := range int(whole.NumRows()) {
		w := cube.Window{Row: number("row", i), Col: number("col", i), Height: number("height", i), Width: number("width", i)}
		points, err := crs.FootprintWGS84(grid, w)
		require.NoError(t, err)
		ring := make(orb.Ring, len(points))
		for k, p := range points {
			ring[k] = p
		}
		old := geo.AppendWKB(nil, orb.Polygon{ring})
		shapes.Append(old)
		if !bytes.Equal(old, whole.Column(at).Data().Chunk(0).(*array.Binary).Value(i)) {
			cut++
		}
	}
	require.Equal(t, 8, cut, "those within 180 are written as ever")
	columns := make([]arrow.Column, whole.NumCols())
	for i := range columns {
		columns[i] = *whole.Column(i)
	}
	column := shapes.NewArray()
	columns[at] = *arrow.NewColumn(whole.Schema().Field(at), arrow.NewChunked(column.DataType(), []arrow.Array{column}))
	return rewritten(t, whole.Schema().Fields(), columns, whole.NumRows())
}
