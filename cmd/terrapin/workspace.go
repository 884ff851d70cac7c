package main

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlite"
	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// cacheBytes bounds the decoded chunks a process keeps.
const cacheBytes = 512 << 20

// workspace is an open data directory: the bucket that is the truth, the reader over its cubes and,
// for whoever may commit, the catalog that indexes it.
type workspace struct {
	dir    string
	root   *store.Bucket
	reader *read.Reader
	log    *slog.Logger
	// lock and catalog are nil in a workspace that only reads.
	lock    *dirLock
	catalog catalog.Catalog

	// committing is shared by verbs that commit, and held alone by those that compare the bucket with the
	// catalog; indexing serialises catching up, which reads what it wrote before.
	committing sync.RWMutex
	indexing   sync.Mutex

	mu    sync.Mutex
	cubes map[string]*layout.Cube
}

// openReading opens a data directory for verbs that commit nothing.
func openReading(dir string, log *slog.Logger) (*workspace, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.New(fault.Invalid, "data directory %q: %w", dir, err)
	}
	if err := mustExist(abs); err != nil {
		return nil, err
	}
	driver, err := file.New(abs)
	if err != nil {
		return nil, err
	}
	place := url.URL{Scheme: "file", Path: abs}
	return &workspace{
		dir: abs, root: store.New(driver, place.String()), log: log, cubes: map[string]*layout.Cube{},
		reader: read.New(read.Config{CacheBytes: cacheBytes}),
	}, nil
}

// mustExist refuses a data directory that is not there: a misspelt one must not come into being.
func mustExist(dir string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fault.New(fault.NotFound, "there is no data directory %s", dir).
			WithCure("name it with --data, or make it with `terrapin cube create` or `terrapin serve`")
	}
	return nil
}

// openCommitting opens a data directory as its one committer; *errLocked says who else is. With
// catchUp the catalog is brought up to the bucket first.
func openCommitting(ctx context.Context, dir string, log *slog.Logger, catchUp bool) (*workspace, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.New(fault.Precondition, "data directory: %w", err).WithCure("give a folder that can be written with --data")
	}
	lock, err := acquire(ctx, dir)
	if err != nil {
		return nil, err
	}
	w, err := openReading(dir, log)
	if err != nil {
		lock.release()
		return nil, err
	}
	w.lock = lock
	if w.catalog, err = sqlite.Open(ctx, filepath.Join(w.dir, "catalog.sqlite")); err != nil {
		lock.release()
		return nil, err
	}
	if catchUp {
		if err := w.catchUp(ctx); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// close releases the catalog and the lock.
func (w *workspace) close() {
	if w.catalog != nil {
		if err := w.catalog.Close(); err != nil {
			w.log.Warn("close the catalog", "error", err)
		}
	}
	if w.lock != nil {
		w.lock.release()
	}
}

// catchUp brings the catalog up to what the bucket holds.
func (w *workspace) catchUp(ctx context.Context) error {
	w.indexing.Lock()
	defer w.indexing.Unlock()
	report, err := truth.CatchUp(ctx, w.root, w.catalog)
	for _, p := range report.Problems {
		w.log.WarnContext(ctx, "the catalog leaves out what does not read", "object", p.Object, "reason", p.Reason, "cure", p.Cure)
	}
	return err
}

// bucket returns where a cube lies.
func (w *workspace) bucket(name string) *store.Bucket { return w.root.Sub("cubes/" + name) }

// cubeNames lists the cubes; a folder that a killed `cube create` left is none yet.
func (w *workspace) cubeNames(ctx context.Context) ([]string, error) {
	folders, err := w.root.Folders(ctx, "cubes")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range folders {
		switch _, err := w.openCube(ctx, name); {
		case err == nil:
			names = append(names, name)
		case !fault.Is(err, fault.NotFound):
			return nil, err
		}
	}
	return names, nil
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
	c, err := layout.Open(ctx, w.bucket(name))
	if err != nil {
		return nil, err
	}
	w.cubes[name] = c
	return c, nil
}
