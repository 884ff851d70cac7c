package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// lockName is the file in a data directory whose flock its one committer holds.
const lockName = "terrapin.lock"

// endpoints are the URLs a server prints when it is ready and keeps in its lock file.
type endpoints struct {
	PID    int    `json:"pid,omitempty"`
	HTTP   string `json:"http"`
	Flight string `json:"flight"`
	STAC   string `json:"stac"`
}

// dirLock is the right to commit in a data directory.
type dirLock struct{ file *os.File }

// errLocked says that another process may commit in the place; Holder has its URLs, which are empty while a
// verb without a server holds it.
type errLocked struct {
	Place  string
	Holder endpoints
	// Host, Elsewhere and Until tell more of who holds the lease of a bucket.
	Host      string
	Elsewhere bool
	Until     time.Time
}

func (e *errLocked) Error() string {
	on := ""
	if e.Host != "" {
		on = fmt.Sprintf(" (process %d on %s)", e.Holder.PID, e.Host)
	}
	if e.Holder.HTTP != "" {
		return e.Place + " is served by " + e.Holder.HTTP + on
	}
	return e.Place + " is in use by another terrapin command" + on
}

// busy is the error for a person: the holder gives no address to send the work to.
func (e *errLocked) busy() error {
	cure := "wait for it to end and try again"
	if e.Elsewhere {
		cure = "wait for it to end and try again; if its machine is gone, its lease runs out at " + e.Until.Format(time.RFC3339)
	}
	return fault.New(fault.Precondition, "%w", e).WithCure("%s", cure)
}

// lockPatience is how long a command waits for a holder that gives no address: another command that
// is about to end, a server about to say where it is, or a program that only looks whether somebody
// holds the lock.
const lockPatience = 2 * time.Second

// acquire takes the lock of a data directory. Held by another process for longer than lockPatience, or
// by a server, the error is *errLocked.
func acquire(ctx context.Context, dir string) (*dirLock, error) {
	for deadline := time.Now().Add(lockPatience); ; {
		lock, err := tryLock(dir)
		var held *errLocked
		if !errors.As(err, &held) || held.Holder.alive() || time.Now().After(deadline) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// alive reports whether the process that wrote the addresses still runs; a killed one leaves its file.
func (e endpoints) alive() bool {
	if e.HTTP == "" || e.PID <= 0 {
		return false
	}
	err := syscall.Kill(e.PID, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

func tryLock(dir string) (*dirLock, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fault.New(fault.Precondition, "lock %s: %w", path, err).WithCure("give a folder that can be written with --data")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.New(fault.Internal, "lock %s: %w", path, err)
		}
		held := &errLocked{Place: "data directory " + dir}
		if raw, err := io.ReadAll(f); err == nil && len(raw) > 0 {
			_ = json.Unmarshal(raw, &held.Holder) // a half-written file reads as "no URLs yet"
		}
		return nil, held
	}
	l := &dirLock{file: f}
	return l, l.announce(endpoints{})
}

// announce writes what the lock file carries.
func (l *dirLock) announce(e endpoints) error {
	raw := []byte{}
	if e.HTTP != "" {
		var err error
		if raw, err = json.Marshal(e); err != nil {
			return err
		}
	}
	if err := l.file.Truncate(0); err != nil {
		return fault.New(fault.Internal, "write %s: %w", l.file.Name(), err)
	}
	if _, err := l.file.WriteAt(raw, 0); err != nil {
		return fault.New(fault.Internal, "write %s: %w", l.file.Name(), err)
	}
	return nil
}

// release gives the lock back; the file stays, emptied.
func (l *dirLock) release() {
	_ = l.file.Truncate(0) // the lock itself goes with the descriptor
	_ = l.file.Close()
}
