package icechunk

import (
	"context"
	"errors"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Check reads whatever reading the cube does not: the file of each snapshot, the transaction log of each
// commit, those of expired ones that are still listed, and the copies of the repo file. It calls report with the key of what
// is missing or does not read; an error from report ends it.
func (r *Repo) Check(ctx context.Context, report func(key string, err error) error) error {
	st, err := r.state(ctx)
	if err != nil {
		return report("repo", err)
	}
	for _, e := range st.info.snapshots {
		if err := r.checkSnapshot(ctx, e, report); err != nil {
			return err
		}
		logs := append([]ID{e.id}, e.pruned...)
		for i, id := range logs {
			err := r.checkLog(ctx, id)
			if i == 0 && e.parent == nil && errors.Is(err, store.ErrNotFound) {
				continue // what has no parent may do without
			}
			if err != nil {
				if err := report(folders[transactionFile]+id.String(), err); err != nil {
					return err
				}
			}
		}
	}
	for info, err := range r.bucket.List(ctx, overwritten) {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(info.Key, overwritten)
		if !strings.HasPrefix(name, "repo.") {
			continue
		}
		if _, err := r.backup(ctx, name); err != nil && !errors.Is(err, store.ErrNotFound) {
			if err := report(info.Key, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Repo) checkSnapshot(ctx context.Context, e snapshotEntry, report func(string, error) error) error {
	flat, err := r.object(ctx, snapshotFile, e.id)
	var s *snapshotInfo
	if err == nil {
		s, err = decodeSnapshot(flat)
	}
	if err == nil && s.id != e.id {
		err = fault.New(fault.Corrupt, "it is the file of snapshot %s", s.id)
	}
	if err != nil {
		return report(folders[snapshotFile]+e.id.String(), err)
	}
	return nil
}

func (r *Repo) checkLog(ctx context.Context, id ID) error {
	flat, err := r.object(ctx, transactionFile, id)
	if err != nil {
		return err
	}
	l, err := decodeTransactionLog(flat)
	if err == nil && l.id != id {
		err = fault.New(fault.Corrupt, "it is the log of snapshot %s", l.id)
	}
	return err
}
