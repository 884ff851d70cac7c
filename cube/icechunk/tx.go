package icechunk

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// Tx gathers changes; nothing is visible before Commit. One goroutine uses it.
type Tx struct {
	repo   *Repo
	branch string
	base   *Snapshot
	// containers are where virtual references may point to
	containers []Container
	nodes      map[string]*txNode // touched ones only

	deleted map[string]bool   // paths of the base that are free again
	origin  map[string]string // where nodes are now and where they were in the base; nil = nothing moved
	done    bool
}

// txNode is a node a transaction touched.
type txNode struct {
	snapshotNode
	old   *snapshotNode                   // nil = created by this transaction
	moves []func(index []uint32) []uint32 // of the base's chunks, in turn; a smaller shape is one that drops
	sets  map[string]Ref                  // by packed index
}

// packIndex makes a map key whose byte order is the order of indexes.
func packIndex(index []uint32) string {
	key := make([]byte, 0, 4*len(index))
	for _, i := range index {
		key = binary.BigEndian.AppendUint32(key, i)
	}
	return string(key)
}

func unpackIndex(key string) []uint32 {
	index := make([]uint32, len(key)/4)
	for i := range index {
		index[i] = binary.BigEndian.Uint32([]byte(key[4*i : 4*i+4]))
	}
	return index
}

// Begin starts a transaction from the tip of a branch.
func (r *Repo) Begin(ctx context.Context, branch string) (*Tx, error) {
	st, err := r.state(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin on branch %q: %w", branch, err)
	}
	tip, ok := lookup(st.info.branches, branch)
	if !ok {
		return nil, noBranch(branch, st.info)
	}
	base, err := r.Snapshot(ctx, tip)
	if err != nil {
		return nil, fmt.Errorf("begin on branch %q: %w", branch, err)
	}
	containers, err := r.knownContainers(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin on branch %q: %w", branch, err)
	}
	return &Tx{repo: r, branch: branch, base: base, containers: containers, nodes: map[string]*txNode{}, deleted: map[string]bool{}}, nil
}

func noBranch(branch string, info *repoInfo) error {
	return fault.New(fault.NotFound, "no branch %q", branch).WithCure("branches: %s", names(info.branches))
}

// Base is the snapshot the transaction builds on.
func (tx *Tx) Base() *Snapshot { return tx.base }

// PutGroup creates a group or updates its zarr.json.
func (tx *Tx) PutGroup(path string, meta []byte) error {
	n, err := tx.put(path, meta, false)
	if err != nil {
		return fmt.Errorf("put group %q: %w", path, err)
	}
	n.Meta = bytes.Clone(meta)
	return nil
}

// PutArray creates an array or updates its zarr.json and shape; the node keeps its id, and chunks
// outside a smaller shape, those of this transaction included, are dropped at once.
func (tx *Tx) PutArray(path string, meta []byte, info ArrayInfo) error {
	if len(info.Shape) != len(info.NumChunks) || (info.Dims != nil && len(info.Dims) != len(info.Shape)) {
		return fault.New(fault.Invalid, "put array %q: shape %v, chunk counts %v and dimension names %q differ in length", path, info.Shape, info.NumChunks, info.Dims)
	}
	n, err := tx.put(path, meta, true)
	if err != nil {
		return fmt.Errorf("put array %q: %w", path, err)
	}
	if n.old != nil && len(n.old.Array.Shape) != len(info.Shape) {
		return fault.New(fault.Invalid, "put array %q: it has %d dimensions, not %d", path, len(n.old.Array.Shape), len(info.Shape)).
			WithCure("make a new array; the number of dimensions is for life")
	}
	now := &ArrayInfo{Shape: slices.Clone(info.Shape), NumChunks: slices.Clone(info.NumChunks), Dims: slices.Clone(info.Dims)}
	if n.Array != nil && shrunk(n.Array, now) {
		n.cut(now)
	}
	n.Meta, n.Array = bytes.Clone(meta), now
	return nil
}

// cut drops what lies outside a smaller shape at once: no later Remap or PutArray brings it back.
func (n *txNode) cut(now *ArrayInfo) {
	maps.DeleteFunc(n.sets, func(key string, _ Ref) bool { return !now.holds(unpackIndex(key)) })
	if n.old == nil {
		return
	}
	n.moves = append(n.moves, func(index []uint32) []uint32 {
		if now.holds(index) {
			return index
		}
		return nil
	})
}

