package icechunk

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// ExpireConfig says what Expire may drop.
type ExpireConfig struct {
	// Before: only snapshots made earlier are dropped.
	Before time.Time
	// Keep names snapshots that stay although no branch or tag ends there, such as those that dataset
	// versions name.
	Keep []ID
}

// ExpireReport is what Expire did.
type ExpireReport struct {
	Dropped []ID // no longer in any history; Collect deletes their files
	Edited  []ID // their parent was dropped, so they have another one
}

// Expire takes old snapshots out of the histories: all that were made before a time and are neither
// the tip of a branch, nor named by a tag or kept, nor the first of their history. What descends from
// them gets the nearest ancestor left as its parent, and the list of the transaction logs in between
// (pruned_ancestor_tx_logs, spec 2.1), which stay. Only the repo file changes; no object is deleted.
func (r *Repo) Expire(ctx context.Context, c ExpireConfig) (ExpireReport, error) {
	var report ExpireReport
	err := r.update(ctx, func(info *repoInfo) (*update, error) {
		if report = info.expire(c); len(report.Dropped) == 0 {
			return nil, nil
		}
		return &update{kind: expirationRan}, nil
	})
	if err != nil {
		return ExpireReport{}, fmt.Errorf("expire snapshots of %s: %w", r.bucket.URL(), err)
	}
	return report, nil
}

// expire drops what Expire may drop.
func (info *repoInfo) expire(c ExpireConfig) ExpireReport {
	stays := map[ID]bool{InitialID: true}
	for _, n := range slices.Concat(info.branches, info.tags) {
		stays[n.at] = true
	}
	for _, id := range c.Keep {
		stays[id] = true
	}
	before := uint64(max(c.Before.UnixMicro(), 0))
	dropped := map[ID]bool{}
	for _, e := range info.snapshots {
		if e.flushed < before && e.parent != nil && !stays[e.id] {
			dropped[e.id] = true
		}
	}
	if len(dropped) == 0 {
		return ExpireReport{}
	}
	return info.drop(dropped)
}

// drop takes snapshots out and closes the gaps: a child of a dropped one goes to the nearest ancestor
// left and lists the logs in between, oldest first, each after those it listed itself.
func (info *repoInfo) drop(dropped map[ID]bool) (report ExpireReport) {
	kept := make([]snapshotEntry, 0, len(info.snapshots))
	for _, e := range info.snapshots {
		if dropped[e.id] {
			report.Dropped = append(report.Dropped, e.id)
			continue
		}
		if e.parent != nil && dropped[*e.parent] {
			e.parent, e.pruned = info.bridge(e, dropped)
			report.Edited = append(report.Edited, e.id)
		}
		kept = append(kept, e)
	}
	info.snapshots = kept
	return report
}

// bridge finds the nearest ancestor that is not dropped, and the logs between it and a snapshot.
func (info *repoInfo) bridge(e snapshotEntry, dropped map[ID]bool) (parent *ID, logs []ID) {
	var between []snapshotEntry
	for parent = e.parent; parent != nil && dropped[*parent] && len(between) < len(info.snapshots); {
		i, ok := info.find(*parent)
		if !ok {
			parent = nil
			break
		}
		between = append(between, info.snapshots[i])
		parent = info.snapshots[i].parent
	}
	for _, b := range slices.Backward(between) {
		logs = append(append(logs, b.pruned...), b.id)
	}
	return parent, append(logs, e.pruned...)
}
