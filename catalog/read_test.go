package catalog

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadKeepsOrderAndRefuses(t *testing.T) {
	var c Changes
	doc := func(i int) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"type":"Feature","id":"i%d","collection":"c","properties":{"datetime":"2020-01-01T00:00:00Z"}}`, i))
	}
	for i := range 1000 {
		c.Items = append(c.Items, doc(i))
	}
	e, err := ParseItem(doc(1000))
	require.NoError(t, err)
	c.Entries = []Entry{e}
	read, err := c.Read()
	require.NoError(t, err)
	require.Len(t, read, 1001)
	for i, e := range read {
		require.Equal(t, fmt.Sprintf("i%d", i), e.Ref.ID)
	}
	c.Items[777] = json.RawMessage(`{}`)
	_, err = c.Read()
	require.ErrorContains(t, err, "not Feature")
}
