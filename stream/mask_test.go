package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// afresh is an engine that knows nothing of what was read before, with a ledger.
func (w *shelf) afresh(t *testing.T) *receipts.Ledger {
	t.Helper()
	l, err := receipts.Open(receipts.Config{Path: filepath.Join(t.TempDir(), "receipts.log")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	cfg := w.engine.cfg
	cfg.Reader, cfg.Receipts = nil, l
	c, err := layout.Open(t.Context(), cfg.Root.Sub("cubes/s2"))
	require.NoError(t, err)
	cfg.Cubes = func(context.Context, string) (*layout.Cube, error) { return c, nil }
	w.engine = New(cfg)
	return l
}

// flip flips a bit of a stored object.
func (w *shelf) flip(t *testing.T, key string, at int64) {
	t.Helper()
	rc, _, err := w.driver.Driver.Get(t.Context(), key, store.Range{})
	require.NoError(t, err)
	data, err := io.ReadAll(rc)
	require.NoError(t, err)
	data[at] ^= 0x10
	_, err = w.driver.Put(t.Context(), key, bytes.NewReader(data), store.Condition{})
	require.NoError(t, err)
}

// damage flips a bit of a chunk of the first scene's image, unless it lies in the manifest.
func (w *shelf) damage(t *testing.T, cy, cx int) {
	t.Helper()
	c, err := w.engine.cfg.Cubes(t.Context(), "s2")
	require.NoError(t, err)
	v, err := c.At(t.Context(), "")
	require.NoError(t, err)
	ref, ok, err := v.Ref(t.Context(), v.Cells()[0].Path, layout.Image, 0, cy, cx)
	require.NoError(t, err)
	require.True(t, ok)
	if !ref.Object.IsZero() {
		w.flip(t, "cubes/s2/chunks/"+ref.Object.String(), int64(ref.Offset)+4)
	}
}

func TestDamagedSamplesAreMasked(t *testing.T) {
	w := newShelf(t, 1)
	whole := w.openTicket(t, `{"dataset":"crops@v1","batch_size":500,"values":"physical"}`)
	want, err := whole.Next(t.Context())
	require.NoError(t, err)
	w.damage(t, 1, 1)
	v, err := w.engine.versions.get(t.Context(), "crops@v1")
	require.NoError(t, err)
	train, err := v.Split("train")
	require.NoError(t, err)
	damaged := map[string]bool{}
	for i := range train.Len() {
		s, err := train.At(i)
		require.NoError(t, err)
		damaged[s.ID] = !s.Window.Intersect(cube.Window{Row: 16, Col: 16, Height: 16, Width: 16}).Empty()
	}

	w.afresh(t)
	for _, ticket := range []string{`{"dataset":"crops@v1","batch_size":9}`, `{"dataset":"crops@v1","batch_size":9,"on_error":"refuse"}`} {
		r := w.openTicket(t, ticket)
		require.Contains(t, string(r.Info().Facts), `"on_error":"refuse"`)
		for err = error(nil); err == nil; {
			_, err = r.Next(t.Context())
		}
		require.True(t, fault.Is(err, fault.Corrupt), err)
		require.ErrorContains(t, err, "read sample")
	}

	for _, more := range []string{`"batch_size":9`, `"batch_size":4,"world_size":1,"tail":"pad","message_bytes":300`, `"batch_size":9,"augment":"d4"`} {
		l := w.afresh(t)
		r := w.openTicket(t, `{"dataset":"crops@v1","values":"physical","on_error":"mask","run":"r",`+more+`}`)
		require.NoError(t, r.Keep("me"))
		require.Contains(t, string(r.Info().Facts), `"on_error":"mask"`)
		masked := map[string]uint64{}
		rows := 0
		for {
			b, err := r.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.Len(t, b.Weights, b.Rows)
			for i, at := range b.Positions {
				if at < 0 {
					require.Zero(t, b.Weights[i])
					require.NoError(t, b.Lost[i])
					continue
				}
				rows++
				got, plain := b.row(r.info.Shape, i), want.row(whole.info.Shape, int(at))
				require.Equal(t, *plain.id, *got.id)
				require.Equal(t, plain.times, got.times)
				if damaged[*got.id] {
					masked[*got.id] = uint64(at)
					require.Zero(t, b.Weights[i])
					require.ErrorContains(t, b.Lost[i], "read chunk [0 0 1 1] of r0c0/10m/image")
					require.Equal(t, make([]byte, len(got.valid)), got.valid)
					require.Equal(t, make([]byte, len(got.image)), got.image)
					continue
				}
				require.EqualValues(t, 1, b.Weights[i])
				if b.Symmetries == nil {
					require.Equal(t, plain.valid, got.valid)
					require.Equal(t, plain.image, got.image)
				}
			}
			b.Release()
		}
		require.Equal(t, train.Len(), rows)
		require.Greater(t, len(masked), 3)
		require.Less(t, len(masked), rows)
		rec, err := l.Session(r.session.ID())
		require.NoError(t, err)
		require.Empty(t, rec.Masked, "nothing is acknowledged")
		require.NoError(t, r.Acknowledge(r.Steps()))
		rec, err = l.Session(r.session.ID())
		require.NoError(t, err)
		require.EqualValues(t, rows, rec.Rows, "they are rows like any other")
		told := map[string]uint64{}
		for _, m := range rec.Masked {
			require.Contains(t, m.Why, "read chunk [0 0 1 1]")
			for _, row := range m.Rows {
				told[row.ID] = row.Position
				require.Equal(t, row.Position/r.plan.Batch, row.Step)
			}
		}
		require.Equal(t, masked, told)
	}
}

// What is no damage of a chunk is an error, whatever the ticket says.
func TestOnlyDamageIsMasked(t *testing.T) {
	for name, plant := range map[string]func(w *shelf){
		"a store that is away": func(w *shelf) {
			w.driver.fail = func(key string) error {
				if strings.Contains(key, "/chunks/") {
					return fault.New(fault.Unavailable, "the store is busy")
				}
				return nil
			}
		},
		"a damaged manifest": func(w *shelf) {
			for info, err := range w.engine.cfg.Root.List(context.Background(), "cubes/s2/manifests/") {
				if err == nil {
					w.flip(t, info.Key, info.Size/2)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShelf(t, 1)
			plant(w)
			w.afresh(t)
			ticket, err := ParseTicket([]byte(`{"dataset":"crops@v1","on_error":"mask"}`))
			require.NoError(t, err)
			r, err := w.engine.Open(t.Context(), ticket)
			if err == nil {
				defer r.Close()
				_, err = r.Next(t.Context())
			}
			require.Error(t, err)
			require.NotErrorIs(t, err, io.EOF)
		})
	}
	w := newShelf(t, 1)
	r := w.openTicket(t, `{"dataset":"crops@v1","on_error":"mask"}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Next(ctx)
	require.True(t, fault.Is(err, fault.Canceled), err)
}

// damagedSource has nothing but damaged samples.
type damagedSource struct{ *counted }

func (d damagedSource) fill(ctx context.Context, first uint64, dst []row) error {
	for i, r := range dst {
		*r.id = "x"
		if !r.lose(fault.New(fault.Corrupt, "position %d is damaged", first+uint64(i))) {
			return fault.New(fault.Internal, "nothing is masked")
		}
	}
	return nil
}

func TestWhatIsDamagedAllOverIsAnError(t *testing.T) {
	for _, n := range []uint64{receipts.MaxMasked, receipts.MaxMasked + 1} {
		plan, err := order.NewPlan(n, 0, 7, 1, order.Short)
		require.NoError(t, err)
		r, err := newRun(Info{}, damagedSource{&counted{}}, plan, 0, 0, &share{heap: &heap{}})
		require.NoError(t, err)
		r.maskBy(SampleTicket{OnError: "mask"})
		masked := 0
		for err == nil {
			var b *Batch
			if b, err = r.Next(t.Context()); err == nil {
				masked += b.Masked()
				b.Release()
			}
		}
		r.Close()
		if n == receipts.MaxMasked {
			require.ErrorIs(t, err, io.EOF)
			require.EqualValues(t, n, masked)
			continue
		}
		require.True(t, fault.Is(err, fault.Corrupt), err)
		require.ErrorContains(t, err, "more than 1000 samples")
		require.ErrorContains(t, err, "is damaged")
		require.Contains(t, fault.CureOf(err), "fsck")
		require.LessOrEqual(t, masked, receipts.MaxMasked)
	}
}
