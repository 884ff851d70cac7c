package icechunk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// markers is how many files are read at once to find what they need; it bounds the memory.
const markers = 4

// marks is what must not be deleted, by kind. Packs keep the sets small: one entry stands for all
// chunks of an object.
type marks struct {
	mu        sync.Mutex
	snapshots map[ID]struct{}
	logs      map[ID]struct{}
	manifests map[ID]uint32 // with how many references they hold
	chunks    map[ID]struct{}
}

func newMarks() *marks {
	return &marks{snapshots: map[ID]struct{}{}, logs: map[ID]struct{}{}, manifests: map[ID]uint32{}, chunks: map[ID]struct{}{}}
}

// reached lists the snapshots that branches, tags and kept ids lead to, ancestors included, and the
// first of every history.
func (info *repoInfo) reached(keep []ID) map[ID]bool {
	seen := map[ID]bool{}
	walk := func(from ID) {
		for next := &from; next != nil && !seen[*next]; {
			i, ok := info.find(*next)
			if !ok {
				return
			}
			seen[*next] = true
			next = info.snapshots[i].parent
		}
	}
	for _, n := range slices.Concat(info.branches, info.tags) {
		walk(n.at)
	}
	for _, id := range keep {
		walk(id)
	}
	for _, e := range info.snapshots {
		if e.parent == nil {
			seen[e.id] = true
		}
	}
	return seen
}

// mark reads snapshots and all their manifests. One that optional names may be missing.
func (m *marks) mark(ctx context.Context, r *Repo, ids []ID, optional func(ID) bool) error {
	files := map[ID]bool{}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(markers)
	for _, id := range ids {
		m.snapshots[id], m.logs[id] = struct{}{}, struct{}{}
		group.Go(func() error {
			flat, err := r.object(gctx, snapshotFile, id)
			if errors.Is(err, store.ErrNotFound) && optional(id) {
				return nil
			}
			var list []ID
			if err == nil {
				list, err = snapshotManifests(flat)
			}
			if err != nil {
				return unreadable("snapshot", id, err)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, f := range list {
				if _, known := m.manifests[f]; !known {
					files[f] = true
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	group, gctx = errgroup.WithContext(ctx)
	group.SetLimit(markers)
	for id := range files {
		group.Go(func() error { return m.markManifest(gctx, r, id) })
	}
	return group.Wait()
}

func (m *marks) markManifest(ctx context.Context, r *Repo, id ID) error {
	file, _, err := r.loadManifest(ctx, id)
	if err != nil {
		return unreadable("manifest", id, err)
	}
	objects := map[ID]struct{}{}
	refs, err := file.objects(objects)
	if err != nil {
		return unreadable("manifest", id, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.manifests[id] = uint32(refs)
	for object := range objects {
		m.chunks[object] = struct{}{}
	}
	return nil
}

// unreadable refuses to go on: what cannot be read may need anything.
func unreadable(what string, id ID, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fault.New(fault.Corrupt, "%s %s is needed and missing: %w", what, id, err).WithCure("run `terrapin store fsck`, and bring the object back from a backup")
	}
	return fmt.Errorf("%s %s: %w", what, id, err)
}

// objects adds the chunk objects a manifest refers to and counts its references.
func (m *manifest) objects(into map[ID]struct{}) (refs int, err error) {
	defer guard("manifest", &err)
	var last ID
	for _, a := range m.arrays {
		refs += a.refs.n
		for i := range a.refs.n {
			if id, ok := a.refs.table(i).id(4); ok && id != last {
				last, into[id] = id, struct{}{}
			}
		}
	}
	return refs, nil
}

// snapshotManifests lists the manifests a snapshot needs: those its nodes name and those it lists.
func snapshotManifests(flat []byte) (ids []ID, err error) {
	info, err := decodeSnapshot(flat)
	if err != nil {
		return nil, err
	}
	for _, n := range info.nodes {
		for _, ref := range n.manifests {
			ids = append(ids, ref.id)
		}
	}
	for _, f := range info.manifests {
		ids = append(ids, f.id)
	}
	return ids, nil
}

// backups lists the copies of the repo file through which the operations log goes on.
func (r *Repo) backups(ctx context.Context, info *repoInfo) (map[string]bool, error) {
	needed := map[string]bool{}
	for at := info.before; at != "" && !needed[at]; {
		needed[at] = true
		raw, _, err := r.bucket.Read(ctx, overwritten+at, store.Range{})
		if errors.Is(err, store.ErrNotFound) {
			break // the chain was cut before
		}
		var flat []byte
		if err == nil {
			flat, err = unseal(repoFile, raw)
		}
		var next string
		if err == nil {
			next, err = repoBefore(flat)
		}
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", overwritten, at, err)
		}
		at = next
	}
	return needed, nil
}

func repoBefore(flat []byte) (name string, err error) {
	defer guard("repo", &err)
	t := rootTable(flat)
	return t.str(8), nil
}
