package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/probe"
	"github.com/terrapin-eo/terrapin/stream"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// cacheBytes bounds the decoded chunks a process keeps, unless a server is told otherwise.
const cacheBytes = 512 << 20

// workspace is an open place: the bucket or directory that is the truth, the reader over its cubes and, for
// whoever may commit, the catalog that indexes it.
type workspace struct {
	site
	// dir is the local directory of catalog and lock: the data directory itself unless the data is in a bucket.
	dir    string
	reader *read.Reader
	log    *slog.Logger
	// fetch reads the containers of virtual chunks that --virtual names.
	fetch map[string]icechunk.Fetcher
	// shared is what claims the catalog, where another place could have the same one.
	shared string
	// hold and catalog are nil in a workspace that only reads.
	hold    *hold
	catalog catalog.Catalog
	// batchBytes bounds the batches that a server has on their way.
	batchBytes int64
	// ledger is open in a server only.
	ledger *receipts.Ledger
	// observers are told of every run of batches.
	observers []stream.Observer

	// committing is shared by verbs that commit, and held alone by those that compare the bucket with the
	// catalog; indexing serialises catching up, which reads what it wrote before.
	committing sync.RWMutex
	indexing   sync.Mutex
	// compacting is held by the one compaction there may be, and saving by the one backup that a server makes; jobs are
	// the verbs that commit.
	compacting, saving sync.Mutex
	jobs               jobs

	mu    sync.Mutex
	cubes map[string]*layout.Cube
}

// openReading opens a place for verbs that commit nothing.
func openReading(ctx context.Context, p place, log *slog.Logger) (*workspace, error) {
	s, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	return newWorkspace(p, s, log)
}

func newWorkspace(p place, s site, log *slog.Logger) (*workspace, error) {
	dir, err := p.local()
	if err != nil && (s.bucket == nil || p.state != "") { // who reads a bucket needs no directory
		return nil, err
	}
	fetch, err := virtualFetchers(p.virtual, p.env)
	if err != nil {
		return nil, err
	}
	return &workspace{
		fetch: fetch,
		site:  s, dir: dir, log: log, cubes: map[string]*layout.Cube{}, reader: read.New(read.Config{CacheBytes: cacheBytes}),
	}, nil
}

// commitOptions say how a place is opened by its committer.
type commitOptions struct {
	// founds makes the place if there is none.
	founds bool
	// catchUp brings the catalog up to the bucket first.
	catchUp bool
}

