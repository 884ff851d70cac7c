package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/store/probe"
)

// duReport is the document of `store du`.
type duReport struct {
	Cubes     map[string]icechunk.Usage `json:"cubes"`
	Leftovers []truth.Leftover          `json:"leftovers"`
	// Limits are those of all cubes that are passed.
	Limits []duLimit `json:"limits"`
	// Problems are the cubes that do not read.
	Problems []probe.Problem `json:"problems"`
}

type duLimit struct {
	Cube string `json:"cube"`
	icechunk.Limit
}

func (c *cli) storeDuCommand() *cobra.Command {
	return &cobra.Command{
		Use: "du", Short: "what each cube takes up, and what of it is needed", Args: cobra.NoArgs,
		Long: `Counts the objects and bytes of every cube by kind: all, live (a branch, a tag, a pin or their histories need
them) and collectable (nothing does, and they are older than a day). It reads every manifest.

With --json: {"cubes": {NAME: {"kinds": {"chunks": {"all": {"objects", "bytes"}, "live", "collectable"}, …}, "repo_bytes", "snapshots",
"references", …}}, "leftovers": […], "limits": [{"cube", "name", "value", "limit", "why", "cure"}],
"problems": [{"object", "reason", "cure"}]}, the problems being cubes that do not read; then the exit code is 1.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), storeDuVerb, struct{}{}, nil, c.printDu)
		},
	}
}

var storeDuVerb = verb{name: "store.du", access: reads, run: func(ctx context.Context, w *workspace, _ call) (any, int, error) {
	pins, err := truth.Pins(ctx, w.root)
	if err != nil {
		return nil, 0, err
	}
	names, err := w.cubeNames(ctx)
	if err != nil {
		return nil, 0, err
	}
	report := duReport{Cubes: map[string]icechunk.Usage{}, Leftovers: []truth.Leftover{}, Limits: []duLimit{}, Problems: []probe.Problem{}}
	for _, name := range names {
		use, err := w.usage(ctx, name, pins)
		if err != nil && !isDamage(err) {
			return nil, 0, err
		}
		if err != nil {
			report.Problems = append(report.Problems, w.damaged(name, err))
			continue
		}
		report.Cubes[name] = use
		for _, l := range use.Limits {
			report.Limits = append(report.Limits, duLimit{name, l})
		}
	}
	left, err := truth.Leftovers(ctx, w.root, time.Now().Add(-icechunk.DefaultAge))
	if err != nil {
		return nil, 0, err
	}
	report.Leftovers = append(report.Leftovers, left...)
	if len(report.Problems) > 0 {
		return report, exitRefused, nil
	}
	return report, exitOK, nil
}}

func (w *workspace) usage(ctx context.Context, name string, pins []icechunk.ID) (icechunk.Usage, error) {
	opened, err := w.openCube(ctx, name)
	if err != nil {
		return icechunk.Usage{}, err
	}
	return opened.Repo().Usage(ctx, pins...)
}

func (c *cli) printDu(doc json.RawMessage) {
	r := decoded[duReport](doc)
	for _, name := range slices.Sorted(maps.Keys(r.Cubes)) {
		u := r.Cubes[name]
		fmt.Fprintf(c.out, "%s: %d snapshots, %d references, repo file %s\n", name, u.Snapshots, u.References, sizeText(u.Repo))
		for _, kind := range slices.Sorted(maps.Keys(u.Kinds)) {
			k := u.Kinds[kind]
			fmt.Fprintf(c.out, "  %-12s %8d objects %10s   live %10s   collectable %10s\n", kind, k.All.Objects, sizeText(k.All.Bytes), sizeText(k.Live.Bytes), sizeText(k.Collectable.Bytes))
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(c.out, "problem  %s: %s\n  cure: %s\n", p.Object, p.Reason, p.Cure)
	}
	for _, l := range r.Leftovers {
		fmt.Fprintf(c.out, "%s: %d objects (%s) that no commit names\n", l.Folder, l.Objects, sizeText(l.Bytes))
	}
	for _, l := range r.Limits {
		fmt.Fprintf(c.out, "warning  %s: %s is %d, over %d: %s\n  cure: %s\n", l.Cube, l.Name, l.Value, l.Limit.Limit, l.Why, l.Cure)
	}
}
