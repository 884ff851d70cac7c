package strict

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func ExampleObject() {
	var size int
	_, err := Object("ticket", []byte(`{"siez": 4}`), []Key{Int("size", &size, 1, 8)})
	fmt.Println(fault.Text(err))
	// Output:
	// ticket: unknown key "siez"
	//   cure: known keys: size
}

func TestObjectSetsWhatIsThere(t *testing.T) {
	text, later, flag, n, list, numbers := "kept", "kept", true, uint64(7), []string{"kept"}, []float64(nil)
	keys := []Key{
		Text("text", &text), Bool("flag", &flag), Uint("n", &n), Texts("list", &list), Numbers("numbers", &numbers, 2), OptionalText("later", &later),
	}
	seen, err := Object("thing", []byte(` {"flag": false, "n": 18446744073709551615, "numbers": [1, -2.5e3], "later": null, "list": null} `), keys)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"flag": true, "n": true, "numbers": true, "later": true, "list": true}, seen)
	require.Equal(t, "kept", text)
	require.Equal(t, "kept", later)
	require.False(t, flag)
	require.Equal(t, uint64(math.MaxUint64), n)
	require.Equal(t, []string{"kept"}, list)
	require.Equal(t, []float64{1, -2500}, numbers)

	for _, value := range []string{`{"a": [1]}`, `""`, `3`} {
		_, err = Object("thing", []byte(`{"later": `+value+`}`), keys)
		require.True(t, fault.Is(err, fault.Invalid))
		require.ErrorContains(t, err, `key "later"`)
	}
	_, err = Object("thing", []byte(`{"numbers": [1, 2, 3]}`), keys)
	require.ErrorContains(t, err, "2 numbers")
	_, err = Object("thing", []byte(`{"text": "a\ud800"} trailing`), keys)
	require.ErrorContains(t, err, "follows")
}
