package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
)

func (c *cli) datasetCommand() *cobra.Command {
	group := &cobra.Command{Use: "dataset", Short: "dataset versions: commit a recipe, show, compare, verify"}
	group.AddCommand(c.datasetCommitCommand(), c.datasetListCommand(), c.datasetShowCommand(), c.datasetDiffCommand(), c.datasetVerifyCommand())
	return group
}

func (w *workspace) datasetConfig() datasets.Config {
	return datasets.Config{Root: w.root, Cube: w.cube, Reader: w.reader}
}

// datasetCommitArgs hold the recipe's text; the client reads the file.
type datasetCommitArgs struct {
	Recipe string `json:"recipe"`
	// Name of the recipe's file, for messages.
	Name string `json:"name,omitempty"`
}

func (c *cli) datasetCommitCommand() *cobra.Command {
	return &cobra.Command{
		Use: "commit RECIPE.yaml", Short: "make an immutable version of a recipe", Args: cobra.ExactArgs(1),
		Long: `Resolves a recipe to pinned inputs, enumerates and splits the samples, audits the split for leakage,
takes statistics of the training split and commits the version under its content digest. A recipe whose
digest exists returns that version. Features may be bands of several resolutions: windows count pixels of
the finest, and are whole pixels of all.

With --json: {"dataset", "version", "created", "digest", "samples": {"train": n, …},
"leakage": {"shared_pixels", "min_distance_m", "dropped", …}, "collection", "shuffle": "uniform" | "window:BYTES",
"orders": [{"shuffle", "default", "read_amplification", "mixing", "block"}], …}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			recipe, err := os.ReadFile(args[0])
			if err != nil {
				return fault.New(fault.Invalid, "recipe: %w", err).WithCure("name a recipe file that exists")
			}
			a := datasetCommitArgs{Recipe: string(recipe), Name: args[0]}
			return c.invoke(cmd.Context(), datasetCommitVerb, a, nil, c.printReport)
		},
	}
}

var datasetCommitVerb = verb{name: "dataset.commit", access: commits, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a datasetCommitArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	report, err := datasets.Commit(ctx, w.datasetConfig(), []byte(a.Recipe), c.actor)
	if err != nil && a.Name != "" {
		return nil, 0, fault.New(fault.KindOf(err), "%s: %w", a.Name, err)
	}
	return report, exitOK, err
}}

func (c *cli) printReport(doc json.RawMessage) {
	r := decoded[datasets.Report](doc)
	state := "existed already"
	if r.Created {
		state = "committed"
	}
	fmt.Fprintf(c.out, "%s@%s %s\n  digest   %s\n  samples  %s\n", r.Dataset, r.Version, state, r.Digest, counts(r.Samples))
	fmt.Fprintf(c.out, "  leakage  %d shared pixels, %d samples dropped", r.Leakage.SharedPixels, r.Leakage.Dropped)
	if d := r.Leakage.MinDistance; d != nil {
		fmt.Fprintf(c.out, ", splits at least %.0f m apart", *d)
	}
	fmt.Fprintf(c.out, "\n  pinned   cube %s at %s", r.Cube, r.Snapshot)
	if r.Labels != nil {
		fmt.Fprintf(c.out, ", labels %s %s", r.Labels.Set, r.Labels.Revision)
	}
	fmt.Fprintln(c.out)
	for _, o := range r.Orders {
		chosen := ""
		if o.Default {
			chosen = ", the default"
		}
		blocks := ""
		if o.Block > 1 {
			blocks = fmt.Sprintf(" in groups of %d×%d chunks", o.Block, o.Block)
		}
		fmt.Fprintf(c.out, "  order    %s%s: decodes %.2f pixels for each of a sample, mixing %.2f%s\n", o.Shuffle, blocks, o.ReadAmplification, o.Mixing, chosen)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(c.out, "  note     "+note)
	}
}

func counts(m map[string]int) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return splitRank(keys[i]) < splitRank(keys[j]) })
	for i, k := range keys {
		keys[i] = fmt.Sprintf("%s %d", k, m[k])
	}
	return strings.Join(keys, ", ")
}

func splitRank(name string) int {
	for i, s := range datasets.Splits() {
		if s == name {
			return i
		}
	}
	return len(datasets.Splits())
}

// versionDocument is what `dataset show` and `dataset ls` say of a version.
type versionDocument struct {
	datasets.Report
	Bands   []string       `json:"bands"`
	Groups  []versionGroup `json:"groups"`
	Slots   int            `json:"slots"`
	Size    int            `json:"size"`
	DType   string         `json:"dtype"`
	Values  string         `json:"values"`
	Order   string         `json:"order"`
	Actor   string         `json:"actor"`
	Created time.Time      `json:"committed"`
}

// versionGroup is what samples have of a further resolution.
type versionGroup struct {
	Name  string   `json:"name"`
	Bands []string `json:"bands"`
	Size  int      `json:"size"`
	DType string   `json:"dtype"`
}

func describeVersion(v *datasets.Version) versionDocument {
	d := versionDocument{Report: v.Report, Bands: v.Bands, Groups: []versionGroup{}, Slots: v.Slots, Size: v.Size, DType: string(v.DType),
		Values: string(v.Values), Order: v.Order, Actor: v.Actor, Created: v.Created}
	for _, g := range v.Groups {
		d.Groups = append(d.Groups, versionGroup{Name: g.Name, Bands: g.Bands, Size: v.Size / g.Scale, DType: string(g.DType)})
	}
	d.Report.Created = false // said of a commit, not of a version
	d.Shuffle = v.Shuffle.String()
	return d
}

func (c *cli) datasetListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "the dataset versions", Args: cobra.NoArgs,
		Long: `Lists every dataset version.

With --json: [{"dataset", "version", "digest", "samples", …}].`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), datasetListVerb, struct{}{}, nil, func(doc json.RawMessage) {
				for _, v := range decoded[[]versionDocument](doc) {
					fmt.Fprintf(c.out, "%-24s %s  %s\n", v.Dataset+"@"+v.Version, v.Digest, counts(v.Samples))
				}
			})
		},
	}
}

var datasetListVerb = verb{name: "dataset.ls", run: func(ctx context.Context, w *workspace, _ call) (any, int, error) {
	versions, err := datasets.List(ctx, w.root)
	if err != nil {
		return nil, 0, err
	}
	list := []versionDocument{}
	for _, v := range versions {
		list = append(list, describeVersion(v))
	}
	return list, exitOK, nil
}}

// datasetArgs name a version, "crops@v3" or "crops" for the newest.
type datasetArgs struct {
	Dataset string `json:"dataset"`
}

func (c *cli) datasetShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME[@VERSION]", Short: "one version: pinned inputs, samples, leakage, statistics", Args: cobra.ExactArgs(1),
		Long: `Shows a dataset version; without a version the newest.

With --json: {"dataset", "version", "digest", "samples", "leakage", "statistics", "bands",
"groups": [{"name": "20m", "bands", "size", "dtype"}], …}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.invoke(cmd.Context(), datasetShowVerb, datasetArgs{args[0]}, nil, c.printReport)
		},
	}
}

