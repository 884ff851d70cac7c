// Command cube is our side of benchmarks/cube/cube.py, which runs other readers beside it and asks for
// one measurement at a time. Each line of stdin is a request in JSON, each line of stdout its answer; a
// request that cannot be answered ends the program. It owns no claim: seconds of a shared machine mean
// nothing, only the ratios of engines that took turns do.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/zarr"
)

type options struct {
	Cube   string
	GB     float64
	Dates  int
	Bands  int
	WarmMB int
	Batch  int
	Size   int
}

// request names one piece of work.
type request struct {
	// Op is cases, export, pixels, measure, write, late, cells or series.
	Op string `json:"op"`
	// Case and Engine ("ours", "single", "decoder", "gather") say what is measured, on how many Threads.
	Case    string  `json:"case"`
	Engine  string  `json:"engine"`
	Threads int     `json:"threads"`
	Seconds float64 `json:"seconds"`
	// Path is the file or folder to write, Scenes and Cells the size of what is made in it.
	Path   string `json:"path"`
	Scenes int    `json:"scenes"`
	Cells  int    `json:"cells"`
	// Profile names a file for a CPU profile of the work.
	Profile string `json:"profile"`
}

// spent is what some work took. A sample is a window or, where it is written, a chunk.
type spent struct {
	Samples int     `json:"samples"`
	Bytes   int     `json:"bytes"` // decoded
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"`
	Faults  int64   `json:"faults"` // pages that the system had to provide
}

func main() {
	var o options
	flag.StringVar(&o.Cube, "cube", "", "directory of the data; a cube is made in it if there is none")
	flag.Float64Var(&o.GB, "gb", 4, "decoded size of a cube that is made, in GB of pixels")
	flag.IntVar(&o.Dates, "dates", 24, "dates of a cube that is made")
	flag.IntVar(&o.Bands, "bands", 4, "bands of a cube that is made, 4 or 9")
	flag.IntVar(&o.WarmMB, "warm-mb", 384, "decoded size of the region whose chunks are all kept")
	flag.IntVar(&o.Batch, "batch", 16, "windows of one batch")
	flag.IntVar(&o.Size, "size", 256, "edge of a window in pixels")
	flag.Parse()
	if err := serve(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "cube:", err)
		os.Exit(1)
	}
}

// bench is the cube under test and what was prepared to measure it.
type bench struct {
	options
	view    *layout.View
	cell    layout.Cell
	tests   []*test
	writing *writing
	engines map[string]engine
}

func serve(ctx context.Context, o options) error {
	b := &bench{options: o, engines: map[string]engine{}}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return err
		}
		answer, err := b.answer(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Op, err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
			return err
		}
	}
	return in.Err()
}

func (b *bench) answer(ctx context.Context, r request) (any, error) {
	if r.Profile != "" {
		f, err := os.Create(r.Profile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, err
		}
		defer pprof.StopCPUProfile()
	}
	switch r.Op {
	case "write":
		return b.write(ctx, r)
	case "late":
		return b.late(ctx, r)
	case "series":
		return b.series(ctx, r)
	case "cells":
		return cells(ctx, r)
	}
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	switch r.Op {
	case "cases":
		return map[string]any{
			"cases": b.tests, "cell": b.cell.Path, "side": b.cell.Grid.Width, "dates": len(b.cell.Slices), "bands": b.Bands, "edge": edge,
			"size": b.Size, "batch": b.Batch, "snapshot": b.view.Snapshot(), "go": runtime.Version(), "codecs": zarr.Backend,
		}, nil
	case "export":
		return b.export(ctx, r.Path)
	case "pixels":
		return b.pixels(ctx, r)
	case "measure":
		return b.measure(ctx, r)
	}
	return nil, fmt.Errorf("no such request")
}

// open opens the cube, once, and draws the windows.
func (b *bench) open(ctx context.Context) (err error) {
	if b.view != nil {
		return nil
	}
	if b.view, err = open(ctx, b.options); err != nil {
		return err
	}
	b.cell = b.view.Cells()[0]
	b.Bands = len(b.view.Spec().Bands)
	b.tests = b.draw()
	return nil
}

// meter starts counting; the function returned says what was spent since.
func meter() func(samples, bytes int) spent {
	start, cpu, faults := time.Now(), 0.0, int64(0)
	usage := func() (float64, int64) {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return 0, 0
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, u.Minflt
	}
	cpu, faults = usage()
	return func(samples, bytes int) spent {
		now, pages := usage()
		return spent{samples, bytes, time.Since(start).Seconds(), now - cpu, pages - faults}
	}
}
