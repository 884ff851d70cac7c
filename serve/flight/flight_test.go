package flight

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/predictions"
)

// A stock client of another language gets what the sources hold, in the order the spec says.
func TestStockClient(t *testing.T) {
	python(t)
	w := newWorld(t)
	url, _ := w.serve(t)
	for _, check := range []string{
		"values", "float_values", "order", "padding", "messages", "alignment", "info", "errors", "drawn", "windows", "concurrent",
	} {
		t.Run(check, func(t *testing.T) { w.stock(t, check, url) })
	}
	t.Run("receipts", func(t *testing.T) {
		var session, chain string
		var steps uint64
		_, err := fmt.Sscan(w.stock(t, "receipts", url), &session, &steps, &chain)
		require.NoError(t, err)
		rec, err := w.ledger.Session(session)
		require.NoError(t, err)
		require.Equal(t, steps, rec.Steps)
		require.Equal(t, steps, rec.Agreed)
		require.Nil(t, rec.Disputed)
		text, err := rec.Chain.MarshalText()
		require.NoError(t, err)
		require.Equal(t, chain, string(text))
	})
	t.Run("same bytes after a restart", func(t *testing.T) {
		first := w.stock(t, "digest", url)
		again, _ := w.serve(t)
		require.NotEmpty(t, first)
		require.Equal(t, first, w.stock(t, "digest", again))
	})
	t.Run("clients that leave free everything", func(t *testing.T) {
		url, _ := w.serve(t)
		w.stock(t, "digest", url)
		before := settled(t, 0)
		for range 3 {
			w.stock(t, "leave", url)
		}
		settled(t, before)
	})
	t.Run("damage is an error", func(t *testing.T) {
		w.damage(t)
		url, _ := w.serve(t)
		w.stock(t, "damaged", url)
	})
}

// Predictions of a stock client are published whole and once, or not at all.
func TestStockClientPredicts(t *testing.T) {
	python(t)
	w := newWorld(t)
	_, err := predictions.RegisterModel(t.Context(), w.root, predictions.Model{ID: "unet-1", Actor: "test"})
	require.NoError(t, err)
	url, _ := w.serve(t)
	w.stock(t, "predictions", url)
}

// settled waits until no more than a number of goroutines run; 0 waits until the number stands still.
func settled(t *testing.T, most int) int {
	t.Helper()
	end, last, still := time.Now().Add(20*time.Second), runtime.NumGoroutine(), time.Now()
	for {
		n := runtime.NumGoroutine()
		if most > 0 && n <= most {
			return n
		}
		if n != last {
			last, still = n, time.Now()
		}
		if most == 0 && time.Since(still) > 500*time.Millisecond {
			return n
		}
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			require.Fail(t, "goroutines are left", "%d, at most %d\n%s", n, most, buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
}

// damage cuts every object with pixels of cube s2 short.
func (w *world) damage(t *testing.T) {
	t.Helper()
	objects, err := filepath.Glob(filepath.Join(w.dir, "data", "cubes", "s2", "chunks", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, objects)
	for _, path := range objects {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.NoError(t, os.Chmod(path, 0o600))
		require.NoError(t, os.Truncate(path, info.Size()/3))
	}
}
