package icechunk

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// official runs a verb of testdata/official.py on a repository directory.
func official(t *testing.T, into any, verb, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Getenv("TERRAPIN_PYTHON"), append([]string{"testdata/official.py", verb, dir}, args...)...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	require.NoError(t, err, "%s: %s", verb, out)
	require.NoError(t, json.Unmarshal(out, into))
}

func officialDir(t *testing.T) (*store.Bucket, string) {
	t.Helper()
	if os.Getenv("TERRAPIN_PYTHON") == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official icechunk to check against")
	}
	dir := t.TempDir()
	d, err := file.New(dir)
	require.NoError(t, err)
	return store.New(d, "file://"+dir).Sub("repo"), filepath.Join(dir, "repo")
}

type officialNode struct {
	Shape  []int
	Dims   []string
	Values json.RawMessage
	Attrs  map[string]any
}

func (n officialNode) rows(t *testing.T) (rows [][]int32) {
	t.Helper()
	require.NoError(t, json.Unmarshal(n.Values, &rows))
	return rows
}

type officialView struct {
	Log []struct {
		ID, Message string
		Parent      *string
		Metadata    map[string]any
	}
	Branches, Tags map[string]string
	Main           map[string]officialNode
	At             map[string]map[string]officialNode
	Manifests      map[string]int
}

type officialDiff struct {
	NewGroups     []string            `json:"new_groups"`
	NewArrays     []string            `json:"new_arrays"`
	UpdatedGroups []string            `json:"updated_groups"`
	UpdatedArrays []string            `json:"updated_arrays"`
	DeletedArrays []string            `json:"deleted_arrays"`
	UpdatedChunks map[string][][]uint `json:"updated_chunks"`
}

// TestOfficialReadsOurs: a repository written here from the first byte, read and committed on by
// the official library, in turns.
func TestOfficialReadsOurs(t *testing.T) {
	for name, cfg := range map[string]Config{
		"packs":  {Writer: "terrapin-test", InlineMax: -1, ManifestRefs: 4},
		"inline": {ManifestRefs: 4},
	} {
		t.Run(name, func(t *testing.T) { takeTurns(t, cfg) })
	}
}

