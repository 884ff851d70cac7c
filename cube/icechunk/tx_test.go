package icechunk

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

func begin(t *testing.T, r *Repo) *Tx {
	t.Helper()
	tx, err := r.Begin(t.Context(), "main")
	require.NoError(t, err)
	return tx
}

func commit(t *testing.T, tx *Tx, message string) ID {
	t.Helper()
	id, err := tx.Commit(t.Context(), message, nil)
	require.NoError(t, err)
	return id
}

func manifestsOf(t *testing.T, r *Repo, id ID, path string) []manifestRef {
	t.Helper()
	s, err := r.Snapshot(t.Context(), id)
	require.NoError(t, err)
	n, ok := s.node(path)
	require.True(t, ok)
	return n.manifests
}

func TestCreateOpen(t *testing.T) {
	b := newBucket()
	_, err := Open(t.Context(), b, Config{})
	require.True(t, fault.Is(err, fault.NotFound))
	require.NotEmpty(t, fault.CureOf(err))
	r := create(t, b, Config{})
	_, err = Create(t.Context(), b, Config{})
	require.True(t, fault.Is(err, fault.Conflict))
	log, err := r.Log(t.Context(), tip(t, r))
	require.NoError(t, err)
	require.Len(t, log, 1)
	require.Equal(t, InitialID, log[0].ID)
	require.Equal(t, "1CECHNKREP0F1RSTCMT0", InitialID.String())
	require.Nil(t, log[0].Parent)
	s, err := r.Snapshot(t.Context(), InitialID)
	require.NoError(t, err)
	require.Empty(t, s.Nodes())
}

func TestIDs(t *testing.T) {
	for range 100 {
		id := newID()
		back, err := ParseID(id.String())
		require.NoError(t, err)
		require.Equal(t, id, back)
	}
	for _, bad := range []string{"", "main", "1CECHNKREP0F1RSTCMT", "1CECHNKREP0F1RSTCMT1", "1cechnkrep0f1rstcmt0", "1CECHNKREP0F1RSTCMTU"} {
		_, err := ParseID(bad)
		require.True(t, fault.Is(err, fault.Invalid), bad)
	}
}

func TestReopenReadsTheSame(t *testing.T) {
	for name, cfg := range map[string]Config{"inline": {}, "packs": {InlineMax: -1, PackBytes: 20}, "many manifests": {InlineMax: -1, ManifestRefs: 1}, "tiny cache": {CacheBytes: 4}} {
		t.Run(name, func(t *testing.T) {
			b := newBucket()
			id := writeGrid(t, create(t, b, cfg), grid{5, 4})
			r, err := Open(t.Context(), b, cfg)
			require.NoError(t, err)
			require.Equal(t, id, tip(t, r))
			for range 2 {
				require.Equal(t, rowsOf(4, 0, 10, 20, 30, 40), mustValues(t, r, id, "/grid"))
			}
			s, err := r.Snapshot(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, []string{"/", "/grid"}, []string{s.Nodes()[0].Path, s.Nodes()[1].Path})
			n, ok := s.Node("/grid")
			require.True(t, ok)
			require.Equal(t, grid{5, 4}.info(), *n.Array)
			require.JSONEq(t, string(grid{5, 4}.meta()), string(n.Meta))
			var seen [][]uint32
			for c, err := range s.Refs(t.Context(), "/grid") {
				require.NoError(t, err)
				seen = append(seen, c.Index)
			}
			require.Len(t, seen, 10)
			require.True(t, slices.IsSortedFunc(seen, slices.Compare))
			log, err := r.Log(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, map[string]any{"steps": int64(5)}, log[0].Metadata)
			require.Equal(t, InitialID, *log[0].Parent)
		})
	}
}

