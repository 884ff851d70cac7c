package catalogtest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCompareNoticesEveryMistake plants each mistake in one of two catalogs.
func TestCompareNoticesEveryMistake(t *testing.T) {
	for _, wrong := range mistakes {
		t.Run(string(wrong), func(t *testing.T) {
			t.Parallel()
			left := NewMemory()
			left.wrong = wrong
			err := examine(t.Context(), 7, questions, left, NewMemory(), newEncounters())
			require.ErrorContains(t, err, "is answered with", "nobody noticed that %s", wrong)
			t.Log(err)
		})
	}
}

// TestCompareRefusesToHaveMetTooLittle puts fewer questions than it takes.
func TestCompareRefusesToHaveMetTooLittle(t *testing.T) {
	met := newEncounters()
	require.NoError(t, examine(t.Context(), 7, 300, NewMemory(), NewMemory(), met))
	require.ErrorContains(t, met.enough(), "t_metby met empty")
	for _, op := range operators() {
		for i := range met[op] {
			require.Positive(t, met[op][i], "%s and %s", op, situations[i])
			met[op][i] += fewest
		}
	}
	require.NoError(t, met.enough())
	met["<>"][2] = fewest - 1
	require.ErrorContains(t, met.enough(), "<> met antimeridian 99 times")
}
