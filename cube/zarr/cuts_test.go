package zarr

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// anyCuts are some cuts of a chunk into memory between bytes that nobody may touch; check demands that those are there
// yet and, where the cuts were decoded, that they hold what the whole chunk does.
func anyCuts(t *testing.T, rng *rand.Rand, a Array) (cuts []Cut, check func(whole []byte, decoded bool)) {
	g := grid{size: a.ElementSize(), rows: a.Chunks[len(a.Chunks)-2], cols: a.Chunks[len(a.Chunks)-1]}
	var memory [][]byte
	for range 1 + rng.IntN(4) {
		c := Cut{Plane: rng.IntN(a.ChunkBytes() / g.plane()), Row: rng.IntN(g.rows), Col: rng.IntN(g.cols)}
		c.Height, c.Width = 1+rng.IntN(g.rows-c.Row), 1+rng.IntN(g.cols-c.Col)
		if rng.IntN(3) == 0 {
			c.Col, c.Width = 0, g.cols
		}
		c.Stride = c.Width*g.size + rng.IntN(2)*rng.IntN(9)
		all := bytes.Repeat([]byte{0xa5}, 16+c.Height*c.Stride+16)
		c.Dst = all[16 : 16+(c.Height-1)*c.Stride+c.Width*g.size]
		cuts, memory = append(cuts, c), append(memory, all)
	}
	return cuts, func(whole []byte, decoded bool) {
		for i, c := range cuts {
			want := bytes.Repeat([]byte{0xa5}, len(memory[i]))
			for r := range c.Height {
				at, n := 16+r*c.Stride, c.Width*g.size
				from := c.Plane*g.plane() + ((c.Row+r)*g.cols+c.Col)*g.size
				if copy(want[at:at+n], whole[from:]); !decoded {
					copy(want[at:at+n], memory[i][at:])
				}
			}
			require.True(t, bytes.Equal(want, memory[i]), "cut %d: %+v", i, c)
		}
	}
}

// Cuts hold what the whole chunk does, however its blocks lie, whatever compressed and shuffled them.
func TestDecodeCuts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, dtype := range []cube.DType{cube.Uint8, cube.Uint16, cube.Float32, cube.Float64} {
		for _, cname := range []string{"zstd", "lz4"} {
			for _, how := range []string{"shuffle", "noshuffle", "bitshuffle"} {
				for _, block := range []int{0, 512, 1000, 4104, 7 * 64 * 96, 1 << 20} {
					for _, kind := range []string{"smooth", "half", "noise", "zero"} {
						shape := []int{1, 5, 64, 96}
						a := Array{Shape: shape, Chunks: shape, DType: dtype, Codecs: []Codec{
							{Name: "bytes"}, {Name: "blosc", CName: cname, Shuffle: how, TypeSize: dtype.Size(), Level: 1, BlockSize: block},
						}}
						name := fmt.Sprint(dtype, cname, how, block, kind)
						require.True(t, a.Cuts(), name)
						chunk := testData(kind, a.ChunkBytes(), dtype.Size())
						encoded, err := a.Encode(chunk)
						require.NoError(t, err, name)
						whole := make([]byte, len(chunk))
						require.NoError(t, a.Decode(whole, encoded), name)
						require.True(t, bytes.Equal(chunk, whole), name)
						cuts, check := anyCuts(t, rng, a)
						require.NoError(t, a.DecodeCuts(encoded, cuts, false), name)
						check(chunk, true)
						cuts, check = anyCuts(t, rng, a)
						require.NoError(t, a.DecodeCuts(encoded, cuts, true), name)
						check(chunk, true)
						require.NoError(t, a.DecodeCuts(encoded, nil, false), name)
					}
				}
			}
		}
	}
}

// A block that nothing is wanted of is not looked at; one that is, and is damaged, is an error.
func TestDecodeCutsOfADamagedChunk(t *testing.T) {
	a := Array{Shape: []int{1, 3, 64, 64}, Chunks: []int{1, 3, 64, 64}, DType: cube.Uint16, Codecs: []Codec{
		{Name: "bytes"}, {Name: "blosc", CName: "zstd", Shuffle: "shuffle", TypeSize: 2, Level: 5, BlockSize: 64 * 64 * 2},
	}}
	encoded, err := a.Encode(testData("smooth", a.ChunkBytes(), 2))
	require.NoError(t, err)
	f, err := openBlosc(encoded, a.ChunkBytes())
	require.NoError(t, err)
	require.Equal(t, 64*64*2, f.blockSize)
	binary.LittleEndian.PutUint32(encoded[bloscHeader+4*1:], uint32(len(encoded))+1)
	cut := func(plane int) []Cut {
		return []Cut{{Plane: plane, Height: 64, Width: 64, Stride: 128, Dst: make([]byte, 64*128)}}
	}
	require.NoError(t, a.DecodeCuts(encoded, append(cut(0), cut(2)...), false))
	require.Equal(t, fault.Corrupt, fault.KindOf(a.DecodeCuts(encoded, append(cut(0), cut(1)...), false)))
	require.Equal(t, fault.Corrupt, fault.KindOf(a.DecodeCuts(encoded[:9], cut(0), false)))
	require.Equal(t, fault.Corrupt, fault.KindOf(a.DecodeCuts(nil, cut(0), false)))
}

// What cannot be a cut of this chunk is refused before anything is written.
func TestDecodeCutsRefuses(t *testing.T) {
	a := Array{Shape: []int{2, 8, 8}, Chunks: []int{2, 8, 8}, DType: cube.Uint16}
	encoded, err := a.Encode(testData("smooth", a.ChunkBytes(), 2))
	require.NoError(t, err)
	whole := Cut{Height: 8, Width: 8, Stride: 16, Dst: make([]byte, 128)}
	require.NoError(t, a.DecodeCuts(encoded, []Cut{whole}, false))
	for name, spoil := range map[string]func(c *Cut){
		"plane": func(c *Cut) { c.Plane = 2 }, "row": func(c *Cut) { c.Row = 1 }, "column": func(c *Cut) { c.Col = -1 },
		"nothing": func(c *Cut) { c.Width = 0 }, "stride": func(c *Cut) { c.Stride = 15 }, "memory": func(c *Cut) { c.Dst = c.Dst[:127] },
	} {
		c := whole
		spoil(&c)
		require.Equal(t, fault.Internal, fault.KindOf(a.DecodeCuts(encoded, []Cut{c}, false)), name)
	}
	a.Codecs = []Codec{{Name: "bytes"}, {Name: "zstd"}}
	require.False(t, a.Cuts())
	require.Equal(t, fault.Internal, fault.KindOf(a.DecodeCuts(encoded, []Cut{whole}, false)))
}
