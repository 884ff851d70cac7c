package http

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/store"
)

// A range that cannot be had is refused like everything else; a unit that is not known is no range.
func TestRanges(t *testing.T) {
	f := start(t, nil)
	for key, text := range map[string]string{"models/m/weights.pt": "0123456789", "models/m/commit.json": "{}"} {
		_, err := f.root.Write(context.Background(), key, []byte(text), store.Condition{})
		require.NoError(t, err)
	}
	const path = "/assets/models/m/weights.pt"
	for _, given := range []string{"bytes=99-", "bytes=5-2", "bytes=x"} {
		a := f.get(t, path, "Range", given)
		require.Equal(t, 416, a.status, given)
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
		doc := a.json(t)
		require.Equal(t, "invalid", doc["kind"])
		require.Contains(t, doc["message"], given)
		require.NotEmpty(t, doc["cure"])
		require.Empty(t, a.header.Get("Cache-Control"), "a refusal is not for keeping")
		require.Empty(t, a.header.Get("ETag"))
	}
	require.Equal(t, "bytes */10", f.get(t, path, "Range", "bytes=99-").header.Get("Content-Range"))
	for _, given := range []string{"rows=1-2", "items=0-", "nonsense", "bytes"} {
		a := f.get(t, path, "Range", given)
		require.Equal(t, 200, a.status, given)
		require.Equal(t, "0123456789", string(a.body), given)
	}
	a := f.get(t, path, "Range", "Bytes=2-4")
	require.Equal(t, 206, a.status, "units are told apart without regard to case")
	require.Equal(t, "234", string(a.body))
}
