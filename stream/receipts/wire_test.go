package receipts

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestAcknowledgements(t *testing.T) {
	chain := strings.Repeat("ab", 32)
	a, err := ParseAcknowledgement([]byte(`{"session": "s", "steps": 7, "seen": "`+chain+`", "durable": true}`), false)
	require.NoError(t, err)
	require.Equal(t, "s", a.Session)
	require.EqualValues(t, 7, a.Steps)
	require.Equal(t, byte(0xab), a.Seen[31])
	require.True(t, a.Durable)
	a, err = ParseAcknowledgement([]byte(`{"steps": 0}`), true)
	require.NoError(t, err)
	require.Nil(t, a.Seen)
	for text, says := range map[string]string{
		`{"session": "s"}`:                          `key "steps" is missing`,
		`{"steps": 1}`:                              `key "session" is missing`,
		`{"session": "s", "steps": -1}`:             `key "steps"`,
		`{"session": "s", "steps": 1, "seen": 1}`:   `key "seen"`,
		`{"session": "s", "steps": 1, "seen": "x"}`: `64 hex digits`,
		`{"session": "s", "steps": 1, "seen": "` + strings.Repeat("x", 64) + `"}`:        `hex`,
		`{"session": "s", "steps": 1, "step": 2}`:                                        `unknown key "step"`,
		`{"session": "s", "steps": 1, "seen": "` + chain + `", "seen": "` + chain + `"}`: `twice`,
	} {
		_, err := ParseAcknowledgement([]byte(text), false)
		require.True(t, fault.Is(err, fault.Invalid), text)
		require.Contains(t, fault.Text(err), says)
	}
	_, err = ParseAcknowledgement([]byte(`{"session": "s", "steps": 1}`), true)
	require.ErrorContains(t, err, "unknown key")
	var none *Ledger
	_, err = none.Take(a)
	require.True(t, fault.Is(err, fault.Unsupported))
}