func TestPacksHoldManyChunks(t *testing.T) {
	b := newBucket()
	writeGrid(t, create(t, b, Config{InlineMax: -1, PackBytes: 16}), grid{2, 8})
	var sizes []int64
	for info, err := range b.List(t.Context(), "chunks/") {
		require.NoError(t, err)
		sizes = append(sizes, info.Size)
	}
	require.Equal(t, []int64{16, 16, 16, 16}, sizes, "8 chunks of 8 bytes, two in a pack")
}

// TestOnlyChangedWindowsAreRewritten: 10 steps of 2 chunks in windows of 2 steps.
func TestOnlyChangedWindowsAreRewritten(t *testing.T) {
	b := newBucket()
	r := create(t, b, Config{ManifestRefs: 4})
	before := manifestsOf(t, r, writeGrid(t, r, grid{10, 4}), "/grid")
	require.Len(t, before, 5)

	tx := begin(t, r)
	setStep(t, r, tx, grid{10, 4}, 4, 400)
	second := commit(t, tx, "one step")
	after := manifestsOf(t, r, second, "/grid")
	require.Len(t, after, 5)
	for i := range after {
		require.Equal(t, i != 2, before[i].id == after[i].id, "window %d", i)
	}
	s, err := r.Snapshot(t.Context(), second)
	require.NoError(t, err)
	require.Len(t, s.info.manifests, 5)

	// Growing leaves every window alone until something is written in the new part.
	tx = begin(t, r)
	g := grid{12, 4}
	require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
	third := commit(t, tx, "grow")
	require.Equal(t, after, manifestsOf(t, r, third, "/grid"))
	changes, err := r.Changes(t.Context(), third)
	require.NoError(t, err)
	require.Len(t, changes.UpdatedArrays, 1)
	require.Empty(t, changes.Chunks)

	// Another window length: windows that share a manifest with a changed one are written anew.
	r2, err := Open(t.Context(), b, Config{ManifestRefs: 6})
	require.NoError(t, err)
	tx = begin(t, r2)
	setStep(t, r2, tx, g, 11, 1100)
	fourth := commit(t, tx, "append")
	require.Equal(t, rowsOf(4, 0, 10, 20, 30, 400, 50, 60, 70, 80, 90, -1, 1100), mustValues(t, r2, fourth, "/grid"))
	require.Equal(t, after[0], manifestsOf(t, r2, fourth, "/grid")[0])
}

func TestScalarArray(t *testing.T) {
	r := create(t, newBucket(), Config{})
	tx := begin(t, r)
	require.NoError(t, tx.PutGroup("/", groupMeta(0)))
	require.NoError(t, tx.PutArray("/ref", []byte("{}"), ArrayInfo{Shape: []uint64{}, NumChunks: []uint32{}}))
	require.NoError(t, tx.SetRef("/ref", []uint32{}, Ref{Inline: []byte{7}}))
	s, err := r.Snapshot(t.Context(), commit(t, tx, "scalar"))
	require.NoError(t, err)
	ref, ok, err := s.Ref(t.Context(), "/ref", nil)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []byte{7}, ref.Inline)
}

func TestNodesKeepTheirIDs(t *testing.T) {
	r := create(t, newBucket(), Config{})
	s1, err := r.Snapshot(t.Context(), writeGrid(t, r, grid{2, 4}))
	require.NoError(t, err)
	tx := begin(t, r)
	g := grid{3, 4}
	require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
	require.NoError(t, tx.PutGroup("/", groupMeta(2)))
	require.NoError(t, tx.PutGroup("/sub", groupMeta(3)))
	s2, err := r.Snapshot(t.Context(), commit(t, tx, "more"))
	require.NoError(t, err)
	for _, n := range s1.Nodes() {
		after, ok := s2.Node(n.Path)
		require.True(t, ok)
		require.Equal(t, n.ID, after.ID)
	}
	c, err := r.Changes(t.Context(), s2.ID())
	require.NoError(t, err)
	root, _ := s1.Node("/")
	sub, _ := s2.Node("/sub")
	require.Equal(t, []NodeID{root.ID}, c.UpdatedGroups)
	require.Equal(t, []NodeID{sub.ID}, c.NewGroups)
	require.Empty(t, c.NewArrays)
}

