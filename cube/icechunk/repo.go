package icechunk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

const (
	repoKey     = "repo"
	overwritten = "overwritten/"
	mainBranch  = "main"
	maxUpdates  = 1000
	maxAttempts = 50
	// immediate is how often a lost race is tried again before waiting.
	immediate = 5
)

// Repo is an open repository. It is safe for concurrent use.
type Repo struct {
	bucket    *store.Bucket
	cfg       Config
	snapshots *cache[*Snapshot]
	manifests *cache[*manifest]

	writing sync.Mutex // one change of `repo` at a time; the compare-and-swap guards against strangers

	mu     sync.Mutex
	latest repoState

	virtual struct { // containers as parsed of the configuration
		sync.Mutex
		config []byte
		list   []Container
	}
}

// repoState is the repo file as it was read once; nobody changes it.
type repoState struct {
	etag    string
	writeID string
	raw     []byte
	info    *repoInfo
}

func newRepo(b *store.Bucket, cfg Config) *Repo {
	r := &Repo{bucket: b, cfg: cfg.withDefaults()}
	r.snapshots = newCache(r.cfg.CacheBytes/4, r.loadSnapshot)
	r.manifests = newCache(r.cfg.CacheBytes-r.cfg.CacheBytes/4, r.loadManifest)
	return r
}

// Create makes a repository in an empty place, with the branch main at the initial snapshot.
func Create(ctx context.Context, b *store.Bucket, cfg Config) (*Repo, error) {
	r := newRepo(b, cfg)
	exists := fault.New(fault.Conflict, "create repository: %s holds one already", b.URL()).WithCure("open it, or choose another place")
	for _, key := range []string{repoKey, oldMain} {
		if _, err := b.Stat(ctx, key); err == nil {
			return nil, exists
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("create repository: %w", err)
		}
	}
	now := r.micros()
	metadata, err := encodeMetadata(map[string]any{"__icechunk": map[string]any{"is_root": true}})
	if err != nil {
		return nil, err
	}
	first := snapshotEntry{id: InitialID, flushed: now, message: "Repository initialized", metadata: metadata}
	if _, err := r.putObject(ctx, transactionFile, InitialID, (&transactionLog{id: InitialID}).encode()); err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	snap := snapshotInfo{id: InitialID, flushed: now, message: first.message, metadata: metadata}
	if _, err := r.putObject(ctx, snapshotFile, InitialID, snap.encode()); err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	info := &repoInfo{
		branches: []named{{mainBranch, InitialID}}, snapshots: []snapshotEntry{first},
		status: repoStatus{setAt: now}, updates: []update{{kind: repoInitialized, at: now}},
	}
	flat, err := info.encode()
	if err != nil {
		return nil, err
	}
	_, err = b.Write(ctx, repoKey, seal(repoFile, r.cfg.Writer, flat), store.Condition{IfAbsent: true})
	if errors.Is(err, store.ErrConflict) {
		return nil, exists
	}
	if err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	return r, nil
}

// Open opens an existing repository.
func Open(ctx context.Context, b *store.Bucket, cfg Config) (*Repo, error) {
	r := newRepo(b, cfg)
	if _, err := r.state(ctx); err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	return r, nil
}

func (r *Repo) micros() uint64 { return uint64(r.cfg.Now().UnixMicro()) }

