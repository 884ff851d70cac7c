package icechunk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/fault"
)

// uploads is how many manifests are written at once.
const uploads = 8

// Commit writes the transaction as a snapshot and moves the branch to it: manifests, transaction
// log, snapshot, and only then the repo file, by compare-and-swap. Where the branch got other commits
// since Begin, the transaction goes on top of them if nothing collides; ErrMoved says what does. What
// was written until then is unreferenced and harmless. A transaction commits at most once.
func (tx *Tx) Commit(ctx context.Context, message string, metadata map[string]any) (ID, error) {
	id, err := tx.commit(ctx, message, metadata)
	if err != nil {
		return ID{}, fmt.Errorf("commit to branch %q of %s: %w", tx.branch, tx.repo.bucket.URL(), err)
	}
	return id, nil
}

func (tx *Tx) commit(ctx context.Context, message string, metadata map[string]any) (ID, error) {
	if tx.done {
		return ID{}, fault.New(fault.Invalid, "the transaction is used up by an earlier commit").WithCure("begin another one")
	}
	items, err := encodeMetadata(metadata)
	if err != nil {
		return ID{}, err
	}
	// A move of the branch that is known already need not be found out by writing.
	if known := tx.repo.known(); known.info != nil && known.info.descends(tx.branch, tx.base.info.id) {
		if err := tx.rebase(ctx, known.info); err != nil {
			return ID{}, err
		}
	}
	for n := range maxRebases {
		if n > 1 {
			if err := pause(ctx, n-1); err != nil {
				return ID{}, err
			}
		}
		id, err := tx.try(ctx, message, items)
		if err == nil || !errors.Is(err, ErrMoved) {
			return id, err
		}
		if err := tx.rebase(ctx, tx.repo.known().info); err != nil {
			return ID{}, err
		}
	}
	return ID{}, fault.New(fault.Unavailable, "other commits were faster %d times, the last one %s by %s", maxRebases, tx.base.info.id, tx.repo.writer(ctx, tx.base.info.id)).
		WithCure("commit again when fewer programs write to the branch, or put more into each commit")
}

// try writes the transaction on its present base.
func (tx *Tx) try(ctx context.Context, message string, items []metaItem) (ID, error) {
	log := &transactionLog{id: newID()}
	snap, pending, err := tx.plan(ctx, log)
	if err != nil {
		return ID{}, err
	}
	tx.done = true
	snap.message, snap.metadata = message, items
	snap.flushed = max(tx.repo.micros(), tx.base.info.flushed+1)
	written, err := tx.repo.putManifests(ctx, pending)
	if err != nil {
		return ID{}, err
	}
	if err := snap.listManifests(tx.base.info.manifests, written); err != nil {
		return ID{}, err
	}
	if _, err := tx.repo.putObject(ctx, transactionFile, snap.id, log.encode()); err != nil {
		return ID{}, err
	}
	flat := snap.encode()
	if _, err := tx.repo.putObject(ctx, snapshotFile, snap.id, flat); err != nil {
		return ID{}, err
	}
	if err := tx.repo.update(ctx, tx.advance(snap)); err != nil {
		return ID{}, err
	}
	tx.repo.keep(snap, int64(len(flat)), pending)
	return snap.id, nil
}

// keep puts what a commit wrote into the caches: the next one begins with it.
func (r *Repo) keep(snap *snapshotInfo, size int64, pending []pendingManifest) {
	r.snapshots.put(snap.id, &Snapshot{repo: r, info: snap}, 2*size)
	for _, p := range pending {
		if m, err := decodeManifest(bytes.Clone(p.flat)); err == nil {
			r.manifests.put(p.id, m, int64(m.size))
		}
	}
}

// descends reports whether a branch is at a true descendant of a snapshot.
func (info *repoInfo) descends(branch string, from ID) bool {
	tip, ok := lookup(info.branches, branch)
	if !ok || tip == from {
		return false
	}
	_, ok = info.between(from, tip)
	return ok
}

// advance plans the move of the branch. Meeting our own snapshot means that an earlier attempt
// landed and only its answer was lost.
func (tx *Tx) advance(snap *snapshotInfo) change {
	return func(info *repoInfo) (*update, error) {
		at, landed := info.find(snap.id)
		if landed {
			return nil, nil
		}
		i := slices.IndexFunc(info.branches, func(n named) bool { return n.name == tx.branch })
		if i < 0 {
			return nil, noBranch(tx.branch, info)
		}
		if info.branches[i].at != tx.base.info.id {
			return nil, ErrMoved
		}
		if tx.origin != nil {
			if err := info.allows(moveNodeFlag); err != nil {
				return nil, err
			}
		}
		parent := tx.base.info.id
		entry := snapshotEntry{id: snap.id, parent: &parent, flushed: snap.flushed, message: snap.message, metadata: snap.metadata}
		info.snapshots = slices.Insert(info.snapshots, at, entry)
		info.branches[i].at = snap.id
		return &update{kind: newCommit, name: tx.branch, next: snap.id}, nil
	}
}