var datasetShowVerb = verb{name: "dataset.show", run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a datasetArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	v, err := datasets.Open(ctx, w.root, a.Dataset)
	if err != nil {
		return nil, 0, err
	}
	return describeVersion(v), exitOK, nil
}}

// datasetDiffArgs name two versions.
type datasetDiffArgs struct {
	A string `json:"a"`
	B string `json:"b"`
}

func (c *cli) datasetDiffCommand() *cobra.Command {
	return &cobra.Command{
		Use: "diff A B", Short: "what differs between two versions", Args: cobra.ExactArgs(2),
		Long: `Compares two versions by sample, label and pixel chunk, and by their definitions.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.invoke(cmd.Context(), datasetDiffVerb, datasetDiffArgs{args[0], args[1]}, nil, nil)
		},
	}
}

var datasetDiffVerb = verb{name: "dataset.diff", run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a datasetDiffArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	d, err := datasets.Diff(ctx, w.root, a.A, a.B)
	return d, exitOK, err
}}

func (c *cli) datasetVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify NAME@VERSION", Short: "recompute a version's digest from the pixels and labels it pins", Args: cobra.ExactArgs(1),
		Long: `Reads every chunk a version pins, computes its digest anew and compares. Exit 1 if it differs.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.invoke(cmd.Context(), datasetVerifyVerb, datasetArgs{args[0]}, nil, nil)
		},
	}
}

var datasetVerifyVerb = verb{name: "dataset.verify", run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a datasetArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	v, err := datasets.Verify(ctx, w.datasetConfig(), a.Dataset)
	if err != nil {
		return nil, 0, err
	}
	if !v.OK {
		return v, exitRefused, nil
	}
	return v, exitOK, nil
}}
