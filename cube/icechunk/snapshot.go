package icechunk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Snapshot is one immutable state of the repository. It is safe for concurrent use.
type Snapshot struct {
	repo *Repo
	info *snapshotInfo
}

// Snapshot opens a snapshot; it is kept in memory, for it never changes.
func (r *Repo) Snapshot(ctx context.Context, id ID) (*Snapshot, error) {
	s, err := r.snapshots.get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fault.New(fault.NotFound, "no snapshot %s: %w", id, err).WithCure("list the snapshots with their log; an expired one is gone")
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", id, err)
	}
	return s, nil
}

func (r *Repo) loadSnapshot(ctx context.Context, id ID) (*Snapshot, int64, error) {
	flat, err := r.object(ctx, snapshotFile, id)
	if err != nil {
		return nil, 0, err
	}
	info, err := decodeSnapshot(flat)
	if err != nil {
		return nil, 0, err
	}
	if info.id != id {
		return nil, 0, fault.New(fault.Corrupt, "decode snapshot: the file says it is %s", info.id)
	}
	return &Snapshot{repo: r, info: info}, int64(2 * len(flat)), nil
}

func (r *Repo) loadManifest(ctx context.Context, id ID) (*manifest, int64, error) {
	flat, err := r.object(ctx, manifestFile, id)
	if err != nil {
		return nil, 0, err
	}
	m, err := decodeManifest(flat)
	if err != nil {
		return nil, 0, err
	}
	if m.id != id {
		return nil, 0, fault.New(fault.Corrupt, "decode manifest: the file says it is %s", m.id)
	}
	return m, int64(m.size), nil
}

// ID is the snapshot's id.
func (s *Snapshot) ID() ID { return s.info.id }

// Nodes lists the groups and arrays in byte order of their paths.
func (s *Snapshot) Nodes() []Node {
	nodes := make([]Node, len(s.info.nodes))
	for i, n := range s.info.nodes {
		nodes[i] = n.Node
	}
	return nodes
}

// Node finds a group or an array.
func (s *Snapshot) Node(path string) (Node, bool) {
	n, ok := s.node(path)
	return n.Node, ok
}

func (s *Snapshot) node(path string) (snapshotNode, bool) {
	i, ok := slices.BinarySearchFunc(s.info.nodes, path, func(n snapshotNode, path string) int { return strings.Compare(n.Path, path) })
	if !ok {
		return snapshotNode{}, false
	}
	return s.info.nodes[i], true
}

func (s *Snapshot) array(path string) (snapshotNode, error) {
	n, ok := s.node(path)
	if !ok {
		return n, fault.New(fault.NotFound, "no array %q in snapshot %s", path, s.info.id)
	}
	if n.Array == nil {
		return n, fault.New(fault.Invalid, "%q in snapshot %s is a group, not an array", path, s.info.id)
	}
	return n, nil
}

// Ref finds the reference of a chunk; false means that the chunk is absent (the fill value).
func (s *Snapshot) Ref(ctx context.Context, path string, index []uint32) (Ref, bool, error) {
	n, err := s.array(path)
	if err != nil {
		return Ref{}, false, err
	}
	if err := n.Array.check(path, index); err != nil {
		return Ref{}, false, err
	}
	return s.find(ctx, n, index)
}

// check refuses an index outside the chunk grid.
func (a *ArrayInfo) check(path string, index []uint32) error {
	if !a.holds(index) {
		return fault.New(fault.Invalid, "chunk %v is outside the chunk grid %v of %s", index, a.NumChunks, path)
	}
	return nil
}

func (a *ArrayInfo) holds(index []uint32) bool {
	if len(index) != len(a.NumChunks) {
		return false
	}
	for i, n := range a.NumChunks {
		if index[i] >= n {
			return false
		}
	}
	return true
}

func (s *Snapshot) find(ctx context.Context, n snapshotNode, index []uint32) (Ref, bool, error) {
	for _, m := range n.manifests {
		if !m.holds(index) {
			continue
		}
		file, err := s.repo.manifests.get(ctx, m.id)
		if err != nil {
			return Ref{}, false, fmt.Errorf("look up chunk %v of %s: manifest %s: %w", index, n.Path, m.id, err)
		}
		ref, ok, err := file.find(n.ID, index)
		if err != nil {
			return Ref{}, false, fmt.Errorf("look up chunk %v of %s: manifest %s: %w", index, n.Path, m.id, err)
		}
		if ok {
			return ref, true, nil
		}
	}
	return Ref{}, false, nil
}

// Refs yields every reference of an array, ordered within each manifest.
func (s *Snapshot) Refs(ctx context.Context, path string) iter.Seq2[ChunkAt, error] {
	return func(yield func(ChunkAt, error) bool) {
		n, err := s.array(path)
		if err != nil {
			yield(ChunkAt{}, err)
			return
		}
		for c, err := range s.refs(ctx, n, n.manifests) {
			if err == nil && !n.Array.holds(c.Index) {
				continue // left behind by a shrunk array
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// refs yields the references of an array that some of its manifests hold, within their extents.
func (s *Snapshot) refs(ctx context.Context, n snapshotNode, manifests []manifestRef) iter.Seq2[ChunkAt, error] {
	return func(yield func(ChunkAt, error) bool) {
		for _, m := range manifests {
			file, err := s.repo.manifests.get(ctx, m.id)
			if err != nil {
				yield(ChunkAt{}, fmt.Errorf("list chunks of %s: manifest %s: %w", n.Path, m.id, err))
				return
			}
			refs := file.refs(n.ID)
			for i := range refs.n {
				c, err := file.at(refs, i)
				if err == nil && len(c.Index) != len(m.extents) {
					err = fault.New(fault.Corrupt, "chunk %v has %d coordinates for %d dimensions", c.Index, len(c.Index), len(m.extents))
				}
				if err != nil {
					yield(ChunkAt{}, fmt.Errorf("list chunks of %s: manifest %s: %w", n.Path, m.id, err))
					return
				}
				if m.holds(c.Index) && !yield(c, nil) {
					return
				}
			}
		}
	}
}
