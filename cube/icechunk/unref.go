package icechunk

import (
	"context"
	"fmt"
	"slices"

	"github.com/terrapin-eo/terrapin/fault"
)

// DeleteTag takes a tag away; its name may never be used again. Its snapshot stays until it expires.
func (r *Repo) DeleteTag(ctx context.Context, name string) error {
	err := r.update(ctx, func(info *repoInfo) (*update, error) {
		at, ok := lookup(info.tags, name)
		if !ok {
			return nil, fault.New(fault.NotFound, "no such tag").WithCure("tags: %s", names(info.tags))
		}
		if err := info.allows(deleteTagFlag); err != nil {
			return nil, err
		}
		info.tags = removeNamed(info.tags, name)
		i, _ := slices.BinarySearch(info.deletedTags, name)
		info.deletedTags = slices.Insert(slices.Clone(info.deletedTags), i, name)
		return &update{kind: tagDeleted, name: name, prev: at}, nil
	})
	if err != nil {
		return fmt.Errorf("delete tag %q: %w", name, err)
	}
	return nil
}

// DeleteBranch takes a branch away, but never main; its snapshots stay until they expire.
func (r *Repo) DeleteBranch(ctx context.Context, name string) error {
	if name == mainBranch {
		return fault.New(fault.Invalid, "delete branch %q: every repository has it", name).WithCure("reset it to another snapshot instead")
	}
	err := r.update(ctx, func(info *repoInfo) (*update, error) {
		at, ok := lookup(info.branches, name)
		if !ok {
			return nil, noBranch(name, info)
		}
		info.branches = removeNamed(info.branches, name)
		return &update{kind: branchDeleted, name: name, prev: at}, nil
	})
	if err != nil {
		return fmt.Errorf("delete branch %q: %w", name, err)
	}
	return nil
}

// ResetBranch moves the tip of a branch to any snapshot of the repository, provided that the branch still
// stands where the caller saw it (from); else ErrMoved. Commits that no ref reaches then are garbage.
func (r *Repo) ResetBranch(ctx context.Context, name string, from, to ID) error {
	err := r.update(ctx, func(info *repoInfo) (*update, error) {
		i := slices.IndexFunc(info.branches, func(n named) bool { return n.name == name })
		if i < 0 {
			return nil, noBranch(name, info)
		}
		if info.branches[i].at == to {
			return nil, nil
		}
		if info.branches[i].at != from {
			return nil, ErrMoved
		}
		if _, ok := info.find(to); !ok {
			return nil, fault.New(fault.NotFound, "no snapshot %s at %s", to, r.bucket.URL())
		}
		info.branches[i].at = to
		return &update{kind: branchReset, name: name, prev: from}, nil
	})
	if err != nil {
		return fmt.Errorf("reset branch %q to %s: %w", name, to, err)
	}
	return nil
}

func removeNamed(list []named, name string) []named {
	return slices.DeleteFunc(list, func(n named) bool { return n.name == name })
}
