// Command commit measures what a commit of one scene costs as a repository grows: by references, by
// commits of history, by cells; a cold open; and the memory of a search for garbage. A scene is 43 × 43
// chunks of image and of validity, their record and their digests, as cube/layout writes them. Everything
// is put into a directory, so that each commit pays for its fsyncs. Only ratios within one run mean something.
//
//	go run ./benchmarks/commit [-dir DIR] [-commits 15] [-quick] [-json] [-python PYTHON]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"
)

// row is one measured size.
type row struct {
	Axis   string  `json:"axis"`
	Size   int     `json:"size"`
	Engine string  `json:"engine"`
	P50    float64 `json:"p50_ms"`
	P95    float64 `json:"p95_ms"`
	CPU    float64 `json:"cpu_ms"` // of the process, mean; 0 where not measured
	Ratio  float64 `json:"ratio"`  // of p50 to the smallest size of the axis, same engine
}

type report struct {
	Rows []row  `json:"commit"`
	Cold []cold `json:"cold_open"`
}

func main() {
	dir := flag.String("dir", os.TempDir(), "where the repositories are made")
	n := flag.Int("commits", 15, "commits measured for each size")
	quick := flag.Bool("quick", false, "small sizes only")
	asJSON := flag.Bool("json", false, "print JSON")
	python := flag.String("python", os.Getenv("TERRAPIN_PYTHON"), "an interpreter with the official icechunk; none: ours only")
	only := flag.String("axis", "", "one axis: references, history or cells")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the measured commits")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		check(err)
		defer f.Close()
		check(pprof.StartCPUProfile(f))
		defer pprof.StopCPUProfile()
	}
	place, err := os.MkdirTemp(*dir, "commit-bench-")
	check(err)
	defer os.RemoveAll(place)
	r, err := measure(context.Background(), place, *n, *quick, *only, *python)
	check(err)
	if *asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		check(enc.Encode(r))
		return
	}
	r.print()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "commit:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, place string, n int, quick bool, only, python string) (report, error) {
	var rep report
	for _, a := range axes {
		if only != "" && only != a.name {
			continue
		}
		for i, size := range a.sizes {
			if quick && i == len(a.sizes)-1 {
				break
			}
			b, err := repository(ctx, fmt.Sprintf("%s/%s-%d", place, a.name, size), a.shape(size))
			if err != nil {
				return rep, err
			}
			before := cpu()
			times, err := b.commits(ctx, n)
			if err != nil {
				return rep, err
			}
			rep.add(a.name, size, "terrapin", times, (cpu()-before)/time.Duration(n+1))
			if a.name == "references" {
				c, err := b.coldOpen(ctx, size)
				if err != nil {
					return rep, err
				}
				rep.Cold = append(rep.Cold, c)
			}
			if err := os.RemoveAll(b.dir); err != nil {
				return rep, err
			}
			if python == "" || a.name == "cells" {
				continue
			}
			for engine, split := range map[string]int{"official": 0, "official, split": icechunkRows} {
				if a.name == "history" && split > 0 {
					continue
				}
				times, err := official(ctx, python, fmt.Sprintf("%s/official-%s-%d-%d", place, a.name, size, split), a.shape(size), split, n)
				if err != nil {
					return rep, err
				}
				rep.add(a.name, size, engine, times, 0)
			}
		}
	}
	return rep, nil
}

// cpu is the time the process has spent computing; on a machine with other work it says more than the
// clock on the wall.
func cpu() time.Duration {
	var u syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (r *report) add(axis string, size int, engine string, times []time.Duration, spent time.Duration) {
	slices.Sort(times)
	at := func(q float64) float64 { return float64(times[int(q*float64(len(times)-1)+0.5)].Microseconds()) / 1000 }
	one := row{Axis: axis, Size: size, Engine: engine, P50: at(0.5), P95: at(0.95), CPU: float64(spent.Microseconds()) / 1000, Ratio: 1}
	for _, first := range r.Rows {
		if first.Axis == axis && first.Engine == engine {
			one.Ratio = one.P50 / first.P50
			break
		}
	}
	r.Rows = append(r.Rows, one)
	fmt.Fprintf(os.Stderr, "%s %d %s: p50 %.1f ms, CPU %.1f ms\n", axis, size, engine, one.P50, one.CPU)
}

func (r report) print() {
	fmt.Printf("%-11s %9s  %-16s %9s %9s %9s %7s\n", "axis", "size", "engine", "p50 ms", "p95 ms", "CPU ms", "ratio")
	for _, w := range r.Rows {
		fmt.Printf("%-11s %9d  %-16s %9.1f %9.1f %9.1f %7.2f\n", w.Axis, w.Size, w.Engine, w.P50, w.P95, w.CPU, w.Ratio)
	}
	for _, c := range r.Cold {
		fmt.Printf("cold open to the first chunk at %d references: %.1f ms; %.1f bytes of memory per reference; gc and du hold %.0f MiB at most\n", c.References, c.Open, c.PerReference, c.Collect)
	}
}

// icechunkRows is how many scenes one of our manifests holds.
const icechunkRows = 50_000 / (edge * edge)
