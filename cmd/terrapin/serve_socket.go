package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// listenFlight listens at the address for Arrow Flight, and on its socket where one is wanted.
func (f serveFlags) listenFlight() ([]net.Listener, error) {
	l, err := f.listen("flight", f.flight)
	if err != nil {
		return nil, err
	}
	all := []net.Listener{l}
	if f.socket != "" {
		l, err := listenLocal(f.socket)
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // who served it closes it, too
	}
}

// listenLocal listens on a unix socket, which goes with the listener. One that a killed server left behind is replaced. Servers that
// start at the same time do so one after the other: each finds what the one before it made.
func listenLocal(path string) (net.Listener, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "--flight-socket: %w", err)
	}
	turn, err := inTurn(filepath.Dir(path))
	if err != nil {
		return nil, fault.New(fault.Precondition, "--flight-socket: %w", err).WithCure("name a new file in a directory that this user may read and write to")
	}
	defer turn.Close()
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err = os.Remove(path); err == nil {
			l, err = net.Listen("unix", path)
		}
	}
	if err != nil {
		return nil, fault.New(fault.Precondition, "--flight-socket: %w", err).
			WithCure("name a new file of at most 107 characters in a directory that this user may write to")
	}
	return l, nil
}

// inTurn waits until nobody else makes a socket in the directory, for lockPatience at most, as others may hold that lock for purposes
// of their own. Who closes the file gives the turn away.
func inTurn(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(5 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			_ = f.Close() // nothing was written
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
	}
}

// abandoned reports whether a path is a socket at which nobody listens.
func abandoned(path string) bool {
	if at, err := os.Lstat(path); err != nil || at.Mode()&os.ModeSocket == 0 {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close() // nothing was said
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
