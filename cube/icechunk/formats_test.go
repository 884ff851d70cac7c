package icechunk

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

var updateSeeds = flag.Bool("update", false, "write the fuzz seeds anew")

func sampleRepo() *repoInfo {
	a, b := ID{1}, ID{2}
	status := repoStatus{availability: 1, setAt: 9, reason: "moved"}
	return &repoInfo{
		tags: []named{{"v1", b}, {"v2", a}}, branches: []named{{"main", b}, {"side", a}}, deletedTags: []string{"gone"},
		snapshots: []snapshotEntry{
			{id: a, flushed: 5, message: "first", metadata: []metaItem{{"k", mustFlex(map[string]any{"x": []any{int64(1), nil}})}}, pruned: []ID{{7}}},
			{id: b, parent: &a, flushed: 6, message: "", metadata: []metaItem{}, pruned: []ID{}},
		},
		status: repoStatus{setAt: 3}, metadata: []metaItem{{"m", mustFlex("s")}},
		updates: []update{
			{kind: newCommit, name: "main", next: b, at: 60},
			{kind: commitAmended, name: "main", prev: a, next: b, at: 50, backup: "repo.1"},
			{kind: tagDeleted, name: "gone", prev: a, at: 40}, {kind: branchReset, name: "main", prev: a, at: 39},
			{kind: branchDeleted, name: "x", prev: a, at: 38}, {kind: tagCreated, name: "v1", at: 37},
			{kind: branchCreated, name: "side", at: 36}, {kind: detachedSnapshot, next: a, at: 35},
			{kind: featureFlagChanged, flag: 4, from: 1, to: 1, at: 34}, {kind: repoStatusChanged, status: &status, at: 33},
			{kind: repoMigrated, from: 1, to: 2, at: 32}, {kind: configChanged, at: 31}, {kind: metadataChanged, at: 30},
			{kind: gcRan, at: 29}, {kind: expirationRan, at: 28}, {kind: repoInitialized, at: 1},
		},
		before: "repo.0", config: mustFlex(map[string]any{"num_updates_per_repo_info_file": int64(7)}),
		enabled: []uint16{3}, disabled: []uint16{4, 5}, extra: []byte("later"),
	}
}

func sampleSnapshot() *snapshotInfo {
	return &snapshotInfo{
		id: ID{2}, flushed: 7, message: "m", metadata: []metaItem{{"k", mustFlex(true)}}, extra: []byte{1},
		nodes: []snapshotNode{
			{Node: Node{ID: NodeID{1}, Path: "/", Meta: []byte("{}")}},
			{Node: Node{ID: NodeID{2}, Path: "/a", Meta: []byte("{1}"), Array: &ArrayInfo{Shape: []uint64{5, 4}, NumChunks: []uint32{5, 2}, Dims: []string{"t", ""}}},
				manifests: []manifestRef{{ID{9}, []extent{{0, 2}, {0, 2}}}, {ID{10}, []extent{{2, 5}, {0, 2}}}}, extra: []byte{2}},
			{Node: Node{ID: NodeID{3}, Path: "/s", Meta: []byte("{}"), Array: &ArrayInfo{Shape: []uint64{}, NumChunks: []uint32{}}}, manifests: []manifestRef{{ID{9}, []extent{}}}},
		},
		manifests: []manifestInfo{{ID{9}, 100, 4, nil}, {ID{10}, 200, 6, []byte{3}}},
	}
}

func sampleChunks() []ChunkAt {
	return []ChunkAt{
		{[]uint32{0, 0}, Ref{Inline: []byte("abc")}},
		{[]uint32{0, 3}, Ref{Object: ID{4}, Offset: 1 << 40, Length: 12, extra: []byte{1}}},
		{[]uint32{2, 0}, Ref{Location: "s3://b/k", Offset: 1, Length: 2, ETag: "\"e\""}},
		{[]uint32{2, 1}, Ref{Location: "s3://b/k", Offset: 1, Length: 2, LastModified: 77}},
	}
}

