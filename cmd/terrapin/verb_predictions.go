package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/predictions"
)

func (c *cli) predictionsCommand() *cobra.Command {
	group := &cobra.Command{Use: "predictions", Short: "published predictions: list, show"}
	group.AddCommand(c.predictionsListCommand(), c.predictionsShowCommand())
	return group
}

func (c *cli) predictionsListCommand() *cobra.Command {
	var a predictionsListArgs
	cmd := &cobra.Command{
		Use: "ls", Short: "the published predictions", Args: cobra.NoArgs,
		Long: `Lists the published predictions, newest first: all, or those of one model, of models trained on one
dataset version, or on one cube.

With --json: [{"item", "model", "dataset", "run", "assets"}].`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), predictionsListVerb, a, nil, func(doc json.RawMessage) {
				for _, p := range decoded[[]predictions.Entry](doc) {
					fmt.Fprintf(c.out, "%-40s model %s, dataset %s\n", p.Item, p.Model, p.Dataset)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.Model, "model", "", "only those of this model")
	f.StringVar(&a.Dataset, "dataset", "", "only those of models trained on this version, NAME@vN")
	f.StringVar(&a.Cube, "cube", "", "only those on this cube")
	return cmd
}

// predictionsListArgs say which predictions are wanted; "" is any.
type predictionsListArgs struct {
	Model   string `json:"model,omitempty"`
	Dataset string `json:"dataset,omitempty"`
	Cube    string `json:"cube,omitempty"`
}

var predictionsListVerb = verb{name: "predictions.ls", run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a predictionsListArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	list, err := predictions.List(ctx, w.root)
	return slices.DeleteFunc(list, func(p predictions.Entry) bool {
		return a.Model != "" && p.Model != a.Model || a.Dataset != "" && p.Dataset != a.Dataset || a.Cube != "" && p.Cube != a.Cube
	}), exitOK, err
}}

// predictionsArgs name a prediction by its item or run.
type predictionsArgs struct {
	Item string `json:"item"`
}

func (c *cli) predictionsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ITEM", Short: "one published prediction, by its item or run id", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.invoke(cmd.Context(), predictionsShowVerb, predictionsArgs{args[0]}, nil, nil)
		},
	}
}

var predictionsShowVerb = verb{name: "predictions.show", run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a predictionsArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	list, err := predictions.List(ctx, w.root)
	if err != nil {
		return nil, 0, err
	}
	for _, p := range list {
		if p.Item == a.Item || p.Run == a.Item {
			return p, exitOK, nil
		}
	}
	return nil, 0, fault.New(fault.NotFound, "no prediction %q", a.Item).WithCure("`terrapin predictions ls` lists them")
}}
