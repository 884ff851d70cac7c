package main

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/labels"
)

// labelsRevertArgs name a revision to take up again.
type labelsRevertArgs struct {
	Set      string `json:"labels"`
	Revision string `json:"revision"`
}

func (c *cli) labelsRevertCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revert SET REVISION", Short: "make an older revision, or a draft, the newest accepted one", Args: cobra.ExactArgs(2),
		Long: `Makes a new accepted revision with the content of another one: an older one to go back to, or a draft to
accept. Nothing is deleted.

With --json: {"labels", "revision", "digest", "state", "cube", "features", "classes", …}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.invoke(cmd.Context(), labelsRevertVerb, labelsRevertArgs{args[0], args[1]}, nil, func(doc json.RawMessage) {
				c.printRevisions(json.RawMessage("[" + string(doc) + "]"))
			})
		},
	}
}

var labelsRevertVerb = verb{name: "labels.revert", access: commits, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a labelsRevertArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	log, err := labels.Log(ctx, w.root, a.Set)
	if err != nil {
		return nil, 0, err
	}
	opened, err := w.cube(ctx, log[0].Cube)
	if err != nil {
		return nil, 0, err
	}
	entry, err := labels.Revert(ctx, labels.Config{Root: w.root, Cube: opened}, a.Set, a.Revision, c.actor)
	return entry, exitOK, err
}}
