package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	terrapin "github.com/terrapin-eo/terrapin/clients/go"
)

// withDataset is a shell whose directory has the dataset crops@v1.
func withDataset(t *testing.T) shell {
	t.Helper()
	s := withCube(t)
	s.json(exitOK, "labels", "import", "crops", sample+"labels_cropland.tif", "--cube", "s2")
	recipe := filepath.Join(t.TempDir(), "recipe.yaml")
	require.NoError(t, os.WriteFile(recipe, []byte(testRecipe), 0o600))
	s.json(exitOK, "dataset", "commit", recipe)
	return s
}

// hashOf feeds a batch to a hash as `terrapin stream` does.
func hashOf(t *testing.T, sum hash.Hash, b *terrapin.Batch) {
	t.Helper()
	for i := range b.Rows {
		fmt.Fprintf(sum, "%s %d\n", b.ID(i), b.Position(i))
	}
	times, err := terrapin.Values[int64](b, "times")
	require.NoError(t, err)
	require.NoError(t, binary.Write(sum, binary.LittleEndian, times))
	for _, name := range []string{"image", "valid", "label"} {
		raw, _ := b.Column(name)
		sum.Write(raw)
	}
}

// The Go client reads what the command line does, over either transport; a run's receipts say so.
func TestTheGoClientReadsAnEpoch(t *testing.T) {
	s := withDataset(t)
	want := s.json(exitOK, "stream", "crops@v1", "--seed", "3", "--batch-size", "4")
	server := startServer(t, s.dir)
	for _, transport := range []string{terrapin.Ring, terrapin.HTTP} {
		c, err := terrapin.Connect(t.Context(), server.urls.HTTP, terrapin.Options{Transport: transport, Actor: "tester"})
		require.NoError(t, err)
		l, err := c.Open(t.Context(), terrapin.Ticket{Dataset: "crops", Seed: 3, BatchSize: 4, Run: "go-" + transport})
		require.NoError(t, err)
		sum, b := sha256.New(), l.NewBatch()
		for {
			err := l.Next(b)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			hashOf(t, sum, b)
		}
		require.Equal(t, want["sha256"], hex.EncodeToString(sum.Sum(nil)), transport)
		require.NoError(t, l.Acknowledge(t.Context()))
		require.NoError(t, l.Close())
		c.Close()
		receipt := s.json(exitOK, "run", "show", "go-"+transport)["sessions"].([]any)[0].(map[string]any)
		require.EqualValues(t, l.Steps(), receipt["steps"])
		require.EqualValues(t, l.Steps(), receipt["agreed"], "the server's chain is the client's: %v", receipt)
		require.Nil(t, receipt["disputed"])
		require.Equal(t, "tester", receipt["actor"])
	}
	c, err := terrapin.Connect(t.Context(), server.urls.HTTP, terrapin.Options{})
	require.NoError(t, err)
	off := false
	l, err := c.Open(t.Context(), terrapin.Ticket{Dataset: "crops", DType: "float32", Normalise: &off, Augment: "d4", OnError: "mask"})
	require.NoError(t, err)
	b := l.NewBatch()
	require.NoError(t, l.Next(b))
	_, err = terrapin.Values[float32](b, "image")
	require.NoError(t, err)
	laid, err := terrapin.Values[uint8](b, "symmetry")
	require.NoError(t, err)
	require.Len(t, laid, b.Rows)
	require.NoError(t, l.Close())
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, server.cmd.Wait())
}

// A server that is killed and starts again is waited for, over either transport; the epoch goes on at the very next sample, and the
// metrics tell of the runs.
func TestTheGoClientOutlivesItsServer(t *testing.T) {
	s := withDataset(t)
	want := s.json(exitOK, "stream", "crops@v1", "--batch-size", "2")
	server := startServer(t, s.dir)
	at := strings.TrimPrefix(server.urls.HTTP, "http://")
	for _, transport := range []string{terrapin.Ring, terrapin.HTTP} {
		c, err := terrapin.Connect(t.Context(), server.urls.HTTP, terrapin.Options{Transport: transport})
		require.NoError(t, err)
		l, err := c.Open(t.Context(), terrapin.Ticket{Dataset: "crops@v1", BatchSize: 2, Run: "killed-" + transport})
		require.NoError(t, err)
		sum, b := sha256.New(), l.NewBatch()
		require.Greater(t, l.Steps(), uint64(6))
		for step := range l.Steps() {
			if step == 3 {
				state, err := l.State()
				require.NoError(t, err)
				var ticket terrapin.Ticket
				require.NoError(t, json.Unmarshal(state, &ticket))
				require.EqualValues(t, 6, ticket.Start)
				require.NoError(t, l.Acknowledge(t.Context()))
				require.NoError(t, server.cmd.Process.Kill())
				_ = server.cmd.Wait() // it was killed
				server = startServer(t, s.dir, "--http", at)
			}
			require.NoError(t, l.Next(b))
			require.Equal(t, step, b.Step)
			hashOf(t, sum, b)
		}
		require.ErrorIs(t, l.Next(b), io.EOF)
		require.Equal(t, want["sha256"], hex.EncodeToString(sum.Sum(nil)), transport)
		require.NoError(t, l.Close())
		c.Close()
	}
	var text []byte
	require.Eventually(t, func() bool {
		res, err := http.Get(server.urls.HTTP + "/metrics")
		require.NoError(t, err)
		defer res.Body.Close()
		text, err = io.ReadAll(res.Body)
		require.NoError(t, err)
		return strings.Contains(string(text), `terrapin_stream_runs_total{outcome="complete",transport="http"} 1`)
	}, 10*time.Second, 50*time.Millisecond)
	require.Contains(t, string(text), "terrapin_chunk_cache_budget_bytes 5.36870912e+08")
}
