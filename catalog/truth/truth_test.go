package truth_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlite"
	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

type world struct {
	root *store.Bucket
	cube *layout.Cube
	cat  catalog.Catalog
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{root: store.New(mem.New(), "mem://data"), cat: newCatalog(t)}
	c, err := layout.Create(context.Background(), w.root.Sub("cubes/s2"), layouttest.Spec(cube.Uint16, nil))
	require.NoError(t, err)
	w.cube = c
	return w
}

func newCatalog(t *testing.T) catalog.Catalog {
	t.Helper()
	c, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "catalog.sqlite"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func (w *world) ingest(t *testing.T, days ...int) {
	t.Helper()
	var staged []*layout.Staged
	for _, d := range days {
		sc := layouttest.Random(w.cube.Spec(), uint64(d), fmt.Sprintf("s2_%02d", d), layouttest.Date(3, d, 0))
		staged = append(staged, layouttest.Stage(t, w.cube, sc))
	}
	_, err := w.cube.Commit(context.Background(), staged, "test")
	require.NoError(t, err)
}

func (w *world) put(t *testing.T, key string, data []byte) {
	t.Helper()
	_, err := w.root.Write(context.Background(), key, data, store.Condition{})
	require.NoError(t, err)
}

// version writes a dataset version with a manifest, whose collection has a title.
func (w *world) version(t *testing.T, n int, title string) {
	t.Helper()
	at := fmt.Sprintf("datasets/crops/v%d", n)
	manifest := []byte("manifest of " + title)
	when := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	doc := func(id string) json.RawMessage {
		out, err := stac.Collection{
			ID: id, Title: title, Description: "d", Extent: stac.Extent{Spatial: [][]float64{{0, 0, 1, 1}}, Temporal: [][2]*time.Time{{&when, nil}}},
			Assets: map[string]stac.Asset{"manifest": {Href: stac.AssetHref(at + "/manifest.parquet"),
				Fields: stac.Fields{"file:size": len(manifest), "file:checksum": fmt.Sprintf("1220%x", sha256.Sum256(manifest))}}},
		}.JSON()
		require.NoError(t, err)
		return out
	}
	item, err := stac.Item{ID: fmt.Sprintf("v%d", n), Collection: "shared", Properties: stac.Fields{"datetime": when}}.JSON()
	require.NoError(t, err)
	commit, err := json.Marshal(map[string]any{"format": 1, "kind": "dataset", "name": "crops", "created": when.Add(time.Duration(n) * time.Hour),
		"stac": map[string]any{"collections": []json.RawMessage{doc(fmt.Sprintf("dataset-crops-v%d", n)), doc("shared")}, "items": []json.RawMessage{item}}})
	require.NoError(t, err)
	w.put(t, at+"/manifest.parquet", manifest)
	w.put(t, at+"/commit.json", commit)
}

func (w *world) catchUp(t *testing.T) truth.Report {
	t.Helper()
	r, err := truth.CatchUp(context.Background(), w.root, w.cat)
	require.NoError(t, err)
	return r
}

func (w *world) fsck(t *testing.T, full bool) truth.Report {
	t.Helper()
	r, err := truth.Fsck(context.Background(), w.root, w.cat, truth.Options{Full: full})
	require.NoError(t, err)
	return r
}

// everything is all that a catalog holds, in its order.
func everything(t *testing.T, cat catalog.Catalog) string {
	t.Helper()
	var out strings.Builder
	c, err := cat.Collections(context.Background(), catalog.Everything(), catalog.Query{Page: catalog.Page{Limit: 1000}})
	require.NoError(t, err)
	i, err := cat.Search(context.Background(), catalog.Everything(), catalog.Query{Page: catalog.Page{Limit: 1000}})
	require.NoError(t, err)
	for _, doc := range append(c.Documents, i.Documents...) {
		out.Write(doc)
		out.WriteByte('\n')
	}
	return out.String()
}

func TestCatchUpFollowsTheBucket(t *testing.T) {
	w := newWorld(t)
	w.ingest(t, 5, 3)
	w.version(t, 1, "one")
	r := w.catchUp(t)
	require.True(t, r.OK, r.Problems)
	require.Equal(t, 3, r.Items)
	again := w.catchUp(t)
	require.Zero(t, again.Items+again.Collections, "nothing new, nothing done")

	w.ingest(t, 4)
	for n := 2; n <= 11; n++ {
		w.version(t, n, fmt.Sprint("title ", n))
	}
	r = w.catchUp(t)
	require.Equal(t, 1+11, r.Items, "only what is new, and the first version, which now has a successor")
	shared, err := w.cat.Collection(context.Background(), catalog.Everything(), "shared")
	require.NoError(t, err)
	require.Contains(t, string(shared), `"title 11"`, "the newest document of a collection holds")
	q, err := w.cat.Search(context.Background(), catalog.Everything(), catalog.Query{Collections: []string{"s2"}})
	require.NoError(t, err)
	require.Len(t, q.Documents, 3)

	have := everything(t, w.cat)
	fresh := newCatalog(t)
	_, err = truth.Rebuild(context.Background(), w.root, fresh)
	require.NoError(t, err)
	require.Equal(t, have, everything(t, fresh), "made again from nothing, it gives the same answers")
	_, err = truth.Rebuild(context.Background(), w.root, fresh)
	require.NoError(t, err)
	require.Equal(t, have, everything(t, fresh))
	report := w.fsck(t, true)
	require.True(t, report.OK, report.Problems)
}

func TestCatchUpForgetsWhatTheBucketLost(t *testing.T) {
	w := newWorld(t)
	w.ingest(t, 3)
	w.version(t, 1, "one")
	w.version(t, 2, "two")
	w.catchUp(t)
	require.NoError(t, w.root.Delete(context.Background(), "datasets/crops/v2/commit.json"))
	r := w.catchUp(t)
	require.Len(t, r.Notes, 1)
	_, err := w.cat.Collection(context.Background(), catalog.Everything(), "dataset-crops-v2")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	require.True(t, w.fsck(t, false).OK)
}

func TestADamagedCommitHidesNothingElse(t *testing.T) {
	w := newWorld(t)
	w.ingest(t, 3)
	w.version(t, 1, "one")
	w.put(t, "datasets/crops/v2/commit.json", []byte(`{"format":1,`))
	w.put(t, "datasets/crops/v3/commit.json", []byte(`{"format":9}`))
	r := w.catchUp(t)
	require.False(t, r.OK)
	require.Len(t, r.Problems, 2)
	for _, p := range r.Problems {
		require.Contains(t, p.Object, "commit.json")
		require.NotEmpty(t, p.Reason)
		require.NotEmpty(t, p.Cure)
	}
	_, err := w.cat.Collection(context.Background(), catalog.Everything(), "dataset-crops-v1")
	require.NoError(t, err)
	require.False(t, w.fsck(t, false).OK)
}

func TestFsckFindsWhatIsWrong(t *testing.T) {
	ctx := context.Background()
	firstChunk := func(t *testing.T, w *world) store.Info {
		for info, err := range w.root.List(ctx, "cubes/s2/chunks/") {
			require.NoError(t, err)
			return info
		}
		t.Fatal("no chunk object")
		return store.Info{}
	}
	for name, damage := range map[string]struct {
		do     func(*testing.T, *world)
		reason string
	}{
		"chunk object gone": {func(t *testing.T, w *world) { require.NoError(t, w.root.Delete(ctx, firstChunk(t, w).Key)) }, "not found"},
		"chunk object cut": {func(t *testing.T, w *world) {
			info := firstChunk(t, w)
			data, _, err := w.root.Read(ctx, info.Key, store.Range{})
			require.NoError(t, err)
			w.put(t, info.Key, data[:len(data)-1])
		}, "references reach to byte"},
		"pixels changed": {func(t *testing.T, w *world) {
			info := firstChunk(t, w)
			body, _, err := w.root.Open(ctx, info.Key, store.Range{})
			require.NoError(t, err)
			data, err := io.ReadAll(body)
			require.NoError(t, err)
			require.NoError(t, body.Close())
			for i := 16; i < len(data); i += 97 {
				data[i] ^= 0xff
			}
			w.put(t, info.Key, data)
		}, ""},
		"manifests gone": {func(t *testing.T, w *world) {
			var keys []string
			for info, err := range w.root.List(ctx, "cubes/s2/manifests/") {
				require.NoError(t, err)
				keys = append(keys, info.Key)
			}
			for _, k := range keys {
				require.NoError(t, w.root.Delete(ctx, k))
			}
		}, "not found"},
		"log of a change gone": {func(t *testing.T, w *world) {
			var keys []string
			for info, err := range w.root.List(ctx, "cubes/s2/transactions/") {
				require.NoError(t, err)
				keys = append(keys, info.Key)
			}
			for _, k := range keys {
				require.NoError(t, w.root.Delete(ctx, k))
			}
		}, "not found"},
		"old snapshot gone": {func(t *testing.T, w *world) {
			repo, err := icechunk.Open(ctx, w.root.Sub("cubes/s2"), icechunk.Config{})
			require.NoError(t, err)
			head, err := repo.Resolve(ctx, "main")
			require.NoError(t, err)
			log, err := repo.Log(ctx, head)
			require.NoError(t, err)
			require.NoError(t, w.root.Delete(ctx, "cubes/s2/snapshots/"+log[len(log)-1].ID.String()))
		}, "not found"},
		"pinned snapshot without its tag": {func(t *testing.T, w *world) {
			w.put(t, "datasets/pins/v1/commit.json", []byte(`{"format": 1, "kind": "dataset", "cube": "s2", "snapshot": "PB7N0PFPZCE91541MP70", "tag": "datasets/pins/v1"}`))
		}, "there is no such tag"},
		"pinned cube gone": {func(t *testing.T, w *world) {
			w.put(t, "datasets/pins/v1/commit.json", []byte(`{"format": 1, "kind": "dataset", "cube": "s3", "snapshot": "PB7N0PFPZCE91541MP70", "tag": "datasets/pins/v1"}`))
		}, "the cube is gone"},
		"commit gone": {func(t *testing.T, w *world) {
			require.NoError(t, w.root.Delete(ctx, "datasets/crops/v1/commit.json"))
		}, "it is gone"},
		"commit changed": {func(t *testing.T, w *world) { w.version(t, 1, "another") }, "that of datasets/crops/v1/commit.json"},
		"manifest of a version changed": {func(t *testing.T, w *world) {
			w.put(t, "datasets/crops/v1/manifest.parquet", []byte("manifest of ONE"))
		}, "SHA-256"},
		"manifest of a version cut": {func(t *testing.T, w *world) { w.put(t, "datasets/crops/v1/manifest.parquet", []byte("man")) }, "should have"},
		"manifest of a version gone": {func(t *testing.T, w *world) {
			require.NoError(t, w.root.Delete(ctx, "datasets/crops/v1/manifest.parquet"))
		}, "not found"},
		"catalog lacks an item": {func(t *testing.T, w *world) {
			_, err := w.cat.Apply(ctx, catalog.Changes{DeleteItems: []catalog.ItemRef{{Collection: "s2", ID: "s2_03"}}})
			require.NoError(t, err)
		}, "the catalog does not"},
		"catalog has more": {func(t *testing.T, w *world) {
			item, err := stac.Item{ID: "more", Collection: "s2", Properties: stac.Fields{"datetime": time.Unix(0, 0)}}.JSON()
			require.NoError(t, err)
			_, err = w.cat.Apply(ctx, catalog.Changes{Items: []json.RawMessage{item}})
			require.NoError(t, err)
		}, "the bucket does not"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ingest(t, 3, 4)
			w.version(t, 1, "one")
			w.catchUp(t)
			require.True(t, w.fsck(t, true).OK)
			damage.do(t, w)
			// the objects as another process finds them, nothing remembered
			r := w.fsck(t, true)
			require.False(t, r.OK)
			found := false
			for _, p := range r.Problems {
				require.NotEmpty(t, p.Object)
				require.NotEmpty(t, p.Cure)
				found = found || strings.Contains(p.Reason, damage.reason)
			}
			require.True(t, found, "%+v", r.Problems)
		})
	}
}

func TestACatalogBehindTheBucketIsNoProblem(t *testing.T) {
	w := newWorld(t)
	w.ingest(t, 3)
	w.version(t, 1, "one")
	w.catchUp(t)
	w.ingest(t, 4)
	w.version(t, 2, "two")
	have := everything(t, w.cat)
	r := w.fsck(t, true)
	require.True(t, r.OK, r.Problems)
	require.Equal(t, have, everything(t, w.cat), "a check changes nothing")
	require.Len(t, r.Notes, 2)
	for _, n := range r.Notes {
		require.Contains(t, n.Note, "brings that up")
	}
	w.catchUp(t)
	require.Empty(t, w.fsck(t, true).Notes)
}

func TestLeftoversAreNoProblem(t *testing.T) {
	w := newWorld(t)
	w.ingest(t, 3)
	w.catchUp(t)
	w.put(t, "predictions/run1/part.tif", []byte("half"))
	r := w.fsck(t, false)
	require.True(t, r.OK)
	require.Len(t, r.Notes, 1)
	require.Equal(t, "predictions/run1", r.Notes[0].Object)
	require.True(t, w.catchUp(t).OK)
}
