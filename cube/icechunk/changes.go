package icechunk

import (
	"context"
	"fmt"
)

// Changes is what one commit did, by node: created, updated and deleted groups and arrays, the chunks
// whose reference was set, moved or dropped, and the nodes that got another path.
type Changes struct {
	NewGroups, NewArrays         []NodeID
	UpdatedGroups, UpdatedArrays []NodeID
	DeletedGroups, DeletedArrays []NodeID
	Chunks                       map[NodeID][][]uint32
	Moved                        []Moved
}

// Moved is a node that got another path.
type Moved struct{ From, To string }

// Changes reads the transaction log of a snapshot.
func (r *Repo) Changes(ctx context.Context, id ID) (Changes, error) {
	l, err := r.transactions(ctx, id)
	if err != nil {
		return Changes{}, fmt.Errorf("changes of snapshot %s: %w", id, err)
	}
	c := Changes{
		NewGroups: l.newGroups, NewArrays: l.newArrays, UpdatedGroups: l.updatedGroups, UpdatedArrays: l.updatedArrays,
		DeletedGroups: l.deletedGroups, DeletedArrays: l.deletedArrays, Chunks: map[NodeID][][]uint32{},
	}
	for _, u := range l.chunks {
		c.Chunks[u.node] = u.indexes
	}
	for _, m := range l.moved {
		c.Moved = append(c.Moved, Moved{m.from, m.to})
	}
	return c, nil
}

func (r *Repo) transactions(ctx context.Context, id ID) (*transactionLog, error) {
	flat, err := r.object(ctx, transactionFile, id)
	if err != nil {
		return nil, err
	}
	return decodeTransactionLog(flat)
}
