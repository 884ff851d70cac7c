package truth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/store"
)

// furnished is a tiled world with one thing of each kind, its cube tagged at an older snapshot, and the right
// pixels of everything.
func furnished(t *testing.T) *world {
	t.Helper()
	w := tiledWorld(t)
	s := w.cube.Spec()
	for i, f := range []cube.Window{{Height: 200, Width: 180}, {Row: 60, Col: 130, Height: 120, Width: 126}, s.Grid.All()} {
		layouttest.Commit(t, w.cube, layouttest.RandomIn(s, uint64(i), fmt.Sprint("s", i), layouttest.Date(3, 9-i, 0), f))
		if i == 1 {
			view, err := w.cube.At(t.Context(), "")
			require.NoError(t, err)
			id, err := icechunk.ParseID(view.Snapshot())
			require.NoError(t, err)
			require.NoError(t, w.cube.Repo().Tag(t.Context(), "datasets/crops/v1", id))
		}
	}
	w.version(t, 1, "one")
	for _, at := range []string{"labels/fields/r1", "models/net", "predictions/run"} {
		data := []byte("the bytes of " + at)
		w.put(t, at+"/data.bin", data)
		text, err := json.Marshal(map[string]any{"format": 1, "kind": strings.SplitN(at, "/", 2)[0], "name": "x", "created": "2024-01-01T00:00:00Z",
			"files": map[string]string{"data.bin": fmt.Sprintf("%x", sha256.Sum256(data))}})
		require.NoError(t, err)
		w.put(t, at+"/commit.json", text)
	}
	w.catchUp(t)
	require.Empty(t, w.fsck(t, true).Problems)
	return w
}

// kindOf is an object's kind, by its folder.
func kindOf(key string) string {
	parts := strings.Split(key, "/")
	if parts[0] == "cubes" {
		return strings.Join(parts[2:min(3, len(parts))], "")
	}
	return parts[0] + "/" + parts[len(parts)-1]
}

// keys lists the objects by kind. Of the transaction logs the first, which every repository has and no commit
// made, is left out.
func (w *world) keys(t *testing.T) map[string][]string {
	t.Helper()
	kinds := map[string][]string{}
	for info, err := range w.root.List(t.Context(), "") {
		require.NoError(t, err)
		kinds[kindOf(info.Key)] = append(kinds[kindOf(info.Key)], info.Key)
	}
	for _, want := range []string{"repo", "snapshots", "manifests", "transactions", "chunks", "overwritten", "datasets/commit.json", "datasets/manifest.parquet",
		"labels/commit.json", "labels/data.bin", "models/commit.json", "predictions/data.bin"} {
		require.NotEmpty(t, kinds[want], "%v", kinds)
	}
	return kinds
}

// names demands that a problem names a key, or what it is part of, with reason and cure.
func names(t *testing.T, r truth.Report, key, what string) bool {
	t.Helper()
	short := key[strings.LastIndex(key, "/")+1:]
	for _, p := range r.Problems {
		if !assert.NotEmpty(t, p.Object) || !assert.NotEmpty(t, p.Reason) || !assert.NotEmpty(t, p.Cure) {
			return false
		}
	}
	found := slices.ContainsFunc(r.Problems, func(p truth.Problem) bool {
		return strings.Contains(p.Object, key) || strings.Contains(p.Reason, short) || strings.HasSuffix(key, "/repo") && strings.HasSuffix(key, p.Object+"/repo")
	})
	return assert.False(t, r.OK, what) && assert.True(t, found, "%s: %s is not named in %+v", what, key, r.Problems)
}

// harmless reports whether an Icechunk file says the same as before: some bits of the compression mean nothing.
func harmless(kind string, good, bad []byte) bool {
	const header = 39
	if !slices.Contains([]string{"repo", "snapshots", "manifests", "transactions", "overwritten"}, kind) || len(good) != len(bad) || !bytes.Equal(good[:header], bad[:header]) {
		return false
	}
	was, err := inflater.DecodeAll(good[header:], nil)
	is, bust := inflater.DecodeAll(bad[header:], nil)
	return err == nil && bust == nil && bytes.Equal(was, is)
}

var inflater, _ = zstd.NewReader(nil)

// reads demands that whatever is read of all versions is an error or right.
func (w *world) reads(t *testing.T, want map[string][]byte, what string) {
	t.Helper()
	c, err := layout.Open(t.Context(), w.root.Sub("cubes/s2"))
	if err != nil {
		return
	}
	for at, pixels := range w.pixels(t, c) {
		if pixels != nil {
			require.Equal(t, want[at], pixels, "%s: %s", what, at)
		}
	}
}

// unchanged reports whether every cell still reads as before: in a chunk, too, some bits of the compression mean
// nothing, and what stands beyond the edge of an array is never read.
func (w *world) unchanged(t *testing.T, want map[string][]byte) bool {
	t.Helper()
	c, err := layout.Open(t.Context(), w.root.Sub("cubes/s2"))
	return err == nil && maps.EqualFunc(want, w.pixels(t, c), bytes.Equal)
}

