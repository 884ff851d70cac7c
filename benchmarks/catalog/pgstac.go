package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// pgstac is the peer: stac-fastapi-pgstac on pgstac, from released wheels, with its transaction and bulk extensions.
type pgstac struct {
	options peerOptions
	dir     string
	python  string
	db      *cluster
	api     *process
	base    string
}

// peerOptions are what one may turn on the peer; the defaults are what measured best for it.
type peerOptions struct {
	workers   int
	loaders   int
	hydrate   bool
	cache     bool
	partition string
}

func (p *pgstac) name() string { return "pgstac" }

func (p *pgstac) settings() string {
	o := p.options
	return fmt.Sprintf("%d uvicorn workers with uvloop and httptools, %d pypgstac load processes, use_api_hydrate %v, format_cache %v, partition_trunc %q, btree on eo:cloud_cover",
		o.workers, o.loaders, o.hydrate, o.cache, o.partition)
}

func (p *pgstac) tool(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(p.python), name), args...)
	cmd.Env = p.db.env("bench")
	return cmd
}

func (p *pgstac) open(ctx context.Context) (err error) {
	p.db, err = startCluster(ctx, p.dir)
	return err
}

func (p *pgstac) load(ctx context.Context, d *dataset, f files) (loaded, error) {
	out := loaded{Items: d.n}
	if _, err := p.db.sql(ctx, "postgres", "create database bench"); err != nil {
		return out, err
	}
	if _, _, _, err := run(p.tool(ctx, "pypgstac", "migrate")); err != nil {
		return out, err
	}
	if _, _, _, err := run(p.tool(ctx, "pypgstac", "load", "collections", f.Collections, "--method", "insert")); err != nil {
		return out, err
	}
	queryables := filepath.Join(p.dir, "queryables.json")
	if err := os.WriteFile(queryables, []byte(`{"properties":{"eo:cloud_cover":{"title":"Cloud Cover","type":"number","minimum":0,"maximum":100}}}`), 0o644); err != nil {
		return out, err
	}
	if _, _, _, err := run(p.tool(ctx, "pypgstac", "load_queryables", queryables, "--index_fields", `["eo:cloud_cover"]`)); err != nil {
		return out, err
	}
	if p.options.partition != "" {
		if _, err := p.db.sql(ctx, "bench", fmt.Sprintf("update pgstac.collections set partition_trunc='%s'", p.options.partition)); err != nil {
			return out, err
		}
	}
	if err := p.loadItems(ctx, f, &out); err != nil {
		return out, err
	}
	begun := time.Now()
	if _, err := p.db.sql(ctx, "bench", "set search_path to pgstac, public", "call analyze_items()", "call validate_constraints()", "vacuum analyze"); err != nil {
		return out, err
	}
	out.Upkeep = time.Since(begun).Seconds()
	count, err := p.db.sql(ctx, "bench", "select count(*) from pgstac.items")
	out.Stored, out.Bytes = strings.TrimSpace(count), folderBytes(filepath.Join(p.dir, "pg", "base"))
	return out, err
}

// loadItems runs as many loaders as asked for, each on its file: the kinds in one are not in the other, so that two
// loaders never meet in a partition.
func (p *pgstac) loadItems(ctx context.Context, f files, out *loaded) error {
	begun, cpu := time.Now(), cpuOf(p.db.server.cmd.Process.Pid)
	failed, spent := make(chan error, len(f.Items)), make(chan float64, len(f.Items))
	work := make(chan string, len(f.Items))
	for _, path := range f.Items {
		work <- path
	}
	close(work)
	for range p.options.loaders {
		go func() {
			for path := range work {
				_, _, cpu, err := run(p.tool(ctx, "pypgstac", "load", "items", path, "--method", "insert"))
				spent <- cpu
				failed <- err
			}
		}()
	}
	for range f.Items {
		out.CPU += <-spent
		if err := <-failed; err != nil {
			return err
		}
	}
	out.Seconds = time.Since(begun).Seconds()
	out.CPU += cpuOf(p.db.server.cmd.Process.Pid) - cpu
	return nil
}

func (p *pgstac) serve(ctx context.Context) (string, error) {
	cache := fmt.Sprintf("update pgstac.pgstac_settings set value='%v' where name='format_cache'", p.options.cache)
	if _, err := p.db.sql(ctx, "bench", cache); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	cmd := p.tool(context.WithoutCancel(ctx), "uvicorn", "stac_fastapi.pgstac.app:create_app", "--factory", "--host", "127.0.0.1",
		"--port", fmt.Sprint(port), "--workers", fmt.Sprint(p.options.workers), "--loop", "uvloop", "--http", "httptools",
		"--no-access-log", "--log-level", "warning")
	cmd.Env = append(cmd.Env, "ENABLE_TRANSACTIONS_EXTENSIONS=TRUE", "DB_MIN_CONN_SIZE=4", "DB_MAX_CONN_SIZE=10",
		fmt.Sprintf("USE_API_HYDRATE=%v", p.options.hydrate))
	if p.api, err = start(p.dir, cmd); err != nil {
		return "", err
	}
	p.base = fmt.Sprintf("http://127.0.0.1:%d", port)
	return p.base, p.api.ready(ctx, func() bool { return answers(p.base + "/") })
}

func (p *pgstac) roots() []int { return []int{p.db.server.cmd.Process.Pid, p.api.cmd.Process.Pid} }

func (p *pgstac) close() {
	p.api.stop(syscall.SIGTERM)
	p.db.stop()
}

// months is the aggregation this server has no endpoint for: the statement on its own table, without its HTTP and
// Python, which is more than it could ever answer.
func (p *pgstac) months(ctx context.Context) ([]string, func(clients int, seconds float64) (measurement, error), error) {
	const count = `select to_char(date_trunc('month', datetime at time zone 'UTC'), 'YYYY-MM'), count(*) from pgstac.items group by 1 order by 1;`
	out, err := p.db.sql(ctx, "bench", count)
	if err != nil {
		return nil, nil, err
	}
	script := filepath.Join(p.dir, "months.sql")
	if err := os.WriteFile(script, []byte(count), 0o644); err != nil {
		return nil, nil, err
	}
	return strings.Fields(strings.ReplaceAll(out, "|", "=")), func(clients int, seconds float64) (measurement, error) {
		return p.db.pgbench(ctx, "bench", script, clients, seconds)
	}, nil
}

func answers(url string) bool {
	resp, err := http.Get(url) //nolint:noctx // a probe on the loopback
	if err != nil {
		return false
	}
	defer resp.Body.Close() //nolint:errcheck // a probe
	return resp.StatusCode == http.StatusOK
}
