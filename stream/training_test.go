package stream

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
)

const trainedRecipe = "name: crops\ncube: s2\nwindow: {size: 4}\nsplit: {by: block, block_m: 20, train: 0.6, validate: 0.4, test: 0}\n"

// A recipe says how its training split is read; a ticket that says so itself has its way, and no other split is touched.
func TestTheRecipeSaysHowTrainingIsRead(t *testing.T) {
	w := newShelf(t, 0)
	commit := func(recipe string) datasets.Report {
		r, err := datasets.Commit(t.Context(), w.cfg, []byte(recipe), "test")
		require.NoError(t, err, fault.CureOf(err))
		return r
	}
	plain := commit(trainedRecipe)
	said := commit(trainedRecipe + "filter: row>=8\nweights: col\nshuffle: window:4KiB\n")
	require.Equal(t, []string{"v1", "v2"}, []string{plain.Version, said.Version})
	require.NotEqual(t, plain.Digest, said.Digest)
	require.Equal(t, plain.Samples, said.Samples)
	require.Equal(t, []string{"row >= 8", "col", "window:4096"}, []string{said.Filter, said.Weights, said.Shuffle})
	require.Equal(t, plain.Digest, commit(trainedRecipe+"shuffle: "+plain.Shuffle+"\n").Digest, "what it would be anyway is nothing new")
	verified, err := datasets.Verify(t.Context(), w.cfg, "crops@v2")
	require.NoError(t, err)
	require.True(t, verified.OK, "%+v", verified.Problems)

	bySaying, facts := w.ids(t, `{"dataset": "crops@v2"}`)
	require.Equal(t, []any{"row >= 8", "col", "window:4096"}, []any{facts["filter"], facts["weights"], facts["shuffle"]})
	explicit, same := w.ids(t, `{"dataset": "crops@v2", "filter": "row >= 8", "weights": "col", "shuffle": "window:4096"}`)
	require.Equal(t, explicit, bySaying)
	require.Equal(t, same, facts)

	all, facts := w.ids(t, `{"dataset": "crops@v2", "filter": false, "weights": false, "shuffle": false}`)
	require.Equal(t, []any{nil, nil, false, "terrapin-order-1"}, []any{facts["filter"], facts["weights"], facts["shuffle"], facts["order"]})
	base, _ := w.ids(t, `{"dataset": "crops@v1", "shuffle": false}`)
	require.Equal(t, base, all)
	other, facts := w.ids(t, `{"dataset": "crops@v2", "filter": "row < 8", "weights": "scenes"}`)
	require.Equal(t, []any{"row < 8", "scenes"}, []any{facts["filter"], facts["weights"]})
	require.NotEmpty(t, other)
	require.NotSubset(t, bySaying, other)

	_, facts = w.ids(t, `{"dataset": "crops@v2", "split": "validate", "shuffle": false}`)
	require.Equal(t, []any{nil, nil}, []any{facts["filter"], facts["weights"]})

	for _, ticket := range []string{`{"dataset": "crops@v2"}`, `{"dataset": "crops@v2", "filter": false}`, `{"dataset": "crops@v2", "weights": false, "filter": null}`} {
		want, _ := w.ids(t, ticket)
		parsed, err := ParseTicket([]byte(ticket))
		require.NoError(t, err)
		r, err := w.engine.Open(t.Context(), parsed)
		require.NoError(t, err)
		r.Close()
		got, _ := w.ids(t, string(r.Info().Ticket.JSON()))
		require.Equal(t, want, got, "%s resolved is %s", ticket, r.Info().Ticket.JSON())
	}
}

func TestAResolvedTicketIsOpenOnlyWhereNothingIsSaid(t *testing.T) {
	for _, c := range []struct {
		given     Setting
		byVersion string
		text      string
	}{
		{Setting{}, "", `{}`}, {Setting{}, "a", `{"filter":"a"}`}, {Given(""), "", `{}`}, {Given(""), "a", `{"filter":false}`}, {Given("b"), "a", `{"filter":"b"}`},
	} {
		c.given.settle(c.byVersion)
		text, err := json.Marshal(struct {
			Filter Setting `json:"filter,omitzero"`
		}{c.given})
		require.NoError(t, err)
		require.Equal(t, c.text, string(text))
	}
}

func TestARecipeThatCannotBeTrainedByIsRefused(t *testing.T) {
	w := newShelf(t, 0)
	for keys, says := range map[string][2]string{
		"filter: clouds < 3":           {`line 5, column 9: filter: samples have no property "clouds"`, "scenes"},
		"weights: cell":                {`line 5, column 10: weights: samples have no number "cell"`, "row"},
		"weights: class_balanced":      {"line 5, column 10: weights: class_balanced", "label set"},
		"weights: {class: {maize: 2}}": {"line 5, column 10: weights by class of a version that has no labels", "scenes"},
		"filter: class = 'maize'":      {`no property "class"`, "scenes"},
		"weights: labelled":            {`no number "labelled"`, "scenes"},
	} {
		_, err := datasets.Commit(t.Context(), w.cfg, []byte(trainedRecipe+keys), "test")
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", keys, err)
		require.ErrorContains(t, err, says[0])
		require.Contains(t, fault.CureOf(err), says[1])
	}
	for keys, says := range map[string]string{
		"filter: row > 100000":                                "line 5, column 9: filter: none of the ",
		"filter: split = 'validate'":                          "line 5, column 9: filter: none of the ",
		"filter: collection = 'dataset-crops-v2'":             "line 5, column 9: filter: none of the ",
		"filter: row = 0\nweights: row":                       "line 6, column 10: weights: all ",
		"weights: col\nfilter: datetime < DATE('1999-01-01')": "line 6, column 9: filter: none of the ",
	} {
		_, err := datasets.Commit(t.Context(), w.cfg, []byte(trainedRecipe+keys), "test")
		require.True(t, fault.Is(err, fault.Precondition), "%s: %v", keys, err)
		require.ErrorContains(t, err, says)
		require.NotEmpty(t, fault.CureOf(err))
	}
	r, err := datasets.Commit(t.Context(), w.cfg, []byte(trainedRecipe+"filter: collection = 'dataset-crops-v1' AND S_INTERSECTS(geometry, BBOX(-180,-90,180,90))"), "test")
	require.NoError(t, err, fault.CureOf(err))
	require.Equal(t, "v1", r.Version, "what was refused has left nothing behind")
	got, _ := w.ids(t, `{"dataset": "crops@v1"}`)
	require.Len(t, got, r.Samples["train"])
}
