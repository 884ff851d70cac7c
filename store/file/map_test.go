package file_test

import (
	"bytes"
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

func TestObjectsAreMapped(t *testing.T) {
	d, err := file.New(t.TempDir())
	require.NoError(t, err)
	b := store.New(d, "file://x").Sub("a")
	content := bytes.Repeat([]byte("terrapin"), 1<<20)
	_, err = b.Write(t.Context(), "k", content, store.Condition{})
	require.NoError(t, err)
	_, err = b.Write(t.Context(), "empty", nil, store.Condition{})
	require.NoError(t, err)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, info, err := b.Map(t.Context(), "k")
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10), "nothing is read")
	require.Zero(t, m.HeapBytes())
	require.Equal(t, "k", info.Key)
	require.EqualValues(t, len(content), info.Size)
	require.True(t, bytes.Equal(content, m.Data()))

	_, err = b.Write(t.Context(), "k", []byte("other"), store.Condition{})
	require.NoError(t, err)
	require.NoError(t, b.Delete(t.Context(), "k"))
	runtime.GC()
	require.True(t, bytes.Equal(content, m.Data()), "a mapping is of the object that was there")
	runtime.KeepAlive(m)

	m, _, err = b.Map(t.Context(), "empty")
	require.NoError(t, err)
	require.Empty(t, m.Data())

	_, _, err = b.Map(t.Context(), "k")
	require.ErrorIs(t, err, store.ErrNotFound)
	_, _, err = b.Map(t.Context(), "../k")
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = b.Map(ctx, "empty")
	require.Error(t, err)
}
