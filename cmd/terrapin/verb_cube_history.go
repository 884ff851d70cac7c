package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store/probe"
)

// cubeEntry is a line of `cube ls`.
type cubeEntry struct {
	Cube     string `json:"cube"`
	Snapshot string `json:"snapshot"`
	Slices   int    `json:"slices"`
	Bands    int    `json:"bands"`
	CRS      string `json:"crs"`
	// Problem tells why a cube does not read.
	Problem *probe.Problem `json:"problem,omitempty"`
}

func (c *cli) cubeListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "the cubes", Args: cobra.NoArgs,
		Long: `Lists the cubes. One that does not read is named with the reason, and the exit code is 1.

With --json: [{"cube", "snapshot", "slices", "bands", "crs"}], and "problem": {"object", "reason", "cure"} of one
that does not read.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), cubeListVerb, struct{}{}, nil, func(doc json.RawMessage) {
				for _, e := range decoded[[]cubeEntry](doc) {
					if e.Problem != nil {
						fmt.Fprintf(c.out, "%-24s does not read: %s\n  cure: %s\n", e.Cube, e.Problem.Reason, e.Problem.Cure)
						continue
					}
					fmt.Fprintf(c.out, "%-24s %s  %d slices  %d bands  %s\n", e.Cube, e.Snapshot, e.Slices, e.Bands, e.CRS)
				}
			})
		},
	}
}

var cubeListVerb = verb{name: "cube.ls", run: func(ctx context.Context, w *workspace, _ call) (any, int, error) {
	names, err := w.cubeNames(ctx)
	if err != nil {
		return nil, 0, err
	}
	list, exit := []cubeEntry{}, exitOK
	for _, name := range names {
		e, err := w.cubeEntry(ctx, name)
		if err != nil && !isDamage(err) {
			return nil, 0, err
		}
		if err != nil {
			problem := w.damaged(name, err)
			e, exit = cubeEntry{Cube: name, Problem: &problem}, exitRefused
		}
		list = append(list, e)
	}
	return list, exit, nil
}}

func (w *workspace) cubeEntry(ctx context.Context, name string) (cubeEntry, error) {
	opened, err := w.cube(ctx, name)
	if err != nil {
		return cubeEntry{}, err
	}
	view, err := opened.At(ctx, "")
	if err != nil {
		return cubeEntry{}, err
	}
	e := cubeEntry{Cube: name, Snapshot: view.Snapshot(), Slices: len(view.Slices()), CRS: view.Spec().Grid.CRS}
	for _, g := range view.Groups() {
		e.Bands += len(g.Bands)
	}
	return e, nil
}

// snapshotEntry is a line of `cube log`.
type snapshotEntry struct {
	Snapshot string         `json:"snapshot"`
	Parent   string         `json:"parent,omitempty"`
	Time     time.Time      `json:"time"`
	Message  string         `json:"message"`
	Tags     []string       `json:"tags"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

func (c *cli) cubeLogCommand() *cobra.Command {
	var a cubeArgs
	cmd := &cobra.Command{
		Use: "log NAME", Short: "a cube's snapshots, newest first", Args: cobra.ExactArgs(1),
		Long: `Lists a cube's snapshots, newest first, with the tags on them.

With --json: [{"snapshot", "parent", "time", "message", "tags", "metadata"}].`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Cube = args[0]
			return c.invoke(cmd.Context(), cubeLogVerb, a, nil, func(doc json.RawMessage) {
				for _, e := range decoded[[]snapshotEntry](doc) {
					fmt.Fprintf(c.out, "%s  %s  %s %v\n", e.Snapshot, e.Time.Format(time.RFC3339), e.Message, e.Tags)
				}
			})
		},
	}
	cmd.Flags().StringVar(&a.Version, "version", "", "snapshot id, tag or branch to start from (default: the newest)")
	return cmd
}