// pixels reads each cell of main and of the tag: nil is an error.
func (w *world) pixels(t *testing.T, c *layout.Cube) map[string][]byte {
	t.Helper()
	r, out := read.New(read.Config{CacheBytes: 1 << 20}), map[string][]byte{}
	for _, at := range []string{"", "datasets/crops/v1"} {
		view, err := c.At(t.Context(), at)
		if err != nil {
			continue
		}
		for _, cell := range view.Cells() {
			for _, s := range cell.Slices {
				group, err := view.Frame(cell.Group)
				require.NoError(t, err)
				n := cell.Grid.Width * cell.Grid.Height
				image, valid, flags := make([]byte, n*len(group.Bands)*group.DType.Size()), make([]byte, n), make([]byte, 2*n)
				q := read.Request{Cell: cell.Path, Slices: []cube.SliceID{s.ID}, Window: cell.Grid.All()}
				err = r.Read(t.Context(), view, q, image, valid)
				if err == nil && cell.Group == "10m" {
					err = r.ReadFlags(t.Context(), view, q, flags)
				}
				key := fmt.Sprintf("%s %s %s", at, cell.Path, s.ID)
				if out[key] = nil; err == nil {
					out[key] = slices.Concat(image, valid, flags)
				}
			}
		}
	}
	return out
}

// One bit flipped anywhere in any object, a missing object and one cut short are found and named, and reads give
// an error or what is right. Without TERRAPIN_TORTURE two bits of each object are tried, and six with it.
func TestFsckFindsEveryDamagedObject(t *testing.T) {
	rounds := 4
	if os.Getenv("TERRAPIN_TORTURE") != "" {
		rounds = 8
	}
	w := furnished(t)
	want := w.pixels(t, w.cube)
	rng := rand.New(rand.NewPCG(11, 7))
	for kind, keys := range w.keys(t) {
		for _, key := range keys[:min(len(keys), 3)] {
			good, _, err := w.root.Read(t.Context(), key, store.Range{})
			require.NoError(t, err)
			for round := range rounds {
				bad, what := slices.Clone(good), fmt.Sprintf("%s round %d", key, round)
				switch round {
				case 0:
					bad = bad[:len(bad)-1]
				case 1:
					bad = bad[:len(bad)/2]
				default:
					at := rng.IntN(len(bad))
					if writer := at >= 12 && at < 36; writer && strings.HasPrefix(key, "cubes/") && kind != "chunks" {
						at = len(bad) - 1 - at // the name of the writer, which means nothing
					}
					bad[at] ^= 1 << rng.IntN(8)
					what += fmt.Sprintf(" at byte %d of %d", at, len(bad))
				}
				w.put(t, key, bad)
				if report := w.fsck(t, true); !harmless(kind, good, bad) && !(kind == "chunks" && report.OK && w.unchanged(t, want)) {
					names(t, report, key, what)
				}
				w.reads(t, want, what)
			}
			require.NoError(t, w.root.Delete(t.Context(), key))
			if kind != "overwritten" && key != "cubes/s2/transactions/1CECHNKREP0F1RSTCMT0" { // a collection takes old copies away
				names(t, w.fsck(t, true), key, key+" is gone")
			}
			w.reads(t, want, key+" is gone")
			w.put(t, key, good)
		}
	}
	w.catchUp(t)
	assert.Empty(t, w.fsck(t, true).Problems)
}

// point commits other references as another program could.
func (w *world) point(t *testing.T, change func(tx *icechunk.Tx)) {
	t.Helper()
	tx, err := w.cube.Repo().Begin(t.Context(), "main")
	require.NoError(t, err)
	change(tx)
	_, err = tx.Commit(t.Context(), "not ours", nil)
	require.NoError(t, err)
}

func (w *world) chunk(t *testing.T, path string, index ...uint32) icechunk.Ref {
	t.Helper()
	tx, err := w.cube.Repo().Begin(t.Context(), "main")
	require.NoError(t, err)
	ref, ok, err := tx.Base().Ref(t.Context(), path, index)
	require.NoError(t, err)
	require.True(t, ok, "%s %v", path, index)
	return ref
}

