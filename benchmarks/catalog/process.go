package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that runs until it is stopped; it dies with the benchmark.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	log  string
}

// start runs a program with its output in a log file below dir.
func start(dir string, cmd *exec.Cmd) (*process, error) {
	log, err := os.Create(filepath.Join(dir, filepath.Base(cmd.Path)+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.Stderr = log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{}), log: log.Name()}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(p.done)
	}()
	return p, nil
}

// stop asks with sig, waits, and kills at last.
func (p *process) stop(sig syscall.Signal) {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig) // it may have ended
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// ready asks probe until it says yes, the process ends or a minute has passed.
func (p *process) ready(ctx context.Context, probe func() bool) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; {
		if probe() {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at its start; its log: %s", p.cmd.Path, tail(p.log))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s is not ready after a minute; its log: %s", p.cmd.Path, tail(p.log))
}

func tail(path string) string {
	body, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(body[max(0, len(body)-2000):])
}

// run runs a program to its end and returns its output; seconds and cpu are what it took with its children.
func run(cmd *exec.Cmd) (out string, seconds, cpu float64, err error) {
	var errs strings.Builder
	cmd.Stderr = &errs
	begun := time.Now()
	body, err := cmd.Output()
	if state := cmd.ProcessState; state != nil {
		cpu = (state.UserTime() + state.SystemTime()).Seconds()
	}
	if err != nil {
		text := errs.String() + string(body)
		err = fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args[:min(4, len(cmd.Args))], " "), err, text[max(0, len(text)-2000):])
	}
	return string(body), time.Since(begun).Seconds(), cpu, err
}

// freePort is a port of the loopback that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // nothing was sent
	return l.Addr().(*net.TCPAddr).Port, nil
}

// cpuOf sums the processor seconds of processes and all below them, ended ones included once they were waited for.
func cpuOf(roots ...int) float64 {
	type stat struct {
		parent int
		ticks  float64
	}
	all := map[int]stat{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		rest := strings.Fields(string(body[strings.LastIndexByte(string(body), ')')+1:]))
		parent, _ := strconv.Atoi(rest[1])
		s := stat{parent: parent}
		for _, v := range rest[11:15] { // utime, stime, and both of children waited for
			ticks, _ := strconv.ParseFloat(v, 64)
			s.ticks += ticks
		}
		all[pid] = s
	}
	total := 0.0
	for pid, s := range all {
		for at := pid; at > 1; at = all[at].parent {
			if contains(roots, at) {
				total += s.ticks
				break
			}
			if _, known := all[at]; !known {
				break
			}
		}
	}
	return total / 100 // USER_HZ
}

func contains(list []int, v int) bool {
	for _, have := range list {
		if have == v {
			return true
		}
	}
	return false
}

// loadAverage is the machine's, of the last minute: a ratio taken while others work says less.
func loadAverage() float64 {
	f, err := os.Open("/proc/loadavg")
	if err != nil {
		return 0
	}
	defer f.Close() //nolint:errcheck // read only
	s := bufio.NewScanner(f)
	s.Split(bufio.ScanWords)
	s.Scan()
	v, _ := strconv.ParseFloat(s.Text(), 64)
	return v
}

// folderBytes sums the files below a folder.
func folderBytes(dir string) (total int64) {
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}
