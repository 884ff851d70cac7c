package layout

import (
	"context"
	"fmt"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
)

// Status says what became of a staged scene.
type Status string

// The fates of a scene.
const (
	Accepted Status = "accepted"
	Skipped  Status = "skipped"
	Rejected Status = "rejected"
)

// Outcome is the fate of one staged scene. Slice is the one now in the cube; of a rejected scene it is
// the one that was met.
type Outcome struct {
	Status Status
	Slice  cube.Slice
	// Superseded is the slice whose place an accepted scene took; "" where it took none.
	Superseded cube.SliceID
	Reason     string
	Cure       string
}

// CommitOptions say what Commit does where a scene meets another one. The zero value replaces nothing.
type CommitOptions struct {
	// Supersede lets a scene take the place of the slice of the same source and time with other content.
	Supersede bool
	// SupersedeItem names the STAC item of the one slice that the one scene given takes the place of,
	// whatever its source and time.
	SupersedeItem string
}

// Plan says what Commit would do, without doing it.
func (c *Cube) Plan(ctx context.Context, staged []*Staged) ([]Outcome, error) {
	return c.PlanWith(ctx, staged, CommitOptions{})
}

// PlanWith is Plan with options.
func (c *Cube) PlanWith(ctx context.Context, staged []*Staged, o CommitOptions) ([]Outcome, error) {
	if err := o.check(staged); err != nil {
		return nil, err
	}
	v, err := c.At(ctx, "")
	if err != nil {
		return nil, err
	}
	return plan(v.slices, scenesOf(staged, o)), nil
}

// scene is a staged scene with what its caller said about others in its way.
type scene struct {
	*Staged
	options CommitOptions
}

func scenesOf(staged []*Staged, o CommitOptions) []scene {
	out := make([]scene, len(staged))
	for i, st := range staged {
		out[i] = scene{st, o}
	}
	return out
}

// sourceAt is what no two slices of a cube have in common.
type sourceAt struct {
	source string
	micros int64
}

// met is a slice on the axis that is being planned.
type met struct {
	cube.Slice
	fresh bool // of this plan
}

// planner decides the fate of scenes one after the other.
type planner struct {
	known map[sourceAt]met
	items map[string]sourceAt
}

// plan decides the fate of each scene against the slices there and the scenes before it.
func plan(there []cube.Slice, scenes []scene) []Outcome {
	p := planner{known: make(map[sourceAt]met, len(there)), items: make(map[string]sourceAt, len(there))}
	for _, s := range there {
		p.put(met{Slice: s})
	}
	outcomes := make([]Outcome, len(scenes))
	for i, sc := range scenes {
		outcomes[i] = p.decide(sc)
	}
	return outcomes
}

func (p *planner) put(m met) {
	k := sourceAt{m.Source, m.Micros()}
	p.known[k] = m
	p.items[m.Item] = k
}

func (p *planner) drop(s cube.Slice) {
	delete(p.known, sourceAt{s.Source, s.Micros()})
	delete(p.items, s.Item)
}

func (p *planner) decide(sc scene) Outcome {
	s := sc.Slice
	there, ok := p.known[sourceAt{s.Source, s.Micros()}]
	if ok && there.Content == s.Content {
		return Outcome{Status: Skipped, Slice: there.Slice, Reason: "already in the cube as slice " + string(there.ID)}
	}
	old := there
	if want := sc.options.SupersedeItem; want != "" {
		k, found := p.items[want]
		switch old = p.known[k]; {
		case !found:
			return Outcome{Status: Rejected, Reason: fmt.Sprintf("item %q, which the scene is to supersede, is not in the cube", want), Cure: "look its id up in the catalog, or leave the option out"}
		case ok && old.ID != there.ID:
			return contradicts(s, there)
		}
	} else if ok && !sc.options.Supersede {
		return contradicts(s, there)
	}
	if old.fresh {
		return contradicts(s, old)
	}
	o := Outcome{Status: Accepted, Slice: s}
	if old.ID != "" {
		o.Superseded = old.ID
		p.drop(old.Slice)
		if ok {
			o.Slice.Item = old.Item
		}
	}
	o.Slice.Item = p.freeItem(o.Slice)
	p.put(met{o.Slice, true})
	return o
}

func contradicts(s cube.Slice, there met) Outcome {
	cure := "if it is another scene, give it another name or time; a corrected scene supersedes it by an explicit act (--supersede)"
	if there.fresh {
		cure = "if it is another scene, give it another name or time"
	}
	return Outcome{
		Status: Rejected, Slice: there.Slice, Cure: cure,
		Reason: fmt.Sprintf("source %q at %s is in the cube already as slice %s with other content", there.Source, s.Time.Format(time.RFC3339Nano), there.ID),
	}
}

// freeItem is the wanted item id, or the first longer form that no other item has.
func (p *planner) freeItem(s cube.Slice) string {
	second := s.Item + "_" + s.Time.Format("20060102T150405")
	for _, id := range []string{s.Item, second, fmt.Sprintf("%s%06d", second, s.Time.Nanosecond()/1000)} {
		if _, taken := p.items[id]; !taken {
			return id
		}
	}
	return second + "_" + string(s.ID)
}