// state reads the repo file, decoding it only when it changed.
func (r *Repo) state(ctx context.Context) (repoState, error) {
	raw, info, err := r.bucket.Read(ctx, repoKey, store.Range{})
	if errors.Is(err, store.ErrNotFound) {
		if _, oldErr := r.bucket.Stat(ctx, oldMain); oldErr == nil {
			return repoState{}, fault.New(fault.Unsupported, "the Icechunk repository at %s is of spec version 1; this release knows version %d", r.bucket.URL(), specVersion).
				WithCure("migrate it with the official library: icechunk.upgrade_icechunk_repository")
		}
		return repoState{}, fault.New(fault.NotFound, "no Icechunk repository at %s: %w", r.bucket.URL(), err).
			WithCure("check the place; a repository of spec version 2 has an object named %q there", repoKey)
	}
	if err != nil {
		return repoState{}, err
	}
	known := r.known()
	if known.etag != "" && known.etag == info.ETag {
		return known, nil
	}
	flat, err := unseal(repoFile, raw)
	if err != nil {
		return repoState{}, fmt.Errorf("%s/%s: %w", r.bucket.URL(), repoKey, err)
	}
	decoded, err := decodeRepo(flat)
	if err != nil {
		return repoState{}, fmt.Errorf("%s/%s: %w", r.bucket.URL(), repoKey, err)
	}
	st := repoState{etag: info.ETag, writeID: info.WriteID, raw: raw, info: decoded}
	r.remember(st)
	return st, nil
}

// known is the repo file as it was last read or written here, without looking.
func (r *Repo) known() repoState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}

func (r *Repo) remember(st repoState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = st
}

// change plans one update of the repo file on a copy of its content. A nil update means that the
// wanted state is there already: nothing to do, or an earlier attempt whose answer was lost.
type change func(*repoInfo) (*update, error)

// update applies a change by compare-and-swap until it holds. Losing a race to an unrelated change
// plans it again on the new content; the change itself refuses what is not unrelated. A write whose
// answer was lost is recognised in what is there afterwards, and tried again if it may pass.
func (r *Repo) update(ctx context.Context, plan change) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	var failed error
	var tried []stamp
	for n := range maxAttempts {
		if n > immediate || failed != nil {
			if err := pause(ctx, max(n-immediate, 0)); err != nil {
				return errors.Join(failed, err)
			}
		}
		st, err := r.state(ctx)
		if err != nil {
			return errors.Join(failed, err)
		}
		if slices.ContainsFunc(tried, st.holds) {
			return nil
		}
		info := st.info.clone()
		up, err := plan(info)
		if err == nil && up == nil {
			return nil
		}
		if failed != nil && (n >= immediate || !fault.Is(failed, fault.Unavailable)) {
			return failed
		}
		if err != nil {
			return err
		}
		if err := st.info.status.writable(r.bucket.URL(), up); err != nil {
			return err
		}
		a, err := r.swap(ctx, st, info, *up)
		if err == nil {
			return nil
		}
		tried, failed = append(tried, a), nil
		if !errors.Is(err, store.ErrConflict) {
			// The write may have landed all the same: look once more before giving up.
			failed = err
		}
	}
	return fault.New(fault.Unavailable, "update %s/%s: lost the race %d times", r.bucket.URL(), repoKey, maxAttempts).
		WithCure("try again; if it persists, find out who else writes here")
}

// stamp is what marks one write of the repo file as ours: the id stamped on the object, where the
// back end can, and the name of the backup, which stays in the operations log when others write after us.
type stamp struct{ writeID, backup string }

// holds reports whether the repo file is what a write put there or builds on it.
func (st repoState) holds(a stamp) bool {
	if st.writeID != "" && st.writeID == a.writeID {
		return true
	}
	return st.info.before == a.backup || slices.ContainsFunc(st.info.updates, func(u update) bool { return u.backup == a.backup })
}

// swap backs the old repo file up and replaces it.
func (r *Repo) swap(ctx context.Context, old repoState, info *repoInfo, up update) (stamp, error) {
	up.at = max(r.micros(), info.updates[0].at+1)
	a := stamp{
		writeID: newID().String(),
		backup:  fmt.Sprintf("repo.%014d.%s", 32503680000000-int64(up.at/1000), newID()),
	}
	info.record(up, a.backup)
	flat, err := info.encode()
	if err != nil {
		return a, err
	}
	saved, err := r.bucket.Write(ctx, overwritten+a.backup, old.raw, store.Condition{})
	if err != nil {
		return a, err
	}
	if err := r.checkClock(ctx, saved); err != nil {
		return a, err
	}
	raw := seal(repoFile, r.cfg.Writer, flat)
	written, err := r.bucket.Write(ctx, repoKey, raw, store.Condition{IfMatch: old.etag, WriteID: a.writeID})
	if err != nil {
		return a, err
	}
	if written.ETag == "" {
		return a, nil // what is there now is known only by reading it
	}
	r.remember(repoState{etag: written.ETag, writeID: a.writeID, raw: raw, info: info})
	return a, nil
}

