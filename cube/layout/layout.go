// Package layout keeps one cube in one Icechunk repository: cells of a tiling, resolution groups, arrays,
// coordinates, the slices on the time axes and the digests that prove them (docs/spec/cube-layout.md).
// It owns what a slice is and the order of the axis, and is the only writer of a cube; it refuses
// scenes that contradict what is there, unless one supersedes the other by an explicit act. The
// invariant: a slice, its record, its pixels' digests and its place on the axis of every cell it touches
// appear in one commit, and no later commit rewrites a pixel or a record.
package layout

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

const branch = "main"

// Cube is an open cube. It is safe for concurrent use.
type Cube struct {
	repo *icechunk.Repo
	url  string
	spec Spec

	queue *queue // of commits

	tiles sync.Map // of *knownTile, by path

	mu       sync.Mutex
	views    map[icechunk.ID]*View
	held     int   // slices in views
	last     *View // the one loaded last, for what the next shares with it
	records  map[refKey]cube.Slice
	digests  map[refKey][]byte
	digested int // bytes in digests
}

// Create makes an empty cube in a bucket; one that is there already is a conflict. A creation that
// was cut off is taken up where it ended.
func Create(ctx context.Context, b *store.Bucket, s Spec) (*Cube, error) {
	if s.Created.IsZero() {
		s.Created = time.Now()
	}
	s.Created = s.Created.UTC().Truncate(time.Microsecond)
	s.Chunk = s.ChunkSize()
	if err := s.Check(); err != nil {
		return nil, fault.New(fault.KindOf(err), "create cube %q: %w", s.Name, err)
	}
	repo, err := icechunk.Create(ctx, b, icechunk.Config{})
	if fault.Is(err, fault.Conflict) {
		if repo, err = icechunk.Open(ctx, b, icechunk.Config{}); err == nil {
			if _, err := Open(ctx, b); !errors.Is(err, ErrUnfinished) && !errors.Is(err, errNoCube) {
				return nil, fault.New(fault.Conflict, "create cube %q: %s holds one already", s.Name, b.URL()).WithCure("choose another name, or go on with the cube that is there")
			}
		}
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "create cube %q: %w", s.Name, err)
	}
	tx, err := repo.Begin(ctx, branch)
	if err != nil {
		return nil, err
	}
	pack := repo.NewPack()
	if err := putRoot(ctx, tx, pack, s); err != nil {
		return nil, err
	}
	if err := pack.Close(ctx); err != nil {
		return nil, err
	}
	if _, err := tx.Commit(ctx, "create cube "+s.Name, nil); err != nil {
		return nil, fault.New(fault.KindOf(err), "create cube %q: %w", s.Name, err)
	}
	return newCube(repo, b.URL(), s), nil
}

func newCube(repo *icechunk.Repo, url string, s Spec) *Cube {
	return &Cube{repo: repo, url: url, spec: s, queue: newQueue(), views: map[icechunk.ID]*View{}, records: map[refKey]cube.Slice{}, digests: map[refKey][]byte{}}
}

var (
	// ErrUnfinished: what a creation leaves that was cut off before its first commit. Create takes it up.
	ErrUnfinished = fault.New(fault.NotFound, "an unfinished `cube create`")
	// errNoCube: a repository that holds no cube of ours.
	errNoCube = fault.New(fault.NotFound, "the repository holds no cube")
)

// Open opens the cube in a bucket. Its virtual chunks cannot be read.
func Open(ctx context.Context, b *store.Bucket) (*Cube, error) {
	return OpenWith(ctx, b, icechunk.Config{})
}

// OpenWith opens the cube in a bucket with what a repository can be told, such as whose virtual chunks may
// be read.
func OpenWith(ctx context.Context, b *store.Bucket, cfg icechunk.Config) (*Cube, error) {
	repo, id, err := tip(ctx, b, cfg)
	if fault.Is(err, fault.NotFound) && begun(ctx, b) {
		return nil, unfinished(b)
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "open cube at %s: %w", b.URL(), err)
	}
	if id == icechunk.InitialID {
		return nil, unfinished(b)
	}
	snapshot, err := repo.Snapshot(ctx, id)
	if err != nil {
		return nil, err
	}
	s, err := readSpec(snapshot)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "open cube at %s: %w", b.URL(), err)
	}
	return newCube(repo, b.URL(), s), nil
}

