package stream

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
)

// saidOfValues is what a stream says of its numbers.
type saidOfValues struct {
	DType      string
	CubeDType  string `json:"cube_dtype"`
	Values     string
	Normalise  bool
	Contracts  []struct{ Scale, Offset float64 }
	Statistics []struct{ Mean, Std float64 }
}

// images reads an epoch and returns its images and validity, one after the other.
func (w *shelf) images(t *testing.T, ticket string) (image, valid []byte, said saidOfValues) {
	t.Helper()
	r := w.openTicket(t, ticket)
	require.NoError(t, json.Unmarshal(r.Info().Facts, &said))
	require.EqualValues(t, said.DType, r.Info().Shape.DType)
	for range r.Steps() {
		b, err := r.Next(t.Context())
		require.NoError(t, err)
		image, valid = append(image, b.Image...), append(valid, b.Valid...)
		b.Release()
	}
	return image, valid, said
}

// sceneOf is a scene with a radiometric contract.
func sceneOf(name string, c cube.Contract) layouttest.Scene {
	s := layouttest.Random(layouttest.Spec(cube.Uint16, nil), uint64(name[0]), name, layouttest.Date(3, int(name[0]-'a')+1, 0))
	s.Meta.Contract = c
	return s
}

// What a ticket wants of the numbers is done to those that come without it, whatever the version fixes.
func TestTheTicketConverts(t *testing.T) {
	w := newShelf(t, 0, sceneOf("a", cube.Contract{Scale: 1e-4, Offset: -0.1}), sceneOf("b", cube.Contract{Scale: 1e-4, Offset: -0.1}))
	for n, recipe := range []string{"values: raw", "values: physical", "normalise: {per: band, from: train}", "values: physical\nnormalise: {per: band, from: train}"} {
		text := "name: crops\ncube: s2\nwindow: {size: 7}\nsplit: {by: block, block_m: 320, train: 1, validate: 0, test: 0}\n" + recipe
		_, err := datasets.Commit(t.Context(), w.cfg, []byte(text), "test")
		require.NoError(t, err, fault.CureOf(err))
		ref := fmt.Sprintf("crops@v%d", n+1)
		stored, seen, said := w.images(t, fmt.Sprintf(`{"dataset":%q,"values":"raw","normalise":false,"batch_size":5}`, ref))
		require.Equal(t, saidOfValues{"uint16", "uint16", "raw", false, said.Contracts, said.Statistics}, said)
		bands := len(said.Statistics)
		for _, physical := range []bool{false, true} {
			for _, normalise := range []bool{false, true} {
				kind := map[bool]string{false: "raw", true: "physical"}[physical]
				ticket := fmt.Sprintf(`{"dataset":%q,"values":%q,"normalise":%v,"dtype":"float32","batch_size":3}`, ref, kind, normalise)
				if normalise && physical != (n == 1 || n == 3) {
					parsed, err := ParseTicket([]byte(ticket))
					require.NoError(t, err)
					_, err = w.engine.Open(t.Context(), parsed)
					require.True(t, fault.Is(err, fault.Invalid), err)
					require.Contains(t, fault.CureOf(err), "normalise")
					continue
				}
				got, _, said := w.images(t, ticket)
				require.Equal(t, saidOfValues{"float32", "uint16", kind, normalise, said.Contracts, said.Statistics}, said)
				want := make([]byte, len(got))
				for i := range len(want) / 4 {
					x := float32(cube.Uint16.Get(stored[2*i:]))
					if physical {
						x = float32(x*float32(said.Contracts[0].Scale)) + float32(said.Contracts[0].Offset)
					}
					if normalise {
						band, pixel := i/49%bands, i/49/bands*49+i%49
						x = float32(x-float32(said.Statistics[band].Mean)) / float32(said.Statistics[band].Std)
						if seen[pixel] == 0 {
							x = 0
						}
					}
					cube.Float32.Put(want[4*i:], float64(x))
				}
				require.Equal(t, want, got, "%s %s", recipe, ticket)
			}
		}
	}
}

func TestWhatNumbersCannotBeIsRefused(t *testing.T) {
	w := newShelf(t, 0, sceneOf("a", cube.Contract{Scale: 1e-4, Offset: -0.1}), sceneOf("b", cube.Contract{Scale: 1}))
	_, err := datasets.Commit(t.Context(), w.cfg, []byte("name: crops\ncube: s2\nvalues: physical\nwindow: {size: 7}\nsplit: {by: block, block_m: 320, train: 0, validate: 0, test: 1}\n"), "test")
	require.NoError(t, err, fault.CureOf(err))
	for ticket, says := range map[string]string{
		`{"dataset":"crops@v1","split":"test","values":"raw"}`:     "2 radiometric contracts",
		`{"dataset":"crops@v1","split":"test","normalise":true}`:   "no statistics of band B02",
		`{"dataset":"crops@v1","split":"test","dtype":"uint16"}`:   `wants "float32"`,
		`{"dataset":"crops@v1","split":"test","values":"dB"}`:      `wants "raw" or "physical"`,
		`{"dataset":"crops@v1","split":"test","normalise":"band"}`: "wants true or false",
	} {
		parsed, err := ParseTicket([]byte(ticket))
		if err == nil {
			_, err = w.engine.Open(t.Context(), parsed)
		}
		require.ErrorContains(t, err, says, ticket)
	}
	image, _, said := w.images(t, `{"dataset":"crops@v1","split":"test","values":null,"normalise":null,"dtype":null}`)
	require.Equal(t, "physical", said.Values)
	require.NotEmpty(t, image)
}
