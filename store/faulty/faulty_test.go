package faulty_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/faulty"
	"github.com/terrapin-eo/terrapin/store/mem"
	"github.com/terrapin-eo/terrapin/store/storetest"
)

func TestWithoutAFaultItIsTheStoreBelow(t *testing.T) {
	storetest.Run(t, storetest.Config{WriteIDs: true, New: func(*testing.T) store.Driver { return faulty.New(mem.New(), 1) }})
}

// Each kind does what it says to the operation it hits, once, and nothing to others.
func TestKinds(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		fault faulty.Fault
		is    error
		// there and left: what was written anew, and whether what was deleted is still there.
		there, left bool
	}{
		{faulty.Fault{Op: faulty.Put, Key: "new", At: 1, Kind: faulty.NotApplied}, faulty.ErrLost, false, false},
		{faulty.Fault{Op: faulty.Put, Key: "new", At: 1, Kind: faulty.Unavailable}, faulty.ErrUnavailable, false, false},
		{faulty.Fault{Op: faulty.Put, Key: "new", At: 1, Kind: faulty.LostAnswer}, faulty.ErrLost, true, false},
		{faulty.Fault{Op: faulty.Put, Key: "new", At: 1, Kind: faulty.Dies}, faulty.ErrDied, false, true},
		{faulty.Fault{Op: faulty.Put, Key: "new", At: 1, Kind: faulty.DiesAfter}, faulty.ErrDied, true, true},
		{faulty.Fault{Op: faulty.Put, Key: "new", At: 1, Kind: faulty.NoSpace}, syscall.ENOSPC, false, false},
		{faulty.Fault{Op: faulty.Delete, At: 1, Kind: faulty.NotApplied}, faulty.ErrLost, true, true},
		{faulty.Fault{Op: faulty.Delete, At: 1, Kind: faulty.LostAnswer}, faulty.ErrLost, true, false},
		{faulty.Fault{Op: faulty.Get, At: 1, Kind: faulty.Torn}, nil, true, false},
		{faulty.Fault{Op: faulty.Get, At: 1, Kind: faulty.Unavailable}, faulty.ErrUnavailable, true, false},
		{faulty.Fault{Op: faulty.Stat, At: 1, Kind: faulty.Torn}, faulty.ErrUnavailable, true, false},
		{faulty.Fault{Op: faulty.List, At: 1, Kind: faulty.Unavailable}, faulty.ErrUnavailable, true, false},
		{faulty.Fault{Key: "old", Kind: faulty.Unavailable, Rate: 1}, faulty.ErrUnavailable, true, true},
	} {
		d := faulty.New(mem.New(), 7)
		b := store.New(d, "mem://x")
		_, err := b.Write(ctx, "old", []byte(strings.Repeat("x", 1000)), store.Condition{})
		require.NoError(t, err)
		d.Set(c.fault)
		errs := []error{}
		_, err = b.Write(ctx, "new", []byte("y"), store.Condition{})
		errs = append(errs, err)
		_, _, err = b.Read(ctx, "old", store.Range{})
		errs = append(errs, err)
		_, err = b.Stat(ctx, "old")
		errs = append(errs, err)
		for _, e := range b.List(ctx, "") {
			err = errors.Join(err, e)
		}
		errs = append(errs, err, b.Delete(ctx, "old"))
		all := errors.Join(errs...)
		require.Error(t, all, "%+v", c.fault)
		if c.is != nil {
			assert.ErrorIs(t, all, c.is, "%+v", c.fault)
		} else {
			assert.True(t, fault.Is(all, fault.Unavailable), "%v", all)
		}
		if c.fault.Rate == 0 {
			assert.Equal(t, 1, d.Hits())
		}
		d.Set()
		_, err = b.Stat(ctx, "new")
		assert.Equal(t, c.there, err == nil, "%+v", c.fault)
		_, err = b.Stat(ctx, "old")
		assert.Equal(t, c.left, err == nil, "%+v", c.fault)
	}
}

// A slow store lets go of whoever goes away, and answers who stays.
func TestSlow(t *testing.T) {
	d := faulty.New(mem.New(), 1)
	b := store.New(d, "mem://x")
	d.Set(faulty.Fault{Op: faulty.Put, At: 1, Kind: faulty.Slow, Delay: time.Hour}, faulty.Fault{Op: faulty.Put, At: 2, Kind: faulty.Slow, Delay: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	d.Before(func(faulty.Call) { cancel() })
	_, err := b.Write(ctx, "k", nil, store.Condition{})
	assert.True(t, fault.Is(err, fault.Canceled), "%v", err)
	_, err = b.Write(t.Context(), "k", nil, store.Condition{})
	assert.NoError(t, err)
	assert.Equal(t, []faulty.Call{{Op: faulty.Put, Key: "k"}, {Op: faulty.Put, Key: "k"}}, d.Calls())
}

// A store that is down stays so, and one that is busy for three calls is not any more.
func TestTimes(t *testing.T) {
	for times, want := range map[int]string{3: "o###oo", -1: "o#####", 0: "o#oooo"} {
		d := faulty.New(mem.New(), 1)
		d.Set(faulty.Fault{Op: faulty.Put, At: 2, Times: times})
		got := ""
		for range 6 {
			_, err := store.New(d, "mem://x").Write(t.Context(), "k", nil, store.Condition{})
			got += map[bool]string{true: "o", false: "#"}[err == nil]
		}
		assert.Equal(t, want, got)
	}
}