// Tip is the snapshot that the branch main of the cube in a bucket is at. Of the cube only the list of
// its snapshots is read.
func Tip(ctx context.Context, b *store.Bucket) (string, error) {
	_, id, err := tip(ctx, b, icechunk.Config{})
	if err != nil {
		return "", fault.New(fault.KindOf(err), "open cube at %s: %w", b.URL(), err)
	}
	return id.String(), nil
}

func tip(ctx context.Context, b *store.Bucket, cfg icechunk.Config) (*icechunk.Repo, icechunk.ID, error) {
	repo, err := icechunk.Open(ctx, b, cfg)
	if err != nil {
		return nil, icechunk.ID{}, err
	}
	id, err := repo.Resolve(ctx, branch)
	return repo, id, err
}

func unfinished(b *store.Bucket) error {
	return fault.New(fault.NotFound, "open cube at %s: %w", b.URL(), ErrUnfinished).WithCure("run it again")
}

// begun reports whether a place without a repository has what is written before one exists, and
// nothing else: files of the initial snapshot. Where more lies, a repository was lost.
func begun(ctx context.Context, b *store.Bucket) bool {
	found := false
	for info, err := range b.List(ctx, "") {
		if err != nil || !strings.HasSuffix(info.Key, "/"+icechunk.InitialID.String()) {
			return false
		}
		found = true
	}
	return found
}

func readSpec(snapshot *icechunk.Snapshot) (Spec, error) {
	root, ok := snapshot.Node("/")
	if !ok {
		return Spec{}, errNoCube
	}
	attrs, err := zarr.ParseGroup(root.Meta)
	if err != nil {
		return Spec{}, err
	}
	if attrs["terrapin"] == nil {
		return Spec{}, errNoCube
	}
	text, err := json.Marshal(attrs["terrapin"])
	if err != nil {
		return Spec{}, err
	}
	var s Spec
	if err := json.Unmarshal(text, &s); err != nil {
		return Spec{}, fault.New(fault.Corrupt, "the cube's description: %w", err)
	}
	return s, nil
}

// Spec returns what the cube was created with.
func (c *Cube) Spec() Spec { return c.spec }

// Repo is the repository below.
func (c *Cube) Repo() *icechunk.Repo { return c.repo }

// URL says where the repository lies.
func (c *Cube) URL() string { return c.url }

// At opens the cube as a branch, tag or snapshot shows it; "" is the branch main.
func (c *Cube) At(ctx context.Context, ref string) (*View, error) {
	id, err := c.resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	return c.view(ctx, id)
}

func (c *Cube) resolve(ctx context.Context, ref string) (icechunk.ID, error) {
	if ref == "" {
		ref = branch
	}
	id, err := c.repo.Resolve(ctx, ref)
	if err != nil {
		return icechunk.ID{}, fault.New(fault.KindOf(err), "cube %q: %w", c.spec.Name, err)
	}
	return id, nil
}

// Tag pins a snapshot under a name for ever; the same name on the same snapshot again is no error.
func (c *Cube) Tag(ctx context.Context, name, snapshot string) error {
	if strings.TrimSpace(name) == "" {
		return fault.New(fault.Invalid, "tag cube %q: no name", c.spec.Name)
	}
	id, err := c.resolve(ctx, snapshot)
	if err != nil {
		return err
	}
	return c.repo.Tag(ctx, name, id)
}

// Branches lists the names of the branches, sorted.
func (c *Cube) Branches(ctx context.Context) ([]string, error) {
	ids, err := c.repo.Branches(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(ids)), nil
}

// Tags lists the tags and the snapshots they pin.
func (c *Cube) Tags(ctx context.Context) (map[string]string, error) {
	ids, err := c.repo.Tags(ctx)
	if err != nil {
		return nil, err
	}
	tags := make(map[string]string, len(ids))
	for name, id := range ids {
		tags[name] = id.String()
	}
	return tags, nil
}

// Log lists the snapshots from a ref backwards, newest first; "" is the branch main.
func (c *Cube) Log(ctx context.Context, ref string) ([]icechunk.SnapshotInfo, error) {
	id, err := c.resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	return c.repo.Log(ctx, id)
}
