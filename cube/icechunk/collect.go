package icechunk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/fault"
)

const (
	// DefaultAge is how old an object has to be before Collect may delete it, unless told otherwise.
	DefaultAge = 24 * time.Hour

	deleters    = 16
	maxRestarts = 10
)

// errRestart: somebody now needs what was to be deleted.
var errRestart = errors.New("the repository changed while garbage was looked for")

// CollectConfig says what Collect may delete.
type CollectConfig struct {
	// OlderThan protects writers that have not committed yet: no younger object is deleted. It must be longer
	// than the longest time from a chunk's upload to its commit; DefaultAge if zero.
	OlderThan time.Duration
	// Keep names snapshots that are kept with all they need, although no branch or tag leads to them.
	Keep []ID
	// DryRun only counts; with ExpireBefore, as if Expire had run with that time first.
	DryRun       bool
	ExpireBefore time.Time
}

// Count is a number of objects and their bytes.
type Count struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// CollectReport is what Collect deleted, or would delete, by kind.
type CollectReport struct {
	Snapshots    Count
	Transactions Count
	Manifests    Count
	Chunks       Count
	Overwritten  Count
	Expired      int  // snapshots that Expire would drop, in a dry run that was asked for it
	Dropped      []ID // snapshots that no branch, tag or kept id led to
	Missing      []ID // kept ids of snapshots that are not there
}

// Total sums all kinds up.
func (c CollectReport) Total() Count {
	var sum Count
	for _, k := range []Count{c.Snapshots, c.Transactions, c.Manifests, c.Chunks, c.Overwritten} {
		sum.Objects, sum.Bytes = sum.Objects+k.Objects, sum.Bytes+k.Bytes
	}
	return sum
}

// Collect deletes what nothing leads to and what is older than a limit: snapshots, transaction logs,
// manifests, chunk objects and copies of the repo file. It may run beside readers and writers, and be
// cut off anywhere: the repo file first forgets the snapshots, then their files go, so that nothing
// that is in it is ever incomplete. A file that does not read ends it before anything is deleted.
func (r *Repo) Collect(ctx context.Context, c CollectConfig) (CollectReport, error) {
	if c.OlderThan <= 0 {
		c.OlderThan = DefaultAge
	}
	for n := range maxRestarts {
		report, err := r.collect(ctx, c)
		if err == nil {
			return report, nil
		}
		if !errors.Is(err, errRestart) {
			return report, fmt.Errorf("collect garbage of %s: %w", r.bucket.URL(), err)
		}
		if err := pause(ctx, n); err != nil {
			return CollectReport{}, err
		}
	}
	return CollectReport{}, fault.New(fault.Unavailable, "collect garbage of %s: %w, %d times", r.bucket.URL(), errRestart, maxRestarts).
		WithCure("try again when fewer branches and tags are made")
}

func (r *Repo) collect(ctx context.Context, c CollectConfig) (CollectReport, error) {
	st, err := r.state(ctx)
	if err != nil {
		return CollectReport{}, err
	}
	expired := 0
	if c.DryRun && !c.ExpireBefore.IsZero() {
		st.info = st.info.clone()
		expired = len(st.info.expire(ExpireConfig{Before: c.ExpireBefore, Keep: c.Keep}).Dropped)
	}
	g, err := r.garbage(ctx, st, c.Keep, r.cfg.Now().Add(-c.OlderThan))
	if err != nil {
		return CollectReport{}, err
	}
	report := CollectReport{Expired: expired, Missing: g.missing}
	for id := range g.dropped {
		report.Dropped = append(report.Dropped, id)
	}
	if c.DryRun {
		for _, k := range g.kinds {
			*k.count(&report) = k.old
		}
		return report, nil
	}
	if len(g.dropped) == 0 && g.empty() {
		return report, nil
	}
	last := len(g.kinds) - 1 // the copies of the repo file, which that file has to let go of first
	if len(g.dropped) == 0 {
		// Nothing that the file knows goes. Room is made first: on a full disk nothing could be recorded.
		if st, err = r.state(ctx); err == nil {
			err = g.renew(ctx, r, st.info)
		}
		if err == nil {
			err = r.deleteKinds(ctx, g.kinds[:last], &report)
		}
		if err == nil {
			err = g.record(ctx, r)
		}
		if err != nil {
			return report, err
		}
		return report, r.deleteKinds(ctx, g.kinds[last:], &report)
	}
	if err := g.record(ctx, r); err != nil {
		return report, err
	}
	return report, r.deleteKinds(ctx, g.kinds, &report)
}

