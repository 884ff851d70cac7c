package selection

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

const manifestKey = "datasets/crops/v1/manifest.parquet"

// readTable reads a whole manifest.
func readTable(t *testing.T, data []byte) arrow.Table {
	t.Helper()
	pf, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	defer pf.Close()
	r, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 1 << 16}, memory.DefaultAllocator)
	require.NoError(t, err)
	whole, err := r.ReadTable(t.Context())
	require.NoError(t, err)
	return whole
}

// rewritten is a manifest of other columns.
func rewritten(t *testing.T, fields []arrow.Field, columns []arrow.Column, rows int64) []byte {
	t.Helper()
	made := array.NewTable(arrow.NewSchema(fields, nil), columns, rows)
	defer made.Release()
	var out bytes.Buffer
	require.NoError(t, pqarrow.WriteTable(made, &out, 1<<16, nil, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())))
	return out.Bytes()
}

// older takes the classes out of a manifest, as releases wrote it that did not know them.
func older(t *testing.T, data []byte) []byte {
	t.Helper()
	whole := readTable(t, data)
	defer whole.Release()
	var fields []arrow.Field
	var columns []arrow.Column
	for i, f := range whole.Schema().Fields() {
		if f.Name != "class" && f.Name != "label_counts" {
			fields, columns = append(fields, f), append(columns, *whole.Column(i))
		}
	}
	return rewritten(t, fields, columns, whole.NumRows())
}

func TestManifestsOfOlderReleasesKnowNoClasses(t *testing.T) {
	w := newWorld(t)
	data, _, err := w.root.Read(t.Context(), manifestKey, store.Range{})
	require.NoError(t, err)
	_, err = w.root.Write(t.Context(), manifestKey, older(t, data), store.Condition{})
	require.NoError(t, err)
	for _, ask := range []Ask{{Weights: datasets.Balanced}, {Filter: filter(t, "labelled > 0.5")}, {Filter: filter(t, "class IS NOT NULL")}} {
		_, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", ask)
		require.True(t, fault.Is(err, fault.Precondition), err)
		require.Contains(t, fault.CureOf(err), "another name")
	}
	c, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", Ask{Filter: filter(t, "row > 8"), Weights: "scenes"})
	require.NoError(t, err, "everything else is there")
	require.Positive(t, c.Len())
}

func TestADamagedManifestIsAnError(t *testing.T) {
	w := newWorld(t)
	data, _, err := w.root.Read(t.Context(), manifestKey, store.Range{})
	require.NoError(t, err)
	ask := Ask{Filter: filter(t, "S_INTERSECTS(geometry, BBOX(-180, -90, 180, 90)) AND labelled > 0.1 AND A_CONTAINS(times, ('x'))"), Weights: datasets.Balanced}
	rng := rand.New(rand.NewPCG(1, 9))
	for round := range 60 {
		bad := bytes.Clone(data)
		switch {
		case round < 5:
			bad = bad[:rng.IntN(len(bad))]
		default:
			bad[rng.IntN(len(bad))] ^= byte(1 << rng.IntN(8))
		}
		_, err = w.root.Write(t.Context(), manifestKey, bad, store.Condition{})
		require.NoError(t, err)
		_, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", ask)
		require.NotEqual(t, fault.Internal, fault.KindOf(err), "round %d: %v", round, err)
		require.Error(t, err, "the filter keeps nothing")
	}
}
