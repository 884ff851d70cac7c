package main

import (
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Stock clients read over the socket as over TCP, and learn of it there. What a killed server leaves is replaced; what
// another one listens at is not, nor a file that is no socket.
func TestFlightOnASocket(t *testing.T) {
	s := newShell(t)
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	s.json(exitOK, "ingest", "s2", scenes(t)[0], "--datetime-pattern", "s2_%Y%m%d")
	socket := filepath.Join(t.TempDir(), "a b")
	killed := startServer(t, s.dir, "--flight-socket", socket)
	require.NoError(t, killed.cmd.Process.Kill())
	_ = killed.cmd.Wait()
	require.FileExists(t, socket)

	over := map[string]string{"tcp": startServer(t, s.dir, "--flight-socket", socket).urls.Flight[len("grpc://"):], "socket": "unix:" + socket}
	rows := map[string]int64{}
	for name, at := range over {
		conn, err := grpc.NewClient(at, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		defer conn.Close()
		client := flight.NewClientFromConn(conn, nil)
		info, err := client.GetFlightInfo(t.Context(), &flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: []byte(`{"cube": "s2", "size": 64, "overlap": 0}`)})
		require.NoError(t, err, name)
		assert.Contains(t, string(info.Endpoint[0].AppMetadata), `"flight_socket":"grpc+unix://`+filepath.Dir(socket)+`/a%20b"`)
		get, err := client.DoGet(t.Context(), info.Endpoint[0].Ticket)
		require.NoError(t, err)
		read, err := flight.NewRecordReader(get)
		require.NoError(t, err)
		defer read.Release()
		for read.Next() {
			rows[name] += read.Record().NumRows()
		}
		require.NoError(t, read.Err())
	}
	assert.Positive(t, rows["tcp"])
	assert.Equal(t, rows["tcp"], rows["socket"])

	other := newShell(t)
	doc := other.json(exitRefused, "serve", "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--flight-socket", socket)
	assert.Contains(t, doc["error"].(map[string]any)["message"], "--flight-socket")
	assert.NotEmpty(t, doc["error"].(map[string]any)["cure"])
	file := scenes(t)[0]
	other.json(exitRefused, "serve", "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--flight-socket", file)
	assert.FileExists(t, file)
}

// Of servers that start at once in place of a killed one, one gets the socket and keeps it.
func TestASocketIsTakenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for range 50 {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		require.NoError(t, err)
		l.SetUnlinkOnClose(false)
		require.NoError(t, l.Close())
		var got [4]net.Listener
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() { got[i], _ = listenLocal(path) }) // the others are refused
		}
		all.Wait()
		n := 0
		for _, l := range got {
			if l != nil {
				n++
			}
		}
		require.Equal(t, 1, n)
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		for _, l := range got {
			if l != nil {
				require.NoError(t, l.Close())
			}
		}
	}
}
