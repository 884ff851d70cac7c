package stream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// laid is what the definition says of a plane, pixel by pixel.
func laid(plane []byte, size, height, width int, s order.Symmetry) []byte {
	out := make([]byte, 0, len(plane))
	for y := range height {
		for x := range width {
			row, col := y, x
			if s&order.Flipped != 0 {
				row = height - 1 - row
			}
			if s&order.Mirrored != 0 {
				col = width - 1 - col
			}
			if s&order.Transposed != 0 {
				row, col = col, row
			}
			at := (row*width + col) * size
			out = append(out, plane[at:at+size]...)
		}
	}
	return out
}

func TestPlanesAreLaidAsDefined(t *testing.T) {
	var vectors struct{ Laid [8][3][3]byte }
	data, err := os.ReadFile("../testdata/conformance/symmetry.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &vectors))
	for s, want := range vectors.Laid {
		plane := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8}
		turnPlanes(plane, 1, 3, 3, order.Symmetry(s))
		require.Equal(t, bytes.Join([][]byte{want[0][:], want[1][:], want[2][:]}, nil), plane, s)
	}
	for s := range order.Symmetry(8) {
		for _, edge := range [][2]int{{1, 1}, {2, 2}, {7, 7}, {31, 31}, {32, 32}, {33, 33}, {65, 65}, {100, 100}, {1, 5}, {4, 3}, {33, 70}, {8, 8}, {9, 9}, {64, 64}, {2, 9}} {
			if s&order.Transposed != 0 && edge[0] != edge[1] {
				continue
			}
			for _, d := range []cube.DType{cube.Uint8, cube.Int16, cube.Float32, cube.Float64} {
				planes := make([]byte, 3*edge[0]*edge[1]*d.Size())
				for i := range planes {
					planes[i] = byte(i * 131 >> 3)
				}
				var want []byte
				n := len(planes) / 3
				for p := range 3 {
					want = append(want, laid(planes[p*n:(p+1)*n], d.Size(), edge[0], edge[1], s)...)
				}
				turnPlanes(planes, d.Size(), edge[0], edge[1], s)
				require.Equal(t, want, planes, "%d %v %s", s, edge, d)
			}
		}
	}
}

// An augmented epoch is the plain one with every window laid as its position says, in whatever pieces it is read.
func TestAugmentedEpochs(t *testing.T) {
	w := newShelf(t, 1)
	plain := w.openTicket(t, `{"dataset":"crops@v1","seed":4,"epoch":2,"batch_size":500}`)
	whole, err := plain.Next(t.Context())
	require.NoError(t, err)
	require.Nil(t, whole.Symmetries)
	shape := plain.info.Shape
	for augment, count := range map[order.Augment]int{order.Flips: 4, order.D4: 8} {
		by := order.NewSymmetries(augment, plain.info.Digest, "train", 4, 2)
		for _, more := range []string{`"batch_size":500`, `"batch_size":7,"tail":"pad","start":3,"message_bytes":200`, `"batch_size":3,"world_size":2,"rank":1`} {
			r := w.openTicket(t, fmt.Sprintf(`{"dataset":"crops@v1","seed":4,"epoch":2,"augment":%q,%s}`, augment, more))
			require.Contains(t, string(r.Info().Facts), fmt.Sprintf(`"augment":%q`, augment))
			met := map[byte]bool{}
			for {
				b, err := r.Next(t.Context())
				if err != nil {
					break
				}
				require.Len(t, b.Symmetries, b.Rows)
				for i, at := range b.Positions {
					got := b.row(r.info.Shape, i)
					if at < 0 {
						require.Zero(t, b.Symmetries[i])
						continue
					}
					s := by.At(uint64(at))
					met[byte(s)] = true
					require.EqualValues(t, s, b.Symmetries[i])
					want := whole.row(shape, int(at))
					require.Equal(t, *want.id, *got.id)
					want.image, want.valid = bytes.Clone(want.image), bytes.Clone(want.valid)
					want.turn(shape, s)
					require.Equal(t, want.image, got.image)
					require.Equal(t, want.valid, got.valid)
				}
				b.Release()
			}
			require.Len(t, met, count)
		}
	}
	_, err = ParseTicket([]byte(`{"dataset":"crops@v1","augment":"rotate"}`))
	require.True(t, fault.Is(err, fault.Invalid))
	require.ErrorContains(t, err, `"flips" or "d4"`)
}

func BenchmarkTurn(b *testing.B) {
	const bands, edge = 13, 256
	image := make([]byte, bands*edge*edge*2)
	for s := range order.Symmetry(8) {
		b.Run(fmt.Sprint(s), func(b *testing.B) {
			b.SetBytes(int64(len(image)))
			for b.Loop() {
				turnPlanes(image, 2, edge, edge, s)
			}
		})
	}
}
