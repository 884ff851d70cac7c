package labels

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/terrapin-eo/terrapin/commit"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// attempts bounds how often a commit is planned again because another one came first.
const attempts = 50

// base is what a new revision builds on.
type base struct {
	newest *record // nil where the set has no revision
	parent *record // nil where the new revision starts anew
	ledger ledger
	since  time.Time
}

// openBase finds what a revision of a state builds on: accepted revisions on the newest accepted one,
// so that no draft slips in unreviewed, drafts on the newest of all.
func openBase(ctx context.Context, cfg Config, set string, state State, anew bool) (base, error) {
	spec := cfg.Cube.Spec()
	b := base{ledger: ledger{Grid: spec.Grid}, since: cfg.now()}
	recs, err := history(ctx, cfg.Root, set)
	if fault.Is(err, fault.NotFound) {
		return b, nil
	}
	if err != nil {
		return base{}, err
	}
	b.since, b.newest = recs[0].Created, &recs[len(recs)-1]
	if err := b.newest.sameCube(spec.Name, spec.Grid); err != nil {
		return base{}, err
	}
	for i := len(recs) - 1; i >= 0 && b.parent == nil && !anew; i-- {
		if state == Draft || recs[i].State == Accepted {
			b.parent = &recs[i]
		}
	}
	if b.parent != nil {
		b.ledger, err = b.parent.ledger(ctx, cfg.Root)
	}
	return b, err
}

// already returns the revision that says what a ledger says, if the newest one of its standing does.
func (b base) already(digest string, state State) *record {
	for _, r := range []*record{b.newest, b.parent} {
		if r != nil && r.Digest == digest && (r.State == state || r.State == Accepted) {
			return r
		}
	}
	return nil
}

// commit writes a ledger as the revision after the newest one. Its error wraps store.ErrConflict
// where another revision took the number.
func (b base) commit(ctx context.Context, cfg Config, set string, l ledger, digest string, state State, actor, message string) (record, burned, error) {
	n := 1
	r := record{
		Head:  commit.Head{Kind: kind, Name: set, Digest: digest, Actor: actor, Created: cfg.now().Truncate(time.Microsecond)},
		State: state, Cube: cfg.Cube.Spec().Name, Message: message, Features: len(l.Features),
		Grid: l.Grid, DType: l.DType, Ignore: l.Ignore, Classes: l.classes(), ClassMap: l.ClassMap,
		Files: map[string]string{},
	}
	if b.newest != nil {
		n = number(b.newest.Revision) + 1
	}
	if b.parent != nil {
		r.Parent = b.parent.Revision
	}
	r.Revision = fmt.Sprintf("r%d", n)
	r.Data = fmt.Sprintf("labels/%s/%s/%s", set, r.Revision, uuid.NewString()[:8])
	pixels, err := r.writeData(ctx, cfg.Root, l)
	if err != nil {
		return record{}, burned{}, err
	}
	features, err := l.encode()
	if err != nil {
		return record{}, burned{}, err
	}
	r.FeaturesSHA256 = checksum(features)
	r.Files[r.below(r.Data+"/features.geojson")] = r.FeaturesSHA256
	if _, err := cfg.Root.Write(ctx, r.Data+"/features.geojson", features, store.Condition{}); err != nil {
		return record{}, burned{}, err
	}
	if r.STAC, err = r.describeSTAC(l, pixels, b.since); err != nil {
		return record{}, burned{}, err
	}
	err = commit.Write(ctx, cfg.Root, folder(set, n), &r)
	return r, pixels, err
}

// below is a key as seen from the revision's folder.
func (r record) below(key string) string {
	return strings.TrimPrefix(key, fmt.Sprintf("labels/%s/%s/", r.Name, r.Revision))
}

// writeData writes the rasters that are new and the burned one, and notes their checksums in Files.
func (r record) writeData(ctx context.Context, root *store.Bucket, l ledger) (burned, error) {
	for i := range l.Features {
		m := l.Features[i].Mask
		if m == nil || m.pixels == nil {
			continue
		}
		m.Key = fmt.Sprintf("%s/masks/%d", r.Data, i)
		shape := [2]int{m.Window.Height, m.Window.Width}
		if err := r.writeRaster(ctx, root, m.Key, shape, m.DType, m.fill(), nil, m.pixels); err != nil {
			return burned{}, err
		}
	}
	pixels, err := l.burn(ctx, root)
	if err != nil {
		return burned{}, err
	}
	shape := [2]int{l.Grid.Height, l.Grid.Width}
	return pixels, r.writeRaster(ctx, root, r.Data+"/raster", shape, l.DType, l.Ignore, l.attributes(), pixels.data)
}

// retry calls attempt again for as long as another commit came first.
func retry(set string, attempt func() error) error {
	for range attempts {
		if err := attempt(); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fault.New(fault.Unavailable, "label set %q: %d other revisions came first", set, attempts).WithCure("try again")
}

// Revert makes a new accepted revision with the content of an older one, drafts included, so that it
// is also how a draft is accepted. Where the newest accepted revision says the same, that one is
// returned.
func Revert(ctx context.Context, cfg Config, set, revision, actor string) (Entry, error) {
	var out Entry
	if number(revision) == 0 {
		return out, fault.New(fault.Invalid, "%q is no revision of a label set", revision).WithCure("name one, such as r3")
	}
	err := retry(set, func() error {
		old, err := find(ctx, cfg.Root, set, revision)
		if err != nil {
			return err
		}
		b, err := openBase(ctx, cfg, set, Accepted, false)
		if err != nil {
			return err
		}
		if b.parent != nil && b.parent.Digest == old.Digest {
			out = b.parent.describe()
			return nil
		}
		l, err := old.ledger(ctx, cfg.Root)
		if err != nil {
			return err
		}
		r, _, err := b.commit(ctx, cfg, set, l, old.Digest, Accepted, actor, "revert to "+revision)
		if err == nil {
			out = r.describe()
		}
		return err
	})
	return out, err
}
