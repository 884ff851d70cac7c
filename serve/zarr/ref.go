package zarr

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// pinFor is how long a pinned name is taken to exist without looking: what it means never changes, but
// a tag can be deleted and a snapshot can expire.
const (
	pinFor  = time.Minute
	maxPins = 4096
)

type pinKey struct {
	repo *icechunk.Repo
	ref  string
}

type pin struct {
	id    icechunk.ID
	until time.Time
}

// resolved is what a ref means at this moment; pinned says that it will always mean that.
type resolved struct {
	id     icechunk.ID
	pinned bool
}

// resolve turns a branch, a tag, or a snapshot's id with or without @ into a snapshot. A branch is looked
// up for each request, so that nothing stale is shown.
func (v *view) resolve(ctx context.Context, repo *icechunk.Repo, cube, ref string) (resolved, error) {
	key := pinKey{repo, ref}
	v.mu.Lock()
	known, ok := v.pins[key]
	v.mu.Unlock()
	if ok && v.now().Before(known.until) {
		return resolved{known.id, true}, nil
	}
	at, err := lookup(ctx, repo, cube, ref)
	if err != nil || !at.pinned {
		return at, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.pins) >= maxPins {
		clear(v.pins)
	}
	v.pins[key] = pin{at.id, v.now().Add(pinFor)}
	return at, nil
}

func lookup(ctx context.Context, repo *icechunk.Repo, cube, ref string) (resolved, error) {
	if name, isSnapshot := strings.CutPrefix(ref, "@"); isSnapshot {
		if _, err := icechunk.ParseID(name); err == nil {
			ref = name
		}
	}
	branches, err := repo.Branches(ctx)
	if err != nil {
		return resolved{}, err
	}
	tags, err := repo.Tags(ctx)
	if err != nil {
		return resolved{}, err
	}
	branch, isBranch := branches[ref]
	tag, isTag := tags[ref]
	switch {
	case isBranch && isTag && branch != tag:
		// A cache may hold one under the other's lasting address.
		return resolved{}, fault.New(fault.Conflict, "cube %q has a branch and a tag named %q, at different snapshots", cube, ref).
			WithCure("name the snapshot: %s for the branch, %s for the tag", home(cube, "@"+branch.String()), home(cube, "@"+tag.String()))
	case isBranch:
		return resolved{branch, false}, nil
	case isTag:
		return resolved{tag, true}, nil
	}
	if _, err := icechunk.ParseID(ref); err == nil {
		id, err := repo.Resolve(ctx, ref)
		if err == nil || !fault.Is(err, fault.NotFound) {
			return resolved{id, true}, err
		}
	}
	return resolved{}, fault.New(fault.NotFound, "cube %q has no branch, tag or snapshot %q", cube, ref).
		WithCure("see %s/%s/ for those there are; the slashes of a tag are written %%2F", Prefix, url.PathEscape(cube))
}

// home is the path of a snapshot's topmost group.
func home(cube, ref string) string {
	return Prefix + "/" + url.PathEscape(cube) + "/" + url.PathEscape(ref) + "/"
}
