package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels"
)

func (c *cli) labelsCommand() *cobra.Command {
	group := &cobra.Command{Use: "labels", Short: "label sets: import, list, show, accept or revert"}
	group.AddCommand(c.labelsImportCommand(), c.labelsListCommand(), c.labelsShowCommand(), c.labelsRevertCommand())
	return group
}

// labelsImportArgs are the flags of `labels import`. Classes is the text of the classes file, as the
// client reads it.
type labelsImportArgs struct {
	Set           string   `json:"labels"`
	Cube          string   `json:"cube"`
	Files         []string `json:"files,omitempty"`
	ClassProperty string   `json:"class_property,omitempty"`
	Classes       string   `json:"classes,omitempty"`
	ClassesName   string   `json:"classes_name,omitempty"`
	State         string   `json:"state,omitempty"`
	Replace       bool     `json:"replace,omitempty"`
	DryRun        bool     `json:"dry_run,omitempty"`
	Strict        bool     `json:"strict,omitempty"`
	Tool          string   `json:"tool,omitempty"`
	Layout        []string `json:"layout,omitempty"`
}

func (c *cli) labelsImportCommand() *cobra.Command {
	var a labelsImportArgs
	var classes string
	cmd := &cobra.Command{
		Use: "import SET FILE… --cube NAME", Short: "annotations into a new revision of a label set", Args: cobra.MinimumNArgs(2),
		Long: `Imports polygons (GeoJSON, WGS 84) and class rasters (GeoTIFF on the cube's grid) as one new revision.
The same source (file name) and feature id replaces what was there, everything else is added; --replace
starts anew. Revisions are accepted unless --state draft.

With --json: {"labels", "revision", "digest", "accepted": n, "rejected": [{"source", "feature", "reason",
"cure"}]}. Exit 1 if any feature was rejected.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Set, a.Files = args[0], args[1:]
			if a.Cube == "" {
				return usagef("labels import needs --cube NAME")
			}
			if classes != "" {
				text, err := os.ReadFile(classes)
				if err != nil {
					return fault.New(fault.Invalid, "classes: %w", err).WithCure("name a classes file that exists")
				}
				a.Classes, a.ClassesName = string(text), filepath.Base(classes)
			}
			return c.invoke(cmd.Context(), labelsImportVerb, a, a.Files, c.printImport)
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.Cube, "cube", "", "the cube the labels lie on")
	f.StringVar(&a.ClassProperty, "class-property", "", "property of a feature that holds its class")
	f.StringVar(&classes, "classes", "", "file that maps class names to values (JSON, YAML or CSV)")
	f.StringVar(&a.State, "state", "", "accepted (default) or draft")
	f.BoolVar(&a.Replace, "replace", false, "start anew instead of adding")
	f.BoolVar(&a.DryRun, "dry-run", false, "report what would happen, change nothing")
	f.BoolVar(&a.Strict, "strict", false, "commit only if no feature is bad")
	f.StringVar(&a.Tool, "tool", "", "what the labels were drawn with, for the record")
	return cmd
}

var labelsImportVerb = verb{name: "labels.import", access: commits, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a labelsImportArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	opened, err := w.cube(ctx, a.Cube)
	if err != nil {
		return nil, 0, err
	}
	sources, err := gather(c, a.Files, a.Layout)
	if err != nil {
		return nil, 0, err
	}
	defer sources.remove()
	classes, remove, err := classesFile(a)
	if err != nil {
		return nil, 0, err
	}
	defer remove()
	report, err := labels.Import(ctx, labels.Config{Root: w.root, Cube: opened}, labels.ImportRequest{
		Set: a.Set, Files: sources.paths, ClassProperty: a.ClassProperty, ClassesFile: classes, State: labels.State(a.State),
		Replace: a.Replace, DryRun: a.DryRun, Strict: a.Strict, Actor: c.actor, Tool: a.Tool})
	if err != nil {
		return nil, 0, err
	}
	for i, r := range report.Rejected {
		r.Source, r.Reason, r.Cure = sources.named(r.Source), sources.named(r.Reason), sources.named(r.Cure)
		report.Rejected[i] = r
	}
	if len(report.Rejected) > 0 {
		return report, exitRefused, nil
	}
	return report, exitOK, nil
}}

// classesFile puts the text of the classes file where labels can read it, under its own name, as its
// ending says its format.
func classesFile(a labelsImportArgs) (path string, remove func(), err error) {
	if a.Classes == "" {
		return "", func() {}, nil
	}
	dir, err := os.MkdirTemp("", "terrapin-classes-")
	if err != nil {
		return "", nil, fault.New(fault.Unavailable, "space for the classes: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) } // it lies in the system's temporary folder
	name := filepath.Base(a.ClassesName)
	if name == "." || name == string(filepath.Separator) {
		name = "classes.json"
	}
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(a.Classes), 0o600); err != nil {
		remove()
		return "", nil, fault.New(fault.Unavailable, "space for the classes: %w", err)
	}
	return path, remove, nil
}

func (c *cli) printImport(doc json.RawMessage) {
	r := decoded[labels.ImportReport](doc)
	for _, bad := range r.Rejected {
		what := bad.Source
		if bad.Feature != "" {
			what += " feature " + bad.Feature
		}
		fmt.Fprintf(c.out, "rejected  %s: %s\n  cure: %s\n", what, bad.Reason, bad.Cure)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(c.out, "note      "+note)
	}
	state := "unchanged"
	if r.Created {
		state = "new " + string(r.State) + " revision"
	}
	if r.DryRun {
		state = "dry run, nothing written"
	}
	fmt.Fprintf(c.out, "%s %s (%s): %d accepted, %d rejected\n  digest %s\n", r.Labels, r.Revision, state, r.Accepted, len(r.Rejected), r.Digest)
}

func (c *cli) labelsListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "the label sets and their newest revisions", Args: cobra.NoArgs,
		Long: `Lists the label sets.

With --json: [{"labels", "revision", "digest", "state", "cube", "features", "classes", …}].`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), labelsListVerb, struct{}{}, nil, c.printRevisions)
		},
	}
}

var labelsListVerb = verb{name: "labels.ls", run: func(ctx context.Context, w *workspace, _ call) (any, int, error) {
	list, err := labels.List(ctx, w.root)
	return list, exitOK, err
}}

func (c *cli) printRevisions(doc json.RawMessage) {
	for _, e := range decoded[[]labels.Entry](doc) {
		fmt.Fprintf(c.out, "%-20s %-5s %-9s %5d features on %s  by %s  %s\n", e.Set, e.Revision, e.State, e.Features, e.Cube, e.Actor, e.Message)
	}
}

// labelsShowArgs name a label set.
type labelsShowArgs struct {
	Set string `json:"labels"`
}

func (c *cli) labelsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show SET", Short: "the revisions of a label set, newest first", Args: cobra.ExactArgs(1),
		Long: `Lists the revisions of a label set, newest first.

With --json: [{"labels", "revision", "digest", "state", "cube", "features", "classes", …}].`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.invoke(cmd.Context(), labelsShowVerb, labelsShowArgs{args[0]}, nil, c.printRevisions)
		},
	}
}

var labelsShowVerb = verb{name: "labels.show", run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a labelsShowArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	log, err := labels.Log(ctx, w.root, a.Set)
	return log, exitOK, err
}}
