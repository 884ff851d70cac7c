package runs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/stream"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

type world struct {
	ledger *receipts.Ledger
	url    string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	l, err := receipts.Open(receipts.Config{Path: filepath.Join(t.TempDir(), "receipts.log")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	rows := func(_ context.Context, tk stream.SampleTicket, steps, first uint64, n int) ([]stream.Row, uint64, error) {
		var list []stream.Row
		for i := first; i < steps && len(list) < n; i++ {
			list = append(list, stream.Row{Step: i, Position: i, ID: fmt.Sprint(tk.Dataset, " ", i)})
		}
		return list, steps, nil
	}
	s := httptest.NewServer(New(Config{Receipts: l, Rows: rows, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(s.Close)
	return &world{ledger: l, url: s.URL}
}

// session has delivered some steps of one row.
func (w *world) session(t *testing.T, run string, steps int) *receipts.Session {
	t.Helper()
	s, err := w.ledger.Begin(receipts.Opening{Run: run, Ticket: json.RawMessage(`{"dataset":"crops@v1"}`), Samples: 9, Steps: 9})
	require.NoError(t, err)
	for g := range steps {
		s.Delivered([]int64{int64(g)}, []string{"x"}, true)
	}
	return s
}

func (w *world) ask(t *testing.T, method, path, body string, header ...string) (int, map[string]any) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(q)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	doc := map[string]any{}
	require.NoError(t, json.Unmarshal(text, &doc), "%s", text)
	return res.StatusCode, doc
}

func TestAcknowledgeAndAsk(t *testing.T) {
	w := newWorld(t)
	s := w.session(t, "r1", 5)
	at := "/v1/sessions/" + s.ID()
	status, doc := w.ask(t, "POST", at+"/acknowledge", `{"steps": 3, "durable": true}`)
	require.Equal(t, 200, status, doc)
	require.EqualValues(t, 3, doc["steps"])
	status, doc = w.ask(t, "POST", at+"/acknowledge", `{"steps": 6}`)
	require.Equal(t, 400, status)
	require.Contains(t, doc["message"], "step 6 is acknowledged, 5 were delivered")

	_, doc = w.ask(t, "GET", "/v1/runs", "")
	require.Len(t, doc["runs"], 1)
	require.EqualValues(t, 3, doc["runs"].([]any)[0].(map[string]any)["steps"])
	_, doc = w.ask(t, "GET", "/v1/runs/r1", "")
	require.Equal(t, s.ID(), doc["sessions"].([]any)[0].(map[string]any)["session"])
	_, doc = w.ask(t, "GET", at, "")
	require.EqualValues(t, 3, doc["rows"])
	_, doc = w.ask(t, "GET", at+"/samples?first=1&limit=1", "")
	require.Equal(t, "map[first:1 samples:[map[id:crops@v1 1 position:1 step:1]] session:"+s.ID()+" total:3]", fmt.Sprint(doc))

	for path, says := range map[string]string{
		"/v1/runs/none": "no receipts of a run", "/v1/sessions/none": "no session", "/v1/sessions/none/samples": "no session", "/v1/runs/a/b/c": "/v1/runs/NAME",
	} {
		status, doc = w.ask(t, "GET", path, "")
		require.Equal(t, 404, status, path)
		require.Contains(t, fmt.Sprint(doc), says)
	}
	status, _ = w.ask(t, "GET", at+"/samples?first=-1", "")
	require.Equal(t, 400, status)
}

func TestPagesOfSessions(t *testing.T) {
	w := newWorld(t)
	for range maxSessions + 2 {
		w.session(t, "r1", 0).End()
	}
	_, doc := w.ask(t, "GET", "/v1/runs/r1", "")
	require.Len(t, doc["sessions"], maxSessions)
	_, doc = w.ask(t, "GET", "/v1/runs/r1?after="+doc["next"].(string), "")
	require.Len(t, doc["sessions"], 2)
	require.NotContains(t, doc, "next")
}

func TestPagesOfOthersAcknowledgeNothing(t *testing.T) {
	w := newWorld(t)
	s := w.session(t, "r1", 5)
	at := "/v1/sessions/" + s.ID() + "/acknowledge"
	status, _ := w.ask(t, "POST", at, `{"steps": 3}`, "Origin", "https://elsewhere.example")
	require.Equal(t, 400, status)
	require.Zero(t, s.Record().Steps)
	status, doc := w.ask(t, "POST", at, `{"steps": 3, "seen": "`+strings.Repeat("a", maxBody)+`"}`)
	require.Equal(t, 413, status, doc)
}