func takeTurns(t *testing.T, cfg Config) {
	b, dir := officialDir(t)
	r := create(t, b, cfg)
	var view officialView

	first := writeGrid(t, r, grid{5, 4})
	require.NoError(t, r.Tag(t.Context(), "datasets/crops/v1", first))
	require.NoError(t, r.CreateBranch(t.Context(), "side", first))
	official(t, &view, "read", dir)
	require.Equal(t, rowsOf(4, 0, 10, 20, 30, 40), view.Main["grid"].rows(t))
	require.Equal(t, []string{"time", "x"}, view.Main["grid"].Dims)
	require.Equal(t, map[string]string{"datasets/crops/v1": first.String()}, view.Tags)
	require.Equal(t, map[string]string{"main": first.String(), "side": first.String()}, view.Branches)
	require.Len(t, view.Log, 2)
	require.Equal(t, map[string]any{"steps": 5.0}, view.Log[0].Metadata)
	require.Equal(t, InitialID.String(), view.Log[1].ID)
	require.Equal(t, map[string]any{"__icechunk": map[string]any{"is_root": true}}, view.Log[1].Metadata)
	require.Equal(t, 3, view.Manifests[first.String()], "5 steps in windows of 2")

	var theirs struct{ ID string }
	official(t, &theirs, "append", dir, "grid", "77")
	tx, err := r.Begin(t.Context(), "main")
	require.NoError(t, err)
	require.Equal(t, theirs.ID, tx.Base().ID().String())
	require.Equal(t, [][]int32{{77, 77, 77, 77}}, mustValues(t, r, tx.Base().ID(), "/grid")[5:])

	// A late scene at step 1: references move, the array grows, a chunk of theirs moves too.
	g := grid{7, 4}
	require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
	require.NoError(t, tx.Remap("/grid", func(i []uint32) []uint32 {
		if i[0] >= 1 {
			i[0]++
		}
		return i
	}))
	setStep(t, r, tx, g, 1, 500)
	late, err := tx.Commit(t.Context(), "late scene", map[string]any{"nested": map[string]any{"list": []any{1, 2.5, nil, "s", true}}})
	require.NoError(t, err)
	want := append(rowsOf(4, 0, 500, 10, 20, 30, 40), []int32{77, 77, 77, 77})
	require.Equal(t, want, mustValues(t, r, late, "/grid"))

	view = officialView{}
	official(t, &view, "read", dir)
	require.Equal(t, want, view.Main["grid"].rows(t))
	require.Equal(t, rowsOf(4, 0, 10, 20, 30, 40), view.At["datasets/crops/v1"]["grid"].rows(t))
	require.Equal(t, []string{"late scene", "official append 77", "write grid", "Repository initialized"}, messages(view))
	require.Equal(t, map[string]any{"nested": map[string]any{"list": []any{1.0, 2.5, nil, "s", true}}}, view.Log[0].Metadata)

	var d officialDiff
	official(t, &d, "diff", dir, theirs.ID, late.String())
	require.Equal(t, []string{"/grid"}, d.UpdatedArrays)
	require.Empty(t, d.NewArrays)
	require.Len(t, d.UpdatedChunks["/grid"], 12, "steps 1 to 6, two chunks each")
	official(t, &d, "diff", dir, InitialID.String(), first.String())
	require.Equal(t, []string{"/grid"}, d.NewArrays)
	require.Equal(t, []string{"/"}, d.NewGroups)

	// Shrunk by them, grown again by us: what was cut off stays away.
	official(t, &theirs, "shrink", dir, "grid", "2")
	tx, err = r.Begin(t.Context(), "main")
	require.NoError(t, err)
	g = grid{4, 4}
	require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
	again, err := tx.Commit(t.Context(), "grow again", nil)
	require.NoError(t, err)
	require.Equal(t, rowsOf(4, 0, 500, -1, -1), mustValues(t, r, again, "/grid"))
	view = officialView{}
	official(t, &view, "read", dir)
	require.Equal(t, rowsOf(4, 0, 500, -1, -1), view.Main["grid"].rows(t))
}

func messages(v officialView) (list []string) {
	for _, s := range v.Log {
		list = append(list, s.Message)
	}
	return list
}

// TestOurReadsOfficial: a repository the official library made, with split manifests, inline,
// native and virtual chunks and a short operations log.
func TestOurReadsOfficial(t *testing.T) {
	for _, split := range []string{"0", "2"} {
		t.Run("split "+split, func(t *testing.T) {
			b, dir := officialDir(t)
			var theirs struct{ ID string }
			official(t, &theirs, "create", dir, split, "3")
			r, err := Open(t.Context(), b, Config{InlineMax: 4, ManifestRefs: 4})
			require.NoError(t, err)
			first, err := r.Resolve(t.Context(), "v1")
			require.NoError(t, err)
			require.Equal(t, theirs.ID, first.String())
			require.Equal(t, [][]int32{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11}, {12, 13, 14, 15}, {16, 17, 18, 19}}, mustValues(t, r, first, "/cube"))
			require.Equal(t, int32(99), mustValues(t, r, first, "/wide")[0][99])
			log, err := r.Log(t.Context(), first)
			require.NoError(t, err)
			require.Equal(t, map[string]any{"k": []any{int64(1), 2.5, nil, "s", true, map[string]any{"x": int64(-1)}}}, log[0].Metadata)
			s, err := r.Snapshot(t.Context(), first)
			require.NoError(t, err)
			far, ok, err := s.Ref(t.Context(), "/far", []uint32{0})
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, "file:///somewhere/scene.tif", far.Location)
			_, err = r.ReadChunk(t.Context(), far)
			require.True(t, fault.Is(err, fault.Precondition))
			require.ErrorContains(t, err, far.Location)
			require.ErrorContains(t, err, "not authorised")

			tx, err := r.Begin(t.Context(), "main")
			require.NoError(t, err)
			require.NoError(t, tx.SetRef("/cube", []uint32{2, 1}, Ref{Inline: chunk(-5, -6)}))
			require.NoError(t, tx.Remap("/far", func(i []uint32) []uint32 { return []uint32{1 - i[0]} }))
			second, err := tx.Commit(t.Context(), "ours", nil)
			require.NoError(t, err)
			require.NoError(t, r.Tag(t.Context(), "v2", second))

			after, err := r.Snapshot(t.Context(), second)
			require.NoError(t, err)
			kept, ok, err := after.Ref(t.Context(), "/far", []uint32{1})
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, far, kept, "a rewritten manifest carries virtual references")

			official(t, &theirs, "append", dir, "cube", "8")
			var collected map[string]int
			official(t, &collected, "collect", dir)
			require.Zero(t, collected["chunks"]+collected["manifests"]+collected["snapshots"]+collected["logs"])
			last := tip(t, r)
			require.Equal(t, theirs.ID, last.String())
			require.Equal(t, [][]int32{{8, 9, -5, -6}, {12, 13, 14, 15}, {16, 17, 18, 19}, {8, 8, 8, 8}}, mustValues(t, r, last, "/cube")[2:])
		})
	}
}

