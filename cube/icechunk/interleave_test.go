package icechunk

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/s3"
	"github.com/terrapin-eo/terrapin/store/s3/s3test"
)

// TestOfficialCommitsAtTheSameTime: the official library and two of ours commit to one branch in a
// bucket, at the same time, each to an array of its own and to chunks of its own in a shared one; a
// fourth expires and collects. Every acknowledged commit is there for both sides in the end. (On local
// disks the official library has no conditional update, so this needs a bucket.)
func TestOfficialCommitsAtTheSameTime(t *testing.T) {
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official icechunk to commit beside")
	}
	server := s3test.MinIO(t)
	server.Setenv(t)
	at, err := s3.ParseLocation(server.Bucket(t, "beside"), os.Getenv)
	require.NoError(t, err)
	open := func() *Repo {
		d, err := s3.New(t.Context(), at)
		require.NoError(t, err)
		r, err := Open(t.Context(), store.New(d, "s3://beside").Sub("repo"), Config{})
		require.NoError(t, err)
		return r
	}
	const rounds = 12
	d, err := s3.New(t.Context(), at)
	require.NoError(t, err)
	r := create(t, store.New(d, "s3://beside").Sub("repo"), Config{})
	g := grid{3 * rounds, 4}
	tx := begin(t, r)
	require.NoError(t, tx.PutGroup("/", groupMeta(1)))
	for _, path := range []string{"/shared", "/own0", "/own1", "/official"} {
		require.NoError(t, tx.PutArray(path, g.meta(), g.info()))
	}
	first := commit(t, tx, "arrays")
	require.NoError(t, r.Tag(t.Context(), "first", first))
	for i := range int32(5) {
		tx := begin(t, r)
		require.NoError(t, tx.SetRef("/own0", []uint32{3*rounds - 1, 0}, Ref{Inline: chunk(i, i)}))
		commit(t, tx, "former times")
	}
	start := time.Now()
	tx = begin(t, r)
	require.NoError(t, tx.SetRef("/own1", []uint32{3*rounds - 1, 0}, Ref{Inline: chunk(1, 1)}))
	commit(t, tx, "where everybody begins")

	var writers sync.WaitGroup
	var theirs []string
	writers.Go(func() {
		cmd := exec.CommandContext(t.Context(), python, "testdata/beside.py", server.Endpoint, "beside", "repo", "12")
		cmd.Stderr = t.Output()
		out, err := cmd.Output()
		if err == nil {
			err = json.Unmarshal(out, &theirs)
		}
		if err != nil {
			t.Errorf("official library: %v", err)
		}
	})
	var mu sync.Mutex
	var ours []string
	for w := range uint32(2) {
		r := open()
		writers.Go(func() {
			for i := range uint32(rounds) {
				tx, err := r.Begin(t.Context(), "main")
				if err == nil {
					err = tx.SetRef("/own"+string('0'+rune(w)), []uint32{i, 0}, Ref{Inline: chunk(int32(i), 1)})
				}
				if err == nil {
					err = tx.SetRef("/shared", []uint32{3*i + w, 1}, Ref{Inline: chunk(int32(w), int32(i))})
				}
				var id ID
				if err == nil {
					id, err = tx.Commit(t.Context(), "ours", nil)
				}
				if err != nil {
					t.Errorf("writer %d round %d: %v", w, i, err)
					return
				}
				mu.Lock()
				ours = append(ours, id.String())
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	tidied := make(chan struct{})
	tidy := open()
	go func() {
		defer close(tidied)
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := tidy.Expire(t.Context(), ExpireConfig{Before: start}); err != nil {
				t.Errorf("expire: %v", err)
				return
			}
			if _, err := tidy.Collect(t.Context(), CollectConfig{}); err != nil {
				t.Errorf("collect: %v", err)
				return
			}
		}
	}()
	writers.Wait()
	close(done)
	<-tidied
	require.Len(t, theirs, rounds)
	require.Len(t, ours, 2*rounds)

	last := open()
	now := tip(t, last)
	for name, chunks := range map[string]func(i int) (row, at int, want []int32){
		"/own0":     func(i int) (int, int, []int32) { return i, 0, []int32{int32(i), 1} },
		"/own1":     func(i int) (int, int, []int32) { return i, 0, []int32{int32(i), 1} },
		"/official": func(i int) (int, int, []int32) { return i, 0, []int32{int32(i), int32(i)} },
		"/shared":   func(i int) (int, int, []int32) { return 3*i + 2, 2, []int32{int32(i), int32(i)} },
	} {
		got := mustValues(t, last, now, name)
		for i := range rounds {
			row, at, want := chunks(i)
			require.Equal(t, want, got[row][at:at+2], "%s %d", name, i)
			if name == "/shared" {
				require.Equal(t, []int32{0, int32(i)}, got[3*i][2:])
				require.Equal(t, []int32{1, int32(i)}, got[3*i+1][2:])
			}
		}
	}
	// Whoever was expired has its log in a list of pruned ones; nobody else is missing.
	st, err := last.state(t.Context())
	require.NoError(t, err)
	var known []string
	for _, e := range st.info.snapshots {
		known = append(known, e.id.String())
		for _, id := range e.pruned {
			known = append(known, id.String())
		}
	}
	for _, id := range slices.Concat(ours, theirs) {
		require.Contains(t, known, id)
	}
}
