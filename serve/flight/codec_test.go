package flight

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/stretchr/testify/require"
)

// A message is on the wire what a FlightData is, its long parts are the memory that it was made of, and that is
// released once, when the last of them is let go.
func TestMessageIsAFlightData(t *testing.T) {
	c := newCodec()
	for _, body := range [][][]byte{nil, {{}}, {[]byte("pixels")}, {bytes.Repeat([]byte{7}, 100_000), make([]byte, 32), []byte("labels"), make([]byte, byReference)}} {
		for _, metadata := range [][]byte{nil, []byte(`{"step":3}`)} {
			released := 0
			m := message{header: bytes.Repeat([]byte{9}, 300), metadata: metadata, release: func() { released++ }}
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
				require.Equal(t, held == 0, released == 1, i)
				if part.Len() >= byReference {
					held--
				}
				part.Free()
			}
			require.Equal(t, 1, released)
		}
	}
}