// record makes the repo file forget what is dropped, and tells it that garbage was collected.
func (g *garbage) record(ctx context.Context, r *Repo) error {
	err := r.update(ctx, func(info *repoInfo) (*update, error) {
		if _, err := g.since(info); err != nil {
			return nil, err
		}
		info.drop(g.dropped)
		// The log goes on in the copy of the file as it was, so that no entry needs another copy, now or
		// when the log gets longer.
		return &update{kind: gcRan, cut: true}, nil
	})
	if err != nil {
		return err
	}
	st, err := r.state(ctx)
	if err != nil {
		return err
	}
	if g.backups, err = r.backups(ctx, st.info); err != nil {
		return err
	}
	return g.renew(ctx, r, st.info)
}

// renew marks what commits since the search need: young objects, and perhaps old ones that their writers
// took long over.
func (g *garbage) renew(ctx context.Context, r *Repo, info *repoInfo) error {
	fresh, err := g.since(info)
	if err != nil {
		return err
	}
	return g.marks.mark(ctx, r, fresh, func(ID) bool { return false })
}

func (r *Repo) deleteKinds(ctx context.Context, kinds []*kind, report *CollectReport) error {
	for _, k := range kinds {
		done, err := r.deleteAll(ctx, k)
		*k.count(report) = done
		if err != nil {
			return err
		}
	}
	return nil
}

// since lists the snapshots that are new since the search. It refuses what leads to a dropped one.
func (g *garbage) since(info *repoInfo) (fresh []ID, err error) {
	for _, list := range [][]named{info.branches, info.tags} {
		for _, n := range list {
			if g.dropped[n.at] {
				return nil, errRestart
			}
		}
	}
	for _, e := range info.snapshots {
		if g.known[e.id] {
			continue
		}
		if e.parent != nil && g.dropped[*e.parent] {
			return nil, errRestart
		}
		fresh = append(fresh, e.id)
	}
	return fresh, nil
}

// deleteAll deletes the garbage of a kind, unless it was marked since.
func (r *Repo) deleteAll(ctx context.Context, k *kind) (Count, error) {
	var objects, bytes atomic.Int64
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(deleters)
	for _, d := range k.dead {
		if k.needed(d.name) {
			continue
		}
		group.Go(func() error {
			if err := r.bucket.Delete(gctx, k.prefix+d.name.String()); err != nil {
				return err
			}
			objects.Add(1)
			bytes.Add(d.size)
			return nil
		})
	}
	err := group.Wait()
	return Count{objects.Load(), bytes.Load()}, err
}

// kind is one sort of object while garbage is looked for.
type kind struct {
	prefix string
	needed func(name) bool
	count  func(*CollectReport) *Count
	all    Count
	live   Count
	old    Count  // dead and old enough
	dead   []dead // the same, one by one
}

// name is the last part of a key: an id, or for copies of the repo file its text.
type name struct {
	id   ID
	text string
}

func (n name) String() string {
	if n.text != "" {
		return n.text
	}
	return n.id.String()
}

type dead struct {
	name name
	size int64
}

// garbage is what a search found.
type garbage struct {
	state   repoState
	marks   *marks
	known   map[ID]bool // snapshots of the repo file at the time
	dropped map[ID]bool // those of them that nothing leads to
	backups map[string]bool
	missing []ID
	kinds   []*kind // in the order they may be deleted
}

