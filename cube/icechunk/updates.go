package icechunk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

var updateNames = map[updateKind]string{
	repoInitialized: "RepoInitialized", repoMigrated: "RepoMigrated", configChanged: "ConfigChanged", metadataChanged: "MetadataChanged",
	tagCreated: "TagCreated", tagDeleted: "TagDeleted", branchCreated: "BranchCreated", branchDeleted: "BranchDeleted",
	branchReset: "BranchReset", newCommit: "NewCommit", commitAmended: "CommitAmended", detachedSnapshot: "NewDetachedSnapshot",
	gcRan: "GCRan", expirationRan: "ExpirationRan", featureFlagChanged: "FeatureFlagChanged", repoStatusChanged: "RepoStatusChanged",
}

// Update is one entry of the operations log. Kind has the name the official library gives it; one that
// this release does not know is "Unknown(N)". Name is a branch or a tag.
type Update struct {
	Kind               string
	Time               time.Time
	Name               string
	Snapshot, Previous *ID
	Flag               uint16 // FeatureFlagChanged
	FlagValue          *bool  // nil = left to the default
	Status             *Status
	Backup             string // key below overwritten/ of the repo file this entry was the newest of; "" for the newest of all
}

// Updates yields the whole operations log, newest first, through the backups of the repo file. It ends
// where a backup is gone, for garbage collection takes old ones.
func (r *Repo) Updates(ctx context.Context) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		st, err := r.state(ctx)
		if err != nil {
			yield(Update{}, fmt.Errorf("read operations log: %w", err))
			return
		}
		info, backup, seen := st.info, "", map[string]bool{}
		for {
			for i, u := range info.updates {
				if i == 0 && u.backup == "" {
					u.backup = backup // a backup cannot know its own name
				}
				if !yield(u.public(), nil) {
					return
				}
			}
			if backup = info.before; backup == "" {
				return
			}
			if seen[backup] {
				yield(Update{}, fault.New(fault.Corrupt, "read operations log: it comes back to overwritten/%s", backup))
				return
			}
			seen[backup] = true
			if info, err = r.backup(ctx, backup); errors.Is(err, store.ErrNotFound) {
				return
			} else if err != nil {
				yield(Update{}, fmt.Errorf("read operations log: %w", err))
				return
			}
		}
	}
}

// backup reads a former repo file.
func (r *Repo) backup(ctx context.Context, name string) (*repoInfo, error) {
	key := "overwritten/" + name
	raw, _, err := r.bucket.Read(ctx, key, store.Range{})
	if err != nil {
		return nil, err
	}
	flat, err := unseal(repoFile, raw)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", r.bucket.URL(), key, err)
	}
	info, err := decodeRepo(flat)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", r.bucket.URL(), key, err)
	}
	return info, nil
}

func (u update) public() Update {
	p := Update{Kind: updateNames[u.kind], Time: time.UnixMicro(int64(u.at)).UTC(), Name: u.name, Flag: u.flag, Backup: u.backup}
	switch u.kind {
	case newCommit, detachedSnapshot:
		p.Snapshot = &u.next
	case tagDeleted, branchDeleted, branchReset:
		p.Previous = &u.prev
	case commitAmended:
		p.Snapshot, p.Previous = &u.next, &u.prev
	case featureFlagChanged:
		if value := u.from != 0; u.to != 0 {
			p.FlagValue = &value
		}
	case repoStatusChanged:
		if u.status != nil {
			status := u.status.public()
			p.Status = &status
		}
	}
	if p.Kind == "" {
		p.Kind = fmt.Sprintf("Unknown(%d)", u.kind)
	}
	return p
}
