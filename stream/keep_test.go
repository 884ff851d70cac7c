package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// ledgered is a shelf whose engine keeps receipts.
func ledgered(t *testing.T) (*shelf, *receipts.Ledger) {
	t.Helper()
	w := newShelf(t, 1)
	l, err := receipts.Open(receipts.Config{Path: filepath.Join(t.TempDir(), "receipts.log")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	w.engine.cfg.Receipts = l
	return w, l
}

func (w *shelf) openTicket(t *testing.T, text string) *Run {
	t.Helper()
	ticket, err := ParseTicket([]byte(text))
	require.NoError(t, err)
	r, err := w.engine.Open(t.Context(), ticket)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

// drain reads a run to its end and returns its rows without padding.
func drain(t *testing.T, r *Run) []Row {
	t.Helper()
	rows := []Row{}
	for {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return rows
		}
		require.NoError(t, err)
		for i, at := range b.Positions {
			if at >= 0 {
				rows = append(rows, Row{Step: b.Step, Position: uint64(at), ID: b.IDs[i]})
			}
		}
	}
}

// What a run's ticket names is kept of it, whatever the messages that its steps were cut into; and the rows that
// were acknowledged can be listed by the ticket alone.
func TestRunsKeepReceipts(t *testing.T) {
	w, l := ledgered(t)
	proofs := map[string]receipts.Proof{}
	for _, cut := range []string{"", `, "message_bytes": 1`, `, "message_bytes": 600`} {
		for rank := range 2 {
			r := w.openTicket(t, fmt.Sprintf(`{"dataset":"crops","seed":3,"batch_size":7,"world_size":2,"tail":"pad","start":5,"rank":%d,"run":"r1"%s}`, rank, cut))
			require.NoError(t, r.Keep("me"))
			var facts struct{ Session, Dataset string }
			require.NoError(t, json.Unmarshal(r.Info().Facts, &facts))
			require.Equal(t, "crops@v1", facts.Dataset)
			rows := drain(t, r)
			r.Close()
			require.NoError(t, r.Acknowledge(r.Steps()))

			rec, err := l.Session(facts.Session)
			require.NoError(t, err)
			require.Equal(t, "me", rec.Actor)
			require.EqualValues(t, r.Steps(), rec.Steps)
			require.EqualValues(t, len(rows), rec.Rows)
			if first, there := proofs[fmt.Sprint(rank)]; there {
				require.Equal(t, first, rec.Proof)
			}
			proofs[fmt.Sprint(rank)] = rec.Proof

			ticket, err := ParseTicket(rec.Ticket)
			require.NoError(t, err)
			var listed []Row
			for first := uint64(0); ; first += 3 {
				page, total, err := w.engine.Rows(t.Context(), *ticket.Samples, rec.Steps, first, 3)
				require.NoError(t, err)
				require.EqualValues(t, len(rows), total)
				if len(page) == 0 {
					break
				}
				listed = append(listed, page...)
			}
			require.Equal(t, rows, listed)
		}
	}
	require.NotEqual(t, proofs["0"], proofs["1"])
}

func TestRunsWithoutANameKeepNothing(t *testing.T) {
	w, l := ledgered(t)
	r := w.openTicket(t, `{"dataset":"crops","batch_size":7}`)
	require.NoError(t, r.Keep("me"))
	drain(t, r)
	require.NoError(t, r.Acknowledge(1))
	require.NotContains(t, string(r.Info().Facts), "session")
	w.openTicket(t, `{"dataset":"crops","batch_size":7,"run":"r1"}`) // only looked at
	runs, _ := l.Runs()
	require.Empty(t, runs)

	r = w.openTicket(t, `{"dataset":"crops","batch_size":7,"run":"r1"}`)
	require.NoError(t, r.Keep("me"))
	err := r.Acknowledge(1)
	require.True(t, fault.Is(err, fault.Invalid), "nothing was delivered: %v", err)
}