func TestRefusals(t *testing.T) {
	r := create(t, newBucket(), Config{})
	first := writeGrid(t, r, grid{2, 4})
	g := grid{2, 4}
	tx := begin(t, r)
	for name, err := range map[string]error{
		"zero length inline":  tx.SetRef("/grid", []uint32{0, 0}, Ref{Inline: []byte{}}),
		"zero length object":  tx.SetRef("/grid", []uint32{0, 0}, Ref{Object: ID{1}}),
		"no kind":             tx.SetRef("/grid", []uint32{0, 0}, Ref{Length: 4}),
		"two kinds":           tx.SetRef("/grid", []uint32{0, 0}, Ref{Inline: []byte{1}, Object: ID{1}, Length: 1}),
		"rank":                tx.SetRef("/grid", []uint32{0}, Ref{Inline: []byte{1}}),
		"chunk of a group":    tx.SetRef("/", []uint32{0}, Ref{Inline: []byte{1}}),
		"relative path":       tx.PutGroup("a", groupMeta(0)),
		"dotted path":         tx.PutGroup("/a/../b", groupMeta(0)),
		"slash at the end":    tx.PutGroup("/a/", groupMeta(0)),
		"no parent":           tx.PutGroup("/a/b", groupMeta(0)),
		"below an array":      tx.PutGroup("/grid/b", groupMeta(0)),
		"group over array":    tx.PutGroup("/grid", groupMeta(0)),
		"array over group":    tx.PutArray("/", g.meta(), g.info()),
		"other rank":          tx.PutArray("/grid", g.meta(), ArrayInfo{Shape: []uint64{1}, NumChunks: []uint32{1}}),
		"lengths that differ": tx.PutArray("/b", g.meta(), ArrayInfo{Shape: []uint64{1, 2}, NumChunks: []uint32{1}}),
		"no zarr.json":        tx.PutGroup("/c", nil),
	} {
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", name, err)
	}
	require.True(t, fault.Is(tx.SetRef("/none", []uint32{0}, Ref{Inline: []byte{1}}), fault.NotFound))
	_, err := tx.Commit(t.Context(), "nothing", nil)
	require.ErrorIs(t, err, ErrNoChange)

	s, err := r.Snapshot(t.Context(), first)
	require.NoError(t, err)
	ref, _, err := s.Ref(t.Context(), "/grid", []uint32{1, 1})
	require.NoError(t, err)
	tx = begin(t, r)
	require.NoError(t, tx.SetRef("/grid", []uint32{1, 1}, ref))
	require.NoError(t, tx.PutGroup("/", groupMeta(1)))
	require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
	require.NoError(t, tx.Remap("/grid", func(i []uint32) []uint32 { return i }))
	_, err = tx.Commit(t.Context(), "the same again", nil)
	require.NoError(t, err, "a set after a move is taken as written")

	tx = begin(t, r)
	require.NoError(t, tx.SetRef("/grid", []uint32{1, 1}, ref))
	_, err = tx.Commit(t.Context(), "the same again", nil)
	require.ErrorIs(t, err, ErrNoChange)

	require.NoError(t, tx.SetRef("/grid", []uint32{2, 0}, Ref{Inline: []byte{1}}))
	_, err = tx.Commit(t.Context(), "outside", nil)
	require.True(t, fault.Is(err, fault.Invalid))
	require.ErrorContains(t, err, "[2 0]")
	_, _, err = s.Ref(t.Context(), "/grid", []uint32{2, 0})
	require.True(t, fault.Is(err, fault.Invalid))

	_, err = r.NewPack().Add(t.Context(), nil)
	require.True(t, fault.Is(err, fault.Invalid))
	_, err = r.ReadChunk(t.Context(), Ref{Object: ID{1}, Length: 3})
	require.True(t, fault.Is(err, fault.NotFound))
	_, err = r.ReadChunk(t.Context(), Ref{Object: ID{1}})
	require.True(t, fault.Is(err, fault.Corrupt))
	_, err = r.Begin(t.Context(), "nope")
	require.True(t, fault.Is(err, fault.NotFound))
}

