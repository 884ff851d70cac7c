package cube

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbersAsJSON(t *testing.T) {
	for v, want := range map[float64]string{math.Inf(1): `"Infinity"`, math.Inf(-1): `"-Infinity"`} {
		text, err := json.Marshal(Number(v))
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
	text, err := json.Marshal(map[string]any{"nodata": Number(math.NaN())})
	require.NoError(t, err)
	require.JSONEq(t, `{"nodata": "NaN"}`, string(text))
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -9999, 0.1, 65535, 1e6, 1e20, 1e21, 1e-7, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1)} {
		text, err := json.Marshal(Number(v))
		require.NoError(t, err)
		if !math.IsInf(v, 0) {
			plain, err := json.Marshal(v)
			require.NoError(t, err)
			require.Equal(t, string(plain), string(text), "stored bytes are those of a float64")
		}
		var back Number
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, math.Float64bits(v), math.Float64bits(float64(back)))
	}
	var nan Number
	require.NoError(t, json.Unmarshal([]byte(`"NaN"`), &nan))
	require.True(t, math.IsNaN(float64(nan)))
	var none *Number
	require.NoError(t, json.Unmarshal([]byte("null"), &none))
	require.Nil(t, none)
	for _, bad := range []string{`"nan"`, `"1"`, "null", "true", "{}", "1e999"} {
		require.Error(t, json.Unmarshal([]byte(bad), new(Number)), bad)
	}
}