// openCommitting opens a place as its one committer; *errLocked says who else is.
func openCommitting(ctx context.Context, p place, log *slog.Logger, o commitOptions) (*workspace, error) {
	dir, err := p.local()
	if err != nil {
		return nil, err
	}
	if o.founds && !p.inBucket() {
		if err := makeLocal("data", dir, 0o755); err != nil {
			return nil, err
		}
	}
	s, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	if s.bucket != nil {
		if !o.founds {
			if err := s.mustHold(); err != nil {
				return nil, err
			}
		}
		if err := makeLocal("state", dir, 0o700); err != nil {
			return nil, err
		}
		if err := s.mustBeSafe(ctx, dir); err != nil {
			return nil, err
		}
	}
	h, err := acquireHold(ctx, s, dir, log)
	if err != nil {
		return nil, err
	}
	w, err := newWorkspace(p, s, log)
	if err != nil {
		h.release()
		return nil, err
	}
	w.hold, w.shared = h, p.claims(s)
	if w.catalog, err = p.openCatalog(ctx, w.dir); err != nil {
		h.release()
		return nil, err
	}
	if o.catchUp {
		if err := w.catchUp(ctx); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// makeLocal makes the directory that the flag --kind gives.
func makeLocal(kind, dir string, mode os.FileMode) error {
	if err := os.MkdirAll(dir, mode); err != nil {
		return fault.New(fault.Precondition, "%s directory: %w", kind, err).WithCure("give a folder that can be written with --%s", kind)
	}
	return nil
}

// close releases the ledger, the catalog and the lock.
func (w *workspace) close() {
	if w.ledger != nil {
		if err := w.ledger.Close(); err != nil {
			w.log.Warn("close the ledger of receipts", "error", err)
		}
	}
	if w.catalog != nil {
		if err := w.catalog.Close(); err != nil {
			w.log.Warn("close the catalog", "error", err)
		}
	}
	if w.hold != nil {
		w.hold.release()
	}
}

// catchUp brings the catalog up to what the bucket holds.
func (w *workspace) catchUp(ctx context.Context) error {
	w.indexing.Lock()
	defer w.indexing.Unlock()
	if err := w.claim(ctx); err != nil {
		return err
	}
	report, err := truth.CatchUp(ctx, w.root, w.catalog)
	for _, p := range report.Problems {
		w.log.WarnContext(ctx, "the catalog leaves out what does not read", "object", p.Object, "reason", p.Reason, "cure", p.Cure)
	}
	return err
}

// claim refuses a catalog that another bucket has filled.
func (w *workspace) claim(ctx context.Context) error {
	if w.shared == "" {
		return nil
	}
	return truth.Claim(ctx, w.catalog, w.shared)
}

// name is what people call the place.
func (w *workspace) name() string {
	if w.site.bucket == nil {
		return w.dir
	}
	return w.root.URL()
}

// bucket returns where a cube lies.
func (w *workspace) bucket(name string) *store.Bucket { return w.root.Sub("cubes/" + name) }

// cubeNames lists the cubes, damaged ones too; a folder that a killed `cube create` left is none yet.
func (w *workspace) cubeNames(ctx context.Context) ([]string, error) {
	folders, err := w.root.Folders(ctx, "cubes")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range folders {
		switch _, err := w.openCube(ctx, name); {
		case err == nil || isDamage(err):
			names = append(names, name)
		case !fault.Is(err, fault.NotFound):
			return nil, err
		}
	}
	return names, nil
}

// isDamage reports whether an error is about what one cube holds, so that a verb over all cubes names it
// and goes on with the others; a store that does not answer is the end of any verb.
func isDamage(err error) bool {
	return fault.Is(err, fault.Corrupt) || fault.Is(err, fault.Unsupported)
}

// damaged is a cube that does not read, for a report on all cubes.
func (w *workspace) damaged(name string, err error) probe.Problem {
	return probe.Problem{Object: w.bucket(name).URL(), Reason: err.Error(), Cure: fault.CureOf(err)}
}

// cube opens a cube, or says which exist.
func (w *workspace) cube(ctx context.Context, name string) (*layout.Cube, error) {
	if err := cube.CheckCubeName(name); err != nil {
		return nil, err
	}
	c, err := w.openCube(ctx, name)
	if fault.Is(err, fault.NotFound) {
		names, listErr := w.cubeNames(ctx)
		if listErr != nil {
			return nil, listErr
		}
		e := fault.New(fault.NotFound, "no cube %q in %s", name, w.root.URL())
		if len(names) == 0 {
			return nil, e.WithCure("make one with `terrapin cube create %s …`", name)
		}
		return nil, e.WithCure("use one of: %s", strings.Join(names, ", "))
	}
	return c, err
}

// openCube opens a cube once for this process.
func (w *workspace) openCube(ctx context.Context, name string) (*layout.Cube, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.cubes[name]; ok {
		return c, nil
	}
	c, err := layout.OpenWith(ctx, w.bucket(name), icechunk.Config{Fetch: w.fetch})
	if err != nil {
		if fault.Is(err, fault.Corrupt) && fault.CureOf(err) == "" {
			err = fault.New(fault.Corrupt, "%w", err).WithCure("bring the object back from a backup; `terrapin store fsck` names what else is damaged")
		}
		return nil, err
	}
	w.cubes[name] = c
	return c, nil
}