func (g *garbage) empty() bool {
	for _, k := range g.kinds {
		if len(k.dead) > 0 {
			return false
		}
	}
	return true
}

// garbage marks what is needed and lists the rest that was written before a time.
func (r *Repo) garbage(ctx context.Context, st repoState, keep []ID, before time.Time) (*garbage, error) {
	g := &garbage{state: st, marks: newMarks(), known: map[ID]bool{}, dropped: map[ID]bool{}}
	made, err := r.ages(ctx)
	if err != nil {
		return nil, err
	}
	reached := st.info.reached(keep)
	var roots []ID
	for _, e := range st.info.snapshots {
		g.known[e.id] = true
		at, there := made[e.id]
		young := !at.Before(before)
		if !there {
			young = !time.UnixMicro(int64(e.flushed)).Before(before)
		}
		if !reached[e.id] && !young {
			g.dropped[e.id] = true
			continue
		}
		roots = append(roots, e.id)
		for _, id := range e.pruned {
			g.marks.logs[id] = struct{}{}
		}
	}
	for _, id := range keep {
		if g.known[id] {
			continue
		}
		if _, there := made[id]; !there {
			g.missing = append(g.missing, id)
			continue
		}
		roots = append(roots, id) // out of every history, and yet somebody's pin
	}
	if err := g.marks.mark(ctx, r, roots, func(id ID) bool { return g.known[id] && !reached[id] }); err != nil {
		return nil, err
	}
	if g.backups, err = r.backups(ctx, st.info); err != nil {
		return nil, err
	}
	m := g.marks
	g.kinds = []*kind{
		{prefix: folders[snapshotFile], needed: among(m.snapshots), count: func(c *CollectReport) *Count { return &c.Snapshots }},
		{prefix: folders[transactionFile], needed: among(m.logs), count: func(c *CollectReport) *Count { return &c.Transactions }},
		{prefix: folders[manifestFile], needed: among(m.manifests), count: func(c *CollectReport) *Count { return &c.Manifests }},
		{prefix: "chunks/", needed: among(m.chunks), count: func(c *CollectReport) *Count { return &c.Chunks }},
		{prefix: overwritten, needed: func(n name) bool { return g.backups[n.text] }, count: func(c *CollectReport) *Count { return &c.Overwritten }},
	}
	for _, k := range g.kinds {
		if err := k.list(ctx, r, before); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func among[V any](set map[ID]V) func(name) bool {
	return func(n name) bool {
		_, ok := set[n.id]
		return ok
	}
}

// ages tells when each snapshot file was written, by the store's clock.
func (r *Repo) ages(ctx context.Context) (map[ID]time.Time, error) {
	made := map[ID]time.Time{}
	for info, err := range r.bucket.List(ctx, folders[snapshotFile]) {
		if err != nil {
			return nil, err
		}
		if id, err := ParseID(strings.TrimPrefix(info.Key, folders[snapshotFile])); err == nil {
			made[id] = info.Modified
		}
	}
	return made, nil
}

// list sorts the objects of a kind into those needed, those too young to tell and garbage. What has no
// name of ours is somebody else's and stays.
func (k *kind) list(ctx context.Context, r *Repo, before time.Time) error {
	for info, err := range r.bucket.List(ctx, k.prefix) {
		if err != nil {
			return err
		}
		text := strings.TrimPrefix(info.Key, k.prefix)
		n := name{text: text}
		if k.prefix != overwritten {
			id, err := ParseID(text)
			if err != nil {
				continue
			}
			n = name{id: id}
		} else if !strings.HasPrefix(text, "repo.") {
			continue
		}
		k.all.add(info.Size)
		switch {
		case k.needed(n):
			k.live.add(info.Size)
		case info.Modified.Before(before):
			k.old.add(info.Size)
			k.dead = append(k.dead, dead{n, info.Size})
		}
	}
	return nil
}

func (c *Count) add(bytes int64) {
	c.Objects++
	c.Bytes += bytes
}
