// Command catalog measures our STAC API, on SQLite and on PostgreSQL, beside stac-fastapi-pgstac: the same items made
// from real ones, the same requests, one machine, one run, and prints ratios.
//
//	make bench-catalog                                    10⁵ items, everything
//	make bench-catalog ITEMS=100000,1000000                and how flat each server is in the number of items
//	make bench-catalog ENGINES=pgstac CASES=lookup,cloud  parts of it
//
// Every server is loaded while the others are idle; then they take turns, case by case: a fixed sample of queries
// whose ids are kept, and then, after a warm-up, one and eight clients over connections that stay. The report says
// where two servers answered with other ids, and whether only the order of equal sort keys differs. It owns no claim:
// seconds of a shared machine mean nothing, only ratios of one run do; the processor time of a server and all its
// databases is least disturbed by other work, and the load average stands beside each figure.
//
// engines: pgstac (pgstac.go), sqlite and postgres (terrapin.go); a fourth is a type with the methods of engine.
// cases: queries.go; paging 1,000 deep: deep.go; 16 searching while 4 ingest: mixed.go; bulk load: each engine's load.
// items: cells.go, templates.go, items.go. Results are JSON, one file per engine and size, report.go reads nothing else.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// engine is a server under test.
type engine interface {
	name() string
	settings() string
	// open starts what the server needs, load fills it from nothing, serve starts it and returns its address.
	open(ctx context.Context) error
	load(ctx context.Context, d *dataset, f files) (loaded, error)
	serve(ctx context.Context) (base string, err error)
	// roots are the processes whose time, with that of all below them, is the server's.
	roots() []int
	close()
}

