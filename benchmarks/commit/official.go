package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

//go:embed official.py
var script string

// official has the official library do the same to a repository of the same shape: the chunks are
// virtual references, since in ours too their bytes are written before.
func official(ctx context.Context, python, dir string, s shape, split, n int) ([]time.Duration, error) {
	defer os.RemoveAll(dir)
	args := []string{"-c", script, dir}
	for _, v := range []int{edge, s.references, s.history, split, n} {
		args = append(args, strconv.Itoa(v))
	}
	cmd := exec.CommandContext(ctx, python, args...)
	out, err := cmd.Output()
	if err != nil {
		if e, ok := err.(*exec.ExitError); ok {
			os.Stderr.Write(e.Stderr)
		}
		return nil, fmt.Errorf("official library: %w", err)
	}
	var seconds []float64
	if err := json.Unmarshal(out, &seconds); err != nil {
		return nil, fmt.Errorf("official library: %w", err)
	}
	times := make([]time.Duration, len(seconds))
	for i, v := range seconds {
		times[i] = time.Duration(v * float64(time.Second))
	}
	return times, nil
}