// put finds or makes the node of a path and checks its surroundings.
func (tx *Tx) put(path string, meta []byte, array bool) (*txNode, error) {
	if err := tx.editable(); err != nil {
		return nil, err
	}
	if err := checkPath(path); err != nil {
		return nil, err
	}
	if len(meta) == 0 {
		return nil, fault.New(fault.Invalid, "it has no zarr.json")
	}
	if n, ok := tx.touch(path); ok {
		if (n.Array != nil) != array {
			return nil, fault.New(fault.Invalid, "the path is taken by a node of the other kind").WithCure("choose another path")
		}
		return n, nil
	}
	if path != "/" {
		parent := parentOf(path)
		if n, ok := tx.peek(parent); !ok || n.Array != nil {
			return nil, fault.New(fault.Invalid, "there is no group %q", parent).WithCure("put the group %q first", parent)
		}
	}
	n := &txNode{snapshotNode: snapshotNode{Node: Node{ID: newNodeID(), Path: path}}, sets: map[string]Ref{}}
	tx.nodes[path] = n
	return n, nil
}

// touch returns the node of a path for changing.
func (tx *Tx) touch(path string) (*txNode, bool) {
	if n, ok := tx.nodes[path]; ok {
		return n, true
	}
	old, ok := tx.base.node(path)
	if !ok || tx.deleted[path] {
		return nil, false
	}
	n := &txNode{snapshotNode: old, old: &old, sets: map[string]Ref{}}
	tx.nodes[path] = n
	return n, true
}

func (tx *Tx) peek(path string) (Node, bool) {
	if n, ok := tx.nodes[path]; ok {
		return n.Node, true
	}
	if tx.deleted[path] {
		return Node{}, false
	}
	return tx.base.Node(path)
}

func checkPath(path string) error {
	if path == "/" {
		return nil
	}
	bad := !strings.HasPrefix(path, "/")
	for _, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		bad = bad || part == "" || part == "." || part == ".." || strings.HasPrefix(part, "__")
	}
	if bad {
		return fault.New(fault.Invalid, "bad path").WithCure("a path is absolute, such as /cell/10m/image, without empty, dotted or __ parts")
	}
	return nil
}

func (tx *Tx) array(path string) (*txNode, error) {
	if err := tx.editable(); err != nil {
		return nil, err
	}
	n, ok := tx.touch(path)
	if !ok {
		return nil, fault.New(fault.NotFound, "no array %q on branch %q", path, tx.branch).WithCure("put the array first")
	}
	if n.Array == nil {
		return nil, fault.New(fault.Invalid, "%q is a group, not an array", path)
	}
	return n, nil
}

// SetRef sets the reference of one chunk.
func (tx *Tx) SetRef(path string, index []uint32, ref Ref) error {
	n, err := tx.array(path)
	if err != nil {
		return fmt.Errorf("set chunk %v: %w", index, err)
	}
	if len(index) != len(n.Array.Shape) {
		return fault.New(fault.Invalid, "set chunk %v of %s: the array has %d dimensions", index, path, len(n.Array.Shape))
	}
	if err := ref.check(); err != nil {
		return fmt.Errorf("set chunk %v of %s: %w", index, path, err)
	}
	if ref.virtual() {
		if _, err := locate(tx.containers, ref.Location); err != nil {
			return fmt.Errorf("set chunk %v of %s at %s: %w", index, path, ref.Location, err)
		}
	}
	n.sets[packIndex(index)] = ref
	return nil
}

// Remap moves the references an array has so far, those of this transaction included; move returns
// the new index, or nil to drop the chunk. It must be pure: it is called more than once per chunk.
func (tx *Tx) Remap(path string, move func(index []uint32) []uint32) error {
	n, err := tx.array(path)
	if err != nil {
		return fmt.Errorf("remap: %w", err)
	}
	sets := make(map[string]Ref, len(n.sets))
	for key, ref := range n.sets {
		index := move(unpackIndex(key))
		if index == nil {
			continue
		}
		moved := packIndex(index)
		if _, taken := sets[moved]; taken || len(index) != len(n.Array.Shape) {
			return badMove(path, index)
		}
		sets[moved] = ref
	}
	n.sets = sets
	if n.old != nil {
		n.moves = append(n.moves, move)
	}
	return nil
}

func badMove(path string, index []uint32) error {
	return fault.New(fault.Invalid, "remap %s: no place for a chunk at %v", path, index).
		WithCure("move every chunk to an index of its own inside the chunk grid; grow the array first")
}

// moved tells where a reference of the base goes; nil = dropped.
func (n *txNode) moved(index []uint32) []uint32 {
	for _, move := range n.moves {
		if index = move(slices.Clone(index)); index == nil {
			return nil
		}
	}
	return index
}
