package zarr

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// A chunk of one value fits into a manifest, whatever its type and size, and comes back.
func TestConstantChunksAreTiny(t *testing.T) {
	for _, d := range anyDType() {
		for _, chunks := range [][]int{{1, 13, 256, 256}, {1, 1, 512, 512}, {1, 7, 33, 31}, {2, 4, 300, 300}} {
			for _, value := range []float64{0, 1, math.NaN(), 1234.5} {
				a := Array{Shape: chunks, Chunks: chunks, DType: d, Fill: value}
				if a.checkFill() != nil {
					continue
				}
				chunk := make([]byte, a.ChunkBytes())
				a.FillChunk(chunk)
				encoded, err := a.Encode(chunk)
				require.NoError(t, err)
				require.LessOrEqual(t, len(encoded), 512, "%s %v", d, chunks)
				dst := bytes.Repeat([]byte{7}, len(chunk))
				require.NoError(t, a.Decode(dst, encoded))
				require.True(t, bytes.Equal(chunk, dst), "%s %v of %g", d, chunks, value)
				part := make([]byte, 10*a.ElementSize())
				require.NoError(t, a.DecodeRange(part, encoded, 5*a.ElementSize()))
				require.Equal(t, chunk[:len(part)], part)
			}
		}
	}
}

// The fast way for constants takes nothing else: any change to such a frame is an error or decoded by zstd.
func TestRunsAreNeverGuessed(t *testing.T) {
	frame := appendRuns(nil, []byte{3, 4}, 200<<10)
	whole := make([]byte, 400<<10)
	require.True(t, zstdRuns(frame, len(whole), func(byte, int) bool { return true }))
	n, err := expandZstd(whole, frame)
	require.NoError(t, err, "a real decoder agrees")
	require.Equal(t, len(whole), n)
	require.Equal(t, []byte{3, 4}, []byte{whole[200<<10-1], whole[200<<10]})
	for at := range frame {
		for bit := range 8 {
			bad := bytes.Clone(frame)
			bad[at] ^= 1 << bit
			if !zstdRuns(bad, len(whole), func(byte, int) bool { return true }) {
				continue
			}
			slow := make([]byte, len(whole))
			n, err := expandZstd(slow, bad)
			require.NoError(t, err, "byte %d bit %d", at, bit)
			fast := make([]byte, len(whole))
			m, err := decodeZstd(fast, bad)
			require.NoError(t, err)
			require.Equal(t, n, m)
			require.True(t, bytes.Equal(slow, fast))
		}
	}
}

// A read of few bands decompresses only the blocks that hold them: the others may be garbage.
func TestDecodeRangeTouchesOnlyItsBlocks(t *testing.T) {
	a := Array{Shape: []int{1, 13, 256, 256}, Chunks: []int{1, 13, 256, 256}, DType: cube.Uint16}
	chunk := testData("smooth", a.ChunkBytes(), 2)
	encoded, err := a.Encode(chunk)
	require.NoError(t, err)
	const band = 256 * 256 * 2
	third := int(binary.LittleEndian.Uint32(encoded[bloscHeader+4*3:]))
	fourth := int(binary.LittleEndian.Uint32(encoded[bloscHeader+4*4:]))
	for i := bloscHeader + 4*13; i < len(encoded); i++ {
		if i < third || i >= fourth {
			encoded[i] = 0xff
		}
	}
	dst := make([]byte, band)
	require.NoError(t, a.DecodeRange(dst, encoded, 3*band))
	require.True(t, bytes.Equal(chunk[3*band:4*band], dst))
	require.Error(t, a.DecodeRange(dst, encoded, 4*band))
	require.Error(t, a.DecodeRange(dst, encoded, 1), "half an element")
	require.Error(t, a.DecodeRange(dst, encoded, 13*band), "outside")
}