func TestTagsAndBranches(t *testing.T) {
	r := create(t, newBucket(), Config{})
	first := writeGrid(t, r, grid{2, 4})
	require.NoError(t, r.Tag(t.Context(), "datasets/crops/v1", first))
	require.NoError(t, r.Tag(t.Context(), "datasets/crops/v1", first), "again is no error")
	err := r.Tag(t.Context(), "datasets/crops/v1", InitialID)
	require.True(t, fault.Is(err, fault.Conflict))
	require.True(t, fault.Is(r.Tag(t.Context(), "v9", ID{9}), fault.NotFound))
	for _, bad := range []string{"", "a\nb", "\xff", first.String()} {
		require.True(t, fault.Is(r.Tag(t.Context(), bad, first), fault.Invalid), "%q", bad)
	}
	require.NoError(t, r.CreateBranch(t.Context(), "side", InitialID))
	require.True(t, fault.Is(r.CreateBranch(t.Context(), "side", first), fault.Conflict))
	tags, err := r.Tags(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]ID{"datasets/crops/v1": first}, tags)
	branches, err := r.Branches(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]ID{"main": first, "side": InitialID}, branches)
	for ref, want := range map[string]ID{"main": first, "side": InitialID, "datasets/crops/v1": first, first.String(): first} {
		got, err := r.Resolve(t.Context(), ref)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err = r.Resolve(t.Context(), "v7")
	require.True(t, fault.Is(err, fault.NotFound))
	require.Equal(t, "branches: main, side; tags: datasets/crops/v1", fault.CureOf(err))
}

// TestUpdatesOverflow: the log is cut at 1000 and the rest stays reachable; time stands still, and
// yet the timestamps rise.
func TestUpdatesOverflow(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	still := func() time.Time { return noon }
	b := store.New(&clockDriver{Driver: mem.New(), now: still}, "mem://still").Sub("r")
	r := create(t, b, Config{Now: still})
	for i := range maxUpdates + 2 {
		require.NoError(t, r.Tag(t.Context(), fmt.Sprintf("t%04d", i), InitialID))
	}
	st, err := r.state(t.Context())
	require.NoError(t, err)
	ups := st.info.updates
	require.Len(t, ups, maxUpdates)
	require.Empty(t, ups[0].backup)
	for i := 1; i < len(ups); i++ {
		require.Greater(t, ups[i-1].at, ups[i].at)
		require.NotEmpty(t, ups[i].backup)
	}
	raw, _, err := b.Read(t.Context(), "overwritten/"+st.info.before, store.Range{})
	require.NoError(t, err)
	flat, err := unseal(repoFile, raw)
	require.NoError(t, err)
	older, err := decodeRepo(flat)
	require.NoError(t, err)
	require.Equal(t, ups[len(ups)-1].at-1, older.updates[0].at, "the chain goes on where the log ends")
}

func TestReadOnlyRepositoryRefusesWrites(t *testing.T) {
	b := newBucket()
	r := create(t, b, Config{})
	st, err := r.state(t.Context())
	require.NoError(t, err)
	info := st.info.clone()
	info.status = repoStatus{availability: 1, reason: "moved to the archive"}
	_, err = r.swap(t.Context(), st, info, update{kind: repoStatusChanged, status: &info.status})
	require.NoError(t, err)
	err = r.Tag(t.Context(), "v1", InitialID)
	require.True(t, fault.Is(err, fault.Precondition))
	require.ErrorContains(t, err, "moved to the archive")
}
