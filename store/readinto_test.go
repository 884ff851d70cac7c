package store_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// body is a driver whose bodies are something else than what was asked for.
type body struct {
	store.Driver
	change func([]byte) []byte
}

func (d body) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	rc, info, err := d.Driver.Get(ctx, key, r)
	if err != nil {
		return nil, info, err
	}
	data, err := io.ReadAll(rc)
	return io.NopCloser(bytes.NewReader(d.change(data))), info, err
}

func TestReadInto(t *testing.T) {
	driver := mem.New()
	b := store.New(driver, "mem://")
	_, err := b.Write(t.Context(), "k", []byte("0123456789"), store.Condition{})
	require.NoError(t, err)
	dst := make([]byte, 4)
	info, err := b.ReadInto(t.Context(), "k", 6, dst)
	require.NoError(t, err)
	assert.Equal(t, "6789", string(dst))
	assert.EqualValues(t, 10, info.Size)

	read := func(b *store.Bucket, key string, offset int64) fault.Kind {
		_, err := b.ReadInto(t.Context(), key, offset, dst)
		require.Error(t, err)
		return fault.KindOf(err)
	}
	assert.Equal(t, fault.Corrupt, read(b, "k", 7), "the object is too short")
	assert.Equal(t, fault.Corrupt, read(b, "k", 10))
	assert.Equal(t, fault.NotFound, read(b, "none", 0))
	short := store.New(body{driver, func(d []byte) []byte { return d[:2] }}, "mem://")
	assert.Equal(t, fault.Unavailable, read(short, "k", 0), "the answer is too short")
	long := store.New(body{driver, func(d []byte) []byte { return append(d, 'x') }}, "mem://")
	assert.Equal(t, fault.Corrupt, read(long, "k", 0), "another range than that asked for")
}

// A stream leaves out what is not wanted, goes on only forwards, and says when it ends too soon.
func TestStream(t *testing.T) {
	files, err := file.New(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { files.Close() })
	for name, driver := range map[string]store.Driver{"by jumps": files, "by reading on": body{mem.New(), func(d []byte) []byte { return d }}} {
		b := store.New(driver, "x://")
		_, err := b.Write(t.Context(), "k", []byte("0123456789"), store.Condition{})
		require.NoError(t, err)
		s, err := b.Stream(t.Context(), "k", 1, 9)
		require.NoError(t, err)
		dst := make([]byte, 2)
		for _, piece := range []struct {
			at   int64
			want string
		}{{1, "12"}, {3, "34"}, {8, "89"}} {
			require.NoError(t, s.ReadInto(t.Context(), piece.at, dst), name)
			assert.Equal(t, piece.want, string(dst), name)
		}
		assert.Equal(t, fault.Internal, fault.KindOf(s.ReadInto(t.Context(), 3, dst)), "backwards")
		require.NoError(t, s.Close())

		s, err = b.Stream(t.Context(), "k", 4, 20)
		require.NoError(t, err)
		require.NoError(t, s.ReadInto(t.Context(), 4, dst))
		assert.Equal(t, fault.Corrupt, fault.KindOf(s.ReadInto(t.Context(), 9, dst)), "the object is too short")
		require.NoError(t, s.Close())
	}
}