// TestOfficialOperationsLog: the chain of repo files stays whole when the log overflows.
func TestOfficialOperationsLog(t *testing.T) {
	b, dir := officialDir(t)
	var theirs struct{ ID string }
	official(t, &theirs, "create", dir, "0", "3")
	r, err := Open(t.Context(), b, Config{})
	require.NoError(t, err)
	for i := range 5 {
		tx, err := r.Begin(t.Context(), "main")
		require.NoError(t, err)
		require.NoError(t, tx.SetRef("/wide", []uint32{1, 0}, Ref{Inline: []byte{byte(i + 1)}}))
		_, err = tx.Commit(t.Context(), "commit", nil)
		require.NoError(t, err)
	}
	st, err := r.state(t.Context())
	require.NoError(t, err)
	require.Len(t, st.info.updates, 3)
	require.NotEmpty(t, st.info.before)
	var log []string
	official(t, &log, "updates", dir)
	require.Equal(t, []string{"NewCommit", "NewCommit", "NewCommit", "NewCommit", "NewCommit", "BranchCreated", "TagCreated", "NewCommit", "RepoInitialized"}, log)
}

// TestOfficialCollectsOnlyGarbage: what a failed commit left behind goes, everything else stays.
func TestOfficialCollectsOnlyGarbage(t *testing.T) {
	b, dir := officialDir(t)
	r := create(t, b, Config{InlineMax: -1, ManifestRefs: 4})
	first := writeGrid(t, r, grid{5, 4})
	other, err := Open(t.Context(), b, Config{InlineMax: -1, ManifestRefs: 4})
	require.NoError(t, err)
	loser, err := other.Begin(t.Context(), "main") // it does not see the winner before all is written
	require.NoError(t, err)
	setStep(t, other, loser, grid{5, 4}, 0, 900)
	winner, err := r.Begin(t.Context(), "main")
	require.NoError(t, err)
	setStep(t, r, winner, grid{5, 4}, 0, 800)
	second, err := winner.Commit(t.Context(), "winner", nil)
	require.NoError(t, err)
	_, err = loser.Commit(t.Context(), "loser", nil)
	require.ErrorIs(t, err, ErrMoved)

	var collected map[string]int
	official(t, &collected, "collect", dir)
	require.Equal(t, map[string]int{"chunks": 1, "manifests": 1, "snapshots": 1, "logs": 1}, collected)
	fresh, err := Open(t.Context(), b, Config{})
	require.NoError(t, err)
	require.Equal(t, rowsOf(4, 0, 10, 20, 30, 40), mustValues(t, fresh, first, "/grid"))
	require.Equal(t, rowsOf(4, 800, 10, 20, 30, 40), mustValues(t, fresh, second, "/grid"))
	tx, err := fresh.Begin(t.Context(), "main")
	require.NoError(t, err)
	require.NoError(t, tx.SetRef("/grid", []uint32{0, 0}, Ref{Inline: chunk(1, 2)}))
	_, err = tx.Commit(t.Context(), "after collection", nil)
	require.NoError(t, err)
}
