package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store/lease"
)

// hold is the right to commit: the flock of the local directory and, for a bucket, the lease in it.
type hold struct {
	lock  *dirLock
	lease *lease.Lease
	log   *slog.Logger
}

// acquireHold takes the right to commit to an open place; *errLocked says who has it.
func acquireHold(ctx context.Context, s site, dir string, log *slog.Logger) (*hold, error) {
	lock, err := acquire(ctx, dir)
	if err != nil {
		var held *errLocked
		if errors.As(err, &held) && s.bucket != nil {
			held.Place = s.root.URL()
		}
		return nil, err
	}
	h := &hold{lock: lock, log: log}
	if s.bucket == nil {
		return h, nil
	}
	if h.lease, err = acquireLease(ctx, s, log); err != nil {
		lock.release()
		return nil, err
	}
	return h, nil
}

// acquireLease waits like acquire for a holder that gives no address.
func acquireLease(ctx context.Context, s site, log *slog.Logger) (*lease.Lease, error) {
	now := func() time.Time { return time.Now().Add(s.bucket.Skew()) }
	for deadline := time.Now().Add(lockPatience); ; {
		l, err := lease.Acquire(ctx, lease.Config{Bucket: s.root, Key: lockName, Now: now, Log: log})
		var by *lease.Held
		if !errors.As(err, &by) {
			return l, err
		}
		held := &errLocked{Place: s.root.URL(), Host: by.Holder.Host, Elsewhere: !by.Holder.Here(), Until: by.Holder.Expires}
		_ = json.Unmarshal(by.Holder.URLs, &held.Holder) // a command holds it without addresses
		held.Holder.PID = by.Holder.PID
		if held.Holder.HTTP != "" || time.Now().After(deadline) {
			return nil, held
		}
		select {
		case <-ctx.Done():
			return nil, held
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// announce tells others where the holder serves.
func (h *hold) announce(ctx context.Context, e endpoints) error {
	if h.lease != nil {
		if err := h.lease.Announce(ctx, e); err != nil {
			return err
		}
	}
	return h.lock.announce(e)
}

// lost is closed when another process may commit; nil, which blocks for ever, for a directory.
func (h *hold) lost() <-chan struct{} {
	if h.lease == nil {
		return nil
	}
	return h.lease.Lost()
}

// err says why the right was lost, or nil.
func (h *hold) err() error {
	if h.lease == nil {
		return nil
	}
	return h.lease.Err()
}

// release gives the right back.
func (h *hold) release() {
	if h.lease != nil {
		if err := h.lease.Release(context.Background()); err != nil {
			h.log.Warn("the lease is not given back; it runs out by itself", "error", err)
		}
	}
	h.lock.release()
}

// guard ends a context when the right to commit is lost.
func (h *hold) guard(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-h.lost():
			cancel(h.err())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// reachable refuses to send work to a server whose address leads to this machine while it runs on another.
func (e *errLocked) reachable() error {
	u, err := url.Parse(e.Holder.HTTP)
	if err != nil || !e.Elsewhere {
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return fault.New(fault.Precondition, "%w, an address of that machine only", e).
			WithCure("run the command there; or let that server listen on an address others reach, and use --server")
	}
	return nil
}