// What is wrong without any object being damaged, as another program or a defect could make it: found, named,
// and read as an error.
func TestFsckFindsLies(t *testing.T) {
	const cell = "/r0c0/10m/"
	for name, c := range map[string]struct {
		lie  func(w *world)
		says string
		full bool // pixels have to be decoded
	}{
		"references swapped": {full: true, says: "r0c0/10m/image", lie: func(w *world) {
			a, b := w.chunk(t, cell+"image", 0, 0, 0, 0), w.chunk(t, cell+"image", 0, 0, 1, 1)
			w.point(t, func(tx *icechunk.Tx) {
				require.NoError(t, tx.SetRef(cell+"image", []uint32{0, 0, 0, 0}, b))
				require.NoError(t, tx.SetRef(cell+"image", []uint32{0, 0, 1, 1}, a))
			})
		}},
		"flags of another slice": {full: true, says: "r0c0/10m/flags", lie: func(w *world) {
			b := w.chunk(t, cell+"flags", 1, 0, 0)
			w.point(t, func(tx *icechunk.Tx) { require.NoError(t, tx.SetRef(cell+"flags", []uint32{0, 0, 0}, b)) })
		}},
		"validity of another resolution's slice": {full: true, says: "r0c1/20m/valid", lie: func(w *world) {
			b := w.chunk(t, "/r0c1/20m/valid", 0, 0, 0, 0)
			w.point(t, func(tx *icechunk.Tx) { require.NoError(t, tx.SetRef("/r0c1/20m/valid", []uint32{1, 0, 0, 0}, b)) })
		}},
		"a chunk taken away": {full: true, says: "r0c0/10m/image", lie: func(w *world) {
			w.point(t, func(tx *icechunk.Tx) {
				require.NoError(t, tx.Remap(cell+"image", func(index []uint32) []uint32 {
					if index[0] == 1 && index[2] == 1 && index[3] == 1 {
						return nil
					}
					return index
				}))
			})
		}},
		"digests of another slice": {says: "r0c0/10m/records/*_sha256", lie: func(w *world) {
			a, b := w.chunk(t, cell+"records/image_sha256", 0, 0, 0, 0), w.chunk(t, cell+"records/image_sha256", 1, 0, 0, 0)
			w.point(t, func(tx *icechunk.Tx) {
				require.NoError(t, tx.SetRef(cell+"records/image_sha256", []uint32{0, 0, 0, 0}, b))
				require.NoError(t, tx.SetRef(cell+"records/image_sha256", []uint32{1, 0, 0, 0}, a))
			})
		}},
		"records of another slice in a cell": {says: "r0c0/20m/records/slice", lie: func(w *world) {
			b := w.chunk(t, "/r0c0/20m/records/slice", 1, 0)
			w.point(t, func(tx *icechunk.Tx) { require.NoError(t, tx.SetRef("/r0c0/20m/records/slice", []uint32{0, 0}, b)) })
		}},
		"records out of order": {says: "out of order", lie: func(w *world) {
			a, b := w.chunk(t, "/records/slice", 0, 0), w.chunk(t, "/records/slice", 2, 0)
			w.point(t, func(tx *icechunk.Tx) {
				require.NoError(t, tx.SetRef("/records/slice", []uint32{0, 0}, b))
				require.NoError(t, tx.SetRef("/records/slice", []uint32{2, 0}, a))
			})
		}},
		"times of another cell": {says: "r0c0/20m/time", lie: func(w *world) {
			b := w.chunk(t, "/r0c1/20m/time", 0)
			w.point(t, func(tx *icechunk.Tx) { require.NoError(t, tx.SetRef("/r0c0/20m/time", []uint32{0}, b)) })
		}},
		"a group with a shorter axis": {says: "r0c0/20m/image", lie: func(w *world) {
			w.point(t, func(tx *icechunk.Tx) {
				node, ok := tx.Base().Node("/r0c0/20m/image")
				require.True(t, ok)
				info := *node.Array
				info.Shape = slices.Clone(info.Shape)
				info.Shape[0]--
				meta := bytes.Replace(node.Meta, []byte(fmt.Sprintf(`"shape":[%d`, info.Shape[0]+1)), []byte(fmt.Sprintf(`"shape":[%d`, info.Shape[0])), 1)
				require.NotEqual(t, node.Meta, meta)
				require.NoError(t, tx.Remap("/r0c0/20m/image", func(index []uint32) []uint32 {
					if uint64(index[0]) >= uint64(info.Shape[0]) {
						return nil
					}
					return index
				}))
				require.NoError(t, tx.PutArray("/r0c0/20m/image", meta, info))
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := furnished(t)
			want := w.pixels(t, w.cube)
			c.lie(w)
			r := w.fsck(t, c.full)
			require.False(t, r.OK)
			found := false
			for _, p := range r.Problems {
				assert.NotEmpty(t, p.Cure)
				found = found || strings.Contains(p.Object+": "+p.Reason, c.says)
			}
			assert.True(t, found, "%+v", r.Problems)
			w.reads(t, want, name)
		})
	}
}

// A tag and a branch that lead to a snapshot which is not there are named with it.
func TestFsckNamesRefsToMissingSnapshots(t *testing.T) {
	w := furnished(t)
	tags, err := w.cube.Repo().Tags(t.Context())
	require.NoError(t, err)
	at := tags["datasets/crops/v1"]
	require.NoError(t, w.cube.Repo().CreateBranch(t.Context(), "mine", at))
	require.NoError(t, w.root.Delete(t.Context(), "cubes/s2/snapshots/"+at.String()))
	text := fmt.Sprint(w.fsck(t, false).Problems)
	for _, want := range []string{at.String(), "tag datasets/crops/v1", "branch mine"} {
		assert.Contains(t, text, want)
	}
}
