package icechunk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// maxRebases is how often one transaction is put on top of other commits before it gives up.
const maxRebases = 50

// rebase puts the transaction on top of the commits that moved its branch, as their transaction logs
// allow: chunk by chunk within an array, node by node for everything else. What collides is ErrMoved,
// naming the commit: the caller has to plan again, for what it read has changed.
func (tx *Tx) rebase(ctx context.Context, info *repoInfo) error {
	tip, ok := lookup(info.branches, tx.branch)
	if !ok {
		return noBranch(tx.branch, info)
	}
	between, ok := info.between(tx.base.info.id, tip)
	if !ok {
		return fault.New(fault.Conflict, "%w: it was set to snapshot %s, which does not descend from %s", ErrMoved, tip, tx.base.info.id)
	}
	if len(between) > 0 && (len(tx.deleted) > 0 || tx.origin != nil) {
		return tx.movedBy(ctx, between[0], "this transaction deletes or moves nodes")
	}
	for _, e := range slices.Backward(between) {
		for _, id := range append(slices.Clone(e.pruned), e.id) {
			why, err := tx.collision(ctx, id)
			if err != nil {
				return err
			}
			if why != "" {
				return tx.movedBy(ctx, e, why)
			}
		}
	}
	base, err := tx.repo.Snapshot(ctx, tip)
	if err != nil {
		return err
	}
	if why := tx.fits(base); why != "" && len(between) > 0 {
		return tx.movedBy(ctx, between[0], why)
	}
	tx.onto(base)
	return nil
}

// between lists the snapshots after one and up to another of its descendants, newest first.
func (info *repoInfo) between(after, upTo ID) (list []snapshotEntry, ok bool) {
	for id := upTo; id != after; {
		i, ok := info.find(id)
		if !ok || info.snapshots[i].parent == nil || len(list) == len(info.snapshots) {
			return nil, false
		}
		list = append(list, info.snapshots[i])
		id = *info.snapshots[i].parent
	}
	return list, true
}

// collision says why a commit stands in the way of the transaction; "" means that it does not.
func (tx *Tx) collision(ctx context.Context, id ID) (string, error) {
	flat, err := tx.repo.object(ctx, transactionFile, id)
	if errors.Is(err, store.ErrNotFound) {
		return "its transaction log is gone, so nobody can say what it changed", nil
	}
	if err != nil {
		return "", err
	}
	log, err := decodeTransactionLog(flat)
	if err != nil {
		return "", fmt.Errorf("transaction log %s: %w", id, err)
	}
	return tx.collides(log), nil
}

func (tx *Tx) collides(log *transactionLog) string {
	for _, n := range tx.nodes {
		if n.old == nil || !n.changes() {
			continue
		}
		switch {
		case slices.Contains(log.updatedArrays, n.ID), slices.Contains(log.updatedGroups, n.ID):
			return "it changed the shape or the metadata of " + n.Path
		case slices.Contains(log.deletedArrays, n.ID), slices.Contains(log.deletedGroups, n.ID):
			return "it deleted " + n.Path
		}
		for _, u := range log.chunks {
			if u.node != n.ID {
				continue
			}
			if n.reshapes() {
				return "it changed chunks of " + n.Path + ", whose chunks this transaction moves"
			}
			for _, index := range u.indexes {
				if _, both := n.sets[packIndex(index)]; both {
					return fmt.Sprintf("it changed chunk %v of %s", index, n.Path)
				}
			}
		}
	}
	return ""
}

// changes reports whether the transaction does anything to an existing node.
func (n *txNode) changes() bool {
	return len(n.sets) > 0 || n.reshapes() || !bytes.Equal(n.Meta, n.old.Meta)
}

// reshapes reports whether what the transaction does depends on every chunk the array has.
func (n *txNode) reshapes() bool { return len(n.moves) > 0 || !n.Array.equal(n.old.Array) }

// fits checks the transaction's nodes against those of another snapshot. Paths decide what a log with
// its node ids cannot: something new in the same place, or a node that was moved away.
func (tx *Tx) fits(base *Snapshot) string {
	for path, n := range tx.nodes {
		cur, there := base.node(path)
		switch {
		case n.old != nil && (!there || cur.ID != n.ID) && n.changes():
			return "it moved or replaced " + path
		case n.old == nil && there:
			return "it made " + path + " too"
		case n.old == nil && path != "/":
			if _, own := tx.nodes[parentOf(path)]; own {
				continue
			}
			if up, ok := base.node(parentOf(path)); !ok || up.Array != nil {
				return "it removed the group " + parentOf(path)
			}
		}
	}
	return ""
}

// onto makes another snapshot the base. Nodes keep what the transaction changed of them.
func (tx *Tx) onto(base *Snapshot) {
	for path, n := range tx.nodes {
		if n.old == nil {
			continue
		}
		if !n.changes() {
			delete(tx.nodes, path)
			continue
		}
		cur, _ := base.node(path)
		if bytes.Equal(n.Meta, n.old.Meta) && n.Array.equal(n.old.Array) {
			n.snapshotNode = cur
		} else {
			n.manifests, n.extra = cur.manifests, cur.extra
		}
		n.old = &cur
	}
	tx.base = base
}

// movedBy is ErrMoved with the commit in the way.
func (tx *Tx) movedBy(ctx context.Context, e snapshotEntry, why string) error {
	return fault.New(fault.Conflict, "%w: commit %s (%q, %s, by %s) is in the way: %s", ErrMoved, e.id, e.message,
		time.UnixMicro(int64(e.flushed)).UTC().Format(time.RFC3339), tx.repo.writer(ctx, e.id), why)
}

// writer is the program that wrote a snapshot, as its header says.
func (r *Repo) writer(ctx context.Context, id ID) string {
	head, _, err := r.bucket.Read(ctx, folders[snapshotFile]+id.String(), store.Range{Length: headerSize})
	if err != nil {
		return "an unknown program"
	}
	return strings.TrimSpace(string(head[len(magic) : len(magic)+writerSize]))
}
