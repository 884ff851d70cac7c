package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// result is one server at one size.
type result struct {
	Engine   string       `json:"engine"`
	Settings string       `json:"settings"`
	Items    int          `json:"items"`
	Seed     uint64       `json:"seed"`
	Started  time.Time    `json:"started"`
	Failed   string       `json:"failed,omitempty"`
	Load     loaded       `json:"load"`
	Cases    []caseResult `json:"cases"`
	Deep     *deep        `json:"deep,omitempty"`
	Mixed    *mixed       `json:"mixed,omitempty"`
}

// caseResult is one case: what it answered, and how fast.
type caseResult struct {
	Name    string        `json:"name"`
	What    string        `json:"what"`
	Failed  string        `json:"failed,omitempty"` // why it could not be asked
	Answers []answer      `json:"answers"`
	Runs    []measurement `json:"runs"`
}

func newResult(name string, d *dataset) *result {
	return &result{Engine: name, Items: d.n, Seed: d.seed, Started: time.Now().UTC().Truncate(time.Second)}
}

func (r *result) write(dir string) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.json", r.Engine, r.Items)), append(body, '\n'), 0o644)
}

// counts counts the months in the engine's database, for an engine that has no endpoint for it.
type counts interface {
	months(ctx context.Context) (ids []string, run func(clients int, seconds float64) (measurement, error), err error)
}

// ask has the servers take turns: the sample and the times of each case, the walk, and at last the mixed load, which
// changes what is there.
func (o options) ask(ctx context.Context, all []*running, d *dataset) error {
	wanted := func(name string) bool {
		return ctx.Err() == nil && (o.cases == "" || slices.Contains(strings.Split(o.cases, ","), name))
	}
	for _, c := range d.cases() {
		for _, run := range all {
			if wanted(c.name) {
				out := o.one(ctx, run, c)
				say("%s: %s", run.name(), out.line())
				run.result.Cases = append(run.result.Cases, out)
			}
		}
	}
	for _, run := range all {
		if wanted("deep") {
			w := walk(ctx, run.base, o.pages, o.seconds, run.roots())
			say("%s: %d pages of %d items, %d twice, first %.1f ms, last %.1f ms %s", run.name(), w.Pages, w.Items, w.Duplicates,
				w.First.P50, w.Last.P50, w.Stopped)
			run.result.Deep = &w
		}
	}
	for _, run := range all {
		if wanted("mixed") {
			m := runMixed(ctx, run.base, d, o.mixed, run.roots())
			say("%s: 16 searching %.1f/s (%d errors), 4 ingesting %.1f items/s, %d of %d taken, %d lost, statuses %v %s", run.name(),
				m.Search.PerSecond, m.Search.Errors, m.PerSec, m.Acked, m.Attempts, m.Lost, m.Statuses, m.Undeleted)
			run.result.Mixed = &m
		}
	}
	return ctx.Err()
}

// one is one case of one server.
func (o options) one(ctx context.Context, run *running, c testCase) caseResult {
	out := caseResult{Name: c.name, What: c.what}
	if direct, ok := run.engine.(counts); ok && c.name == "months" {
		out.What += " (SQL on its database: it has no endpoint for it)"
		o.direct(ctx, direct, &out)
		return out
	}
	if out.sample(run.base, c); out.Failed == "" {
		for _, clients := range o.parallel() {
			out.Runs = append(out.Runs, measure(ctx, run.base, c.queries, clients, o.warm, o.seconds, run.roots()))
		}
	}
	return out
}

func (o options) parallel() (out []int) {
	for _, s := range strings.Split(o.clients, ",") {
		if n, err := strconv.Atoi(s); err == nil && n > 0 {
			out = append(out, n)
		}
	}
	return out
}

// sample asks every query once and keeps the ids.
func (out *caseResult) sample(base string, c testCase) {
	host, _ := c.queries[0].request(base)
	client := &client{host: host}
	defer client.close()
	for i, q := range c.queries {
		a, err := client.ask(base, q, c.read)
		if err != nil {
			out.Failed = fmt.Sprintf("query %d, %s %s: %v", i, q.Path, q.Body, err)
			return
		}
		out.Answers = append(out.Answers, a)
	}
}

func (o options) direct(ctx context.Context, e counts, out *caseResult) {
	ids, run, err := e.months(ctx)
	if err != nil {
		out.Failed = err.Error()
		return
	}
	out.Answers = []answer{{IDs: ids}}
	for _, clients := range o.parallel() {
		m, err := run(clients, o.seconds)
		if err != nil {
			out.Failed = err.Error()
			return
		}
		out.Runs = append(out.Runs, m)
	}
}

// line says how it went, for those who watch.
func (out *caseResult) line() string {
	if out.Failed != "" {
		return out.Name + " failed: " + out.Failed
	}
	found := 0
	for _, a := range out.Answers {
		found += len(a.IDs)
	}
	s := fmt.Sprintf("%s, %d ids of %d queries", out.Name, found, len(out.Answers))
	for _, m := range out.Runs {
		s += fmt.Sprintf("; %d clients %.1f/s, p50 %.1f, p95 %.1f ms, %.1f ms of processor, %d errors", m.Clients, m.PerSecond, m.P50, m.P95, m.CPU, m.Errors)
	}
	return s
}
