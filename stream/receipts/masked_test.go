package receipts

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Masked rows are listed once their step is acknowledged, by reason, within bounds; and the file has them.
func TestMaskedRowsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l := open(t, path)
	s := begin(t, l, "r", 600)
	for g := range 600 {
		for k := range 2 {
			s.Masked(int64(2*g+k), fmt.Sprint("id", 2*g+k), fmt.Sprintf("chunk %d: %s", g/3, strings.Repeat("x", 600)))
		}
		deliver(s, g)
	}
	require.Empty(t, s.Record().Masked)
	_, err := l.Acknowledge(s.ID(), 2, nil, true)
	require.NoError(t, err)
	r := s.Record()
	require.Len(t, r.Masked, 1)
	require.Len(t, r.Masked[0].Why, maxReason)
	require.Equal(t, []MaskedRow{{0, 0, "id0"}, {0, 1, "id1"}, {1, 2, "id2"}, {1, 3, "id3"}}, r.Masked[0].Rows)
	require.Equal(t, map[uint64]bool{0: true, 1: true, 2: true, 3: true}, r.MaskedPositions())

	_, err = l.Acknowledge(s.ID(), 600, nil, true)
	require.NoError(t, err)
	require.Len(t, r.Masked[0].Rows, 4, "what was handed out stays as it is")
	r = s.Record()
	require.Len(t, r.Masked, maxReasons+1)
	require.Equal(t, further, r.Masked[maxReasons].Why)
	require.Len(t, r.MaskedPositions(), MaxMasked)
	line, err := encode(nil, entry{Ack: &r})
	require.NoError(t, err)
	require.Less(t, len(line), maxLine)
	require.Equal(t, r.size(), l.size)

	read, err := Read(path)
	require.NoError(t, err)
	again, err := read.Session(s.ID())
	require.NoError(t, err)
	require.Equal(t, r.Masked, again.Masked)
	require.Equal(t, again.size(), read.size)
	l.mu.Lock()
	l.drop("r")
	l.mu.Unlock()
	require.Zero(t, l.size)
}