func sampleLog() *transactionLog {
	return &transactionLog{
		id: ID{5}, newGroups: []NodeID{{1}}, newArrays: []NodeID{{2}, {3}}, deletedGroups: []NodeID{}, deletedArrays: []NodeID{},
		updatedArrays: []NodeID{{4}}, updatedGroups: []NodeID{}, chunks: []updatedChunks{{NodeID{2}, [][]uint32{{0, 1}, {3, 4}}}},
	}
}

func mustFlex(v any) []byte {
	data, err := encodeFlex(v)
	if err != nil {
		panic(err)
	}
	return data
}

func TestRoundTrips(t *testing.T) {
	r := sampleRepo()
	flat, err := r.encode()
	require.NoError(t, err)
	gotRepo, err := decodeRepo(flat)
	require.NoError(t, err)
	require.Equal(t, r, gotRepo)
	require.Equal(t, 7, gotRepo.updatesPerFile())

	s := sampleSnapshot()
	gotSnap, err := decodeSnapshot(s.encode())
	require.NoError(t, err)
	require.Equal(t, s, gotSnap)

	l := sampleLog()
	gotLog, err := decodeTransactionLog(l.encode())
	require.NoError(t, err)
	require.Equal(t, l, gotLog)

	flat = encodeManifest(ID{6}, NodeID{2}, sampleChunks())
	require.Zero(t, rootTable(flat).u8(3, 1), "absent would mean compressed locations")
	m, err := decodeManifest(flat)
	require.NoError(t, err)
	for i, want := range sampleChunks() {
		got, err := m.at(m.refs(NodeID{2}), i)
		require.NoError(t, err)
		require.Equal(t, want, got)
		ref, ok, err := m.find(NodeID{2}, want.Index)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want.Ref, ref)
	}
	for _, absent := range [][]uint32{{0, 1}, {1, 0}, {2, 2}, {9, 9}} {
		_, ok, err := m.find(NodeID{2}, absent)
		require.NoError(t, err)
		require.False(t, ok)
	}
	_, ok, err := m.find(NodeID{7}, []uint32{0, 0})
	require.NoError(t, err)
	require.False(t, ok)
}

func TestFlexBuffers(t *testing.T) {
	deep := any("bottom")
	for range 30 {
		deep = []any{map[string]any{"d": deep}}
	}
	for _, v := range []any{
		nil, true, false, int64(0), int64(-1), int64(math.MinInt64), uint64(math.MaxUint64), 2.5, "", "grüße\x00", []any{}, map[string]any{},
		[]any{int64(1), "two", nil, 3.5, []any{true}}, map[string]any{"b": int64(1), "a": map[string]any{"": "empty key"}}, deep,
	} {
		data, err := encodeFlex(v)
		require.NoError(t, err)
		got, err := decodeFlex(data)
		require.NoError(t, err)
		require.Equal(t, v, got)
	}
	data, err := encodeFlex(struct {
		N json.Number `json:"n"`
		L []string    `json:"l"`
	}{"12", []string{"x"}})
	require.NoError(t, err)
	got, err := decodeFlex(data)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"n": int64(12), "l": []any{"x"}}, got)
	for _, bad := range []any{math.NaN(), math.Inf(1), map[string]any{"a\x00b": 1}, make(chan int)} {
		_, err := encodeFlex(bad)
		require.True(t, fault.Is(err, fault.Invalid), "%v", bad)
	}
}

// TestFlexBuffersOfOthers decodes what other writers produce and ours does not: narrow widths,
// typed vectors, indirect scalars. The bytes follow the examples of the FlexBuffers description.
func TestFlexBuffersOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want any
	}{
		"int8":            {[]byte{0xfe, flexInt << 2, 1}, int64(-2)},
		"float32":         {[]byte{0, 0, 0x20, 0x40, flexFloat<<2 | 2, 4}, 2.5},
		"typed ints":      {[]byte{3, 1, 2, 255, 3, flexVectorInt << 2, 1}, []any{int64(1), int64(2), int64(-1)}},
		"tuple of uints":  {[]byte{7, 200, 2, 17 << 2, 1}, []any{int64(7), int64(200)}},
		"vector of bools": {[]byte{2, 1, 0, 2, flexVectorBool << 2, 1}, []any{true, false}},
		"indirect int":    {[]byte{0x39, 0x30, 2, flexIndirectInt<<2 | 1, 1}, int64(12345)},
		"string":          {[]byte{2, 'h', 'i', 0, 3, flexString << 2, 1}, "hi"},
	} {
		got, err := decodeFlex(c.data)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}

