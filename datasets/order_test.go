package datasets

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// A version keeps the drawn order that it was committed with; one that names none is of a release that had one only.
func TestAVersionKeepsItsDrawnOrder(t *testing.T) {
	w := smallWorld(t, 4)
	v, err := Open(t.Context(), w.root, "small")
	require.NoError(t, err)
	require.Equal(t, order.DrawnAlgorithm, v.Drawn)
	require.Equal(t, order.Algorithm, v.Order)
	const key = "datasets/small/v1/commit.json"
	sound, _, err := w.root.Read(t.Context(), key, store.Range{})
	require.NoError(t, err)
	open := func(drawn, fixed, shuffle string) (*Version, error) {
		var doc map[string]any
		require.NoError(t, json.Unmarshal(sound, &doc))
		if doc["drawn"] = drawn; drawn == "" {
			delete(doc, "drawn")
		}
		definitions := doc["definitions"].(map[string]any)
		definitions["order"] = fixed
		if shuffle != "" {
			definitions["shuffle"] = shuffle
		}
		data, err := json.Marshal(doc)
		require.NoError(t, err)
		_, err = w.root.Write(t.Context(), key, data, store.Condition{})
		require.NoError(t, err)
		return Open(t.Context(), w.root, "small@v1")
	}
	for _, c := range []struct{ drawn, fixed, shuffle, want string }{
		{"", order.Algorithm, "", order.DrawnByChunk}, {"", order.Algorithm, "window:2147483648", order.DrawnByChunk},
		{order.DrawnAlgorithm, order.DrawnAlgorithm, "window:2147483648", order.DrawnAlgorithm},
	} {
		v, err := open(c.drawn, c.fixed, c.shuffle)
		require.NoError(t, err)
		require.Equal(t, c.want, v.Drawn)
		require.Equal(t, c.fixed, v.Order)
	}
	for _, c := range []struct {
		drawn, fixed, shuffle string
		kind                  fault.Kind
	}{
		{"terrapin-order-9", order.Algorithm, "", fault.Unsupported},
		{order.DrawnAlgorithm, "terrapin-order-9", "", fault.Unsupported},
		{order.Algorithm, order.Algorithm, "", fault.Corrupt},
		{order.DrawnAlgorithm, order.DrawnAlgorithm, "", fault.Corrupt},
		{"", order.DrawnAlgorithm, "window:2147483648", fault.Corrupt},
	} {
		_, err := open(c.drawn, c.fixed, c.shuffle)
		require.True(t, fault.Is(err, c.kind), "%+v: %v", c, err)
	}
}

// What a commit says of a window is counted from its samples.
func TestOrdersArePredicted(t *testing.T) {
	// m is how many groups of so many samples a batch of 32 of n has, drawn without replacement.
	require.InDelta(t, 32, distinct(1e9, 1), 1e-3)
	require.InDelta(t, 4, distinct(40, 10), 1e-5)
	require.InDelta(t, 1, distinct(20, 20), 1e-9)
	require.InDelta(t, 18.093, distinct(78, 3.7), 1e-3)
}
