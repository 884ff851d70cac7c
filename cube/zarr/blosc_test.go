package zarr

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

// kinds of data that take different ways through the format
func testData(kind string, size, typeSize int) []byte {
	rng := rand.New(rand.NewPCG(uint64(size), uint64(typeSize)))
	data := make([]byte, size)
	switch kind {
	case "noise":
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
	case "smooth": // a slowly changing number in the low bytes of each element
		v := uint64(1000)
		var e [8]byte
		for i := range data {
			if i%typeSize == 0 {
				v += uint64(rng.IntN(7)) - 3
				binary.LittleEndian.PutUint64(e[:], v)
			}
			data[i] = e[i%typeSize%8]
		}
	case "half": // first half constant, second noise
		for i := size / 2; i < size; i++ {
			data[i] = byte(rng.Uint32())
		}
	}
	return data
}

type bloscCase struct {
	Name     string
	TypeSize int
	data     []byte
}

func bloscCases() []bloscCase {
	var cases []bloscCase
	sizes := []int{0, 1, 2, 7, 8, 15, 16, 17, 127, 128, 255, 256, 257, 1000, 4096, 65537, writeBlock - 1, writeBlock, writeBlock + 1, writeBlock + 130, 3*writeBlock + 6}
	for _, kind := range []string{"zero", "smooth", "half", "noise"} {
		for _, typeSize := range []int{1, 2, 3, 4, 8, 16, 17, 255} {
			for _, size := range sizes {
				cases = append(cases, bloscCase{fmt.Sprintf("%s-%d-%d", kind, typeSize, size), typeSize, testData(kind, size, typeSize)})
			}
		}
	}
	return cases
}

func TestBloscRoundTrip(t *testing.T) {
	for _, c := range bloscCases() {
		for _, shuffle := range []string{"shuffle", "noshuffle"} {
			encoded, err := encodeBlosc(c.data, &Codec{CName: "zstd", Shuffle: shuffle, TypeSize: c.TypeSize, Level: 5}, 0)
			require.NoError(t, err)
			assert.LessOrEqual(t, len(encoded), len(c.data)+bloscHeader)
			dst := make([]byte, len(c.data))
			require.NoError(t, decodeBlosc(dst, encoded), c.Name)
			require.True(t, bytes.Equal(c.data, dst), c.Name)
		}
	}
}

func TestBloscRefusesOtherSizes(t *testing.T) {
	encoded, err := encodeBlosc(testData("smooth", 1000, 2), &Codec{CName: "zstd", Shuffle: "shuffle", TypeSize: 2, Level: 5}, 0)
	require.NoError(t, err)
	assert.Error(t, decodeBlosc(make([]byte, 999), encoded))
	assert.Error(t, decodeBlosc(make([]byte, 1001), encoded))
	for cut := range encoded {
		assert.Error(t, decodeBlosc(make([]byte, 1000), encoded[:cut]), "cut at %d", cut)
	}
}

// Numcodecs, which is c-blosc, must read what this package writes.
func TestNumcodecsReadsOurs(t *testing.T) {
	dir := t.TempDir()
	for i, c := range bloscCases() {
		encoded, err := encodeBlosc(c.data, &Codec{CName: "zstd", Shuffle: "shuffle", TypeSize: c.TypeSize, Level: 5}, 0)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.in", i)), c.data, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.blosc", i)), encoded, 0o644))
	}
	out := cubetest.Python(t, `
import sys, pathlib, numcodecs
n = 0
for p in sorted(pathlib.Path(sys.argv[1]).glob("*.blosc")):
    want = p.with_suffix(".in").read_bytes()
    if not want:
        continue  # numcodecs.Blosc refuses empty buffers; zarr never makes an empty chunk
    got = bytes(numcodecs.Blosc().decode(p.read_bytes()))
    assert got == want, p
    n += 1
print(n)
`, dir)
	assert.Equal(t, fmt.Sprint(len(bloscCases())-4*8), out)
}

// And this package must read what numcodecs writes, with each compressor and shuffle it knows.
func TestWeReadNumcodecs(t *testing.T) {
	dir := t.TempDir()
	type made struct{ File, Name string }
	cases := map[string]bloscCase{}
	for _, c := range bloscCases() {
		if len(c.data) > 0 && len(c.data) < 2*writeBlock && c.TypeSize != 3 && c.TypeSize != 16 {
			cases[c.Name] = c
			require.NoError(t, os.WriteFile(filepath.Join(dir, c.Name+fmt.Sprintf(".%d.in", c.TypeSize)), c.data, 0o644))
		}
	}
	out := cubetest.Python(t, `
import sys, json, pathlib, numpy, numcodecs
made, n = [], 0
for p in sorted(pathlib.Path(sys.argv[1]).glob("*.in")):
    name, typesize, _ = p.name.rsplit(".", 2)
    raw = p.read_bytes()
    data = numpy.frombuffer(raw, dtype="V" + typesize) if len(raw) % int(typesize) == 0 else numpy.frombuffer(raw, dtype="u1")
    for cname in ("zstd", "lz4", "lz4hc", "zlib", "blosclz"):
        for shuffle in (0, 1, 2):
            for blocksize in (0, 1024)[: 1 + (len(raw) < 5000)]:
                n += 1
                f = p.parent / f"{n}.blosc"
                f.write_bytes(numcodecs.Blosc(cname=cname, clevel=1 + n % 9, shuffle=shuffle, blocksize=blocksize).encode(data))
                made.append({"File": str(f), "Name": name})
print(json.dumps(made))
`, dir)
	var all []made
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.Greater(t, len(all), len(cases)*12)
	for _, m := range all {
		src, err := os.ReadFile(m.File)
		require.NoError(t, err)
		want := cases[m.Name].data
		dst := make([]byte, len(want))
		require.NoError(t, decodeBlosc(dst, src), "%+v", m)
		require.True(t, bytes.Equal(want, dst), "%+v", m)
	}
}

func FuzzBlosc(f *testing.F) {
	for _, c := range []bloscCase{{"", 2, testData("smooth", 2000, 2)}, {"", 4, testData("half", 600, 4)}, {"", 1, nil}, {"", 2, testData("noise", 300, 2)}} {
		encoded, err := encodeBlosc(c.data, &Codec{CName: "zstd", Shuffle: "shuffle", TypeSize: c.TypeSize, Level: 5}, 0)
		require.NoError(f, err)
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		n, err := bloscSize(src)
		if err != nil || n > 1<<20 {
			return
		}
		first, second := make([]byte, n), make([]byte, n)
		err = decodeBlosc(first, src)
		again := decodeBlosc(second, src)
		assert.Equal(t, err == nil, again == nil)
		if err == nil {
			assert.Equal(t, first, second)
		}
	})
}

func BenchmarkBlosc(b *testing.B) {
	data := testData("smooth", 9*256*256*2, 2)
	codec := &Codec{CName: "zstd", Shuffle: "shuffle", TypeSize: 2, Level: 5}
	encoded, err := encodeBlosc(data, codec, 0)
	require.NoError(b, err)
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			encodeBlosc(data, codec, 0)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		dst := make([]byte, len(data))
		for b.Loop() {
			decodeBlosc(dst, encoded)
		}
	})
	b.ReportMetric(float64(len(data))/float64(len(encoded)), "ratio")
}