// plan works out the new snapshot without writing anything, and fills the transaction log.
func (tx *Tx) plan(ctx context.Context, log *transactionLog) (*snapshotInfo, []pendingManifest, error) {
	snap := &snapshotInfo{id: log.id, extra: tx.base.info.extra}
	var pending []pendingManifest
	var changed []snapshotNode
	for _, path := range slices.Sorted(maps.Keys(tx.nodes)) {
		n := tx.nodes[path]
		n.record(log)
		if n.Array != nil {
			w, err := tx.planRewrite(ctx, n)
			if err != nil {
				return nil, nil, err
			}
			manifests, written, err := w.run(ctx)
			if err != nil {
				return nil, nil, err
			}
			n.manifests, pending = manifests, append(pending, written...)
			if len(w.changed) > 0 {
				log.chunks = append(log.chunks, w.log())
			}
		}
		changed = append(changed, n.snapshotNode)
	}
	snap.nodes = overlay(tx.rearranged(log), changed)
	if log.empty() {
		return nil, nil, ErrNoChange
	}
	return snap, pending, nil
}

// rearranged lists the nodes of the base, in order, without those deleted and with those moved where
// they went.
func (tx *Tx) rearranged(log *transactionLog) []snapshotNode {
	if len(tx.deleted) == 0 && tx.origin == nil {
		return tx.base.info.nodes
	}
	nodes := map[string]snapshotNode{}
	for _, n := range tx.base.info.nodes {
		nodes[n.Path] = n
	}
	tx.planDeleted(nodes, log)
	tx.planMoved(nodes, log)
	list := make([]snapshotNode, 0, len(nodes))
	for _, path := range slices.Sorted(maps.Keys(nodes)) {
		list = append(list, nodes[path])
	}
	return list
}

// overlay merges two lists of nodes in order of their paths; where both have one, the second counts.
func overlay(nodes, changed []snapshotNode) []snapshotNode {
	out := make([]snapshotNode, 0, len(nodes)+len(changed))
	for _, c := range changed {
		n, there := slices.BinarySearchFunc(nodes, c.Path, func(n snapshotNode, path string) int { return strings.Compare(n.Path, path) })
		out = append(append(out, nodes[:n]...), c)
		if nodes = nodes[n:]; there {
			nodes = nodes[1:]
		}
	}
	return append(out, nodes...)
}

// record lists a node in the transaction log as new or updated, if it is either.
func (n *txNode) record(log *transactionLog) {
	isNew, isArray := n.old == nil, n.Array != nil
	if !isNew && bytes.Equal(n.Meta, n.old.Meta) && n.Array.equal(n.old.Array) {
		return
	}
	list := map[[2]bool]*[]NodeID{
		{true, true}: &log.newArrays, {true, false}: &log.newGroups,
		{false, true}: &log.updatedArrays, {false, false}: &log.updatedGroups,
	}[[2]bool{isNew, isArray}]
	*list = append(*list, n.ID)
}

func (a *ArrayInfo) equal(o *ArrayInfo) bool {
	if a == nil || o == nil {
		return a == o
	}
	return slices.Equal(a.Shape, o.Shape) && slices.Equal(a.NumChunks, o.NumChunks) && slices.Equal(a.Dims, o.Dims)
}

func (l *transactionLog) empty() bool {
	for _, list := range [][]NodeID{l.newGroups, l.newArrays, l.deletedGroups, l.deletedArrays, l.updatedArrays, l.updatedGroups} {
		if len(list) > 0 {
			return false
		}
	}
	return len(l.chunks)+len(l.moved) == 0
}

// putManifests writes the new manifests and describes them.
func (r *Repo) putManifests(ctx context.Context, pending []pendingManifest) ([]manifestInfo, error) {
	written := make([]manifestInfo, len(pending))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	for i, p := range pending {
		group.Go(func() error {
			size, err := r.putObject(gctx, manifestFile, p.id, p.flat)
			written[i] = manifestInfo{id: p.id, size: uint64(size), refs: uint32(p.refs)}
			return err
		})
	}
	return written, group.Wait()
}

// listManifests describes every manifest the nodes refer to, in order of their ids.
func (s *snapshotInfo) listManifests(base, written []manifestInfo) error {
	known := map[ID]manifestInfo{}
	for _, m := range slices.Concat(base, written) {
		known[m.id] = m
	}
	s.manifests = nil
	listed := map[ID]bool{}
	for _, n := range s.nodes {
		for _, ref := range n.manifests {
			m, ok := known[ref.id]
			if !ok {
				return fault.New(fault.Corrupt, "array %s refers to manifest %s, which its snapshot does not list", n.Path, ref.id)
			}
			if !listed[ref.id] {
				listed[ref.id], s.manifests = true, append(s.manifests, m)
			}
		}
	}
	slices.SortFunc(s.manifests, func(a, b manifestInfo) int { return bytes.Compare(a.id[:], b.id[:]) })
	return nil
}