var cubeLogVerb = verb{name: "cube.log", run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a cubeArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	opened, err := w.cube(ctx, a.Cube)
	if err != nil {
		return nil, 0, err
	}
	tags, err := opened.Tags(ctx)
	if err != nil {
		return nil, 0, err
	}
	log, err := opened.Log(ctx, a.Version)
	if err != nil {
		return nil, 0, err
	}
	list := []snapshotEntry{}
	for _, s := range log {
		e := snapshotEntry{Snapshot: s.ID.String(), Time: s.Time, Message: s.Message, Metadata: s.Metadata, Tags: []string{}}
		if s.Parent != nil {
			e.Parent = s.Parent.String()
		}
		for name, at := range tags {
			if at == e.Snapshot {
				e.Tags = append(e.Tags, name)
			}
		}
		list = append(list, e)
	}
	return list, exitOK, nil
}}

// cubeTagArgs are the arguments of `cube tag`.
type cubeTagArgs struct {
	Cube    string `json:"cube"`
	Tag     string `json:"tag"`
	Version string `json:"version,omitempty"`
}

func (c *cli) cubeTagCommand() *cobra.Command {
	var a cubeTagArgs
	cmd := &cobra.Command{
		Use: "tag NAME TAG", Short: "pin a snapshot of a cube under a name, for ever", Args: cobra.ExactArgs(2),
		Long: `Pins a snapshot under a name. A tag never moves; the same tag on the same snapshot again is fine. It may not have the
name of a branch, nor begin with "datasets/", where the pins of dataset versions stand.

With --json: {"cube", "tag", "snapshot"}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Cube, a.Tag = args[0], args[1]
			return c.invoke(cmd.Context(), cubeTagVerb, a, nil, func(doc json.RawMessage) {
				d := decoded[map[string]string](doc)
				fmt.Fprintf(c.out, "tag %s of cube %s is snapshot %s\n", d["tag"], d["cube"], d["snapshot"])
			})
		},
	}
	cmd.Flags().StringVar(&a.Version, "version", "", "snapshot id, tag or branch to pin (default: the newest)")
	return cmd
}

var cubeTagVerb = verb{name: "cube.tag", access: commits, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a cubeTagArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	opened, err := w.cube(ctx, a.Cube)
	if err != nil {
		return nil, 0, err
	}
	if err := checkTag(ctx, opened, a.Tag); err != nil {
		return nil, 0, err
	}
	view, err := opened.At(ctx, a.Version)
	if err != nil {
		return nil, 0, err
	}
	if err := opened.Tag(ctx, a.Tag, view.Snapshot()); err != nil {
		return nil, 0, err
	}
	return map[string]string{"cube": a.Cube, "tag": a.Tag, "snapshot": view.Snapshot()}, exitOK, nil
}}

// tagPattern is a name that a URL, a shell and a listing show as it is.
var tagPattern = regexp.MustCompile(`^[\pL\pN_][\pL\pN._-]*(/[\pL\pN_][\pL\pN._-]*)*$`)

// checkTag refuses tags that would stand in the way, for tags are for ever: a branch's name, which would
// mean two snapshots as soon as the branch moves on, and those that dataset versions pin their cubes with.
func checkTag(ctx context.Context, opened *layout.Cube, tag string) error {
	if !tagPattern.MatchString(tag) {
		return fault.New(fault.Invalid, "bad tag name %q", tag).
			WithCure("use letters, digits, '_', '-' and '.', beginning with a letter, a digit or '_'; '/' goes between such parts")
	}
	if strings.HasPrefix(tag, "datasets/") {
		return fault.New(fault.Invalid, "tag name %q begins with \"datasets/\", which is kept for what dataset versions pin", tag).WithCure("choose another name")
	}
	branches, err := opened.Branches(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(branches, tag) {
		return fault.New(fault.Conflict, "%q is a branch of cube %q, and a tag of that name would hide it", tag, opened.Spec().Name).WithCure("choose another name")
	}
	return nil
}