// maxSkew is how far the clocks of this machine and of the store may be apart.
const maxSkew = 600 * time.Second

// checkClock compares this machine's clock with the store's, by an object just written. Collection
// judges by age, so a writer whose clock is wrong could lose what it is about to commit.
func (r *Repo) checkClock(ctx context.Context, written store.Info) error {
	now := r.cfg.Now()
	if written.Modified.IsZero() {
		info, err := r.bucket.Stat(ctx, written.Key)
		if err != nil {
			return err
		}
		written = info
	}
	if skew := now.Sub(written.Modified); skew > maxSkew || skew < -maxSkew {
		return fault.New(fault.Precondition, "the clock says %s and the store %s says %s", now.UTC().Format(time.RFC3339), r.bucket.URL(), written.Modified.UTC().Format(time.RFC3339)).
			WithCure("set the clock of this machine right; they may differ by %s at most", maxSkew)
	}
	return nil
}

// record prepends an update. The backup belongs to the entry that was newest so far. Beyond the
// limit the tail is left to the backup of the first entry dropped.
func (info *repoInfo) record(up update, backup string) {
	info.updates[0].backup = backup
	info.updates = append([]update{up}, info.updates...)
	if up.cut {
		info.before, info.updates = backup, info.updates[:1]
		return
	}
	for i := info.updatesPerFile(); i < len(info.updates); i++ {
		if info.updates[i].backup != "" {
			info.before, info.updates = info.updates[i].backup, info.updates[:i]
			return
		}
	}
}

// updatesPerFile is the limit the repository's configuration sets, or the official default.
func (info *repoInfo) updatesPerFile() int {
	if len(info.config) == 0 {
		return maxUpdates
	}
	v, err := decodeFlex(info.config)
	if err != nil {
		return maxUpdates
	}
	cfg, _ := v.(map[string]any)
	if n, ok := cfg["num_updates_per_repo_info_file"].(int64); ok {
		return int(min(max(n, 1), maxUpdates))
	}
	return maxUpdates
}

// clone copies what a change may touch; everything below is immutable.
func (info *repoInfo) clone() *repoInfo {
	c := *info
	c.tags = append([]named(nil), info.tags...)
	c.branches = append([]named(nil), info.branches...)
	c.snapshots = append([]snapshotEntry(nil), info.snapshots...)
	c.updates = append([]update(nil), info.updates...)
	return &c
}

// pause waits between attempts, longer each time and never as long as the neighbour.
func pause(ctx context.Context, n int) error {
	limit := min(50*time.Millisecond<<min(n, 6), 2*time.Second)
	t := time.NewTimer(rand.N(limit))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

var folders = map[fileType]string{snapshotFile: "snapshots/", manifestFile: "manifests/", transactionFile: "transactions/"}

// putObject writes an immutable file and returns its size.
func (r *Repo) putObject(ctx context.Context, t fileType, id ID, flat []byte) (int, error) {
	data := seal(t, r.cfg.Writer, flat)
	_, err := r.bucket.Write(ctx, folders[t]+id.String(), data, store.Condition{})
	return len(data), err
}

// object reads an immutable file down to its FlatBuffer.
func (r *Repo) object(ctx context.Context, t fileType, id ID) ([]byte, error) {
	key := folders[t] + id.String()
	raw, _, err := r.bucket.Read(ctx, key, store.Range{})
	if err != nil {
		return nil, err
	}
	flat, err := unseal(t, raw)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", r.bucket.URL(), key, err)
	}
	return flat, nil
}
