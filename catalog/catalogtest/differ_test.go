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
