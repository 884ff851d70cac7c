package bulk

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

func canonicalTime(s string) string {
	t, err := catalog.ParseTime(s)
	if err != nil {
		return s
	}
	return t.Format(time.RFC3339Nano)
}

// readers open the tables that we wrote with every reader that people have, and print the items that stac-geoparquet
// makes of them.
const readers = `
import json, sys
import geopandas, pyarrow.parquet as pq, shapely
import stac_geoparquet.arrow
for path in sys.argv[1:]:
    table = pq.read_table(path)
    meta = json.loads(table.schema.metadata[b"geo"])
    assert meta["primary_column"] == "geometry" and meta["version"] == "1.1.0", meta
    assert "stac-geoparquet" in {k.decode() for k in table.schema.metadata}
    assert str(table.schema.field("datetime").type) == "timestamp[us, tz=UTC]"
    frame = geopandas.read_parquet(path)
    assert len(frame) == table.num_rows and frame.crs.to_string() == "OGC:CRS84", frame.crs
    assert list(frame["id"]) == table["id"].to_pylist()
    west, south, east, north = frame.total_bounds
    sides = [b for b in table["bbox"].to_pylist()]
    assert meta["columns"]["geometry"]["bbox"] == [min(b["xmin"] for b in sides), min(b["ymin"] for b in sides),
        max(b["xmax"] for b in sides), max(b["ymax"] for b in sides)] or any(b["xmin"] > b["xmax"] for b in sides)
    half = geopandas.read_parquet(path, bbox=(west, south, (west + east) / 2, north))
    assert 0 < len(half) <= len(frame), (len(half), len(frame))
    assert {g.geom_type for g in frame.geometry} == set(meta["columns"]["geometry"]["geometry_types"])
    for item in stac_geoparquet.arrow.stac_table_to_items(table):
        print(json.dumps(item, default=str))
`

// same compares what came back from other people's readers: they give every member of a record, null where it is not,
// and times in whole seconds.
func same(t *testing.T, want, got string) {
	t.Helper()
	seconds := func(doc string) string {
		return withMoments(doc, func(given string) string {
			if at, err := catalog.ParseTime(given); err == nil {
				return at.Truncate(time.Second).Format(time.RFC3339)
			}
			return given
		})
	}
	samePlain(t, seconds(want), seconds(got))
}

func TestOthersReadOurTables(t *testing.T) {
	byCollection := map[string][]string{}
	for _, doc := range realItems(t) {
		if id := gjson.Get(doc, "collection").Str; id != "" && gjson.Get(doc, "stac_extensions").Exists() {
			byCollection[id] = append(byCollection[id], doc)
		}
	}
	var paths, want []string
	compared := 0
	for _, docs := range byCollection {
		if len(docs) < 3 {
			continue
		}
		_, w, file := table(t, nil, docs...)
		path := filepath.Join(t.TempDir(), "x.parquet")
		require.NoError(t, os.WriteFile(path, file, 0o600))
		for _, doc := range docs {
			if len(w.LeftOut) > 0 {
				doc = ""
			}
			want = append(want, doc)
		}
		paths = append(paths, path)
	}
	lines := strings.Split(cubetest.Python(t, readers, paths...), "\n")
	require.Len(t, lines, len(want))
	for i, line := range lines {
		if want[i] != "" {
			same(t, want[i], line)
			compared++
		}
	}
	require.Greater(t, compared, 50)
}

func TestWeReadTheirTables(t *testing.T) {
	dir := t.TempDir()
	docs := []string{}
	for _, doc := range realItems(t) {
		if strings.HasPrefix(gjson.Get(doc, "collection").Str, "sentinel") || strings.HasPrefix(gjson.Get(doc, "collection").Str, "landsat") {
			docs = append(docs, doc)
		}
	}
	require.Greater(t, len(docs), 5)
	raw, err := json.Marshal(docs)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "items.json"), raw, 0o600))
	var rustac []string
	for _, name := range []string{"100-sentinel-2-items.parquet", "100-landsat-items.parquet"} {
		rustac = append(rustac, filepath.Join(cubetest.Real(t, "stac/rustac"), name))
	}
	theirs := strings.Split(cubetest.Python(t, `
import json, sys, os
import pyarrow.parquet as pq
import stac_geoparquet.arrow as sg
items = [json.loads(s) for s in json.load(open(os.path.join(sys.argv[1], "items.json")))]
for i, item in enumerate(items):
    sg.to_parquet(sg.parse_stac_items_to_arrow([item]), os.path.join(sys.argv[1], f"{i}.parquet"),
        collections={"c": {"type": "Collection", "id": "c"}})
for path in sys.argv[2:]:
    for item in sg.stac_table_to_items(pq.read_table(path)):
        print(json.dumps(item, default=str))
`, append([]string{dir}, rustac...)...), "\n")
	for i, doc := range docs {
		file, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)+".parquet"))
		require.NoError(t, err)
		got := rowsOf(t, file)
		require.Equal(t, "c", gjson.Get(got[0], "id").Str)
		samePlain(t, moments(doc), moments(got[1]))
	}
	require.Len(t, theirs, 200)
	for k, path := range rustac {
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		got := rowsOf(t, file)
		require.Len(t, got, 100)
		for i := range got {
			same(t, theirs[100*k+i], got[i])
			_, err := catalog.ParseItem(json.RawMessage(got[i]))
			require.NoError(t, err)
		}
	}
}

// FuzzTable: a file that is not sound is an error and no more.
func FuzzTable(f *testing.F) {
	var small bytes.Buffer
	_, err := WriteParquet(f.Context(), &small, listed(odd, other), Table{})
	require.NoError(f, err)
	f.Add(small.Bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		n := 0
		_ = readTable(t.Context(), bytes.NewReader(file), func(int, int) bool { return false }, func(doc json.RawMessage, err error) error {
			if n++; err == nil {
				require.True(t, json.Valid(doc), "%s", doc)
			}
			if n > 10_000 {
				return errStop
			}
			return nil
		})
	})
}
