package trace

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/servetest"
	"github.com/terrapin-eo/terrapin/stream"
)

type event struct {
	Kind string         `json:"ph"`
	Name string         `json:"name"`
	At   float64        `json:"ts"`
	Took float64        `json:"dur"`
	Run  int            `json:"pid"`
	Row  int            `json:"tid"`
	Args map[string]any `json:"args"`
}

func (e event) end() float64 { return e.At + e.Took }

// runs reads a ticket so many times under a trace.
func runs(t *testing.T, f *File, n int) (batches int) {
	t.Helper()
	ticket, err := stream.ParseTicket(servetest.Ticket(t, 9, 4))
	require.NoError(t, err)
	e := servetest.EngineOf(t, stream.Config{Observers: []stream.Observer{f}})
	for range n {
		run, err := e.Over("ring").Open(t.Context(), ticket)
		require.NoError(t, err)
		for {
			b, err := run.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			batches++
			b.Release()
		}
		run.Close()
	}
	return batches
}

func load(t *testing.T, path string) (out []event) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &out))
	return out
}

// A trace has every part of a run, in rows in which one thing happens at a time.
func TestRunsAreTraced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.json")
	f, err := Create(path)
	require.NoError(t, err)
	batches := runs(t, f, 2)
	require.NoError(t, f.Close())
	events := load(t, path)
	names, bytes := map[string]int{}, map[string]float64{}
	rows := map[[2]int][]event{}
	whole := map[int]event{}
	for _, e := range events {
		if e.Kind == "M" {
			continue
		}
		require.Equal(t, "X", e.Kind)
		require.GreaterOrEqual(t, e.Took, 0.0, "%+v", e)
		names[e.Name]++
		if n, ok := e.Args["bytes"].(float64); ok {
			bytes[e.Name] += n
		}
		rows[[2]int{e.Run, e.Row}] = append(rows[[2]int{e.Run, e.Row}], e)
		if e.Name == "run" {
			whole[e.Run] = e
		}
	}
	require.Equal(t, 2, names["run"])
	require.Equal(t, batches, names["batch"])
	require.Equal(t, batches, names["wait"])
	require.Equal(t, batches-2, names["send"], "before every batch but the first of each run")
	require.Positive(t, names["read"])
	require.Positive(t, names["decode"])
	require.Greater(t, names["gather"], names["decode"], "chunks at hand are copied from, too")
	require.Positive(t, bytes["decode"])
	require.Positive(t, bytes["wait"])
	for row, in := range rows {
		slices.SortFunc(in, func(a, b event) int { return int(1000 * (a.At - b.At)) })
		for i, e := range in {
			require.GreaterOrEqual(t, e.At, whole[e.Run].At-0.002)
			require.LessOrEqual(t, e.end(), whole[e.Run].end()+0.002)
			if i > 0 {
				require.LessOrEqual(t, in[i-1].end(), e.At+0.002, "row %v: %+v, then %+v", row, in[i-1], e)
			}
		}
	}
	titled := slices.ContainsFunc(events, func(e event) bool {
		return e.Name == "process_name" && e.Args["name"] == "run 2: windows of s2 over ring"
	})
	require.True(t, titled)
}

// No trace is written over, and one that would be too large ends and can be loaded.
func TestATraceIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.json")
	f, err := Create(path)
	require.NoError(t, err)
	f.most = 10_000
	runs(t, f, 3)
	require.NoError(t, f.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.LessOrEqual(t, info.Size(), int64(10_000+1<<10))
	require.Greater(t, len(load(t, path)), 20)

	_, err = Create(path)
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	require.NotEmpty(t, fault.CureOf(err))
	_, err = Create(filepath.Join(t.TempDir(), "no such folder", "trace.json"))
	require.Equal(t, fault.Precondition, fault.KindOf(err))
}

// Runs that are still being read when the trace ends are in it; what they do later is not.
func TestATraceOfRunsUnderWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.json")
	f, err := Create(path)
	require.NoError(t, err)
	ticket, err := stream.ParseTicket(servetest.Ticket(t, 9, 4))
	require.NoError(t, err)
	e := servetest.EngineOf(t, stream.Config{Observers: []stream.Observer{f}})
	var under []*stream.Run
	for range 3 {
		run, err := e.Open(t.Context(), ticket)
		require.NoError(t, err)
		_, err = run.Next(t.Context())
		require.NoError(t, err)
		under = append(under, run)
	}
	require.NoError(t, f.Close())
	waits := map[int]int{}
	for _, e := range load(t, path) {
		if e.Name == "wait" {
			waits[e.Run]++
		}
	}
	require.Equal(t, map[int]int{1: 1, 2: 1, 3: 1}, waits)
	for _, run := range under {
		run.Close()
	}
	require.Empty(t, f.live)
}

// What a killed process leaves is a list without an end.
func TestACutTraceReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.json")
	f, err := Create(path)
	require.NoError(t, err)
	runs(t, f, 1)
	text, err := os.ReadFile(path) // the end of a run writes out what there is
	require.NoError(t, err)
	require.NoError(t, f.Close())
	var list []event
	require.NoError(t, json.Unmarshal([]byte(strings.TrimSuffix(string(text), ",\n")+"]"), &list))
	require.True(t, slices.ContainsFunc(list, func(e event) bool { return e.Name == "run" }))
}
