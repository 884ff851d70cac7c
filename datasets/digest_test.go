package datasets

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
)

var update = flag.Bool("update", false, "write the test vectors anew (only for a new digest)")

const digestVectors = "../testdata/conformance/digest.json"

type digestVector struct {
	Samples     []leafDoc   `json:"samples"`
	Definitions definitions `json:"definitions"`
	Leaves      []string    `json:"leaves"`
	Root        string      `json:"root"`
	Digest      string      `json:"digest"`
}

func (v *digestVector) compute(t *testing.T) {
	t.Helper()
	var hashes []hash
	v.Leaves = []string{}
	for _, s := range v.Samples {
		h, err := s.hash()
		require.NoError(t, err)
		hashes = append(hashes, h)
		v.Leaves = append(v.Leaves, hex.EncodeToString(h[:]))
	}
	root := merkle(hashes)
	v.Root = hex.EncodeToString(root[:])
	var err error
	v.Digest, err = digest(hashes, v.Definitions)
	require.NoError(t, err)
}

func vectorInputs() []digestVector {
	var out, further []digestVector
	for _, n := range []int{0, 1, 2, 3, 5, 8} {
		v := digestVector{Samples: []leafDoc{}}
		for i := range n {
			v.Samples = append(v.Samples, leafDoc{
				ID: fmt.Sprintf("%032x", i*7919), Cell: "r0c0/10m", Row: 16 * i, Col: 16, Height: 16, Width: 16,
				Slots: []cube.SliceID{"00000000000000000000000000000001", "00000000000000000000000000000002"}, Split: Splits()[i%3],
				Label: []string{fmt.Sprintf("%064x", i)}, Pixels: []string{fmt.Sprintf("%064x", 1), fmt.Sprintf("%064x", 2)},
			})
		}
		at := "2021-10-01T00:00:00Z"
		nan := cube.Number(math.NaN())
		v.Definitions = definitions{
			Format: "td1", Grid: cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 664000, 0, -10, 5612120}, Width: 100, Height: 100},
			Recipe: recipeDoc{Window: WindowRule{16, 16, 0}, Values: Raw, Normalise: n%2 == 0, Time: timeDoc{Policy: All, At: &at, Range: []string{}, Availability: "strict"},
				Split: splitDoc{By: "block", Block: 320, Train: 0.7, Validate: 0.15, Test: 0.15, Salt: "1"}},
			DType: cube.Float32, Nodata: &nan, Bands: []string{"B02", "Größe \U0001F422"}, Slots: 2,
			Contracts:  []contractDoc{{"00000000000000000000000000000001", 1e-4, -0.1, "05.00"}, {"00000000000000000000000000000002", 1, 0, ""}},
			Labels:     &labelDefinitions{DType: cube.Uint8, Ignore: 255.0, Classes: []Class{{0, "other"}, {1, "crop"}}},
			Statistics: []BandStats{{"B02", 123456789, 1.0 / 3, 1e-7, math.Copysign(0, -1), 1e21}, {"Größe \U0001F422", 3, 548.8132378472219, 270.5611591282281, 25, 9459}},
			Order:      "terrapin-order-1",
		}
		out = append(out, v)
		if n == 3 { // the same with two further resolutions
			grid := v.Definitions.Grid
			grid.Transform[0], grid.Transform[4], grid.Width, grid.Height = 20, -20, 50, 50
			v.Definitions.Groups = []groupDefinitions{
				{Name: "20m", Grid: grid, DType: cube.Float32, Nodata: &nan, Bands: []string{"B11", "B05"}, Statistics: []BandStats{{"B11", 7, 0.5, 0.25, 0, 1}, {"B05", 0, 0, 0, 0, 0}}},
				{Name: "50m", Grid: cube.Grid{CRS: grid.CRS, Transform: cube.Affine{50, 0, 664000, 0, -50, 5612120}, Width: 20, Height: 20}, DType: cube.Uint16, Bands: []string{"B01"}, Statistics: []BandStats{{"B01", 3, 2, 1, 1, 3}}},
			}
			further = append(further, v)
		}
	}
	return append(out, further...)
}

func TestDigestVectors(t *testing.T) {
	if *update {
		all := vectorInputs()
		for i := range all {
			all[i].compute(t)
		}
		data, err := json.MarshalIndent(all, "", " ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(digestVectors, append(data, '\n'), 0o644))
	}
	data, err := os.ReadFile(digestVectors)
	require.NoError(t, err)
	var want []digestVector
	require.NoError(t, json.Unmarshal(data, &want))
	require.Len(t, want, len(vectorInputs()))
	for _, v := range want {
		got := v
		got.compute(t)
		assert.Equal(t, v, got)
	}
}

func TestEveryPartOfASampleChangesTheDigest(t *testing.T) {
	base := vectorInputs()[3]
	base.compute(t)
	for name, change := range map[string]func(*digestVector){
		"id":         func(v *digestVector) { v.Samples[1].ID = "ff" },
		"cell":       func(v *digestVector) { v.Samples[1].Cell = "r0c1/10m" },
		"row":        func(v *digestVector) { v.Samples[1].Row++ },
		"slots":      func(v *digestVector) { v.Samples[1].Slots = v.Samples[1].Slots[:1] },
		"split":      func(v *digestVector) { v.Samples[1].Split = "train" },
		"label":      func(v *digestVector) { v.Samples[1].Label = []string{} },
		"pixels":     func(v *digestVector) { v.Samples[1].Pixels = v.Samples[1].Pixels[1:] },
		"order":      func(v *digestVector) { v.Samples[0], v.Samples[1] = v.Samples[1], v.Samples[0] },
		"one less":   func(v *digestVector) { v.Samples = v.Samples[:2] },
		"bands":      func(v *digestVector) { v.Definitions.Bands = v.Definitions.Bands[:1] },
		"statistics": func(v *digestVector) { v.Definitions.Statistics[0].Mean = math.Nextafter(1.0/3, 1) },
		"groups":     func(v *digestVector) { v.Definitions.Groups = []groupDefinitions{{Name: "20m"}} },
		"class":      func(v *digestVector) { v.Definitions.Labels.Classes[1].Name = "crops" },
	} {
		v := vectorInputs()[3]
		change(&v)
		v.compute(t)
		assert.NotEqual(t, base.Digest, v.Digest, name)
	}
}
