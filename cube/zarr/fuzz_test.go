package zarr

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
)

// fuzzArrays are small arrays of every kind of chain; a fuzzed byte chooses one.
func fuzzArrays() []Array {
	var all []Array
	for seed := range uint64(48) {
		a := anyArray(rand.New(rand.NewPCG(seed, 4)))
		all = append(all, a)
	}
	size := []int{6, 8}
	return append(all,
		Array{Shape: size, Chunks: size, DType: cube.Uint16, Codecs: Shards(cube.Uint16, 2, 4)},
		Array{Shape: size, Chunks: size, DType: cube.Float32, Codecs: []Codec{{Name: "bytes"}, {Name: "numcodecs.zlib"}}},
		Array{Shape: []int{400, 40}, Chunks: []int{400, 40}, DType: cube.Uint16},
		Array{Shape: []int{400, 40}, Chunks: []int{400, 40}, DType: cube.Uint32, Codecs: Small()},
	)
}

// Any bytes as a chunk of any chain: an error or values, the same whole and in parts, and memory in
// proportion to the chunk and the bytes.
func FuzzChunk(f *testing.F) {
	arrays := fuzzArrays()
	for i, a := range arrays {
		chunk := anyChunk(rand.New(rand.NewPCG(uint64(i), 5)), a)
		if encoded, err := a.Encode(chunk); err == nil {
			f.Add(uint8(i), uint16(3), encoded)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, part uint16, src []byte) {
		a := arrays[int(which)%len(arrays)]
		size := a.ElementSize()
		guard := make([]byte, a.ChunkBytes()+64)
		for i := range guard {
			guard[i] = 0xa5
		}
		whole := guard[32 : 32+a.ChunkBytes()]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := a.Decode(whole, src)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20+64*(len(whole)+len(src))))
		require.Equal(t, bytes.Repeat([]byte{0xa5}, 32), guard[:32])
		require.Equal(t, bytes.Repeat([]byte{0xa5}, 32), guard[32+a.ChunkBytes():])
		lo := int(part) % (len(whole) / size)
		some := make([]byte, (len(whole)/size-lo+1)/2*size)
		errSome := a.DecodeRange(some, src, lo*size)
		if err == nil {
			require.NoError(t, errSome)
			require.True(t, bytes.Equal(whole[lo*size:lo*size+len(some)], some))
		}
		if a.Cuts() {
			cuts, check := anyCuts(t, rand.New(rand.NewPCG(uint64(part), 6)), a)
			errCuts := a.DecodeCuts(src, cuts, part%2 == 1)
			check(whole, err == nil)
			require.False(t, err == nil && errCuts != nil, "%v", errCuts)
		}
	})
}

// Any bytes as a stream of blosc's own compressor write nothing outside of their place.
func FuzzBlosclz(f *testing.F) {
	f.Add(uint16(9), []byte{0x08, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'})
	f.Add(uint16(40), []byte{0x03, 'a', 'b', 'c', 'd', 0x40, 0x03, 0xe0, 0x05, 0x01, 0x00, 'z'})
	f.Add(uint16(600), []byte{0x00, 'a', 0xe0, 0xff, 0xff, 0x00, 0x00, 0x3f, 0xff, 0x10, 0x00})
	f.Fuzz(func(t *testing.T, size uint16, src []byte) {
		guard := bytes.Repeat([]byte{0xa5}, int(size)+64)
		n, err := decodeBlosclz(guard[:size:size], src)
		require.True(t, err != nil || n <= int(size))
		require.Equal(t, bytes.Repeat([]byte{0xa5}, 64), guard[size:])
	})
}

// The same for the other compressors inside blosc.
func FuzzStreams(f *testing.F) {
	data := testData("smooth", 3000, 2)
	f.Add(uint8(0), uint16(3000), appendZstd(nil, data, 3, true))
	f.Add(uint8(0), uint16(3000), appendRuns(nil, []byte{1, 2}, 1500))
	f.Add(uint8(1), uint16(3000), appendLZ4(nil, data))
	f.Add(uint8(1), uint16(9), []byte{0x90, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'})
	f.Add(uint8(2), uint16(2), []byte{0x78, 0x9c, 0x4b, 0x4c, 0x04, 0x00, 0x01, 0x25, 0x00, 0xc3})
	f.Fuzz(func(t *testing.T, kind uint8, size uint16, src []byte) {
		frame := bloscFrame{flags: []byte{formatZstd, formatLZ4, formatZlib, formatSnappy}[kind%4] << formatShift}
		guard := bytes.Repeat([]byte{0xa5}, int(size)+2*overrun)
		_ = frame.inflate(guard[:size:int(size)+overrun], src)
		require.Equal(t, bytes.Repeat([]byte{0xa5}, overrun), guard[int(size)+overrun:])
	})
}

// Any index of a shard names places within the object or nothing.
func FuzzShardIndex(f *testing.F) {
	a := Array{Shape: []int{6, 8}, Chunks: []int{6, 8}, DType: cube.Uint16, Codecs: Shards(cube.Uint16, 2, 4)}
	a.Codecs[0].Sharding.IndexCodecs = []Codec{{Name: "bytes"}} // a checksum would keep the fuzzer out
	shard, _ := a.Shard()
	encoded, err := a.Encode(testData("noise", a.ChunkBytes(), 2))
	require.NoError(f, err)
	at, n, err := shard.IndexRange(int64(len(encoded)))
	require.NoError(f, err)
	f.Add(int64(len(encoded)), encoded[at:at+n])
	f.Add(int64(0), bytes.Repeat([]byte{0xff}, int(n)))
	f.Fuzz(func(t *testing.T, size int64, text []byte) {
		if size < 0 {
			return
		}
		index, err := shard.Index(text, size)
		if err != nil {
			return
		}
		for r := range 3 {
			for c := range 2 {
				at, n, stored, err := index.Range(r, c)
				require.True(t, err != nil || !stored || at >= 0 && n >= 0 && at <= size-n)
			}
		}
	})
}

func FuzzStrings(f *testing.F) {
	f.Add(EncodeStrings([]string{"a", "", "ü"}))
	f.Fuzz(func(t *testing.T, src []byte) {
		if values, err := DecodeStrings(src); err == nil {
			again, err := DecodeStrings(EncodeStrings(values))
			require.NoError(t, err)
			require.Equal(t, values, again)
		}
	})
}

func FuzzParseV2(f *testing.F) {
	f.Add([]byte(`{"zarr_format":2,"shape":[4,6],"chunks":[2,3],"dtype":"<u2","fill_value":0,"order":"F","filters":null,"compressor":{"id":"blosc","cname":"lz4","clevel":5,"shuffle":1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if a, err := ParseV2(text); err == nil {
			again, err := a.JSON()
			require.NoError(t, err)
			_, err = ParseArray(again)
			require.NoError(t, err)
		}
	})
}
