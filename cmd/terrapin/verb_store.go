package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/catalog/truth"
)

func (c *cli) storeCommand() *cobra.Command {
	group := &cobra.Command{Use: "store", Short: "the data directory itself: check it, rebuild its index"}
	group.AddCommand(c.storeFsckCommand(), c.storeReindexCommand())
	return group
}

// fsckArgs are the flags of `store fsck`.
type fsckArgs struct {
	Full bool `json:"full,omitempty"`
}

func (c *cli) storeFsckCommand() *cobra.Command {
	var a fsckArgs
	cmd := &cobra.Command{
		Use: "fsck", Short: "check every commit, cube and object, and the catalog against them", Args: cobra.NoArgs,
		Long: `Checks that every committed thing is whole: commits and the objects they name, cubes and the chunks
their manifests name, and that the catalog says what the bucket holds. --full also decodes every pixel
chunk and compares its digest.

With --json: {"ok": bool, "problems": [{"object", "reason", "cure"}]}. Exit 1 if there are problems.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), storeFsckVerb, a, nil, c.printFsck)
		},
	}
	cmd.Flags().BoolVar(&a.Full, "full", false, "decode every pixel chunk and compare its digest")
	return cmd
}

var storeFsckVerb = verb{name: "store.fsck", access: inspects, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a fsckArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	w.indexing.Lock()
	defer w.indexing.Unlock()
	report, err := truth.Fsck(ctx, w.root, w.catalog, truth.Options{Full: a.Full})
	if err != nil {
		return nil, 0, err
	}
	if !report.OK {
		return report, exitRefused, nil
	}
	return report, exitOK, nil
}}

func (c *cli) printFsck(doc json.RawMessage) {
	r := decoded[truth.Report](doc)
	for _, p := range r.Problems {
		fmt.Fprintf(c.out, "problem  %s: %s\n  cure: %s\n", p.Object, p.Reason, p.Cure)
	}
	if r.OK {
		fmt.Fprintln(c.out, "everything is whole")
	}
}

func (c *cli) storeReindexCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reindex", Short: "rebuild the catalog from the bucket, from nothing", Args: cobra.NoArgs,
		Long: `Empties the catalog and fills it again from the cubes and commits in the bucket, with the same answers.

With --json: {"collections": n, "items": n}.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), storeReindexVerb, struct{}{}, nil, nil)
		},
	}
}

var storeReindexVerb = verb{name: "store.reindex", access: inspects, run: func(ctx context.Context, w *workspace, _ call) (any, int, error) {
	w.indexing.Lock()
	defer w.indexing.Unlock()
	report, err := truth.Rebuild(ctx, w.root, w.catalog)
	if err != nil {
		return nil, 0, err
	}
	if !report.OK {
		return report, exitRefused, nil
	}
	return report, exitOK, nil
}}
