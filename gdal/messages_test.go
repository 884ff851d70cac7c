package gdal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/airbusgeo/godal"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

const cut = "JPEGLib:premature end of JPEG file"

func harmless(t *testing.T, logger godal.ErrorHandler, n int) {
	t.Helper()
	for i := range n {
		require.NoError(t, logger(godal.CE_Warning, 1, fmt.Sprintf("tag %d is unknown", i)))
	}
}

// However much a file made GDAL say before, the warning that admits lost pixels counts.
func TestALossyWarningIsNeverDropped(t *testing.T) {
	m := &messages{file: "x.tif"}
	logger := m.logger()
	harmless(t, logger, 10*maxWarnings)
	require.NoError(t, m.loss())
	require.NoError(t, logger(godal.CE_Warning, 1, cut))
	require.True(t, fault.Is(m.loss(), fault.Corrupt), "%v", m.loss())
	require.ErrorContains(t, m.loss(), cut)
	require.Len(t, m.warnings, maxWarnings, "what a file can make us remember stays bounded")
}

// Each reading answers for its own warnings, pixels and masks alike, whatever an earlier one heard.
func TestEveryReadingIsJudgedByItself(t *testing.T) {
	r, err := Open(sample)
	require.NoError(t, err)
	defer r.Close()
	w := cube.Window{Row: 10, Height: 5, Width: 5}
	say := func(n int, last string) func(godal.ErrorHandler) error {
		return func(logger godal.ErrorHandler) error {
			harmless(t, logger, n)
			if last == "" {
				return nil
			}
			return logger(godal.CE_Warning, 1, last)
		}
	}
	require.NoError(t, r.judge(w, say(maxWarnings, "")))
	err = r.judge(w, say(0, cut))
	require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
	require.ErrorContains(t, err, "damaged between rows 10 and 14: "+cut)
	require.NotEmpty(t, fault.CureOf(err))
	require.Error(t, r.judge(w, say(maxWarnings, cut)))
	require.NoError(t, r.judge(w, say(3, "")), "a later window may be whole")
	require.Len(t, r.log.warnings, maxWarnings)
	require.True(t, strings.HasPrefix(r.log.warnings[0], "tag 0"))
}
