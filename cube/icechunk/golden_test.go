package icechunk

import (
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

// TestGoldenOfficial reads files of the official library 2.3, kept so that its files of today stay
// readable: a split array with virtual chunks whose locations share a dictionary, a tag that was deleted, a
// move, a configuration with containers, a short operations log.
func TestGoldenOfficial(t *testing.T) {
	r, err := decodeRepo(theirs(t, "repo", repoFile))
	require.NoError(t, err)
	require.Len(t, r.snapshots, 3)
	require.Equal(t, []string{"v0"}, r.deletedTags)
	require.Len(t, r.updates, 5)
	require.NotEmpty(t, r.before)
	require.Equal(t, []uint16{moveNodeFlag}, r.enabled)
	metadata, err := decodeMetadata(r.metadata)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"m": []any{int64(1), int64(2), int64(3)}}, metadata)
	cfg, err := decodeConfig(r.config)
	require.NoError(t, err)
	list := containersOf(cfg)
	require.Equal(t, []string{"file:///scenes/", "s3://b/"}, []string{list[0].Prefix, list[1].Prefix})
	require.Equal(t, "src", list[0].Name)
	require.Equal(t, FileStore("/scenes/"), list[0].Store)
	require.Equal(t, "us-east-1", list[1].Store["s3"].(map[string]any)["region"])

	s, err := decodeSnapshot(theirs(t, "snapshot", snapshotFile))
	require.NoError(t, err)
	require.Equal(t, "moved", s.message)
	require.Equal(t, []string{"/", "/h", "/h/a"}, []string{s.nodes[0].Path, s.nodes[1].Path, s.nodes[2].Path})
	a := s.nodes[2]
	require.Equal(t, &ArrayInfo{Shape: []uint64{12, 2}, NumChunks: []uint32{12, 1}, Dims: []string{"t", ""}}, a.Array)
	require.Len(t, a.manifests, 2)

	l, err := decodeTransactionLog(theirs(t, "transactions", transactionFile))
	require.NoError(t, err)
	require.Equal(t, []movedNode{{"/g", "/h", s.nodes[1].ID, false}, {"/g/a", "/h/a", a.ID, true}}, l.moved)
	again, err := decodeTransactionLog(l.encode())
	require.NoError(t, err)
	require.Equal(t, l, again)

	m, err := decodeManifest(theirs(t, "manifest", manifestFile))
	require.NoError(t, err)
	require.NotNil(t, m.locations)
	refs := m.refs(a.ID)
	require.Equal(t, 9, refs.n)
	c, err := m.at(refs, 7)
	require.NoError(t, err)
	require.Equal(t, ChunkAt{[]uint32{7, 0}, Ref{Location: "file:///scenes/scene-0001-of-a-long-name.bin", Offset: 15, Length: 8}}, c)
}

// TestSharedVectors: files in which everything points to one big vector are refused, not unrolled.
func TestSharedVectors(t *testing.T) {
	b := newBuilder(1 << 20)
	coords := b.indexVector(make([]uint32, 100_000))
	b.StartObject(1)
	b.offsetSlot(0, coords)
	one := b.EndObject()
	list := []flatbuffers.UOffsetT{}
	for range 10_000 {
		list = append(list, one)
	}
	chunks := b.tables(list)
	b.StartObject(2)
	b.idSlot(0, make([]byte, 8))
	b.offsetSlot(1, chunks)
	array := b.EndObject()
	arrays := b.tables([]flatbuffers.UOffsetT{array})
	var empty [6]flatbuffers.UOffsetT
	for i := range empty {
		b.StartVector(8, 0, 1)
		empty[i] = b.EndVector(0)
	}
	b.StartObject(10)
	b.idSlot(0, make([]byte, 12))
	for i, off := range empty {
		b.offsetSlot(i+1, off)
	}
	b.offsetSlot(7, arrays)
	_, err := decodeTransactionLog(b.finish(b.EndObject()))
	require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
	require.ErrorContains(t, err, "repeats itself")

	// A vector of 40 whose elements are itself: 40^64 values.
	loop := []byte{40}
	for i := range 40 {
		loop = append(loop, byte(i))
	}
	for range 40 {
		loop = append(loop, flexVector<<2)
	}
	loop = append(loop, 80, flexVector<<2, 1)
	_, err = decodeFlex(loop)
	require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
}