func TestRefusedFiles(t *testing.T) {
	flat, err := sampleRepo().encode()
	require.NoError(t, err)
	good := seal(repoFile, "w", flat)
	patch := func(at int, v byte) []byte {
		c := append([]byte(nil), good...)
		c[at] = v
		return c
	}
	for name, c := range map[string]struct {
		data []byte
		kind fault.Kind
		says string
	}{
		"empty":               {nil, fault.Corrupt, "not an Icechunk file"},
		"cut in the header":   {good[:38], fault.Corrupt, "not an Icechunk file"},
		"other magic":         {patch(0, 'X'), fault.Corrupt, "not an Icechunk file"},
		"version 1":           {patch(36, 1), fault.Unsupported, "spec version 1"},
		"version 3":           {patch(36, 3), fault.Unsupported, "spec version 3"},
		"a snapshot":          {patch(37, 1), fault.Corrupt, "is a snapshot"},
		"unknown type":        {patch(37, 99), fault.Corrupt, "unknown file type 99"},
		"unknown compression": {patch(38, 7), fault.Unsupported, "compression 7"},
		"cut in the body":     {good[:len(good)-5], fault.Corrupt, "decode repo"},
		"no body":             {good[:39], fault.Corrupt, "no FlatBuffer"},
	} {
		flat, err := unseal(repoFile, c.data)
		if err == nil {
			_, err = decodeRepo(flat)
		}
		require.True(t, fault.Is(err, c.kind), "%s: %v", name, err)
		require.ErrorContains(t, err, c.says, name)
	}
	plainFile := append(append([]byte(nil), good[:38]...), plain)
	flat, err = unseal(repoFile, append(plainFile, flat...))
	require.NoError(t, err)
	_, err = decodeRepo(flat)
	require.NoError(t, err, "an uncompressed file is as good")
}

// TestCorruptContent: files that decode but contradict themselves.
func TestCorruptContent(t *testing.T) {
	repo := func(change func(*repoInfo)) func() error {
		return func() error {
			r := sampleRepo()
			change(r)
			flat, err := r.encode()
			require.NoError(t, err)
			_, err = decodeRepo(flat)
			return err
		}
	}
	snap := func(change func(*snapshotInfo)) func() error {
		return func() error {
			s := sampleSnapshot()
			change(s)
			_, err := decodeSnapshot(s.encode())
			return err
		}
	}
	chunks := func(change func([]ChunkAt)) func() error {
		return func() error {
			c := sampleChunks()
			change(c)
			m, err := decodeManifest(encodeManifest(ID{6}, NodeID{2}, c))
			if err == nil {
				_, err = m.at(m.refs(NodeID{2}), 0)
			}
			return err
		}
	}
	for says, run := range map[string]func() error{
		"no branch main":         repo(func(r *repoInfo) { r.branches = r.branches[1:] }),
		"no update":              repo(func(r *repoInfo) { r.updates = nil }),
		"refs out of order":      repo(func(r *repoInfo) { r.tags[0], r.tags[1] = r.tags[1], r.tags[0] }),
		"snapshots out of order": repo(func(r *repoInfo) { r.snapshots[1].id = ID{1} }),
		"snapshot 2 of 2":        repo(func(r *repoInfo) { r.tags[0].at = ID{99} }),
		"nodes out of order":     snap(func(s *snapshotInfo) { s.nodes[0].Path = "/z" }),
		"2 extents for 0":        snap(func(s *snapshotInfo) { s.nodes[2].manifests = s.nodes[1].manifests }),
		"2 dimensions and 1":     snap(func(s *snapshotInfo) { s.nodes[1].Array.Dims = []string{"t"} }),
		"references out of order": chunks(func(c []ChunkAt) {
			c[0], c[1] = c[1], c[0]
		}),
		"of 2 kinds at once": chunks(func(c []ChunkAt) { c[0].Ref.Object = ID{1} }),
		"of 0 kinds at once": chunks(func(c []ChunkAt) { c[0].Ref = Ref{Length: 3} }),
	} {
		err := run()
		require.True(t, fault.Is(err, fault.Corrupt), "%s: %v", says, err)
		require.ErrorContains(t, err, says)
	}
}

