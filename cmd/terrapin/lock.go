package main

import (
	"context"
	"encoding/json"
	"errors"
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

// errLocked says that another process may commit in the directory; Holder has its URLs, which are
// empty while a verb without a server holds it.
type errLocked struct {
	Dir    string
	Holder endpoints
}

func (e *errLocked) Error() string {
	if e.Holder.HTTP != "" {
		return "data directory " + e.Dir + " is served by " + e.Holder.HTTP
	}
	return "data directory " + e.Dir + " is in use by another terrapin command"
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
		held := &errLocked{Dir: dir}
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
