package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/tabwriter"
)

// report prints ratios of what is in a folder of results: ours ÷ the peer's, and the larger size ÷ the smaller.
func report(w io.Writer, dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*-*.json"))
	if err != nil {
		return err
	}
	sizes := map[int]map[string]*result{}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r := &result{}
		if err := json.Unmarshal(body, r); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if sizes[r.Items] == nil {
			sizes[r.Items] = map[string]*result{}
		}
		sizes[r.Items][r.Engine] = r
	}
	var order []int
	for n := range sizes {
		order = append(order, n)
	}
	sort.Ints(order)
	for _, n := range order {
		reportSize(w, n, sizes[n])
	}
	for i := 1; i < len(order); i++ {
		reportFlat(w, order[i-1], order[i], sizes)
	}
	return nil
}

var ours = []string{"sqlite", "postgres"}

func reportSize(w io.Writer, n int, by map[string]*result) {
	fmt.Fprintf(w, "\n## %d items\n\n", n)
	for _, name := range append([]string{"pgstac"}, ours...) {
		if r := by[name]; r != nil {
			fmt.Fprintf(w, "%s: %s, started %s%s\n", name, r.Settings, r.Started.Format("2006-01-02 15:04"), suffix(r.Failed))
		}
	}
	peer := by["pgstac"]
	if peer == nil {
		fmt.Fprintln(w, "the peer was not measured: no ratios")
		peer = &result{}
	}
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(t, "\ncase\tclients\tpgstac req/s\tp95 ms\tCPU ms\tsqlite ÷\tp95 ÷\tCPU ÷\tpostgres ÷\tp95 ÷\tCPU ÷\tload average")
	for _, name := range caseNames(by) {
		for _, clients := range []int{1, 8, 16, 2} {
			row(t, name, clients, peer, by)
		}
	}
	_ = t.Flush() // w is a terminal or a buffer
	reportOnce(w, peer, by)
	reportAnswers(w, peer, by)
}

func suffix(failed string) string {
	if failed == "" {
		return ""
	}
	return ", FAILED: " + failed
}

// runs are all measurements of a result by name.
func (r *result) run(name string, clients int) *measurement {
	if r == nil {
		return nil
	}
	for _, c := range r.Cases {
		for i, m := range c.Runs {
			if c.Name == name && m.Clients == clients {
				return &c.Runs[i]
			}
		}
	}
	if r.Deep != nil && clients == 1 {
		switch name {
		case "deep: page 1":
			return &r.Deep.First
		case "deep: last page":
			return &r.Deep.Last
		}
	}
	if r.Mixed != nil {
		switch name + fmt.Sprint(clients) {
		case "mixed: search16":
			return &r.Mixed.Search
		case "mixed: one item2":
			return &r.Mixed.Single
		case "mixed: fifty items2":
			return &r.Mixed.Bulk
		}
	}
	return nil
}

func caseNames(by map[string]*result) (out []string) {
	seen := map[string]bool{}
	for _, name := range append([]string{"pgstac"}, ours...) {
		if by[name] == nil {
			continue
		}
		for _, c := range by[name].Cases {
			if !seen[c.Name] {
				seen[c.Name] = true
				out = append(out, c.Name)
			}
		}
	}
	return append(out, "deep: page 1", "deep: last page", "mixed: search", "mixed: one item", "mixed: fifty items")
}

func row(w io.Writer, name string, clients int, peer *result, by map[string]*result) {
	base := peer.run(name, clients)
	any, loads := base != nil, []string{}
	cells := "–\t–\t–"
	if base != nil {
		cells = fmt.Sprintf("%.1f%s\t%.1f\t%.1f", base.PerSecond, errorsOf(base), base.P95, base.CPU)
		loads = append(loads, fmt.Sprintf("%.1f", base.Load))
	}
	for _, engine := range ours {
		m := by[engine].run(name, clients)
		switch {
		case m == nil:
			cells += "\t–\t–\t–"
			continue
		case base == nil || base.PerSecond == 0:
			cells += fmt.Sprintf("\t(%.1f/s)%s\t(%.1f ms)\t(%.1f ms)", m.PerSecond, errorsOf(m), m.P95, m.CPU)
		default:
			cells += fmt.Sprintf("\t%.1f%s\t%.2f\t%.2f", m.PerSecond/base.PerSecond, errorsOf(m), m.P95/base.P95, m.CPU/base.CPU)
		}
		any, loads = true, append(loads, fmt.Sprintf("%.1f", m.Load))
	}
	if any {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", name, clients, cells, strings.Join(loads, " "))
	}
}

func errorsOf(m *measurement) string {
	if m.Errors == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d FAILED)", m.Errors, m.Requests)
}

// reportOnce prints what is done once: the load, the walk, what was lost.
func reportOnce(w io.Writer, peer *result, by map[string]*result) {
	fmt.Fprintln(w)
	for _, name := range append([]string{"pgstac"}, ours...) {
		r := by[name]
		if r == nil || r.Load.Seconds == 0 {
			continue
		}
		rate := float64(r.Load.Items) / r.Load.Seconds
		line := fmt.Sprintf("%s: loads %.0f items/s", name, rate)
		if r != peer && peer.Load.Seconds > 0 {
			line = fmt.Sprintf("%s: loads %.1f × as fast, processor %.2f, disk %.2f of the peer's", name,
				rate/(float64(peer.Load.Items)/peer.Load.Seconds), r.Load.CPU/peer.Load.CPU, float64(r.Load.Bytes)/float64(peer.Load.Bytes))
		}
		if d := r.Deep; d != nil {
			line += fmt.Sprintf("; %d pages of %d items in %.1f s, %d twice, last ÷ first page %.2f %s", d.Pages, d.Items, d.Seconds,
				d.Duplicates, d.Last.P50/d.First.P50, d.Stopped)
		}
		if m := r.Mixed; m != nil {
			line += fmt.Sprintf("; 4 ingest %.1f items/s while 16 search: %d of %d taken, %d lost, %d refused yet there, %d without an answer yet there, answers %v",
				m.PerSec, m.Acked, m.Attempts, m.Lost, m.Ghosts, m.Unheard, m.Statuses)
		}
		fmt.Fprintln(w, line)
	}
}

// reportFlat prints how much slower each server is on more items.
func reportFlat(w io.Writer, small, large int, sizes map[int]map[string]*result) {
	fmt.Fprintf(w, "\n## p95 at %d ÷ p95 at %d items (flat is 1; requests/s the other way round in brackets)\n\n", large, small)
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(t, "case\tclients\tpgstac\tsqlite\tpostgres")
	for _, name := range caseNames(sizes[large]) {
		for _, clients := range []int{1, 8, 16} {
			line, any := fmt.Sprintf("%s\t%d", name, clients), false
			for _, engine := range append([]string{"pgstac"}, ours...) {
				a, b := sizes[small][engine].run(name, clients), sizes[large][engine].run(name, clients)
				if a == nil || b == nil || a.P95 == 0 || b.PerSecond == 0 {
					line += "\t–"
					continue
				}
				any = true
				line += fmt.Sprintf("\t%.2f (%.2f)", b.P95/a.P95, a.PerSecond/b.PerSecond)
			}
			if any {
				fmt.Fprintln(t, line)
			}
		}
	}
	_ = t.Flush() // w is a terminal or a buffer
}