// The parts of a shard are read by themselves, as a reader of ranges does.
func TestShardInParts(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		a := Array{Shape: []int{12, 18}, Chunks: []int{12, 18}, DType: cube.Float32, Fill: math.NaN(), Codecs: Shards(cube.Float32, 4, 6)}
		a.Codecs[0].Sharding.IndexFirst = seed%2 == 0
		require.NoError(t, a.Check())
		chunk := anyChunk(rng, a)
		encoded, err := a.Encode(chunk)
		require.NoError(t, err)
		shard, ok := a.Shard()
		require.True(t, ok)
		size := int64(len(encoded))
		at, n, err := shard.IndexRange(size)
		require.NoError(t, err)
		index, err := shard.Index(encoded[at:at+n], size)
		require.NoError(t, err)
		inner := shard.Inner()
		require.Equal(t, []int{3, 3}, inner.NumChunks())
		for r := range 3 {
			for c := range 3 {
				at, n, stored, err := index.Range(r, c)
				require.NoError(t, err)
				got := make([]byte, inner.ChunkBytes())
				if stored {
					require.NoError(t, inner.Decode(got, encoded[at:at+n]))
				} else {
					inner.FillChunk(got)
				}
				require.Equal(t, cut(inner, chunk, []int{r, c}), got)
			}
		}
		damaged := bytes.Clone(encoded[at : at+n])
		damaged[rng.IntN(len(damaged))] ^= 4
		_, err = shard.Index(damaged, size)
		require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
		_, _, err = shard.IndexRange(n - 1)
		require.Error(t, err)
	}
	_, ok := Array{Shape: []int{2}, Chunks: []int{2}, DType: cube.Uint8}.Shard()
	require.False(t, ok)
}

