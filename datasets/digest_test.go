package datasets

import (
	"crypto/sha256"
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
	"github.com/terrapin-eo/terrapin/cube/layout"
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

// leafDoc is what a leaf is the digest of, as the page of the specification has it.
type leafDoc struct {
	ID     string         `json:"id"`
	Cell   string         `json:"cell"`
	Row    int            `json:"row"`
	Col    int            `json:"col"`
	Height int            `json:"height"`
	Width  int            `json:"width"`
	Slots  []cube.SliceID `json:"slots"`
	Split  string         `json:"split"`
	Label  []string       `json:"label"`
	Pixels []string       `json:"pixels"`
}

// leaf is the same as a commit has it.
func (d leafDoc) leaf(t *testing.T) *leaf {
	t.Helper()
	id, err := parsePlaceID(d.ID)
	require.NoError(t, err)
	text := func(v any) string {
		text, err := cube.Canonical(v)
		require.NoError(t, err)
		return string(text)
	}
	digests := func(list []string) *chunkDigests {
		d, err := newChunkDigests(list)
		require.NoError(t, err)
		return d
	}
	return &leaf{id: id, cell: text(d.Cell), slots: text(d.Slots), split: d.Split, label: digests(d.Label), pixels: digests(d.Pixels),
		window: cube.Window{Row: d.Row, Col: d.Col, Height: d.Height, Width: d.Width}}
}

func (v *digestVector) compute(t *testing.T) {
	t.Helper()
	var leaves tree
	v.Leaves = []string{}
	for _, s := range v.Samples {
		h, _ := s.leaf(t).hash(nil)
		leaves.add(h)
		v.Leaves = append(v.Leaves, hex.EncodeToString(h[:]))
	}
	root := leaves.root()
	v.Root = hex.EncodeToString(root[:])
	var err error
	v.Digest, err = digest(root, v.Definitions)
	require.NoError(t, err)
}

func TestALeafIsCanonicalJSON(t *testing.T) {
	for _, d := range []leafDoc{
		{ID: "00112233445566778899aabbccddeeff", Cell: `r0c"0/10m \U0001F422`, Row: -16, Col: 1 << 30, Height: 16, Width: 7, Split: "validate", Slots: []cube.SliceID{}, Label: []string{}},
		{ID: "ffffffffffffffffffffffffffffffff", Cell: "r0c0/10m", Row: 0, Col: -1, Height: 1, Width: 1, Split: "train", Slots: []cube.SliceID{"b", "a"}, Label: []string{"01"}, Pixels: []string{"02", "03"}},
	} {
		want, err := cube.Canonical(d)
		require.NoError(t, err)
		require.Equal(t, string(want), string(d.leaf(t).appendTo(nil)))
	}
}

func TestASampleIsNamedByTheCanonicalJSONOfItsPlace(t *testing.T) {
	var n namer
	for _, cell := range []string{"r0c0/10m", `a "b" \U0001F422`, "r0c0/10m"} {
		for _, g := range []cube.Grid{utm(100), {CRS: "OGC:CRS84", Transform: cube.Affine{1e-7, 0, -180, 0, -1.0 / 3, 90}}} {
			for _, w := range []cube.Window{{}, {Row: 7, Col: 1234567, Height: 64, Width: 32}, {Row: -3, Col: -70, Height: 1, Width: 2}} {
				text, err := cube.Canonical(struct {
					Cell      string      `json:"cell"`
					CRS       string      `json:"crs"`
					Transform cube.Affine `json:"transform"`
					cube.Window
				}{cell, g.CRS, g.Transform, w})
				require.NoError(t, err)
				sum := sha256.Sum256(text)
				id, err := n.name(layout.Spot{Cell: cell, Grid: g, Window: w})
				require.NoError(t, err)
				require.Equal(t, hex.EncodeToString(sum[:16]), id.String())
			}
		}
	}
}

// The root is what joining level by level gives.
func TestTheTreeOfAnyNumberOfLeaves(t *testing.T) {
	var all tree
	var leaves []hash
	for n := range 70 {
		level := append([]hash{}, leaves...)
		for len(level) > 1 {
			var up []hash
			for i := 0; i < len(level); i += 2 {
				if i+1 < len(level) {
					up = append(up, sha256.Sum256(append(append([]byte{1}, level[i][:]...), level[i+1][:]...)))
				} else {
					up = append(up, level[i])
				}
			}
			level = up
		}
		if n == 0 {
			level = []hash{sha256.Sum256([]byte{0})}
		}
		require.Equal(t, level[0], all.root(), n)
		leaves = append(leaves, sha256.Sum256([]byte{byte(n)}))
		all.add(leaves[n])
	}
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
		"id":         func(v *digestVector) { v.Samples[1].ID = "ff" + v.Samples[1].ID[2:] },
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
