package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// terrapin is our server, with its catalog in SQLite or, where postgres is set, in a cluster tuned as the peer's.
type terrapin struct {
	binary   string
	dir      string
	postgres bool
	db       *cluster
	api      *process
}

func (t *terrapin) name() string {
	if t.postgres {
		return "postgres"
	}
	return "sqlite"
}

func (t *terrapin) settings() string { return "as it comes" }

func (t *terrapin) open(ctx context.Context) (err error) {
	if t.postgres {
		if t.db, err = startCluster(ctx, t.dir); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(t.dir, "data"), 0o755)
}

// place are the flags that say where the catalog is.
func (t *terrapin) place() []string {
	args := []string{"--data", filepath.Join(t.dir, "data")}
	if t.postgres {
		args = append(args, "--catalog", t.db.url("bench"))
	}
	return args
}

func (t *terrapin) load(ctx context.Context, d *dataset, f files) (loaded, error) {
	out := loaded{Items: d.n}
	if t.postgres {
		if _, err := t.db.sql(ctx, "postgres", "create database bench"); err != nil {
			return out, err
		}
	}
	collections := append([]string{"catalog", "load", f.Collections}, t.place()...)
	if _, _, _, err := run(exec.CommandContext(ctx, t.binary, collections...)); err != nil {
		return out, err
	}
	var before float64
	if t.postgres {
		before = cpuOf(t.db.server.cmd.Process.Pid)
	}
	args := append(append([]string{"catalog", "load"}, f.Items...), append(t.place(), "--json")...)
	stdout, seconds, cpu, err := run(exec.CommandContext(ctx, t.binary, args...))
	if err != nil {
		return out, err
	}
	out.Seconds, out.CPU, out.Stored = seconds, cpu, strings.TrimSpace(stdout)
	out.Bytes = folderBytes(filepath.Join(t.dir, "data"))
	if t.postgres {
		out.CPU += cpuOf(t.db.server.cmd.Process.Pid) - before
		out.Bytes = folderBytes(filepath.Join(t.dir, "pg", "base"))
	}
	return out, nil
}

func (t *terrapin) serve(ctx context.Context) (string, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer write.Close() //nolint:errcheck // the child has its own
	args := append([]string{"serve", "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--json"}, t.place()...)
	cmd := exec.Command(t.binary, args...)
	cmd.Stdout = write
	if t.api, err = start(t.dir, cmd); err != nil {
		return "", err
	}
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(read).ReadString('\n') // an early end shows as an empty line
		lines <- line
	}()
	var urls struct{ HTTP, STAC string }
	select {
	case line := <-lines:
		if err := json.Unmarshal([]byte(line), &urls); err != nil || urls.STAC == "" {
			return "", fmt.Errorf("terrapin serve said %q; its log: %s", line, tail(t.api.log))
		}
	case <-t.api.done:
		return "", fmt.Errorf("terrapin serve ended; its log: %s", tail(t.api.log))
	case <-time.After(time.Minute):
		return "", fmt.Errorf("terrapin serve is not ready after a minute; its log: %s", tail(t.api.log))
	}
	base := strings.TrimSuffix(urls.STAC, "/")
	return base, t.api.ready(ctx, func() bool { return answers(base + "/") })
}

func (t *terrapin) roots() []int {
	out := []int{t.api.cmd.Process.Pid}
	if t.postgres {
		out = append(out, t.db.server.cmd.Process.Pid)
	}
	return out
}

func (t *terrapin) close() {
	t.api.stop(syscall.SIGTERM)
	t.db.stop()
}
