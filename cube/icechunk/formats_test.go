package icechunk

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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
