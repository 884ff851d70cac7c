package quality_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/stream/quality"
)

const (
	samples, perChunk, perBlock, batch = 4096, 64, 256, 32
	perScene, perClass                 = 1024, 512
)

// world has samples whose base order is that of storage, of scenes and of classes.
func world() (s quality.Samples) {
	for scene := range uint32(samples / perScene) {
		s.SceneLists = append(s.SceneLists, []uint32{scene})
	}
	for i := range samples {
		s.Chunk = append(s.Chunk, uint32(i/perChunk))
		s.Block = append(s.Block, uint32(i/perBlock))
		s.Scenes = append(s.Scenes, uint32(i/perScene))
		s.Class = append(s.Class, int32(i/perClass))
	}
	return s
}

func list(o order.Sequence) []uint32 {
	out := make([]uint32, o.Len())
	for i := range out {
		out[i] = uint32(o.At(uint64(i)))
	}
	return out
}

func shuffled(epoch uint64, shuffle bool) []uint32 {
	return list(order.New("td1:x", "train", samples, 7, epoch, shuffle))
}

// windowed mixes chunks within windows that hold so many of them.
func windowed(t *testing.T, epoch, chunks uint64) []uint32 {
	t.Helper()
	groups := order.Groups{Bytes: 1 << 20}
	var stored order.Listed
	for i := range samples + 1 {
		if i%perChunk == 0 {
			groups.Starts = append(groups.Starts, uint32(i))
		}
		if i < samples {
			stored = append(stored, uint32(i))
		}
	}
	c, err := order.NewChoice(stored, nil, groups)
	require.NoError(t, err)
	return list(order.Draw(order.Key{Algorithm: order.DrawnByChunk, Digest: "td1:x", Split: "train", Shuffle: order.Window(chunks << 20), Seed: 7, Epoch: epoch}, c))
}

// The base order is that of storage: each batch is of one chunk, one scene and one class, and comes again.
func TestTheBaseOrder(t *testing.T) {
	m := quality.Of(world(), shuffled(0, false), shuffled(1, false), batch)
	require.InDelta(t, 1/expected(perChunk), m.DistinctChunks, 1e-9)
	require.InDelta(t, 1/expected(perBlock), m.DistinctBlocks, 1e-9)
	require.InDelta(t, 1/expected(perScene), m.DistinctScenes, 1e-9)
	require.Equal(t, 1.0, m.LargestChunkShare)
	require.Equal(t, 0.0, *m.DeltaEntropy)
	require.InDelta(t, 1, *m.Spearman, 1e-9)
	require.Equal(t, 1.0, *m.EpochOverlap)
	// 32 of one of 8 classes where 4 are expected of each: (28² + 7·4²) / 4.
	require.InDelta(t, 224/(7*float64(samples-batch)/(samples-1)), *m.LabelChi2, 1e-9)
}

// expected is how many groups of so many samples a batch has some of, drawn one after the other.
func expected(size int) float64 {
	groups, none := float64(samples/size), 1.0
	for i := range batch {
		none *= float64(samples-size-i) / float64(samples-i)
	}
	return groups * (1 - none)
}

// A uniform order has the values that the page gives for one.
func TestAUniformOrder(t *testing.T) {
	m := quality.Of(world(), shuffled(0, true), shuffled(1, true), batch)
	require.InDelta(t, 1, m.DistinctChunks, 0.02)
	require.InDelta(t, 1, m.DistinctBlocks, 0.02)
	require.InDelta(t, 1, m.DistinctScenes, 0.02)
	require.InDelta(t, 0.09, m.LargestChunkShare, 0.02) // about three of 32
	require.InDelta(t, 1, *m.DeltaEntropy, 0.02)
	require.InDelta(t, 0, *m.Spearman, 0.06)
	require.InDelta(t, 1, *m.LabelChi2, 0.15)
	require.InDelta(t, float64(batch-1)/(samples-1), *m.EpochOverlap, 0.002)
}

// The smaller a window, the worse an order by windows mixes. The windows of an epoch are drawn from chunks of anywhere, so
// that no measure of distance tells.
func TestOrdersByWindows(t *testing.T) {
	before := 0.0
	for _, chunks := range []uint64{4, 16, 64} {
		m := quality.Of(world(), windowed(t, 0, chunks), windowed(t, 1, chunks), batch)
		require.Greater(t, m.DistinctChunks, before+0.05)
		require.Less(t, m.DistinctChunks, 1.03)
		if chunks == 4 {
			require.InDelta(t, 4/expected(perChunk), m.DistinctChunks, 0.1)
			require.Greater(t, m.LargestChunkShare, 0.25)
			require.Greater(t, *m.LabelChi2, 2.0)
			require.Greater(t, *m.EpochOverlap, 2*float64(batch-1)/(samples-1))
		}
		require.InDelta(t, 0, *m.Spearman, 0.4)
		before = m.DistinctChunks
	}
}

// What so few samples cannot show is not said, and nothing breaks.
func TestFewSamples(t *testing.T) {
	s := quality.Samples{Chunk: []uint32{0, 0, 1}, Block: []uint32{0, 0, 0}, Scenes: []uint32{0, 0, 0}, SceneLists: [][]uint32{{}}}
	require.Zero(t, quality.Of(s, nil, nil, 4))
	m := quality.Of(s, []uint32{1}, []uint32{1}, 4)
	require.Nil(t, m.Spearman)
	require.Nil(t, m.DeltaEntropy)
	require.Nil(t, m.EpochOverlap)
	require.Nil(t, m.LabelChi2)
	require.Equal(t, 1.0, m.DistinctChunks)
	m = quality.Of(s, []uint32{2, 0, 1}, []uint32{0, 1, 2}, 4)
	require.InDelta(t, -0.5, *m.Spearman, 1e-9)
	require.Equal(t, 1.0, *m.EpochOverlap)
	m = quality.Of(s, []uint32{1, 1, 1}, []uint32{1, 1, 1}, 2) // drawn by weight, one alone
	require.Nil(t, m.Spearman)
	require.Equal(t, 1.0, m.LargestChunkShare)
}
