package terrapin

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// No hello makes the client compute with what could not be, or reach out of memory.
func FuzzHello(f *testing.F) {
	f.Add([]byte(`{"format":2,"terrapin":{"samples":9,"steps":3},"columns":[{"name":"image","dtype":"uint16","shape":[2,3,9,9]},{"name":"id","dtype":"ascii","shape":[32]},{"name":"position","dtype":"int64","shape":[]}],"align":64,"rows":4,"ticket":{"batch_size":4,"start":0}}`))
	f.Add([]byte(`{"format":2,"columns":[{"name":"position","dtype":"int64","shape":[]},{"name":"x","dtype":"float64","shape":[4611686018427387904,4]}],"align":64,"rows":1}`))
	f.Add([]byte(`{"format":2,"columns":[{"name":"position","dtype":"int64","shape":[]},{"name":"x","dtype":"uint8","shape":[-1]}],"align":64,"rows":-1}`))
	f.Add([]byte(`{"format":3}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := parseHello(text)
		if err != nil {
			return
		}
		size := h.blockBytes(h.Rows)
		require.GreaterOrEqual(t, size, 0)
		require.LessOrEqual(t, size, maxMessage)
		if size > 1<<20 {
			return
		}
		b := Batch{Rows: h.Rows, columns: h.Columns, block: make([]byte, size)}
		for _, c := range h.Columns {
			raw, _ := b.Column(c.Name)
			require.LessOrEqual(t, len(raw), size)
		}
		for i := range min(h.Rows, 100) {
			b.ID(i)
			b.Position(i)
		}
		if p, err := planOf(h.Ticket, h.Facts); err == nil && p.steps > 0 {
			first, samples, _ := p.part(p.steps - 1)
			require.LessOrEqual(t, first+samples, p.samples)
		}
	})
}

// Headers are what the specification says, byte by byte.
func TestHeader(t *testing.T) {
	b := [headerBytes]byte{0: 2, 4: 0x40, 8: 7, 16: 1, 20: 2, 24: 3, 28: 4}
	h, err := parseHeader(&b)
	require.NoError(t, err)
	require.Equal(t, header{kind: 2, length: 64, step: 7, part: 1, parts: 2, rows: 3, slot: 4}, h)
	b[0] = 0
	_, err = parseHeader(&b)
	require.Error(t, err)
	b[0], b[7] = 2, 0x80
	_, err = parseHeader(&b)
	require.Error(t, err)
}

// A stream that breaks off within the counts leaves those of the batch before.
func TestCountsAreWholeOrNotAtAll(t *testing.T) {
	h := &hello{Rows: 1, Columns: []Column{{Name: "position", DType: "int64", Shape: []int{}}}}
	size := h.blockBytes(1)
	var sent []byte
	for _, kept := range []uint64{7, 1 << 40} {
		head := [headerBytes]byte{0: batchKind, 24: 1}
		binary.LittleEndian.PutUint32(head[4:], uint32(size+chunksBytes))
		sent = append(append(sent, head[:]...), make([]byte, size)...)
		for i := range uint64(4) {
			sent = binary.LittleEndian.AppendUint64(sent, kept+i)
		}
	}
	s := &httpStream{ctx: context.Background(), hello: h, body: io.NopCloser(bytes.NewReader(sent[:len(sent)-5]))}
	var b Batch
	_, err := s.next(&b)
	require.NoError(t, err)
	require.Equal(t, Chunks{7, 8, 9, 10}, s.chunks())
	_, err = s.next(&b)
	require.Error(t, err)
	require.Equal(t, Chunks{7, 8, 9, 10}, s.chunks())
}
