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
	require.NoError(t, examine(t.Context(), 7, questionsRaced, NewMemory(), NewMemory(), met))
	require.NoError(t, met.enough(false), "so many are enough for a hundred documents")
	require.ErrorContains(t, met.enough(true), "t_metby met empty in ")
	for _, op := range operators() {
		for i := range situations {
			require.Positive(t, met[op].questions[i], "%s and %s", op, situations[i])
			met[op].questions[i] += fewest
		}
	}
	require.NoError(t, met.enough(true))
	met["<>"].questions[2] = fewest - 1
	require.ErrorContains(t, met.enough(true), "<> met antimeridian in 99 questions")
	met["not"].documents[0] = fewest - 1
	require.ErrorContains(t, met.enough(false), "not met null for 99 documents")
	require.ErrorContains(t, newEncounters().enough(false), "for 0 documents")
}
