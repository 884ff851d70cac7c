package stream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
)

// numpy computes what convert must give, with the operations of DESIGN's sentence one by one.
const numpy = `
import sys, numpy as np
folder, dtype, t, c, n = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
f32 = np.float32
dn = np.fromfile(folder + "/dn", dtype).reshape(t, c, n)
valid = np.fromfile(folder + "/valid", np.uint8).reshape(t, 1, n)
scale, offset = np.fromfile(folder + "/contracts", "<f8").reshape(t, 2).T
mean, std = np.fromfile(folder + "/stats", "<f4").reshape(2, c)
with np.errstate(all="ignore"):
    raw = dn.astype(f32)
    physical = raw * scale.astype(f32)[:, None, None] + offset.astype(f32)[:, None, None]
    def norm(x):
        return np.where(valid == 1, (x - mean[None, :, None]) / std[None, :, None], f32(0))
    for name, x in {"float32": raw, "physical": physical, "raw-norm": norm(raw), "physical-norm": norm(physical)}.items():
        assert x.dtype == f32
        x.tofile(folder + "/" + name)
`

// The bits are NumPy's, for every stored type, over random bit patterns and the awkward ones.
func TestConvertEqualsNumPyBitForBit(t *testing.T) {
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official NumPy to compare with")
	}
	const slots, bands, pixels = 3, 2, 1500
	for _, d := range cube.DTypes() {
		t.Run(string(d), func(t *testing.T) {
			dir := t.TempDir()
			r := rand.New(rand.NewPCG(7, uint64(d.Size())))
			src := make([]byte, slots*bands*pixels*d.Size())
			for i := range src {
				src[i] = byte(r.Uint32())
			}
			for i, v := range []float64{0, 1, 16777217, 2147483583, 4294967295, 9007199254740993} {
				if d.Holds(v) {
					d.Put(src[i*d.Size():], v)
				}
			}
			valid := make([]byte, slots*pixels)
			for i := range valid {
				valid[i] = byte(r.IntN(2))
			}
			contracts := []cube.Contract{{Scale: 1e-4, Offset: -0.1}, {Scale: 1}, {Scale: 2.75e-05, Offset: -0.2}}
			v := values{stored: d, mean: []float32{0.1234567, 1e6}, std: []float32{0.3333333, 7.7}}
			var c, s bytes.Buffer
			for _, k := range contracts {
				require.NoError(t, binary.Write(&c, binary.LittleEndian, []float64{k.Scale, k.Offset}))
			}
			require.NoError(t, binary.Write(&s, binary.LittleEndian, v.mean))
			require.NoError(t, binary.Write(&s, binary.LittleEndian, v.std))
			for name, data := range map[string][]byte{"dn": src, "valid": valid, "contracts": c.Bytes(), "stats": s.Bytes()} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
			}
			out, err := exec.CommandContext(t.Context(), python, "-c", numpy, dir, string(d),
				strconv.Itoa(slots), strconv.Itoa(bands), strconv.Itoa(pixels)).CombinedOutput()
			require.NoError(t, err, string(out))

			for name, how := range map[string][2]bool{"float32": {}, "physical": {true, false}, "raw-norm": {false, true}, "physical-norm": {true, true}} {
				want, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				v.floats, v.physical, v.normalise = true, how[0], how[1]
				got := make([]byte, len(want))
				v.convert(got, src, valid, contracts, bands, pixels)
				require.Equal(t, -1, firstDifference(got, want), "%s: first value that differs", name)

				rows := [][]byte{make([]byte, len(want)), make([]byte, len(want))}
				stored, release := v.under(rows, &heap{})
				for i, row := range rows {
					copy(stored[i], src)
					v.convert(row, stored[i], valid, contracts, bands, pixels)
				}
				release()
				require.Equal(t, got, rows[0], "%s: in the memory that is filled", name)
				require.Equal(t, got, rows[1], "%s: in the memory that is filled", name)
			}
		})
	}
}

// firstDifference compares bits; any NaN equals any other, since their payloads are no value.
func firstDifference(got, want []byte) int {
	for i := range len(want) / 4 {
		g, w := binary.LittleEndian.Uint32(got[4*i:]), binary.LittleEndian.Uint32(want[4*i:])
		if g != w && !(isNaN(g) && isNaN(w)) {
			return i
		}
	}
	return -1
}

func isNaN(bits uint32) bool { f := math.Float32frombits(bits); return f != f }

// BenchmarkConvert converts samples of 13 bands of 256 by 256 pixels, the bytes are those that leave.
func BenchmarkConvert(b *testing.B) {
	const bands, pixels = 13, 256 * 256
	for _, d := range []cube.DType{cube.Uint8, cube.Uint16, cube.Float32} {
		src, valid := make([]byte, bands*pixels*d.Size()), make([]byte, pixels)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range src {
			src[i] = byte(r.Uint32())
		}
		for i := range valid {
			valid[i] = byte(r.IntN(2))
		}
		dst := make([]byte, bands*pixels*4)
		for name, v := range map[string]values{"float32": {}, "physical": {physical: true}, "normalised": {normalise: true}, "both": {physical: true, normalise: true}} {
			v.stored, v.mean, v.std = d, make([]float32, bands), slices.Repeat([]float32{2.5}, bands)
			b.Run(fmt.Sprintf("%s/%s", d, name), func(b *testing.B) {
				b.SetBytes(int64(len(dst)))
				for b.Loop() {
					v.convert(dst, src, valid, []cube.Contract{{Scale: 1e-4, Offset: -0.1}}, bands, pixels)
				}
			})
		}
	}
}
