package order_test

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

const symmetryFile = "../../testdata/conformance/symmetry.json"

// drawnSymmetries are those at some positions.
type drawnSymmetries struct {
	Digest    string   `json:"digest"`
	Split     string   `json:"split"`
	Seed      string   `json:"seed"`
	Epoch     string   `json:"epoch"`
	Positions []string `json:"positions"`
	Flips     []int    `json:"flips"`
	D4        []int    `json:"d4"`
}

type symmetryVectors struct {
	Algorithm string            `json:"algorithm"`
	Drawn     []drawnSymmetries `json:"drawn"`
	// Laid is a window of 3 by 3 pixels, numbered row by row, under each symmetry.
	Laid [8][3][3]int `json:"laid"`
}

func computedSymmetries(t *testing.T, v symmetryVectors) symmetryVectors {
	t.Helper()
	v.Algorithm = order.SymmetryAlgorithm
	for i := range v.Drawn {
		d := &v.Drawn[i]
		seed, epoch := number(t, d.Seed), number(t, d.Epoch)
		flips, d4 := order.NewSymmetries(order.Flips, d.Digest, d.Split, seed, epoch), order.NewSymmetries(order.D4, d.Digest, d.Split, seed, epoch)
		d.Flips, d.D4 = nil, nil
		for _, p := range d.Positions {
			d.Flips, d.D4 = append(d.Flips, int(flips.At(number(t, p)))), append(d.D4, int(d4.At(number(t, p))))
		}
	}
	for s := range v.Laid {
		for y := range 3 {
			for x := range 3 {
				row, col := y, x
				if order.Symmetry(s)&order.Flipped != 0 {
					row = 2 - row
				}
				if order.Symmetry(s)&order.Mirrored != 0 {
					col = 2 - col
				}
				if order.Symmetry(s)&order.Transposed != 0 {
					row, col = col, row
				}
				v.Laid[s][y][x] = 3*row + col
			}
		}
	}
	return v
}

func symmetryInputs() (v symmetryVectors) {
	const d = "td1:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
	first := []string{}
	for p := range 40 {
		first = append(first, strconv.Itoa(p))
	}
	far := []string{"1000000007", "4294967295", "4294967296", "9223372036854775807", "18446744073709551615"}
	for _, in := range []drawnSymmetries{
		{Digest: d, Split: "train", Seed: "1", Epoch: "0"}, {Digest: d, Split: "train", Seed: "1", Epoch: "1"},
		{Digest: d, Split: "train", Seed: "0", Epoch: "1"}, {Digest: d, Split: "test", Seed: "1", Epoch: "0"},
		{Digest: "", Split: "", Seed: "18446744073709551615", Epoch: "18446744073709551615"},
	} {
		in.Positions = append(first, far...)
		v.Drawn = append(v.Drawn, in)
	}
	return v
}

func TestSymmetryVectors(t *testing.T) {
	if *update {
		data, err := json.Marshal(computedSymmetries(t, symmetryInputs()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(symmetryFile, append(data, '\n'), 0o644))
	}
	data, err := os.ReadFile(symmetryFile)
	require.NoError(t, err)
	var want symmetryVectors
	require.NoError(t, json.Unmarshal(data, &want))
	require.Equal(t, want, computedSymmetries(t, symmetryInputs()))
}

// Every symmetry is as frequent as any other, also after any other, and epochs know nothing of each other.
func TestSymmetriesAreUniform(t *testing.T) {
	const n = 1 << 17
	for a, count := range map[order.Augment]int{order.Flips: 4, order.D4: 8} {
		this, next := order.NewSymmetries(a, "td1:ab", "train", 5, 0), order.NewSymmetries(a, "td1:ab", "train", 5, 1)
		for _, apart := range []uint64{1, 2, 32, 1024} {
			var pairs, epochs [8][8]float64
			for p := range uint64(n) {
				pairs[this.At(p)][this.At(p+apart)]++
				epochs[this.At(p)][next.At(p)]++
			}
			for _, table := range [][8][8]float64{pairs, epochs} {
				chi, mean := 0.0, float64(n)/float64(count*count)
				for _, row := range table[:count] {
					for _, k := range row[:count] {
						chi += (k - mean) * (k - mean) / mean
					}
				}
				free := float64(count*count - 1)
				require.Less(t, chi, free+5*math.Sqrt(2*free), "%s, %d apart", a, apart)
			}
		}
	}
}

func TestOnlySquaresAreRotated(t *testing.T) {
	require.NoError(t, order.D4.Check(8, 8))
	require.NoError(t, order.Flips.Check(8, 9))
	err := order.D4.Check(8, 9)
	require.True(t, fault.Is(err, fault.Invalid), err)
	require.Contains(t, fault.CureOf(err), "flips")
}