// loaded is a bulk load.
type loaded struct {
	Items   int     `json:"items"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Upkeep  float64 `json:"upkeep_seconds"` // statistics, afterwards
	Bytes   int64   `json:"bytes"`          // on disk
	Stored  string  `json:"stored"`         // what the server says it has
	Stamp   string  `json:"stamp"`          // of the items
}

type options struct {
	sizes, engines, cases, clients    string
	work, out, templates              string
	binary, python                    string
	seconds, warm, mixed              float64
	seed                              uint64
	pages                             int
	keep, reportOnly, makeOnly, serve bool
	peer                              peerOptions
}

func main() {
	var o options
	flag.StringVar(&o.sizes, "n", "100000", "items, several sizes separated by commas")
	flag.StringVar(&o.engines, "engines", "pgstac,sqlite,postgres", "servers")
	flag.StringVar(&o.cases, "cases", "", "only these cases, also deep and mixed; empty: all")
	flag.StringVar(&o.clients, "clients", "1,8", "clients at a time")
	flag.StringVar(&o.work, "work", "", "folder for items and databases, kept; empty: a temporary one, removed")
	flag.StringVar(&o.out, "out", "bench-out/catalog", "folder for results")
	flag.StringVar(&o.templates, "templates", "", "folder with real STAC items; empty: stac in $TERRAPIN_DATA or in ../shared/data")
	flag.StringVar(&o.binary, "binary", "bin/terrapin", "our program")
	flag.StringVar(&o.python, "python", "", "the environment of `.ci/setup bench-catalog`, for the peer")
	flag.Float64Var(&o.seconds, "seconds", 6, "time per case and number of clients")
	flag.Float64Var(&o.warm, "warm", 1.5, "before it, not counted")
	flag.Float64Var(&o.mixed, "mixed-seconds", 30, "searching while others ingest")
	flag.Uint64Var(&o.seed, "seed", 1, "of items and queries")
	flag.IntVar(&o.pages, "pages", 1000, "how deep to page")
	flag.BoolVar(&o.keep, "keep", false, "keep databases in --work and do not load again")
	flag.BoolVar(&o.reportOnly, "report", false, "only print the report of what is in --out")
	flag.BoolVar(&o.makeOnly, "make", false, "only make the items in --work")
	flag.BoolVar(&o.serve, "serve", false, "load the one engine, serve it until Ctrl-C and measure nothing")
	flag.IntVar(&o.peer.workers, "peer-workers", runtime.NumCPU(), "uvicorn workers")
	flag.IntVar(&o.peer.loaders, "peer-loaders", 2, "pypgstac load processes, at most 2")
	flag.BoolVar(&o.peer.hydrate, "peer-hydrate", true, "the peer completes items in its API (half the work) instead of in its database")
	flag.BoolVar(&o.peer.cache, "peer-cache", false, "the peer keeps completed items in a table")
	flag.StringVar(&o.peer.partition, "peer-partition", "", "the peer's partitions within a collection: year or month; empty: none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "catalog:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, o options) error {
	if o.templates == "" {
		o.templates = "../shared/data/stac"
		if data := os.Getenv("TERRAPIN_DATA"); data != "" {
			o.templates = filepath.Join(data, "stac")
		}
	}
	if o.work == "" {
		dir, err := os.MkdirTemp("", "terrapin-catalog-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
		o.work = dir
		if err := os.Chmod(dir, 0o755); err != nil { // the database's user walks through it
			return err
		}
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	var wrong []error
	for _, size := range strings.Split(o.sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		if o.reportOnly {
			continue
		}
		if err := o.size(ctx, n); err != nil {
			wrong = append(wrong, err)
		}
	}
	if !o.makeOnly && !o.serve {
		wrong = append(wrong, report(os.Stdout, o.out))
	}
	return errors.Join(wrong...)
}

// size measures every engine on n items; one that fails does not keep the others from being measured.
func (o options) size(ctx context.Context, n int) error {
	d, err := newDataset(o.templates, n, o.seed)
	if err != nil {
		return err
	}
	dir := filepath.Join(o.work, strconv.Itoa(n))
	begun := time.Now()
	f, err := d.write(filepath.Join(dir, "items"))
	if err != nil {
		return err
	}
	say("%d items, %.1f kB each, %s", n, float64(f.Bytes)/float64(n)/1e3, time.Since(begun).Round(time.Second))
	if o.makeOnly {
		return nil
	}
	var wrong []error
	var all []*running
	for _, name := range strings.Split(o.engines, ",") {
		run := &running{result: newResult(name, d)}
		defer run.close()
		if err := o.start(ctx, run, filepath.Join(dir, name), d, f); err != nil {
			run.result.Failed = err.Error()
			wrong = append(wrong, fmt.Errorf("%s at %d items: %w", name, n, err), run.result.write(o.out))
			say("%v", wrong[len(wrong)-2])
			continue
		}
		all = append(all, run)
	}
	if o.serve {
		for _, run := range all {
			say("%s with %d items at %s/ until Ctrl-C", run.result.Engine, n, run.base)
		}
		<-ctx.Done()
		return errors.Join(wrong...)
	}
	wrong = append(wrong, o.ask(ctx, all, d))
	for _, run := range all {
		wrong = append(wrong, run.result.write(o.out))
		run.close()
	}
	if !o.keep {
		wrong = append(wrong, os.RemoveAll(dir))
	}
	return errors.Join(wrong...)
}

// running is a server that was loaded and answers.
type running struct {
	engine
	base   string
	result *result
}

func (r *running) close() {
	if r.engine != nil {
		r.engine.close()
		r.engine = nil
	}
}

func (o options) make(name, dir string) (engine, error) {
	switch name {
	case "pgstac":
		if o.python == "" {
			return nil, errors.New("the peer needs --python: what `.ci/setup bench-catalog` prints")
		}
		return &pgstac{options: o.peer, dir: dir, python: o.python}, nil
	case "sqlite", "postgres":
		binary, err := filepath.Abs(o.binary)
		return &terrapin{binary: binary, dir: dir, postgres: name == "postgres"}, err
	}
	return nil, fmt.Errorf("no engine %q: pgstac, sqlite or postgres", name)
}

// start loads a server, unless it was kept, and has it serve.
func (o options) start(ctx context.Context, run *running, dir string, d *dataset, f files) (err error) {
	r := run.result
	if run.engine, err = o.make(r.Engine, dir); err != nil {
		return err
	}
	r.Settings = run.settings()
	done := filepath.Join(dir, "loaded.json")
	kept := false
	if body, err := os.ReadFile(done); err == nil {
		kept = json.Unmarshal(body, &r.Load) == nil && r.Load.Stamp == d.stamp()
	}
	if !kept {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := run.open(ctx); err != nil {
		return err
	}
	if !kept {
		if r.Load, err = run.load(ctx, d, f); err != nil {
			return err
		}
		say("%s: %d items loaded, %.0f a second", r.Engine, d.n, float64(d.n)/r.Load.Seconds)
		r.Load.Stamp = d.stamp()
		body, err := json.Marshal(r.Load)
		if err != nil {
			return err
		}
		if err := os.WriteFile(done, body, 0o644); err != nil {
			return err
		}
	}
	run.base, err = run.engine.serve(ctx)
	return err
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "catalog: "+format+"\n", args...) }
