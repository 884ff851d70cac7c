package icechunk

import (
	"context"
	"fmt"
)

// Changes is what one commit did, by node: created or updated groups and arrays, and the chunks
// whose reference was set, moved or dropped.
type Changes struct {
	NewGroups, NewArrays         []NodeID
	UpdatedGroups, UpdatedArrays []NodeID
	DeletedGroups, DeletedArrays []NodeID
	Chunks                       map[NodeID][][]uint32
}

// Changes reads the transaction log of a snapshot.
func (r *Repo) Changes(ctx context.Context, id ID) (Changes, error) {
	flat, err := r.object(ctx, transactionFile, id)
	if err != nil {
		return Changes{}, fmt.Errorf("changes of snapshot %s: %w", id, err)
	}
	l, err := decodeTransactionLog(flat)
	if err != nil {
		return Changes{}, fmt.Errorf("changes of snapshot %s: %w", id, err)
	}
	c := Changes{l.newGroups, l.newArrays, l.updatedGroups, l.updatedArrays, l.deletedGroups, l.deletedArrays, map[NodeID][][]uint32{}}
	for _, u := range l.chunks {
		c.Chunks[u.node] = u.indexes
	}
	return c, nil
}
