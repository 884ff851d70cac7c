package zarr

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// arrays cover each type, fill value and chain.
func arrays() []Array {
	chains := [][]Codec{
		nil, Small(), {{Name: "bytes"}}, {{Name: "bytes", Big: true}, {Name: "gzip", Level: 5}}, {{Name: "bytes"}, {Name: "crc32c"}},
		{{Name: "bytes"}, {Name: "zstd", Level: 1, Checksum: true}, {Name: "crc32c"}},
		{{Name: "bytes"}, {Name: "blosc", CName: "zstd", Level: 9, Shuffle: "noshuffle", TypeSize: 2}, {Name: "gzip", Level: 1}},
	}
	fills := map[cube.DType][]float64{
		cube.Int8: {-128, 127}, cube.Uint8: {0, 255}, cube.Int16: {-9999}, cube.Uint16: {65535}, cube.Int32: {math.MinInt32}, cube.Uint32: {math.MaxUint32},
		cube.Int64: {-(1 << 53)}, cube.Uint64: {1 << 53, 1 << 63},
		cube.Float32: {math.NaN(), math.Inf(1), math.Inf(-1), 0, -9999, 1e30}, cube.Float64: {math.NaN(), 0.1, -1e300, 3},
	}
	var all []Array
	for i, d := range cube.DTypes() {
		for j, fill := range fills[d] {
			all = append(all, Array{
				Shape: []int{13, 9}, Chunks: []int{5, 4}, DType: d, Fill: fill, Dims: []string{"y", "x"},
				Attrs: map[string]any{"n": float64(i)}, Codecs: chains[(i+j)%len(chains)],
			})
		}
	}
	return all
}

func values(a Array, seed int) []byte {
	n := a.Shape[0] * a.Shape[1]
	data := make([]byte, n*a.DType.Size())
	for i := range n {
		v := float64((i*7 + seed) % 100)
		if i%a.Shape[1] >= 4 && i/a.Shape[1] >= 5 { // whole chunks of fill
			a.FillChunk(data[i*a.DType.Size() : (i+1)*a.DType.Size()])
			continue
		}
		a.DType.Put(data[i*a.DType.Size():], v)
	}
	return data
}

func TestJSONRoundTrip(t *testing.T) {
	for _, a := range arrays() {
		text, err := a.JSON()
		require.NoError(t, err)
		require.True(t, json.Valid(text))
		b, err := ParseArray(text)
		require.NoError(t, err, string(text))
		again, err := b.JSON()
		require.NoError(t, err)
		assert.Equal(t, string(text), string(again))
		assert.Equal(t, a.fillBits(), b.fillBits())
	}
}

func TestChunkRoundTrip(t *testing.T) {
	for _, a := range arrays() {
		chunk := make([]byte, a.ChunkBytes())
		for i := range chunk {
			chunk[i] = byte(i * 31)
		}
		encoded, err := a.Encode(chunk)
		require.NoError(t, err)
		dst := make([]byte, len(chunk))
		require.NoError(t, a.Decode(dst, encoded))
		assert.Equal(t, chunk, dst)
		assert.Error(t, a.Decode(dst[1:], encoded))
		assert.Error(t, a.Decode(dst, encoded[:len(encoded)-1]), "%+v", a.Codecs)
		_, err = a.Encode(chunk[1:])
		assert.Error(t, err)
	}
}