func TestGzipMembers(t *testing.T) {
	var src bytes.Buffer
	for _, part := range []string{"some of it, ", "", "and the rest"} {
		w := gzip.NewWriter(&src)
		_, err := w.Write([]byte(part))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	want := "some of it, and the rest"
	dst := make([]byte, len(want))
	n, err := decodeGzip(dst, src.Bytes())
	require.NoError(t, err)
	require.Equal(t, want, string(dst[:n]))
	_, err = decodeGzip(dst[1:], src.Bytes())
	require.ErrorIs(t, err, errTooSmall)
	_, err = decodeGzip(make([]byte, len(want)+1), src.Bytes())
	require.Error(t, err)
}

// Nothing is allocated for a chunk once the pools are warm.
func TestDecodingAllocatesNothing(t *testing.T) {
	most := 1.0
	if raceEnabled { // then the pools drop buffers at random
		most = 16
	}
	for name, codecs := range map[string][]Codec{
		"default": nil, "small": Small(), "bitshuffle": {{Name: "bytes"}, {Name: "blosc", CName: "lz4", Shuffle: "bitshuffle", TypeSize: 2}},
		"crc": {{Name: "bytes"}, {Name: "zstd", Level: 1}, {Name: "crc32c"}},
	} {
		a := Array{Shape: []int{3, 256, 256}, Chunks: []int{3, 256, 256}, DType: cube.Uint16, Codecs: codecs}
		chunk := testData("smooth", a.ChunkBytes(), 2)
		encoded, err := a.Encode(chunk)
		require.NoError(t, err)
		dst := make([]byte, len(chunk))
		average := testing.AllocsPerRun(50, func() {
			if err := a.Decode(dst, encoded); err != nil {
				t.Fatal(err)
			}
		})
		require.Less(t, average, most, name)
	}
}

// What the metadata cannot promise is refused by name, with a way out.
func TestRefusedChains(t *testing.T) {
	base := func(codecs string) []byte {
		return []byte(`{"zarr_format":3,"node_type":"array","shape":[8,6],"data_type":"uint16","chunk_grid":{"name":"regular","configuration":{"chunk_shape":[4,6]}},
			"chunk_key_encoding":{"name":"default"},"fill_value":0,"codecs":[` + codecs + `]}`)
	}
	const little = `{"name":"bytes","configuration":{"endian":"little"}}`
	shard := func(chunks, inner, index string) string {
		return `{"name":"sharding_indexed","configuration":{"chunk_shape":` + chunks + `,"codecs":[` + inner + `],"index_codecs":[` + index + `]}}`
	}
	deep := little
	for range 8 {
		deep = shard("[2,3]", deep, little)
	}
	for codecs, want := range map[string]string{
		`{"name":"bitround"},` + little:                       "bitround",
		`{"name":"pcodec","must_understand":false},` + little: "pcodec",
		little + `,{"name":"blosc","configuration":{"cname":"snappy","clevel":5,"shuffle":"shuffle","typesize":2,"blocksize":0}}`: "snappy",
		little + `,{"name":"blosc","configuration":{"cname":"lzo","shuffle":"shuffle"}}`:                                          "lzo",
		little + `,` + little: "out of order",
		little + `,{"name":"transpose","configuration":{"order":[1,0]}}`: "out of order",
		`{"name":"transpose","configuration":{"order":[1,1]}},` + little: "order [1 1]",
		`{"name":"transpose","configuration":{"order":[0]}},` + little:   "order [0]",
		`{"name":"transpose","configuration":{"order":"C"}},` + little:   "transpose",
		`{"name":"bytes","configuration":{"endian":"middle"}}`:           "middle",
		`{"name":"bytes"}`:                                "endian",
		`{"name":"vlen-utf8"}`:                            "vlen-utf8",
		shard("[3,3]", little, little):                    "do not divide",
		shard("[0,3]", little, little):                    "do not divide",
		shard("[2]", little, little):                      "dimensions",
		shard("[2,3]", little, little+`,{"name":"gzip"}`): "index",
		shard("[2,3]", little, ``):                        "index",
		shard("[2,3]", ``, little):                        "no codecs",
		deep:                                              "nested",
	} {
		_, err := ParseArray(base(codecs))
		require.Error(t, err, codecs)
		require.ErrorContains(t, err, want)
	}
	_, err := ParseArray(base(shard("[2,3]", little, little+`,{"name":"crc32c"}`)))
	require.NoError(t, err)
}

func TestParseV2(t *testing.T) {
	doc := func(change, to string) []byte {
		return []byte(strings.Replace(`{"zarr_format":2,"shape":[4,6],"chunks":[2,3],"dtype":"<u2","fill_value":0,"order":"C","filters":null,
			"dimension_separator":"/","compressor":{"id":"zlib","level":1}}`, change, to, 1))
	}
	a, err := ParseV2(doc("", ""))
	require.NoError(t, err)
	require.Equal(t, "1/0", a.ChunkKey(1, 0))
	a, err = ParseV2(doc(`"C"`, `"F"`))
	require.NoError(t, err)
	require.Equal(t, []int{1, 0}, a.Codecs[0].Order)
	for change, to := range map[string]string{
		`2,"shape"`: `3,"shape"`, `"<u2"`: `"<M8[ns]"`, `"C"`: `"X"`, `null`: `[{"id":"delta"}]`, `"zlib"`: `"lzma"`, `[2,3]`: `[2]`, `"/"`: `"-"`, `"fill_value":0`: `"fill_value":"x"`,
	} {
		_, err := ParseV2(doc(change, to))
		require.Error(t, err, "%s", to)
	}
}

func TestTextBehindCompressors(t *testing.T) {
	a := Array{Shape: []int{3}, Chunks: []int{3}, DType: String, Codecs: []Codec{{Name: "vlen-utf8"}, {Name: "zstd"}, {Name: "crc32c"}}}
	require.NoError(t, a.Check())
	want := []string{"B02", "", "é🛰"}
	encoded := encodeChecksum(encodeZstd(EncodeStrings(want), 3, false))
	got, err := a.DecodeText(encoded)
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = a.DecodeText(encoded[1:])
	require.True(t, fault.Is(err, fault.Corrupt))
	_, err = a.DecodeText(encodeChecksum(encodeZstd(EncodeStrings(want[:2]), 3, false)))
	require.ErrorContains(t, err, "2 strings, wanted 3")
}

func TestHalfFloats(t *testing.T) {
	for bits := range 1 << 16 {
		v := halfFloat(uint16(bits))
		if !math.IsNaN(v) && halfBits(v) != uint16(bits) {
			t.Fatalf("%#04x is %g is %#04x", bits, v, halfBits(v))
		}
	}
	require.Equal(t, uint16(0x7c00), halfBits(65520))
	require.Equal(t, uint16(0x7bff), halfBits(65519))
	require.Equal(t, uint16(0x3c00), halfBits(1+1.0/2048), "a tie goes to even")
}
