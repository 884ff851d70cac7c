package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

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

// acquire takes the lock of a data directory without waiting. Held by another process, the error is
// *errLocked.
func acquire(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.New(fault.Precondition, "data directory: %w", err).WithCure("give a folder that can be written with --data")
	}
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
