package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pgbench measures a statement on the database itself, with PostgreSQL's own tool.
func (c *cluster) pgbench(ctx context.Context, db, script string, clients int, seconds float64) (measurement, error) {
	logs, err := os.MkdirTemp("", "pgbench-")
	if err != nil {
		return measurement{}, err
	}
	defer os.RemoveAll(logs) //nolint:errcheck // a temporary folder
	pid := c.server.cmd.Process.Pid
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "pgbench"), "-n", "-M", "prepared", "-f", script, "-c", strconv.Itoa(clients),
		"-T", strconv.Itoa(max(1, int(seconds))), "-l", "--log-prefix", filepath.Join(logs, "log"))
	cmd.Env = c.env(db)
	cpu := cpuOf(pid)
	_, took, _, err := run(cmd)
	if err != nil {
		return measurement{}, err
	}
	cpu = cpuOf(pid) - cpu
	var s sampler
	s.on.Store(true)
	paths, err := filepath.Glob(filepath.Join(logs, "log*"))
	if err != nil {
		return measurement{}, err
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return measurement{}, err
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			columns := strings.Fields(lines.Text())
			if len(columns) < 3 {
				return measurement{}, fmt.Errorf("pgbench wrote %q", lines.Text())
			}
			us, err := strconv.ParseInt(columns[2], 10, 64)
			s.add(time.Duration(us)*time.Microsecond, 0, 0, nil, err)
		}
		_ = f.Close() // read only
	}
	return s.result(clients, took, cpu), nil
}
