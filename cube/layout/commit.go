package layout

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// GroupSize is how many scenes one snapshot takes at most.
const GroupSize = 64

const maxAttempts = 100

// Result is what a commit did: the snapshot that holds it and one outcome per scene, in the order given.
type Result struct {
	Snapshot string
	Outcomes []Outcome
}

// Commit makes staged scenes visible, in groups of up to GroupSize per snapshot. A branch that moved meanwhile
// is planned for again. When it fails, the groups committed before stay, and their outcomes are returned.
// Calls that wait for each other are committed together; each gets its own outcomes, and one that
// fails does not fail the others.
func (c *Cube) Commit(ctx context.Context, staged []*Staged, message string) (Result, error) {
	return c.CommitWith(ctx, staged, message, CommitOptions{})
}

// CommitWith is Commit with options.
func (c *Cube) CommitWith(ctx context.Context, staged []*Staged, message string, o CommitOptions) (Result, error) {
	var result Result
	if err := o.check(staged); err != nil {
		return result, fault.New(fault.KindOf(err), "commit to cube %q: %w", c.spec.Name, err)
	}
	scenes := scenesOf(staged, o)
	for len(scenes) > 0 || result.Snapshot == "" {
		group := scenes[:min(GroupSize, len(scenes))]
		r := &request{scenes: group, message: message, done: make(chan struct{})}
		if err := c.queue.run(ctx, r, c.commitTogether); err != nil {
			return result, fault.New(fault.KindOf(err), "commit to cube %q: %w", c.spec.Name, err)
		}
		result.Snapshot = r.snapshot.String()
		result.Outcomes = append(result.Outcomes, r.outcomes...)
		scenes = scenes[len(group):]
	}
	return result, nil
}

func (o CommitOptions) check(staged []*Staged) error {
	if o.SupersedeItem != "" && len(staged) != 1 {
		return fault.New(fault.Invalid, "%d scenes are to supersede item %q", len(staged), o.SupersedeItem).
			WithCure("name one scene, or let each supersede the slice of its own source and time")
	}
	return nil
}

// commitTogether commits the scenes of several calls as one snapshot and gives each call its share.
func (c *Cube) commitTogether(ctx context.Context, requests []*request) error {
	var scenes []scene
	var messages []string
	for _, r := range requests {
		scenes = append(scenes, r.scenes...)
		if !slices.Contains(messages, r.message) {
			messages = append(messages, r.message)
		}
	}
	id, outcomes, err := c.commitGroup(ctx, scenes, strings.Join(messages, "; "))
	if err != nil {
		return err
	}
	for _, r := range requests {
		r.snapshot, r.outcomes = id, outcomes[:len(r.scenes):len(r.scenes)]
		outcomes = outcomes[len(r.scenes):]
	}
	return nil
}

func (c *Cube) commitGroup(ctx context.Context, group []scene, message string) (icechunk.ID, []Outcome, error) {
	for range maxAttempts {
		id, outcomes, err := c.tryGroup(ctx, group, message)
		if !errors.Is(err, icechunk.ErrMoved) {
			return id, outcomes, err
		}
	}
	return icechunk.ID{}, nil, fault.New(fault.Unavailable, "the branch moved %d times while the commit was planned", maxAttempts).
		WithCure("stop the other writer of this cube; one server commits to it")
}

func (c *Cube) tryGroup(ctx context.Context, group []scene, message string) (icechunk.ID, []Outcome, error) {
	tx, err := c.repo.Begin(ctx, branch)
	if err != nil {
		return icechunk.ID{}, nil, err
	}
	base, err := c.view(ctx, tx.Base().ID())
	if err != nil {
		return icechunk.ID{}, nil, err
	}
	outcomes := plan(base.slices, group)
	in := insertion{cube: c, ctx: ctx, tx: tx, base: base, pack: c.repo.NewPack(), gone: map[cube.SliceID]bool{}}
	for i, o := range outcomes {
		if o.Status != Accepted {
			continue
		}
		o.Slice.Ingested = time.Now().UTC().Truncate(time.Microsecond)
		outcomes[i].Slice = o.Slice
		in.fresh = append(in.fresh, fresh{o.Slice, group[i].Staged})
		if o.Superseded != "" {
			in.gone[o.Superseded] = true
		}
	}
	if len(in.fresh) == 0 {
		return tx.Base().ID(), outcomes, nil
	}
	if err := in.run(); err != nil {
		return icechunk.ID{}, nil, err
	}
	metadata := map[string]any{"slices_added": len(in.fresh)}
	if len(in.gone) > 0 {
		metadata["slices_superseded"] = len(in.gone)
	}
	id, err := tx.Commit(ctx, message, metadata)
	return id, outcomes, err
}
