package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/postgres"
	"github.com/terrapin-eo/terrapin/catalog/sqlite"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
	"github.com/terrapin-eo/terrapin/store/s3"
)

// openPatience bounds the first question to a bucket, with its retries.
const openPatience = 60 * time.Second

// place is where --data and --state say that the data is: a directory, or a bucket with a directory of
// this machine beside it, for the catalog and the lock; and where --catalog says that the catalog is instead.
type place struct {
	data, state string
	catalog     string
	virtual     []string
	env         func(string) string
}

func (c *cli) place() place {
	return place{data: c.data, state: c.state, catalog: c.catalog, virtual: c.virtual, env: c.env}
}

// inBucket reports whether the data is in a bucket.
func (p place) inBucket() bool { return strings.HasPrefix(p.data, "s3:") }

// location reads the URL of a bucket.
func (p place) location() (s3.Location, error) { return s3.ParseLocation(p.data, p.env) }

// directory reads --data as a directory: a path, or the file:// URL that `cube show` gives. A URL of any
// other kind, and nothing at all, are refused: as paths they would make folders beside the caller's files.
func (p place) directory() (string, error) {
	const cure = "give a directory, or a bucket like s3://bucket/prefix?endpoint=https://host:port"
	if p.data == "" {
		return "", fault.New(fault.Invalid, "--data is empty").WithCure(cure)
	}
	scheme, rest, ok := strings.Cut(p.data, "://")
	switch {
	case !ok:
		return absolute(p.data)
	case scheme != "file":
		return "", fault.New(fault.Unsupported, "--data %s: there is no kind of place %q", p.data, scheme+"://").WithCure(cure)
	case !strings.HasPrefix(rest, "/"):
		return "", fault.New(fault.Invalid, "--data %s names another machine, or no absolute path", p.data).WithCure("write it like file:///data/terrapin, or give the path itself")
	}
	at, err := url.Parse(p.data)
	if err != nil || at.RawQuery != "" || at.Fragment != "" {
		return "", fault.New(fault.Invalid, "--data %s is no URL of a directory", p.data).WithCure("give the path itself")
	}
	return absolute(at.Path)
}

// local is the directory of this machine for catalog and lock: the data directory itself or, for a bucket,
// --state or a folder of its own below the user's state directory. It need not exist.
func (p place) local() (string, error) {
	if !p.inBucket() {
		if p.state != "" {
			return "", usagef("--state is for buckets; a data directory holds its own catalog and lock")
		}
		return p.directory()
	}
	if p.state != "" {
		return absolute(p.state)
	}
	at, err := p.location()
	if err != nil {
		return "", err
	}
	base := p.env("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fault.New(fault.Precondition, "a place for the catalog of %s: %w", at, err).WithCure("give a directory with --state")
		}
		base = filepath.Join(home, ".local", "state")
	}
	sum := sha256.Sum256([]byte(at.Identity()))
	return filepath.Join(base, "terrapin", hex.EncodeToString(sum[:8])), nil
}

// openCatalog opens the catalog: in the database that --catalog names, or in a file in the local directory.
func (p place) openCatalog(ctx context.Context, dir string) (catalog.Catalog, error) {
	if p.catalog != "" {
		return postgres.Open(ctx, postgres.Config{URL: p.catalog})
	}
	return sqlite.Open(ctx, filepath.Join(dir, catalogName))
}

// claims names the open place among all that its catalog could be given to: a bucket's, or one in a database. A file in the
// data directory moves with that, and is nobody else's.
func (p place) claims(s site) string {
	switch {
	case s.bucket != nil:
		return s.at.Identity()
	case p.catalog != "":
		return s.root.URL()
	}
	return ""
}

func absolute(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fault.New(fault.Invalid, "directory %q: %w", dir, err)
	}
	return abs, nil
}

// site is an open place.
type site struct {
	root *store.Bucket
	// bucket and at are set for a bucket only.
	bucket *s3.Driver
	at     s3.Location
}

// open connects to the place, which has to exist.
func (p place) open(ctx context.Context) (site, error) {
	if !p.inBucket() {
		dir, err := p.directory()
		if err != nil {
			return site{}, err
		}
		return openDirectory(dir)
	}
	at, err := p.location()
	if err != nil {
		return site{}, err
	}
	asking, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	driver, err := s3.New(asking, at)
	if err != nil {
		if ctx.Err() == nil && asking.Err() != nil {
			err = fault.New(fault.Unavailable, "no answer from %s within %s", at.Endpoint, openPatience).WithCure("check that the endpoint is right and that this machine reaches it")
		}
		return site{}, fault.New(fault.KindOf(err), "open %s: %w", at, err)
	}
	root := store.New(wrapDriver(driver), "s3://"+at.Bucket)
	if at.Prefix != "" {
		root = root.Sub(at.Prefix)
	}
	return site{root: root, bucket: driver, at: at}, nil
}

// wrapDriver is where tests put a driver that dies between the program and its data.
var wrapDriver = func(d store.Driver) store.Driver { return d }

func openDirectory(abs string) (site, error) {
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return site{}, nothingThere("data directory", abs)
	}
	driver, err := file.New(abs)
	if err != nil {
		return site{}, err
	}
	where := url.URL{Scheme: "file", Path: abs}
	return site{root: store.New(wrapDriver(driver), where.String())}, nil
}

// nothingThere refuses a place that holds nothing: a misspelt one must not come into being.
func nothingThere(kind, where string) error {
	return fault.New(fault.NotFound, "there is no %s %s", kind, where).
		WithCure("name it with --data, or make it with `terrapin cube create` or `terrapin serve`")
}

// mustHold refuses a bucket without anything below the prefix.
func (s site) mustHold() error {
	if s.bucket != nil && s.bucket.Empty() {
		return nothingThere("data in", s.root.URL())
	}
	return nil
}
