package stream

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// ids reads a ticket of the shelf's first version and returns its ids by position, and its facts.
func (w *shelf) ids(t *testing.T, ticket string) ([]string, map[string]any) {
	t.Helper()
	parsed, err := ParseTicket([]byte(ticket))
	require.NoError(t, err)
	r, err := w.engine.Open(t.Context(), parsed)
	require.NoError(t, err, fault.CureOf(err))
	defer r.Close()
	var facts map[string]any
	require.NoError(t, json.Unmarshal(r.Info().Facts, &facts))
	var out []string
	for {
		b, err := r.Next(t.Context())
		if err == io.EOF {
			return out, facts
		}
		require.NoError(t, err)
		out = append(out, b.IDs...)
	}
}

func TestDrawnEpochsAreTheSameInAnyPieces(t *testing.T) {
	w := newShelf(t, 1)
	for _, keys := range []string{
		`"filter": "row >= 8"`, `"weights": "col"`, `"shuffle": "window:4KiB"`, `"shuffle": "uniform"`, `"shuffle": false, "filter": "col < 16"`,
		`"filter": "row < 20", "weights": "row", "shuffle": "window:40000"`, `"filter": "row > 3", "weights": "col", "shuffle": false`,
	} {
		whole, facts := w.ids(t, fmt.Sprintf(`{"dataset": "crops@v1", "seed": 2, "batch_size": 1000, %s}`, keys))
		require.EqualValues(t, len(whole), facts["samples"], keys)
		require.NotEmpty(t, whole)
		for _, c := range [][3]int{{1, 1, 0}, {1, 7, 3}, {2, 3, 0}, {3, 2, 5}, {8, 1, 0}} {
			world, batch, start := c[0], c[1], c[2]
			parts := make([][]string, world)
			for r := range world {
				parts[r], _ = w.ids(t, fmt.Sprintf(`{"dataset": "crops@v1", "seed": 2, "batch_size": %d, "world_size": %d, "rank": %d, "start": %d, "tail": "pad", %s}`,
					batch, world, r, start, keys))
			}
			var got []string
			for at := 0; at < len(parts[0]); at += batch {
				for r := range world {
					for _, id := range parts[r][at : at+batch] {
						if id != "" {
							got = append(got, id)
						}
					}
				}
			}
			require.Equal(t, whole[start:], got, "%s in pieces %v", keys, c)
		}
	}
}

func TestTheVersionFixesTheShuffle(t *testing.T) {
	w := newShelf(t, 1)
	byDefault, facts := w.ids(t, `{"dataset": "crops@v1"}`)
	require.Equal(t, true, facts["shuffle"], "a window would hold all of so small a version")
	named, facts := w.ids(t, `{"dataset": "crops@v1", "shuffle": "window:2GiB"}`)
	require.Equal(t, "window:2147483648", facts["shuffle"])
	require.Equal(t, order.DrawnAlgorithm, facts["order"])
	require.NotEqual(t, byDefault, named)
	older, facts := w.ids(t, `{"dataset": "crops@v1", "shuffle": "window:2GiB", "order": "terrapin-order-2"}`)
	require.Equal(t, order.DrawnByChunk, facts["order"])
	require.NotEqual(t, named, older)
	require.ElementsMatch(t, named, older)
	uniform, facts := w.ids(t, `{"dataset": "crops@v1", "shuffle": "uniform", "order": "terrapin-order-1"}`)
	require.Equal(t, true, facts["shuffle"])
	require.Equal(t, order.Algorithm, facts["order"])
	require.Equal(t, byDefault, uniform)
	require.ElementsMatch(t, byDefault, named)
	v, err := w.engine.versions.get(t.Context(), "crops@v1")
	require.NoError(t, err)
	train, err := v.Split("train")
	require.NoError(t, err)
	o := order.New(v.Digest, "train", uint64(train.Len()), 0, 0, true)
	for p, id := range uniform {
		s, err := train.At(int(o.At(uint64(p))))
		require.NoError(t, err)
		require.Equal(t, s.ID, id)
	}
	base, facts := w.ids(t, `{"dataset": "crops@v1", "shuffle": false}`)
	require.IsIncreasing(t, base)
	require.Equal(t, false, facts["shuffle"])
}

