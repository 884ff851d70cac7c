package compact

import (
	"context"
	"sync"
	"time"
)

// throttle spreads bytes over time. A nil one has no limit.
type throttle struct {
	perByte float64 // nanoseconds

	mu   sync.Mutex
	free time.Time // when all that was asked for so far is due
}

func newThrottle(bytesPerSecond int64) *throttle {
	if bytesPerSecond <= 0 {
		return nil
	}
	return &throttle{perByte: float64(time.Second) / float64(bytesPerSecond)}
}

// wait returns when n bytes more may be read.
func (t *throttle) wait(ctx context.Context, n int64) error {
	if t == nil {
		return ctx.Err()
	}
	now := time.Now()
	t.mu.Lock()
	if t.free.Before(now) {
		t.free = now
	}
	due := t.free
	t.free = due.Add(time.Duration(float64(n) * t.perByte))
	t.mu.Unlock()
	if !due.After(now) {
		return ctx.Err()
	}
	timer := time.NewTimer(due.Sub(now))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
