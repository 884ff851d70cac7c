package lease

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

const key = "terrapin.lock"

// at is a clock that tests move.
type at struct{ ns atomic.Int64 }

func (c *at) now() time.Time        { return time.Unix(0, c.ns.Load()) }
func (c *at) pass(by time.Duration) { c.ns.Add(int64(by)) }

func newClock() *at {
	c := &at{}
	c.ns.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func setup() (Config, *at) {
	c := newClock()
	return Config{Bucket: store.New(mem.New(), "mem://b"), Key: key, Now: c.now, Log: slog.New(slog.DiscardHandler)}, c
}

// foreign puts a lease of another machine there.
func foreign(t *testing.T, cfg Config, expires time.Time) Holder {
	h := Holder{Owner: "other", Host: "elsewhere", Node: "another boot", PID: 1, URLs: json.RawMessage(`{"http":"http://elsewhere:1"}`), Expires: expires}
	put(t, cfg, h)
	return h
}

func put(t *testing.T, cfg Config, h Holder) {
	raw, err := json.Marshal(h)
	require.NoError(t, err)
	_, err = cfg.Bucket.Write(t.Context(), key, raw, store.Condition{})
	require.NoError(t, err)
}

func read(t *testing.T, cfg Config) Holder {
	raw, _, err := cfg.Bucket.Read(t.Context(), key, store.Range{})
	require.NoError(t, err)
	var h Holder
	require.NoError(t, json.Unmarshal(raw, &h))
	return h
}

func TestOneHolds(t *testing.T) {
	cfg, _ := setup()
	first, err := Acquire(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, first.Announce(t.Context(), map[string]string{"http": "http://127.0.0.1:1"}))
	_, err = Acquire(t.Context(), cfg)
	var held *Held
	require.ErrorAs(t, err, &held)
	assert.JSONEq(t, `{"http":"http://127.0.0.1:1"}`, string(held.Holder.URLs))
	assert.True(t, held.Holder.Here())
	require.NoError(t, first.Release(t.Context()))
	second, err := Acquire(t.Context(), cfg)
	require.NoError(t, err, "what was given back is free")
	require.NoError(t, second.Release(t.Context()))
	require.NoError(t, first.Release(t.Context()), "released twice does no harm")
}

func TestRaceHasOneWinner(t *testing.T) {
	cfg, clock := setup()
	foreign(t, cfg, clock.now().Add(-time.Minute))
	var winners atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			l, err := Acquire(t.Context(), cfg)
			if err == nil {
				winners.Add(1)
				t.Cleanup(func() { assert.NoError(t, l.Release(t.Context())) })
				return
			}
			var held *Held
			assert.ErrorAs(t, err, &held)
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, winners.Load())
}

func TestTakenOverWhenItRanOut(t *testing.T) {
	cfg, clock := setup()
	foreign(t, cfg, clock.now().Add(DefaultTTL))
	_, err := Acquire(t.Context(), cfg)
	var held *Held
	require.ErrorAs(t, err, &held)
	assert.False(t, held.Holder.Here())
	assert.Contains(t, err.Error(), "elsewhere")
	clock.pass(DefaultTTL)
	_, err = Acquire(t.Context(), cfg)
	require.ErrorAs(t, err, &held, "not within the grace")
	clock.pass(grace + time.Second)
	l, err := Acquire(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, l.Release(t.Context()))
}

// A killed process of this machine holds nothing, though its lease has not run out; one whose id another
// process got neither; a living one does.
func TestDeadProcessHoldsNothing(t *testing.T) {
	cfg, clock := setup()
	cmd := exec.Command("sleep", "100")
	require.NoError(t, cmd.Start())
	h := process()
	h.Owner, h.PID, h.Expires = "killed", cmd.Process.Pid, clock.now().Add(time.Hour)
	var err error
	h.Started, err = started(cmd.Process.Pid)
	require.NoError(t, err)
	put(t, cfg, h)
	_, err = Acquire(t.Context(), cfg)
	var held *Held
	require.ErrorAs(t, err, &held, "it lives")

	reused := h
	reused.Started--
	put(t, cfg, reused)
	l, err := Acquire(t.Context(), cfg)
	require.NoError(t, err, "the id is another process's now")
	require.NoError(t, l.Release(t.Context()))

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	put(t, cfg, h)
	l, err = Acquire(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, l.Release(t.Context()))
}

func TestRenewedAndLost(t *testing.T) {
	cfg, clock := setup()
	cfg.TTL = 40 * time.Millisecond
	l, err := Acquire(t.Context(), cfg)
	require.NoError(t, err)
	before := read(t, cfg)
	clock.pass(time.Hour)
	require.Eventually(t, func() bool { return read(t, cfg).Expires.After(before.Expires) }, 10*time.Second, time.Millisecond, "renewed")
	require.NoError(t, l.Err())
	foreign(t, cfg, clock.now().Add(time.Hour))
	<-l.Lost()
	assert.Equal(t, fault.Precondition, fault.KindOf(l.Err()))
	assert.NotEmpty(t, fault.CureOf(l.Err()))
	require.NoError(t, l.Release(t.Context()))
	assert.Equal(t, "other", read(t, cfg).Owner, "releasing what was lost leaves the other's")
}

func TestForeignObjectIsNoLease(t *testing.T) {
	cfg, _ := setup()
	_, err := cfg.Bucket.Write(t.Context(), key, []byte("hello"), store.Condition{})
	require.NoError(t, err)
	_, err = Acquire(t.Context(), cfg)
	assert.Equal(t, fault.Corrupt, fault.KindOf(err))
	var held *Held
	assert.False(t, errors.As(err, &held))
}
