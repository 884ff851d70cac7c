package stream

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
)

// An area comes as the samples of a version do, so that a model sees the numbers that it was trained on.
func TestAreasAreConvertedAsSamplesAre(t *testing.T) {
	w := newShelf(t, 0, sceneOf("a", cube.Contract{Scale: 1e-4, Offset: -0.1}), sceneOf("b", cube.Contract{Scale: 2e-4, Offset: 0.3}))
	for n, recipe := range []string{"normalise: {per: band, from: train}\ntime: {policy: latest}", "values: physical\nnormalise: {per: band, from: train}"} {
		text := "name: crops\ncube: s2\nwindow: {size: 7}\nsplit: {by: block, block_m: 320, train: 1, validate: 0, test: 0}\n" + recipe
		_, err := datasets.Commit(t.Context(), w.cfg, []byte(text), "test")
		require.NoError(t, err, fault.CureOf(err))
		ref, where := fmt.Sprintf("crops@v%d", n+1), `{"cube": "s2", "size": 8, "batch_size": 3`
		if n == 0 {
			parsed, err := ParseTicket(fmt.Appendf(nil, `{"cube": "s2", "normalise": %q}`, ref))
			require.NoError(t, err)
			_, err = w.engine.Open(t.Context(), parsed)
			require.True(t, fault.Is(err, fault.Precondition), err)
			require.ErrorContains(t, err, "which these scenes of the area do not have: a (scale 0.0001 offset -0.1")
			require.NotContains(t, err.Error(), "b (")
			require.Contains(t, fault.CureOf(err), "values: physical")
			where += `, "time": ["2021-03-02", ".."]`
		}
		stored, seen, said := w.images(t, where+`}`)
		require.Equal(t, saidOfValues{"uint16", "uint16", "raw", false, said.Contracts, said.Statistics}, said)
		require.Empty(t, said.Statistics)
		float, _, said := w.images(t, where+`, "dtype": "float32"}`)
		require.Equal(t, saidOfValues{"float32", "uint16", "raw", false, said.Contracts, said.Statistics}, said)
		physical, _, said := w.images(t, where+`, "values": "physical"}`)
		require.Equal(t, saidOfValues{"float32", "uint16", "physical", false, said.Contracts, said.Statistics}, said)
		normal, _, of := w.images(t, fmt.Sprintf(`%s, "normalise": %q}`, where, ref))
		require.True(t, of.Normalise)
		require.Equal(t, []string{"raw", "physical"}[n], of.Values)
		bands, slots, pixels := len(of.Statistics), len(of.Contracts), 64
		require.Positive(t, bands)
		missing := 0
		for i, dn := range numbers[uint16](stored) {
			row, slot, band, at := i/(slots*bands*pixels), i/(bands*pixels)%slots, i/pixels%bands, i%pixels
			x := float32(dn)
			require.Equal(t, x, numbers[float32](float)[i])
			scaled := float32(x * float32(of.Contracts[slot].Scale))
			scaled = float32(scaled + float32(of.Contracts[slot].Offset))
			require.Equal(t, scaled, numbers[float32](physical)[i])
			if of.Values == "physical" {
				x = scaled
			}
			want := float32(float32(x-float32(of.Statistics[band].Mean)) / float32(of.Statistics[band].Std))
			if seen[(row*slots+slot)*pixels+at] == 0 {
				want = 0
				missing++
			}
			require.Equal(t, math.Float32bits(want), math.Float32bits(numbers[float32](normal)[i]))
		}
		require.Positive(t, missing)
	}
	resolved := w.openTicket(t, `{"cube": "s2", "normalise": "crops"}`)
	require.Equal(t, "crops@v2", resolved.Info().Ticket.Windows.Normalise)
	require.False(t, resolved.Info().Pinned)
	for ticket, kind := range map[string]fault.Kind{
		`{"cube": "s2", "normalise": "crops@v2", "values": "raw"}`: fault.Invalid,
		`{"cube": "s2", "normalise": "crops@v9"}`:                  fault.NotFound,
		`{"cube": "s2", "normalise": "beets"}`:                     fault.NotFound,
	} {
		parsed, err := ParseTicket([]byte(ticket))
		require.NoError(t, err)
		_, err = w.engine.Open(t.Context(), parsed)
		require.True(t, fault.Is(err, kind), "%s: %v", ticket, err)
		require.NotEmpty(t, fault.CureOf(err))
	}
	beyond, err := ParseTicket([]byte(`{"cube": "s2", "size": 8, "start": 10000}`))
	require.NoError(t, err)
	_, err = w.engine.Open(t.Context(), beyond)
	require.True(t, fault.Is(err, fault.Invalid), err)
	require.ErrorContains(t, err, `key "start": window 10000 lies beyond the 30 windows of the area`)
	for _, ticket := range []string{`{"cube": "s2", "normalise": true}`, `{"cube": "s2", "values": "reflectance"}`, `{"cube": "s2", "dtype": "float64"}`} {
		_, err := ParseTicket([]byte(ticket))
		require.True(t, fault.Is(err, fault.Invalid), ticket)
	}
	narrow := "name: narrow\ncube: s2\nfeatures: [%s]\nwindow: {size: 7}\ntime: {policy: latest}\nsplit: {by: block, block_m: 320, train: 1, validate: 0, test: 0}\n"
	band := w.openTicket(t, `{"cube": "s2"}`).src.(*windowSource).names[1]
	_, err = datasets.Commit(t.Context(), w.cfg, fmt.Appendf(nil, narrow, band), "test")
	require.NoError(t, err)
	parsed, err := ParseTicket([]byte(`{"cube": "s2", "time": ["2021-03-02", ".."], "normalise": "narrow@v1"}`))
	require.NoError(t, err)
	_, err = w.engine.Open(t.Context(), parsed)
	require.ErrorContains(t, err, "has no statistics of band")
	require.Contains(t, fault.CureOf(err), band)
	w.openTicket(t, fmt.Sprintf(`{"cube": "s2", "time": ["2021-03-02", ".."], "normalise": "narrow@v1", "bands": [%q]}`, band))
}
