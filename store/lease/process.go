package lease

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// process describes this process. Node is "" where the system does not tell enough to know a dead process
// from a living one; others then wait until the lease runs out.
func process() Holder {
	h := Holder{PID: os.Getpid(), Node: node()}
	h.Host, _ = os.Hostname() // for people only
	h.Started, _ = started(h.PID)
	return h
}

// node names the boot and the process namespace: within both, a process id means one process at a time.
func node() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + space
}

// started is when a process began, in clock ticks since the boot: it tells a process from a later one that
// got the same id.
func started(pid int) (uint64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	rest := string(raw[strings.LastIndexByte(string(raw), ')')+1:]) // the name before it may hold anything
	fields := strings.Fields(rest)
	const startTime = 19 // the 22nd field of the line, the 20th after the name
	if len(fields) <= startTime {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return strconv.ParseUint(fields[startTime], 10, 64)
}

// ended reports whether the holder is known to run no more.
func (h Holder) ended() bool {
	if h.Node == "" || h.Node != node() || h.PID <= 0 {
		return false
	}
	if err := syscall.Kill(h.PID, 0); errors.Is(err, syscall.ESRCH) {
		return true
	}
	began, err := started(h.PID)
	return err == nil && began != h.Started
}

// Here reports whether the holder runs on this machine, where its loopback addresses lead to it.
func (h Holder) Here() bool { return h.Node != "" && h.Node == node() }
