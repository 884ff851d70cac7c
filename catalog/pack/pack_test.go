package pack_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/pack"
)

func TestPack(t *testing.T) {
	var room []byte
	long := bytes.Repeat([]byte(`{"type":"Feature"}`), 1<<14)
	for _, document := range [][]byte{nil, []byte(`{}`), bytes.Repeat([]byte(`{"a":1}`), 50), long, []byte(`{"b":2}`)} {
		stored := pack.Bytes(document)
		for _, room := range []*[]byte{nil, &room} {
			got, err := pack.Document(stored, room)
			require.NoError(t, err)
			require.Equal(t, string(document), string(got))
			require.Equal(t, len(got), cap(got[:len(got):len(got)]))
		}
	}
	require.Less(t, len(pack.Bytes(long)), len(long)/4)
}

// What is made in one room does not reach into what was made there before.
func TestRoomIsShared(t *testing.T) {
	var room []byte
	first, err := pack.Document(pack.Bytes([]byte(`{"a":1}`)), &room)
	require.NoError(t, err)
	second, err := pack.Document(pack.Bytes([]byte(`{"b":2}`)), &room)
	require.NoError(t, err)
	_ = append(first, "overrun"...)
	require.Equal(t, `{"a":1}`, string(first))
	require.Equal(t, `{"b":2}`, string(second))
}

func FuzzDocument(f *testing.F) {
	f.Add(pack.Bytes([]byte(`{"type":"Feature"}`)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, stored []byte) {
		if len(stored) > 0 && stored[0] >= 0x80 { // a claim of much, which only our own rows could make
			return
		}
		if document, err := pack.Document(stored, nil); err == nil {
			again, err := pack.Document(pack.Bytes(document), nil)
			require.NoError(t, err)
			require.True(t, bytes.Equal(document, again))
		}
	})
}
