package icechunk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/terrapin-eo/terrapin/fault"
)

// Resolve turns the name of a branch or a tag, or a snapshot id, into the snapshot's id. A branch
// wins over a tag of the same name.
func (r *Repo) Resolve(ctx context.Context, ref string) (ID, error) {
	st, err := r.state(ctx)
	if err != nil {
		return ID{}, fmt.Errorf("resolve %q: %w", ref, err)
	}
	for _, list := range [][]named{st.info.branches, st.info.tags} {
		if id, ok := lookup(list, ref); ok {
			return id, nil
		}
	}
	if id, err := ParseID(ref); err == nil {
		if _, ok := st.info.find(id); ok {
			return id, nil
		}
	}
	return ID{}, fault.New(fault.NotFound, "no branch, tag or snapshot %q at %s", ref, r.bucket.URL()).
		WithCure("branches: %s; tags: %s", names(st.info.branches), names(st.info.tags))
}

// names lists the first few names of a list for a message.
func names(list []named) string {
	const most = 20
	var out []string
	for _, n := range list[:min(len(list), most)] {
		out = append(out, n.name)
	}
	switch more := len(list) - most; {
	case len(list) == 0:
		return "none"
	case more > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(out, ", "), more)
	}
	return strings.Join(out, ", ")
}

// Branches lists the branches with their tips.
func (r *Repo) Branches(ctx context.Context) (map[string]ID, error) {
	st, err := r.state(ctx)
	if err != nil {
		return nil, fmt.Errorf("list branches: %w", err)
	}
	return byName(st.info.branches), nil
}

// Tags lists the tags with their targets.
func (r *Repo) Tags(ctx context.Context) (map[string]ID, error) {
	st, err := r.state(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tags: %w", err)
	}
	return byName(st.info.tags), nil
}

func byName(list []named) map[string]ID {
	m := make(map[string]ID, len(list))
	for _, n := range list {
		m[n.name] = n.at
	}
	return m
}

// Tag names a snapshot for ever; naming the same snapshot again is no error.
func (r *Repo) Tag(ctx context.Context, name string, at ID) error {
	if err := checkRefName("tag", name); err != nil {
		return err
	}
	err := r.update(ctx, func(info *repoInfo) (*update, error) {
		if have, ok := lookup(info.tags, name); ok {
			if have == at {
				return nil, nil
			}
			return nil, fault.New(fault.Conflict, "the tag exists and names %s, not %s", have, at).WithCure("tags never move: choose another name")
		}
		if slices.Contains(info.deletedTags, name) {
			return nil, fault.New(fault.Conflict, "a tag of this name was deleted").WithCure("deleted tags may not come back: choose another name")
		}
		if err := info.allows(createTagFlag); err != nil {
			return nil, err
		}
		if _, ok := info.find(at); !ok {
			return nil, fault.New(fault.NotFound, "no snapshot %s at %s", at, r.bucket.URL())
		}
		info.tags = insertNamed(info.tags, named{name, at})
		return &update{kind: tagCreated, name: name}, nil
	})
	if err != nil {
		return fmt.Errorf("tag %q: %w", name, err)
	}
	return nil
}

// CreateBranch starts a branch at a snapshot; a branch that is there already with that tip is no error.
func (r *Repo) CreateBranch(ctx context.Context, name string, at ID) error {
	if err := checkRefName("branch", name); err != nil {
		return err
	}
	err := r.update(ctx, func(info *repoInfo) (*update, error) {
		if have, ok := lookup(info.branches, name); ok {
			if have == at {
				return nil, nil
			}
			return nil, fault.New(fault.Conflict, "the branch exists with its tip at %s", have).WithCure("choose another name")
		}
		if _, ok := info.find(at); !ok {
			return nil, fault.New(fault.NotFound, "no snapshot %s at %s", at, r.bucket.URL())
		}
		info.branches = insertNamed(info.branches, named{name, at})
		return &update{kind: branchCreated, name: name}, nil
	})
	if err != nil {
		return fmt.Errorf("create branch %q: %w", name, err)
	}
	return nil
}

func insertNamed(list []named, n named) []named {
	i, _ := slices.BinarySearchFunc(list, n.name, func(n named, name string) int { return strings.Compare(n.name, name) })
	return slices.Insert(list, i, n)
}

// checkRefName refuses names that people or tools cannot tell from something else.
func checkRefName(what, name string) error {
	bad := ""
	_, isID := ParseID(name)
	switch {
	case name == "" || len(name) > 1024:
		bad = "it must have 1 to 1024 bytes"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		bad = "it holds control characters or is not UTF-8"
	case isID == nil:
		bad = "it reads as a snapshot id"
	default:
		return nil
	}
	return fault.New(fault.Invalid, "bad %s name %q: %s", what, name, bad).WithCure("use letters, digits, '-', '_', '.' and '/'")
}

// Log lists a snapshot and its ancestors, newest first.
func (r *Repo) Log(ctx context.Context, from ID) ([]SnapshotInfo, error) {
	st, err := r.state(ctx)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", from, err)
	}
	entries, err := st.info.ancestors(from)
	if err != nil {
		return nil, fmt.Errorf("log of %s at %s: %w", from, r.bucket.URL(), err)
	}
	log := make([]SnapshotInfo, len(entries))
	for i, e := range entries {
		metadata, err := decodeMetadata(e.metadata)
		if err != nil {
			return nil, fmt.Errorf("log of %s: snapshot %s: %w", from, e.id, err)
		}
		log[i] = SnapshotInfo{ID: e.id, Time: time.UnixMicro(int64(e.flushed)).UTC(), Message: e.message, Metadata: metadata}
		if e.parent != nil {
			parent := *e.parent
			log[i].Parent = &parent
		}
	}
	return log, nil
}
