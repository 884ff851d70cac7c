package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/catalog/observed"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/frame"
	httpserve "github.com/terrapin-eo/terrapin/serve/http"
	runsserve "github.com/terrapin-eo/terrapin/serve/runs"
	zarrserve "github.com/terrapin-eo/terrapin/serve/zarr"
	"github.com/terrapin-eo/terrapin/stream"
	observedruns "github.com/terrapin-eo/terrapin/stream/observed"
	"github.com/terrapin-eo/terrapin/stream/trace"
)

// drainTime is how long a stopping server lets requests finish.
const drainTime = 20 * time.Second

// serveFlags are the flags of `serve`.
type serveFlags struct {
	http, flight string
	socket       string
	insecure     bool
	compact      bool
	throttle     string
	cache        string
	batches      string
	trace        string
}

func (c *cli) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "serve a data directory or bucket: STAC API over HTTP, batches over Arrow Flight", Args: cobra.NoArgs,
		Long: `Serves a data directory or bucket as its one committer, until SIGTERM or Ctrl-C, which drain and exit 0.

Over HTTP there are the STAC API, its assets, and every branch, tag and snapshot of each cube as plain Zarr
v3 at /zarr/ (docs/guides/zarr.md). /healthz tells that the server is there, /readyz whether its database is, and
/metrics what it does, for Prometheus (docs/guides/catalog.md, docs/guides/streaming.md).

With --compact the server does what cube compact does by itself, when no job has committed for a minute, no faster
than --compact-throttle, and it stands aside while jobs run. It is off by default: what was moved takes its
space twice until store gc --expire-before gives up the old snapshots, which nobody but you should decide.

Port 0 takes a free port. When ready, one line says where: with --json {"http", "flight", "stac"}. Where
another server holds the place, this one is refused, and "served" beside the error says where that is.
With --trace FILE what every run of batches spends its time on is written to a new file, which https://ui.perfetto.dev
shows; it grows by a hundred bytes for each chunk that is read, decoded or copied from, to 1 GiB at most.

There is no access control yet, so only loopback addresses are taken; any other needs --insecure.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.server != "" {
				return usagef("serve works on --data, not on --server")
			}
			return c.serve(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.http, "http", "127.0.0.1:8080", "address for HTTP (STAC API, assets, Zarr view)")
	cmd.Flags().StringVar(&f.flight, "flight", "127.0.0.1:8081", "address for Arrow Flight")
	cmd.Flags().StringVar(&f.socket, "flight-socket", "", "also serve Arrow Flight on a unix socket at this path, to whoever may write to it (default: on none)")
	cmd.Flags().BoolVar(&f.insecure, "insecure", false, "allow addresses that other machines can reach, without access control")
	cmd.Flags().BoolVar(&f.compact, "compact", false, "compact cubes in the background when there is nothing else to do")
	cmd.Flags().StringVar(&f.throttle, "compact-throttle", "20MiB", "read no more than this per second for it, and write as much")
	cmd.Flags().StringVar(&f.cache, "cache", "512MiB", "decoded chunks kept in memory for all readers, at least 1MiB; 0 keeps none")
	cmd.Flags().StringVar(&f.batches, "batch-memory", "4GiB", "batches on their way to clients: this much in shared memory, and this much beside it, at least 16MiB")
	cmd.Flags().StringVar(&f.trace, "trace", "", "write what runs spend their time on to this new file, as Chrome trace events")
	return cmd
}

// cacheBytes is the budget of decoded chunks; negative keeps none.
func (f serveFlags) cacheBytes() (int64, error) {
	if f.cache == "0" {
		return -1, nil
	}
	return memory("cache", f.cache, "1MiB")
}

// memory is how much a flag gives, which must be a certain least.
func memory(flag, given, least string) (int64, error) {
	n, err := parseSize(given)
	if err != nil {
		return 0, fault.New(fault.Invalid, "--%s: %w", flag, err).WithCure("%s", fault.CureOf(err))
	}
	if bytes, _ := parseSize(least); n < bytes {
		return 0, fault.New(fault.Invalid, "--%s %s is less than %s", flag, given, least).WithCure("give what the machine can spare, such as 512MiB")
	}
	return n, nil
}

// spareProcessor lets one goroutine more run than there are processors: who decodes in C keeps Go's processor meanwhile, and
// a batch that is ready or a client that asks would wait for it while the machine's own stands idle. One chunk more is decoded at once for the same
// reason. A limit of processors that changes later is not followed.
func spareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// listen opens a TCP listener, refusing to be reachable from other machines unless asked to.
func (f serveFlags) listen(what, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, usagef("--%s %q is not HOST:PORT: %v", what, addr, err)
	}
	ip := net.ParseIP(host)
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) && !f.insecure {
		return nil, fault.New(fault.Precondition, "--%s %s can be reached from other machines, and there is no access control yet", what, addr).
			WithCure("use 127.0.0.1, or add --insecure on a network you trust")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fault.New(fault.Precondition, "--%s: %w", what, err).WithCure("use another port; port 0 takes a free one")
	}
	return l, nil
}

// announced is the address to tell clients for a listener: the host as it was given, unless that is
// every address of the machine, which is none to call. A name for loopback other than localhost is told
// as its address, since verbs are refused there under other names.
func announced(given string, at net.Addr) string {
	tcp, ok := at.(*net.TCPAddr)
	host, _, err := net.SplitHostPort(given)
	if !ok || err != nil {
		return at.String()
	}
	ip := net.ParseIP(host)
	switch {
	case host == "" || ip != nil && ip.IsUnspecified():
		host = "127.0.0.1"
	case ip == nil && host != "localhost" && tcp.IP.IsLoopback():
		host = tcp.IP.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

func (c *cli) serve(ctx context.Context, f serveFlags) error {
	log := slog.New(slog.NewJSONHandler(c.err, nil))
	throttle, err := parseSize(f.throttle)
	if err != nil {
		return fault.New(fault.Invalid, "--compact-throttle: %w", err).WithCure("%s", fault.CureOf(err))
	}
	cache, err := f.cacheBytes()
	if err != nil {
		return err
	}
	batchBytes, err := memory("batch-memory", f.batches, "16MiB")
	if err != nil {
		return err
	}
	httpListener, err := f.listen("http", f.http)
	if err != nil {
		return err
	}
	defer httpListener.Close()
	flights, err := f.listenFlight()
	if err != nil {
		return err
	}
	defer closeAll(flights)
	w, err := openCommitting(ctx, c.place(), log, commitOptions{founds: true, catchUp: true})
	var held *errLocked
	if errors.As(err, &held) {
		if held.Holder.HTTP == "" {
			return held.busy()
		}
		return fault.New(fault.Precondition, "%w", held).WithCure("use that server, stop it, or serve another place")
	}
	if err != nil {
		return err
	}
	defer w.close()
	spareProcessor()
	w.reader, w.batchBytes = read.New(read.Config{CacheBytes: cache}), batchBytes
	if err := w.openReceipts(); err != nil {
		return err
	}

	urls := endpoints{PID: os.Getpid(), HTTP: "http://" + announced(f.http, httpListener.Addr()),
		Flight: "grpc://" + announced(f.flight, flights[0].Addr())}
	urls.STAC = urls.HTTP + "/"
	reg := newRegistry()
	w.observers = append(w.observers, observedruns.New(reg, w.reader))
	traced, err := w.trace(f.trace)
	if err != nil {
		return err
	}
	defer traced()
	batches := w.batchServers(urls, flights)
	web := w.httpServer(urls, batches, reg)
	failed := make(chan error, 4)
	go func() { failed <- web.Serve(httpListener) }()
	batches.serve(failed)
	if err := w.hold.announce(ctx, urls); err != nil {
		return err
	}
	if err := c.sayReady(urls, w.name()); err != nil {
		return err
	}
	if f.compact {
		background, stop := w.hold.guard(ctx)
		var ended sync.WaitGroup
		defer ended.Wait()
		defer stop()
		ended.Go(func() { w.compactWhenIdle(background, throttle, quietTime) })
	}

	select {
	case err = <-failed:
		err = fault.New(fault.Unavailable, "serve: %w", err)
	case <-w.hold.lost():
		err = w.hold.err()
	case <-ctx.Done():
		err = nil
	}
	drain(context.WithoutCancel(ctx), web, batches, log)
	return err
}

// drain lets requests finish, and cuts off those that take longer than drainTime.
func drain(ctx context.Context, web *http.Server, batches batchServers, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { batches.flight.Shutdown(ctx) })
	all.Go(func() { batches.rings.Shutdown(ctx) })
	all.Go(func() {
		if err := web.Shutdown(ctx); err != nil {
			log.Warn("requests are cut off", "error", err, "after", drainTime.String())
			_ = web.Close() // what it says was said above
		}
	})
	all.Wait()
}

// sayReady prints the one line that scripts wait for.
func (c *cli) sayReady(urls endpoints, where string) error {
	if !c.json {
		_, err := fmt.Fprintf(c.out, "serving %s\n  STAC API  %s\n  batches   %s\n", where, urls.STAC, urls.Flight)
		return err
	}
	urls.PID = 0 // in the lock file, not in the promise
	return json.NewEncoder(c.out).Encode(urls)
}

func (w *workspace) httpServer(urls endpoints, batches batchServers, reg *prometheus.Registry) *http.Server {
	info := func() map[string]any {
		doc := map[string]any{"http": urls.HTTP, "flight": urls.Flight, "stac": urls.STAC, "version": version, "receipts": true}
		for transport, at := range batches.elsewhere {
			doc[transport] = at
		}
		return doc
	}
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	below := map[string]http.Handler{
		zarrserve.Prefix: w.zarrView(), frame.Prefix: frame.Handler(frame.Config{Engine: batches.engine.Over("http"), Log: w.log}),
		"/metrics": metrics,
	}
	for _, at := range runsserve.Prefixes() {
		below[at] = w.runsView(batches.engine)
	}
	return httpserve.Server(httpserve.New(httpserve.Config{
		Catalog: observed.New(w.catalog, reg), Root: w.root, Verbs: serverVerbs(w), Info: info, Log: w.log, Metrics: httpserve.NewMetrics(reg),
		Below: below}))
}

// runsView answers what training runs have seen.
func (w *workspace) runsView(engine *stream.Engine) http.Handler {
	return runsserve.New(runsserve.Config{Receipts: w.ledger, Rows: engine.Rows, Log: w.log})
}

// newRegistry holds the metrics of a server, with those of its process.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "terrapin_build_info", Help: "The release that runs; its value is 1.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()}})
	build.Set(1)
	reg.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// trace writes what runs spend their time on to a file, if one is named; the function returned ends it.
func (w *workspace) trace(path string) (end func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	file, err := trace.Create(path)
	if err != nil {
		return nil, err
	}
	w.observers = append(w.observers, file)
	return func() {
		if err := file.Close(); err != nil {
			w.log.Warn("the trace is not whole", "file", path, "error", err)
		}
	}, nil
}

// zarrView shows the cubes as plain Zarr.
func (w *workspace) zarrView() http.Handler {
	repo := func(ctx context.Context, name string) (*icechunk.Repo, error) {
		opened, err := w.cube(ctx, name)
		if err != nil {
			return nil, err
		}
		return opened.Repo(), nil
	}
	return zarrserve.New(zarrserve.Config{Cubes: w.cubeNames, Cube: repo, Log: w.log})
}

// engine reads batches of this directory.
func (w *workspace) engine() *stream.Engine {
	return stream.New(stream.Config{
		Root: w.root, Cubes: w.cube, Reader: w.reader, Receipts: w.ledger, BatchBytes: w.batchBytes, Observers: w.observers,
	})
}