func TestIsFill(t *testing.T) {
	for _, a := range arrays() {
		chunk := make([]byte, a.ChunkBytes())
		a.FillChunk(chunk)
		assert.True(t, a.IsFill(chunk))
		for _, at := range []int{0, len(chunk) / 2, len(chunk) - 1} {
			chunk[at] ^= 1
			assert.False(t, a.IsFill(chunk), "%s byte %d", a.DType, at)
			chunk[at] ^= 1
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := arrays()[0].JSON()
	require.NoError(t, err)
	for name, c := range map[string]struct {
		key   string
		value any
		kind  fault.Kind
	}{
		"version 2":         {"zarr_format", 2, fault.Unsupported},
		"group":             {"node_type", "group", fault.Unsupported},
		"shape":             {"shape", []int{-1, 2}, fault.Invalid},
		"dimensions":        {"shape", []int{1}, fault.Invalid},
		"names":             {"dimension_names", []string{"a"}, fault.Invalid},
		"data type":         {"data_type", "complex256", fault.Unsupported},
		"configured type":   {"data_type", map[string]any{"name": "numpy.datetime64", "configuration": map[string]any{"unit": "s", "scale_factor": 1}}, fault.Unsupported},
		"configured number": {"data_type", map[string]any{"name": "uint8", "configuration": map[string]any{"bits": 7}}, fault.Unsupported},
		"raw type of none":  {"data_type", map[string]any{"name": "raw_bytes", "configuration": map[string]any{"length_bytes": 0}}, fault.Unsupported},
		"fill":              {"fill_value", 300, fault.Invalid},
		"fill kind":         {"fill_value", []int{1}, fault.Corrupt},
		"no fill":           {"fill_value", nil, fault.Corrupt},
		"NaN of an integer": {"fill_value", "NaN", fault.Corrupt},
		"grid":              {"chunk_grid", map[string]any{"name": "rectilinear"}, fault.Unsupported},
		"chunks of 0":       {"chunk_grid", map[string]any{"name": "regular", "configuration": map[string]any{"chunk_shape": []int{0, 1}}}, fault.Invalid},
		"huge chunks":       {"chunk_grid", map[string]any{"name": "regular", "configuration": map[string]any{"chunk_shape": []int{1 << 20, 1 << 20}}}, fault.TooLarge},
		"keys":              {"chunk_key_encoding", map[string]any{"name": "fancy"}, fault.Unsupported},
		"separator":         {"chunk_key_encoding", map[string]any{"name": "default", "configuration": map[string]any{"separator": "../"}}, fault.Unsupported},
		"codec":             {"codecs", []any{map[string]any{"name": "bytes"}, map[string]any{"name": "pcodec"}}, fault.Unsupported},
		"no codecs":         {"codecs", []any{}, fault.Invalid},
		"no serialiser":     {"codecs", []any{map[string]any{"name": "gzip"}}, fault.Unsupported},
		"transformers":      {"storage_transformers", []any{map[string]any{"name": "x"}}, fault.Unsupported},
		"unknown member":    {"secret", map[string]any{"name": "x"}, fault.Unsupported},
		"must understand":   {"secret", map[string]any{"must_understand": true}, fault.Unsupported},
	} {
		var doc map[string]any
		require.NoError(t, json.Unmarshal(good, &doc))
		doc[c.key] = c.value
		text, err := json.Marshal(doc)
		require.NoError(t, err)
		_, err = ParseArray(text)
		require.Error(t, err, name)
		assert.Equal(t, c.kind, fault.KindOf(err), "%s: %v", name, err)
	}
	_, err = ParseArray([]byte(`{"zarr_format": 3`))
	assert.Equal(t, fault.Corrupt, fault.KindOf(err))
	_, err = ParseGroup(good)
	assert.Equal(t, fault.Unsupported, fault.KindOf(err))
}

func TestParseAcceptsOtherSpellings(t *testing.T) {
	a, err := ParseArray([]byte(`{"zarr_format":3,"node_type":"array","shape":[4],"data_type":{"name":"float32"},"chunk_grid":{"name":"regular","configuration":{"chunk_shape":[2]}},
		"chunk_key_encoding":{"name":"v2"},"fill_value":"0x7fc00000","codecs":[{"name":"bytes","configuration":{"endian":"little"}},"crc32c"],"dimension_names":[null],
		"extra":{"must_understand":false}}`))
	require.NoError(t, err)
	assert.True(t, math.IsNaN(a.Fill))
	assert.Equal(t, "1", a.ChunkKey(1))
	a, err = ParseArray([]byte(`{"zarr_format":3,"node_type":"array","shape":[4],"data_type":"float32","chunk_grid":{"name":"regular","configuration":{"chunk_shape":[2]}},
		"chunk_key_encoding":{"name":"v2"},"fill_value":"0x7fc00001","codecs":[{"name":"bytes","configuration":{"endian":"big"}}]}`))
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 0, 0xc0, 0x7f}, a.fillBits(), "a NaN with a payload")
}

func bucket(t *testing.T) (*store.Bucket, string) {
	t.Helper()
	dir := t.TempDir()
	d, err := file.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return store.New(d, "file://"+dir), dir
}

func TestPlainRoundTrip(t *testing.T) {
	b, _ := bucket(t)
	for i, a := range arrays() {
		prefix := fmt.Sprint("a", i)
		data := values(a, i)
		require.NoError(t, WritePlain(t.Context(), b, prefix, a, data))
		p, err := OpenPlain(t.Context(), b, prefix)
		require.NoError(t, err)
		size := a.DType.Size()
		for _, w := range []cube.Window{{Height: 13, Width: 9}, {Row: 4, Col: 3, Height: 2, Width: 2}, {Row: -2, Col: 7, Height: 20, Width: 5}, {Row: 50, Height: 1, Width: 1}} {
			got, want := make([]byte, w.Height*w.Width*size), make([]byte, w.Height*w.Width*size)
			for j := 0; j < len(want); j += size {
				a.DType.Put(want[j:], 7)
			}
			cube.CopyWindow(want, w, data, cube.Window{Height: 13, Width: 9}, size)
			require.NoError(t, p.ReadWindow(t.Context(), w, 7, got))
			assert.Equal(t, want, got)
			digests, err := p.ChunkDigests(t.Context(), w)
			require.NoError(t, err)
			in := w.Intersect(cube.Window{Height: 13, Width: 9})
			touched := 0
			for cy := range 3 {
				for cx := range 3 {
					if !in.Intersect(p.chunkWindow(cy, cx)).Empty() {
						touched++
					}
				}
			}
			assert.Len(t, digests, touched)
		}
	}
	_, err := OpenPlain(t.Context(), b, "nothing")
	assert.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, WritePlain(t.Context(), b, "cut", arrays()[0], values(arrays()[0], 1)))
	_, err = b.Write(t.Context(), "cut/c/0/0", []byte{1, 2, 3}, store.Condition{})
	require.NoError(t, err)
	p, err := OpenPlain(t.Context(), b, "cut")
	require.NoError(t, err)
	_, err = p.ChunkDigests(t.Context(), cube.Window{Height: 1, Width: 1})
	require.Error(t, err)
	assert.Equal(t, fault.Corrupt, fault.KindOf(err))
	assert.Contains(t, err.Error(), "chunk 0,0")
}

