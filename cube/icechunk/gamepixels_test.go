package icechunk_test

import (
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// pixels decodes an array from its raw chunks and digests its values in C order; "" where this release
// knows the data type, the codecs or the grid not (the raw chunks are compared all the same).
func pixels(meta []byte, raw map[string][]byte) (string, error) {
	a, err := zarr.ParseArray(meta)
	if fault.Is(err, fault.Unsupported) || fault.Is(err, fault.Invalid) || fault.Is(err, fault.Corrupt) {
		return "", nil // bool and complex fill values read as corrupt to a parser of real numbers
	}
	if err != nil {
		return "", err
	}
	size := a.ChunkBytes()
	for _, n := range a.Chunks {
		size /= n
	}
	total := size
	for _, n := range a.Shape {
		total *= n
	}
	out, chunk := make([]byte, total), make([]byte, a.ChunkBytes())
	grid := a.NumChunks()
	for _, index := range indexes(grid) {
		if data, ok := raw[commas(index)]; !ok {
			a.FillChunk(chunk)
		} else if err := a.Decode(chunk, data); err != nil {
			return "", err
		}
		scatter(out, chunk, a, index, size)
	}
	return digest(out), nil
}

// indexes lists every index of a grid; that of no dimensions has one.
func indexes(grid []int) [][]int {
	list := [][]int{{}}
	for _, n := range grid {
		var next [][]int
		for _, head := range list {
			for i := range n {
				next = append(next, append(append([]int{}, head...), i))
			}
		}
		list = next
	}
	return list
}

// scatter copies what of a chunk is inside the array, value by value.
func scatter(out, chunk []byte, a zarr.Array, index []int, size int) {
	for k, at := range indexes(a.Chunks) {
		to, inside := 0, true
		for d, i := range at {
			p := index[d]*a.Chunks[d] + i
			inside = inside && p < a.Shape[d]
			to = to*a.Shape[d] + p
		}
		if inside {
			copy(out[to*size:(to+1)*size], chunk[k*size:(k+1)*size])
		}
	}
}
