package icechunk

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// Delete removes a group or an array; a group goes with everything below it. The path is free again
// at once: what is put there is another node with an id of its own.
func (tx *Tx) Delete(path string) error {
	if err := tx.editable(); err != nil {
		return fmt.Errorf("delete %q: %w", path, err)
	}
	if _, ok := tx.peek(path); !ok {
		return fault.New(fault.NotFound, "delete %q: there is no such node on branch %q", path, tx.branch)
	}
	for p := range tx.nodes {
		if below(p, path) {
			delete(tx.nodes, p)
		}
	}
	for _, n := range tx.base.info.nodes {
		if below(n.Path, path) {
			tx.deleted[n.Path] = true
		}
	}
	return nil
}

// below reports whether a path is the other or lies under it.
func below(path, top string) bool {
	return path == top || top == "/" || strings.HasPrefix(path, top+"/")
}

// Move gives a node, and everything below it, another path; ids, references and metadata stay. The
// new path must be free and its parent a group. A transaction that moves nodes does nothing else, as
// the official library has it: a rebase can then tell moves from edits.
func (tx *Tx) Move(from, to string) error {
	err := tx.move(from, to)
	if err != nil {
		return fmt.Errorf("move %q to %q: %w", from, to, err)
	}
	return nil
}

func (tx *Tx) move(from, to string) error {
	if len(tx.nodes)+len(tx.deleted) > 0 {
		return fault.New(fault.Invalid, "the transaction has changed nodes already").WithCure("commit the changes first and move in a transaction of its own")
	}
	if err := checkPath(to); err != nil {
		return err
	}
	if tx.origin == nil {
		tx.origin = make(map[string]string, len(tx.base.info.nodes))
		for _, n := range tx.base.info.nodes {
			tx.origin[n.Path] = n.Path
		}
	}
	if _, ok := tx.origin[from]; !ok {
		return fault.New(fault.NotFound, "there is no such node on branch %q", tx.branch)
	}
	if below(to, from) {
		return fault.New(fault.Invalid, "the new path is the old one or below it").WithCure("choose a path outside of the moved node")
	}
	if _, ok := tx.origin[to]; ok {
		return fault.New(fault.Conflict, "the new path is taken").WithCure("move or delete what is there first, or choose another path")
	}
	if n, ok := tx.base.node(tx.origin[parentOf(to)]); !ok || n.Array != nil {
		return fault.New(fault.Invalid, "there is no group %q", parentOf(to)).WithCure("put the group %q first", parentOf(to))
	}
	for _, path := range slices.Sorted(maps.Keys(tx.origin)) {
		if below(path, from) {
			tx.origin[to+path[len(from):]] = tx.origin[path]
			delete(tx.origin, path)
		}
	}
	return nil
}

func parentOf(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 1)] }

// editable refuses edits in a transaction that moves nodes.
func (tx *Tx) editable() error {
	if tx.origin == nil {
		return nil
	}
	return fault.New(fault.Invalid, "the transaction moves nodes").WithCure("commit the moves first; a transaction that moves does nothing else")
}

// planMoved renames nodes and lists what moved, in order of the new paths by segment.
func (tx *Tx) planMoved(nodes map[string]snapshotNode, log *transactionLog) {
	if tx.origin == nil {
		return
	}
	base := maps.Clone(nodes)
	clear(nodes)
	for path, from := range tx.origin {
		n := base[from]
		n.Path = path
		nodes[path] = n
		if path != from {
			log.moved = append(log.moved, movedNode{from: from, to: path, node: n.ID, array: n.Array != nil})
		}
	}
	slices.SortFunc(log.moved, func(a, b movedNode) int { return compareSegments(a.to, b.to) })
}

// planDeleted drops the deleted nodes and lists them. A node put in the place of one keeps its entry.
func (tx *Tx) planDeleted(nodes map[string]snapshotNode, log *transactionLog) {
	for path := range tx.deleted {
		n, ok := nodes[path]
		if !ok {
			continue
		}
		delete(nodes, path)
		if n.Array != nil {
			log.deletedArrays = append(log.deletedArrays, n.ID)
		} else {
			log.deletedGroups = append(log.deletedGroups, n.ID)
		}
	}
}

// compareSegments orders paths so that each node is followed by what is below it: /a < /a/b < /a-b.
func compareSegments(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}
