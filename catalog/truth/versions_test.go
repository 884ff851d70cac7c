package truth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/catalog/truth"
)

// revision writes a revision of a label set as labels does: its item, and the collection as it stands.
func (w *world) revision(t *testing.T, n int, state string, follows int) {
	t.Helper()
	when := time.Date(2024, 1, n, 0, 0, 0, 0, time.UTC)
	id := fmt.Sprintf("crops-r%d", n)
	item := stac.Item{ID: id, Collection: "labels-crops", Properties: stac.Fields{"datetime": when}}
	if follows > 0 {
		item.Links = []stac.Link{{Rel: "predecessor-version", Href: stac.ItemHref("labels-crops", fmt.Sprintf("crops-r%d", follows))}}
	}
	itemDoc, err := item.JSON()
	require.NoError(t, err)
	collection, err := stac.Collection{
		ID: "labels-crops", Title: id, Description: "d", Extent: stac.Extent{Spatial: [][]float64{{0, 0, 1, 1}}, Temporal: [][2]*time.Time{{nil, &when}}},
		Links: []stac.Link{{Rel: "latest-version", Href: stac.ItemHref("labels-crops", id)}},
	}.JSON()
	require.NoError(t, err)
	commit, err := json.Marshal(map[string]any{"format": 1, "kind": "labels", "name": "crops", "state": state, "created": when,
		"stac": map[string]any{"collections": []json.RawMessage{collection}, "items": []json.RawMessage{itemDoc}}})
	require.NoError(t, err)
	w.put(t, fmt.Sprintf("labels/crops/r%d/commit.json", n), commit)
}

// neighbours are the hrefs of a document's links between versions, by relation.
func neighbours(t *testing.T, doc json.RawMessage) map[string]string {
	t.Helper()
	var in struct{ Links []struct{ Rel, Href string } }
	require.NoError(t, json.Unmarshal(doc, &in))
	out := map[string]string{}
	for _, l := range in.Links {
		switch l.Rel {
		case "latest-version", "successor-version", "predecessor-version":
			require.NotContains(t, out, l.Rel)
			out[l.Rel] = strings.TrimPrefix(l.Href, "\x00")
		}
	}
	return out
}

func (w *world) item(t *testing.T, id string) map[string]string {
	t.Helper()
	doc, err := w.cat.Item(context.Background(), catalog.Everything(), catalog.ItemRef{Collection: "labels-crops", ID: id})
	require.NoError(t, err)
	return neighbours(t, doc)
}

func (w *world) collection(t *testing.T, id string) json.RawMessage {
	t.Helper()
	doc, err := w.cat.Collection(context.Background(), catalog.Everything(), id)
	require.NoError(t, err)
	return doc
}

// sameFromNothing holds the catalog to one that is made again.
func (w *world) sameFromNothing(t *testing.T) {
	t.Helper()
	fresh := newCatalog(t)
	_, err := truth.Rebuild(context.Background(), w.root, fresh)
	require.NoError(t, err)
	require.Equal(t, everything(t, fresh), everything(t, w.cat))
	r := w.fsck(t, true)
	require.True(t, r.OK, r.Problems)
}

func TestOlderVersionsLeadToTheLatest(t *testing.T) {
	w := newWorld(t)
	for n := 1; n <= 10; n++ {
		w.version(t, n, fmt.Sprint("title ", n))
		w.catchUp(t)
		w.sameFromNothing(t)
		for i := 1; i <= n; i++ {
			links := neighbours(t, w.collection(t, fmt.Sprintf("dataset-crops-v%d", i)))
			require.Equal(t, fmt.Sprintf("collections/dataset-crops-v%d", n), links["latest-version"])
		}
	}
}

func TestTheLatestLabelsAreAccepted(t *testing.T) {
	w := newWorld(t)
	at := func(id string) string { return "collections/labels-crops/items/crops-" + id }
	w.revision(t, 1, "draft", 0)
	w.catchUp(t)
	require.Empty(t, neighbours(t, w.collection(t, "labels-crops")), "a draft is no version to be led to")
	w.sameFromNothing(t)

	w.revision(t, 2, "accepted", 1)
	w.catchUp(t)
	w.sameFromNothing(t)
	w.revision(t, 3, "draft", 2)
	w.catchUp(t)
	w.sameFromNothing(t)
	doc := w.collection(t, "labels-crops")
	require.Equal(t, map[string]string{"latest-version": at("r2")}, neighbours(t, doc))
	require.Contains(t, string(doc), `"title":"crops-r2"`)
	require.Contains(t, string(doc), `2024-01-03`, "the extent covers the draft too")
	require.Equal(t, map[string]string{"latest-version": at("r2"), "successor-version": at("r2")}, w.item(t, "crops-r1"))
	require.Equal(t, map[string]string{"latest-version": at("r2"), "predecessor-version": at("r1")}, w.item(t, "crops-r2"))
	require.Equal(t, map[string]string{"latest-version": at("r2"), "predecessor-version": at("r2")}, w.item(t, "crops-r3"))

	w.revision(t, 4, "accepted", 3)
	w.catchUp(t)
	w.sameFromNothing(t)
	require.Equal(t, map[string]string{"latest-version": at("r4"), "predecessor-version": at("r2"), "successor-version": at("r4")}, w.item(t, "crops-r3"))
}

// dated writes a version that was made in an hour, with the collection that all of them share.
func (w *world) dated(t *testing.T, folder string, hour int) {
	t.Helper()
	when := time.Date(2024, 1, 1, hour, 0, 0, 0, time.UTC)
	doc := func(id string) json.RawMessage {
		out, err := stac.Collection{ID: id, Title: folder, Description: "d", Extent: stac.Extent{Spatial: [][]float64{{0, 0, 1, 1}}, Temporal: [][2]*time.Time{{&when, nil}}}}.JSON()
		require.NoError(t, err)
		return out
	}
	commit, err := json.Marshal(map[string]any{"format": 1, "created": when,
		"stac": map[string]any{"collections": []json.RawMessage{doc(strings.ReplaceAll(folder, "/", "-")), doc("shared")}, "items": []json.RawMessage{}}})
	require.NoError(t, err)
	w.put(t, folder+"/commit.json", commit)
}

func TestAClockThatStepsBackPutsNothingOldOverTheNew(t *testing.T) {
	w := newWorld(t)
	newest := func(folder string) {
		t.Helper()
		w.catchUp(t)
		require.Contains(t, string(w.collection(t, "shared")), `"title":"`+folder+`"`)
		w.sameFromNothing(t)
	}
	w.dated(t, "datasets/a/v9", 10)
	newest("datasets/a/v9")
	w.dated(t, "datasets/a/v10", 5) // the clock was put back
	newest("datasets/a/v10")
	w.dated(t, "datasets/b/v1", 7)
	newest("datasets/b/v1")
	for _, v := range []string{"v9", "v10"} {
		require.Equal(t, "collections/datasets-a-v10", neighbours(t, w.collection(t, "datasets-a-"+v))["latest-version"])
	}
	w.dated(t, "datasets/a/v11", 8)
	newest("datasets/a/v11")
}
