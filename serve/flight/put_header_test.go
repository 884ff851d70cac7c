package flight

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/predictions"
)

// recorded is a DoPut stream of messages.
type recorded struct {
	flight.FlightService_DoPutServer
	messages []*flight.FlightData
	at       int
}

// recorder is where a writer sends the messages of a stream.
type recorder struct{ to *recorded }

func (r recorder) Send(d *flight.FlightData) error {
	r.to.messages = append(r.to.messages, &flight.FlightData{ // a copy, as the writer uses d again
		DataHeader: bytes.Clone(d.DataHeader), DataBody: bytes.Clone(d.DataBody),
	})
	return nil
}

func (r *recorded) Recv() (*flight.FlightData, error) {
	if r.at == len(r.messages) {
		return nil, io.EOF
	}
	r.at++
	return r.messages[r.at-1], nil
}

var oneBand = predictions.RunSpec{Names: []string{"a"}, DType: cube.Float32}

// zeroWindow is a stream of one record batch with a window of zeros.
func zeroWindow(t *testing.T, side int, opts ...ipc.Option) *recorded {
	t.Helper()
	var fields []arrow.Field
	for _, name := range placeColumns {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64})
	}
	fields = append(fields, tensor("data", cube.Float32, []string{"band", "y", "x"}, 1, side, side))
	schema := arrow.NewSchema(fields, nil)
	w := wrapper{schema: schema, rows: 1}
	for range placeColumns {
		w.plain(make([]byte, 8))
	}
	child := array.NewData(arrow.PrimitiveTypes.Float32, side*side, []*memory.Buffer{nil, memory.NewBufferBytes(make([]byte, 4*side*side))}, nil, 0, 0)
	w.add([]arrow.ArrayData{child})
	out := &recorded{}
	writer := flight.NewRecordWriter(recorder{out}, append(opts, ipc.WithSchema(schema))...)
	require.NoError(t, writer.Write(array.NewRecord(schema, w.columns, 1)))
	require.NoError(t, writer.Close())
	return out
}

// taken is what receive says to a stream, and the bytes it made room for.
func taken(in *recorded) (int64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := receive(&putMessages{in: in, rowBytes: 1}, nil, oneBand)
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc), err
}

// A small message of a compressed batch would grow to whatever its sender says.
func TestPutRefusesCompression(t *testing.T) {
	for name, opt := range map[string]ipc.Option{"zstd": ipc.WithZstd(), "lz4": ipc.WithLZ4()} {
		in := zeroWindow(t, 4096, opt)
		require.Less(t, len(in.messages[1].DataBody), 1<<20)
		grown, err := taken(in)
		require.ErrorContains(t, err, "compressed", name)
		require.Equal(t, fault.Unsupported, fault.KindOf(err))
		require.Equal(t, "send without IPC compression", fault.CureOf(err))
		require.Less(t, grown, int64(4<<20), "nothing was decoded")
	}
}

// A header that claims more than its body is refused before anything is made of it.
func TestPutRefusesClaims(t *testing.T) {
	const side = 60
	le := func(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }
	for name, c := range map[string]struct{ from, to []byte }{
		"buffer length":  {le(4 * side * side), le(700 << 20)},
		"buffer offset":  {append(le(64), le(4*side*side)...), append(le(72), le(4*side*side)...)},
		"negative":       {le(4 * side * side), le(-1)},
		"values":         {le(side * side), le(1 << 40)},
		"nulls":          {append(le(side*side), le(0)...), append(le(side*side), le(-1)...)},
		"rows and nodes": {le(1), le(1 << 20)},
	} {
		in := zeroWindow(t, side)
		header := in.messages[1].DataHeader
		changed := bytes.ReplaceAll(header, c.from, c.to)
		require.NotEqual(t, header, changed, name)
		in.messages[1].DataHeader = changed
		grown, err := taken(in)
		require.ErrorContains(t, err, "claims more than", name)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		require.NotEmpty(t, fault.CureOf(err))
		require.Less(t, grown, int64(4<<20), name)
	}
}

// Whatever a header holds, reading it neither panics nor passes what an intact one must not say.
func TestCheckReadsAnything(t *testing.T) {
	good := zeroWindow(t, 4)
	for _, m := range good.messages {
		require.NoError(t, check(m, 64+4*16))
		for cut := range len(m.DataHeader) {
			_ = check(&flight.FlightData{DataHeader: m.DataHeader[:cut], DataBody: m.DataBody}, 1)
		}
		for at := range m.DataHeader {
			for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff} {
				changed := bytes.Clone(m.DataHeader)
				changed[at] = b
				if err := check(&flight.FlightData{DataHeader: changed, DataBody: m.DataBody}, 1); err != nil {
					var known *fault.Error
					require.True(t, errors.As(err, &known))
					require.NotEmpty(t, known.Cure)
				}
			}
		}
	}
	require.ErrorContains(t, check(&flight.FlightData{DataHeader: []byte{1, 2}}, 1), "damaged")
	require.Error(t, check(good.messages[1], 64+4*17), "one row more than the body has room for")
}
