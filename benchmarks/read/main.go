// Command read measures cube/read beside its two limits in one run: our decoder into a reused buffer,
// and the copying of rows between arrays in memory. It owns no claim: it prints ratios, which mean
// something where samples per second of a shared machine do not. The cube it makes, and the JSON it
// writes with the windows drawn, are there for other readers to be measured on the same.
//
//	go run ./benchmarks/read --cube /tmp/bench --gb 4 --json read.json
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

type options struct {
	Cube    string  `json:"cube"`
	GB      float64 `json:"gb"`
	Dates   int     `json:"dates"`
	Bands   int     `json:"bands"`
	Wanted  int     `json:"wanted"`
	WarmMB  int     `json:"warm_mb"`
	Workers int     `json:"workers"`
	Batch   int     `json:"batch"`
	Size    int     `json:"size"`
	Rounds  int     `json:"rounds"`
	Seconds float64 `json:"seconds"`
	json    string
	only    string
	profile string
}

func main() {
	var o options
	flag.StringVar(&o.Cube, "cube", "", "directory of the data; a cube is made in it if there is none")
	flag.Float64Var(&o.GB, "gb", 4, "decoded size of a cube that is made, in GB of pixels")
	flag.IntVar(&o.Dates, "dates", 24, "dates of a cube that is made")
	flag.IntVar(&o.Bands, "bands", 4, "bands of a cube that is made, 4 or 9")
	flag.IntVar(&o.Wanted, "wanted", 0, "bands that windows want; 0 is all")
	flag.IntVar(&o.WarmMB, "warm-mb", 384, "decoded size of the region whose chunks are all kept")
	flag.IntVar(&o.Workers, "workers", runtime.NumCPU(), "goroutines of each engine")
	flag.IntVar(&o.Batch, "batch", 16, "windows of one batch")
	flag.IntVar(&o.Size, "size", 256, "edge of a window in pixels")
	flag.IntVar(&o.Rounds, "rounds", 5, "rounds, of which the median counts")
	flag.Float64Var(&o.Seconds, "seconds", 1, "seconds of each engine in each round")
	flag.StringVar(&o.json, "json", "", "file for the results and the windows drawn")
	flag.StringVar(&o.only, "only", "", "measure only cases with this in their name")
	flag.StringVar(&o.profile, "profile", "", "file for a CPU profile")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "read:", err)
		os.Exit(1)
	}
}

type output struct {
	Options  options  `json:"options"`
	Snapshot string   `json:"snapshot"`
	Cell     string   `json:"cell"`
	Go       string   `json:"go"`
	When     string   `json:"when"`
	Cases    []result `json:"cases"`
}

func run(ctx context.Context, o options) error {
	if o.Cube == "" {
		return fmt.Errorf("name a directory with --cube")
	}
	view, err := open(ctx, o)
	if err != nil {
		return err
	}
	cell := view.Cells()[0]
	o.Bands = len(view.Spec().Bands)
	if o.Wanted == 0 {
		o.Wanted = o.Bands
	}
	out := output{Options: o, Snapshot: view.Snapshot(), Cell: cell.Path, Go: runtime.Version(), When: time.Now().UTC().Format(time.DateOnly)}
	fmt.Printf("cube %s: %d×%d pixels, %d dates, %d of %d bands, %d workers\n\n", cell.Path, cell.Grid.Height, cell.Grid.Width, len(cell.Slices), o.Wanted, o.Bands, o.Workers)
	fmt.Printf("%-22s %12s %12s %8s   %s\n", "case", "samples/s", "limit", "ratio", "")
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, c := range cases(o, cell) {
		if !strings.Contains(c.Name, o.only) {
			continue
		}
		r, err := c.measure(ctx, o, view)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		out.Cases = append(out.Cases, r)
		fmt.Printf("%-22s %12.0f %12.0f %8.2f   %s\n", r.Name, r.Rate, r.Limit, r.Ratio, r.Note)
	}
	if o.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, text, 0o644)
}