func TestSmallWindowsOfManySlotsAreMixedByWindows(t *testing.T) {
	w := newShelf(t, 0)
	recipe := "name: crops\ncube: s2\nwindow: {size: 4}\ntime: {policy: latest, slots: 100000}\nsplit: {by: block, block_m: 320, train: 1, validate: 0, test: 0}\n"
	report, err := datasets.Commit(t.Context(), w.cfg, []byte(recipe), "test")
	require.NoError(t, err, fault.CureOf(err))
	require.Equal(t, "window:2147483648", report.Shuffle, "windows of 4 pixels in chunks of 16 that take 230 MB")
	require.Greater(t, report.ReadAmplification, 4.0)
	require.Contains(t, fmt.Sprint(report.Notes), "if nothing is cached; the default is window:2147483648")
	require.Len(t, report.Orders, 2)
	uniform, window := report.Orders[0], report.Orders[1]
	require.False(t, uniform.Default)
	require.True(t, window.Default)
	require.Less(t, window.ReadAmplification, uniform.ReadAmplification)
	require.LessOrEqual(t, window.Mixing, uniform.Mixing)
	require.Equal(t, 1, window.Block)

	open := func(ticket string) Info {
		parsed, err := ParseTicket([]byte(ticket))
		require.NoError(t, err)
		r, err := w.engine.Open(t.Context(), parsed)
		require.NoError(t, err, fault.CureOf(err))
		defer r.Close()
		return r.Info()
	}
	byDefault := open(`{"dataset": "crops@v1", "batch_size": 1}`)
	require.Equal(t, "window:2147483648", byDefault.Ticket.Samples.Shuffle.fixed.String())
	require.Equal(t, order.DrawnAlgorithm, byDefault.Ticket.Samples.Order)
	require.Equal(t, order.Uniform, open(`{"dataset": "crops@v1", "batch_size": 1, "shuffle": "uniform"}`).Ticket.Samples.Shuffle.fixed)
	verified, err := datasets.Verify(t.Context(), w.cfg, "crops@v1")
	require.NoError(t, err)
	require.True(t, verified.OK, "%+v", verified.Problems)
}

func TestAResolvedTicketDrawsTheSame(t *testing.T) {
	w := newShelf(t, 1)
	for _, ticket := range []string{`{"dataset": "crops"}`, `{"dataset": "crops", "filter": "row>4", "weights": "row", "shuffle": "uniform"}`} {
		want, _ := w.ids(t, ticket)
		parsed, err := ParseTicket([]byte(ticket))
		require.NoError(t, err)
		r, err := w.engine.Open(t.Context(), parsed)
		require.NoError(t, err)
		r.Close()
		got, _ := w.ids(t, string(r.Info().Ticket.JSON()))
		require.Equal(t, want, got)
	}
}

func TestAnOrderThatTheEpochDoesNotHaveIsRefused(t *testing.T) {
	w := newShelf(t, 1)
	for ticket, kind := range map[string]fault.Kind{
		`{"dataset": "crops@v1", "filter": "row > 3", "order": "terrapin-order-1"}`:  fault.Conflict,
		`{"dataset": "crops@v1", "shuffle": "uniform", "order": "terrapin-order-2"}`: fault.Conflict,
		`{"dataset": "crops@v1", "order": "zz"}`:                                     fault.Invalid,
		`{"dataset": "crops@v1", "filter": "cloud > 3"}`:                             fault.Invalid,
		`{"dataset": "crops@v1", "weights": "class_balanced"}`:                       fault.Invalid,
		`{"dataset": "crops@v1", "filter": "row > 1000"}`:                            fault.Precondition,
		`{"dataset": "crops@v1", "filter": "row > 20", "start": 1000}`:               fault.Invalid,
	} {
		parsed, err := ParseTicket([]byte(ticket))
		require.NoError(t, err)
		_, err = w.engine.Open(t.Context(), parsed)
		require.True(t, fault.Is(err, kind), "%s: %v", ticket, err)
		require.NotEmpty(t, fault.CureOf(err))
	}
}
