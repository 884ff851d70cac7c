package flight

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/stretchr/testify/require"
)

// A message is on the wire what a FlightData is, and its body is the memory that it was made of.
func TestMessageIsAFlightData(t *testing.T) {
	c := newCodec()
	for _, body := range [][][]byte{nil, {{}}, {[]byte("pixels")}, {bytes.Repeat([]byte{7}, 100_000), make([]byte, 32), []byte("labels")}} {
		for _, metadata := range [][]byte{nil, []byte(`{"step":3}`)} {
			m := message{header: bytes.Repeat([]byte{9}, 300), metadata: metadata}
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
			for i, part := range body {
				if len(part) > 0 {
					require.Same(t, &part[0], &ours[1+i].ReadOnlyData()[0])
				}
			}
		}
	}
}