// zarr-python reads our plain arrays, and we read those it writes with its own defaults and ours.
func TestZarrPythonAgrees(t *testing.T) {
	b, dir := bucket(t)
	for i, a := range arrays() {
		require.NoError(t, WritePlain(t.Context(), b, fmt.Sprintf("ours/%02d", i), a, values(a, i)))
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.raw", i)), values(a, i), 0o644))
	}
	group, err := GroupJSON(map[string]any{"note": "hello"})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ours", "zarr.json"), group, 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "ours", "names"), 0o755))
	names, err := Array{Shape: []int{3}, Chunks: []int{3}, DType: String}.JSON()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ours", "names", "zarr.json"), names, 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "ours", "names", "c"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ours", "names", "c", "0"), EncodeStrings([]string{"B02", "", "é🛰"}), 0o644))

	out := cubetest.Python(t, `
import sys, json, warnings, pathlib, numpy as np, zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec, Crc32cCodec, BytesCodec
warnings.simplefilter("ignore")
root = pathlib.Path(sys.argv[1])
g = zarr.open_group(str(root / "ours"), mode="r")
assert g.attrs["note"] == "hello"
assert g["names"][:].tolist() == ["B02", "", "é🛰"], g["names"][:]
fills, n = [], 0
for raw in sorted(root.glob("*.raw")):
    a = g[raw.stem]
    want = np.frombuffer(raw.read_bytes(), dtype=a.dtype.newbyteorder("<")).reshape(a.shape)
    assert a[:].astype(want.dtype).tobytes() == want.tobytes(), raw
    assert a.metadata.dimension_names == ("y", "x")
    fills.append(np.asarray(a.fill_value, dtype=a.dtype).astype(a.dtype.newbyteorder("<")).tobytes().hex())
    for k, compressors in enumerate(["auto", None, BloscCodec(cname="lz4", shuffle="bitshuffle"), BloscCodec(cname="zlib", shuffle="shuffle"),
                                     [GzipCodec(level=3), Crc32cCodec()], ZstdCodec(level=7)]):
        t = zarr.create_array(str(root / "theirs" / f"{raw.stem}-{k}"), shape=a.shape, chunks=(5, 4), dtype=a.dtype, fill_value=a.fill_value, compressors=compressors)
        t[:] = want
        n += 1
print(json.dumps({"fills": fills, "n": n}))
`, dir)
	var got struct {
		Fills []string `json:"fills"`
		N     int      `json:"n"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, len(arrays())*6, got.N)
	for i, a := range arrays() {
		assert.Equal(t, fmt.Sprintf("%x", a.fillBits()), got.Fills[i], "fill value %g of %s", a.Fill, a.DType)
		for k := range 6 {
			p, err := OpenPlain(t.Context(), b, fmt.Sprintf("theirs/%02d-%d", i, k))
			require.NoError(t, err)
			data := make([]byte, 13*9*a.DType.Size())
			require.NoError(t, p.ReadWindow(t.Context(), cube.Window{Height: 13, Width: 9}, 0, data))
			assert.Equal(t, values(a, i), data, "%s chain %d", a.DType, k)
			assert.Equal(t, a.fillBits(), p.Array().fillBits())
		}
	}
}

func TestStrings(t *testing.T) {
	for _, values := range [][]string{{}, {""}, {"a", "", "ü"}} {
		got, err := DecodeStrings(EncodeStrings(values))
		require.NoError(t, err)
		assert.Equal(t, values, got)
	}
	whole := EncodeStrings([]string{"abc", "d"})
	for cut := range whole {
		_, err := DecodeStrings(whole[:cut])
		assert.Equal(t, fault.Corrupt, fault.KindOf(err), "cut at %d", cut)
	}
}

func FuzzParseArray(f *testing.F) {
	for _, a := range arrays() {
		text, err := a.JSON()
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := ParseArray(text)
		if err != nil {
			return
		}
		again, err := a.JSON()
		require.NoError(t, err)
		b, err := ParseArray(again)
		require.NoError(t, err)
		assert.Equal(t, a.Shape, b.Shape)
		assert.Equal(t, a.ChunkBytes(), b.ChunkBytes())
	})
}
