package flight

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/stretchr/testify/require"
)

// counted is a batch that lent out the parts longer than some bytes, in halves that it holds copies of.
type counted struct{ lent, released, moved int }

func (c *counted) Release() { c.released++ }
func (c *counted) Moves()   { c.moved++ }
func (c *counted) Pieces(part []byte) [][]byte {
	if c.lent == 0 || len(part) < c.lent {
		return [][]byte{part}
	}
	copied := bytes.Clone(part)
	clear(part)
	return [][]byte{copied[:len(part)/2], copied[len(part)/2:]}
}

// A message is on the wire what a FlightData is, its long parts are the memory that it was made of, and that is
// released once, when the last of them is let go.
func TestMessageIsAFlightData(t *testing.T) {
	c := newCodec()
	for _, body := range [][][]byte{nil, {{}}, {[]byte("pixels")}, {bytes.Repeat([]byte{7}, 100_000), make([]byte, 32), []byte("labels"), make([]byte, byReference)}} {
		for _, metadata := range [][]byte{nil, []byte(`{"step":3}`)} {
			batch := new(counted)
			m := message{header: bytes.Repeat([]byte{9}, 300), metadata: metadata, batch: batch}
			for _, part := range body {
				n, err := m.Write(part)
				require.NoError(t, err)
				require.Equal(t, len(part), n)
			}
			ours, err := c.Marshal(&m)
			require.NoError(t, err)
			stock, err := c.Marshal(&flight.FlightData{DataHeader: m.header, AppMetadata: metadata, DataBody: bytes.Join(body, nil)})
			require.NoError(t, err)
			require.Equal(t, stock.Materialize(), ours.Materialize())
			held := 0
			for i, part := range body {
				if len(part) >= byReference {
					require.Same(t, &part[0], &ours[1+i].ReadOnlyData()[0])
					held++
				}
			}
			for i, part := range ours {
				require.Equal(t, held == 0, batch.released == 1, i)
				if part.Len() >= byReference {
					held--
				}
				part.Free()
			}
			require.Equal(t, 1, batch.released)
		}
	}
}

// What a batch was lent is sent from where it lies.
func TestMessageOfLoans(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 2000)
	batch := &counted{lent: len(body)}
	m := message{header: []byte{9}, batch: batch}
	for _, part := range [][]byte{bytes.Clone(body), []byte("ids")} {
		_, err := m.Write(part)
		require.NoError(t, err)
	}
	require.Len(t, m.body, 3)
	c := newCodec()
	ours, err := c.Marshal(&m)
	require.NoError(t, err)
	stock, err := c.Marshal(&flight.FlightData{DataHeader: m.header, DataBody: append(body, "ids"...)})
	require.NoError(t, err)
	require.Equal(t, stock.Materialize(), ours.Materialize())
	ours.Free()
	require.Equal(t, 1, batch.released)
}