func TestUnknownUpdateIsReadNotRewritten(t *testing.T) {
	r := sampleRepo()
	r.updates[0].kind = 17
	_, err := r.encode()
	require.True(t, fault.Is(err, fault.Unsupported))
	require.ErrorContains(t, err, "unknown kind 17")
}

// seeds are the flat files every fuzz function starts from; they lie in testdata/seeds as well.
func seeds() map[string][]byte {
	repo, _ := sampleRepo().encode()
	return map[string][]byte{
		"repo": repo, "snapshot": sampleSnapshot().encode(), "transactions": sampleLog().encode(),
		"manifest": encodeManifest(ID{6}, NodeID{2}, sampleChunks()), "flex": mustFlex(map[string]any{"a": []any{int64(1), "x", nil, 2.5}}),
		"file": seal(repoFile, "terrapin", repo),
	}
}

// TestGoldenSeeds: files written by an earlier release stay readable and mean the same.
func TestGoldenSeeds(t *testing.T) {
	for name, data := range seeds() {
		path := filepath.Join("testdata", "seeds", name)
		if *updateSeeds {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, data, 0o644))
		}
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", "seeds", name))
		require.NoError(t, err)
		return data
	}
	flat, err := unseal(repoFile, read("file"))
	require.NoError(t, err)
	for _, data := range [][]byte{flat, read("repo")} {
		r, err := decodeRepo(data)
		require.NoError(t, err)
		require.Equal(t, sampleRepo(), r)
	}
	s, err := decodeSnapshot(read("snapshot"))
	require.NoError(t, err)
	require.Equal(t, sampleSnapshot(), s)
	l, err := decodeTransactionLog(read("transactions"))
	require.NoError(t, err)
	require.Equal(t, sampleLog(), l)
	m, err := decodeManifest(read("manifest"))
	require.NoError(t, err)
	require.Equal(t, len(sampleChunks()), m.refs(NodeID{2}).n)
}

func fuzzDecoder(f *testing.F, seed string, decode func([]byte) error) {
	data, err := os.ReadFile(filepath.Join("testdata", "seeds", seed))
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		err := decode(data)
		if err != nil && !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Unsupported) {
			t.Errorf("foreign bytes gave %v: %v", fault.KindOf(err), err)
		}
		if err != nil && strings.Contains(err.Error(), "runtime error") {
			t.Errorf("a defect, not bad bytes: %v", err)
		}
	})
}

func FuzzFile(f *testing.F) {
	fuzzDecoder(f, "file", func(data []byte) error { _, err := unseal(repoFile, data); return err })
}

func FuzzRepo(f *testing.F) {
	fuzzDecoder(f, "repo", func(data []byte) error { _, err := decodeRepo(data); return err })
}

func FuzzSnapshot(f *testing.F) {
	fuzzDecoder(f, "snapshot", func(data []byte) error { _, err := decodeSnapshot(data); return err })
}

func FuzzTransactions(f *testing.F) {
	fuzzDecoder(f, "transactions", func(data []byte) error { _, err := decodeTransactionLog(data); return err })
}

func FuzzManifest(f *testing.F) {
	fuzzDecoder(f, "manifest", func(data []byte) error {
		m, err := decodeManifest(data)
		if err != nil {
			return err
		}
		for _, a := range m.arrays {
			for i := range a.refs.n {
				c, err := m.at(a.refs, i)
				if err != nil {
					return err
				}
				if _, _, err := m.find(a.node, c.Index); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func FuzzFlex(f *testing.F) {
	fuzzDecoder(f, "flex", func(data []byte) error { _, err := decodeFlex(data); return err })
}
