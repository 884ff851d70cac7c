package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/ingest"
)

// ingestArgs are the flags of `ingest`.
type ingestArgs struct {
	Cube            string   `json:"cube"`
	Sources         []string `json:"sources,omitempty"`
	DatetimePattern string   `json:"datetime_pattern,omitempty"`
	Bands           []string `json:"bands,omitempty"`
	Strict          bool     `json:"strict,omitempty"`
	// Layout says where uploaded files stand; see gather.
	Layout []string `json:"layout,omitempty"`
}

func (c *cli) ingestCommand() *cobra.Command {
	var a ingestArgs
	cmd := &cobra.Command{
		Use: "ingest CUBE SOURCE…", Short: "scenes into a cube", Args: cobra.MinimumNArgs(2),
		Long: `Reads scenes to the last block, checks them, places them on the cube's grid and commits the good ones
together. A source is a raster with all bands, a folder of such rasters, or a STAC item (JSON) whose
assets hold the bands. The time of a scene comes from --datetime-pattern (a strptime pattern searched in
the file's name, UTC), else from the STAC item, else from the raster's acquisition metadata.

A scene that is there already is skipped; a bad one is rejected with its reason and a cure, and changes
nothing; --strict commits only if none is bad.

With --json: {"snapshot", "accepted": [{"source", "item", "datetime"}], "rejected": [{"source", "reason",
"cure"}], "skipped": [{"source", "reason"}]}. Exit 1 if any was rejected.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Cube, a.Sources = args[0], args[1:]
			return c.invoke(cmd.Context(), ingestVerb, a, a.Sources, c.printIngest)
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.DatetimePattern, "datetime-pattern", "", "strptime pattern searched in the file's name, such as 's2_%Y%m%d'")
	f.StringSliceVar(&a.Bands, "bands", nil, "band names of files without names, in order")
	f.BoolVar(&a.Strict, "strict", false, "commit only if no scene is bad")
	return cmd
}

var ingestVerb = verb{name: "ingest", access: commits, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a ingestArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	opened, err := w.cube(ctx, a.Cube)
	if err != nil {
		return nil, 0, err
	}
	sources, err := gather(c, a.Sources, a.Layout)
	if err != nil {
		return nil, 0, err
	}
	defer sources.remove()
	report, err := ingest.Run(ctx, ingest.Config{Cube: opened}, ingest.Request{
		Sources: sources.paths, Given: sources.given, DatetimePattern: a.DatetimePattern, Bands: a.Bands, Actor: c.actor, Strict: a.Strict, Progress: c.progress("scenes read")})
	if err != nil {
		return nil, 0, err
	}
	if len(report.Rejected) > 0 {
		return report, exitRefused, nil
	}
	return report, exitOK, nil
}}

func (c *cli) printIngest(doc json.RawMessage) {
	r := decoded[ingest.Report](doc)
	for _, s := range r.Accepted {
		fmt.Fprintf(c.out, "accepted  %s as %s, %s\n", s.Source, s.Item, s.Datetime)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(c.out, "skipped   %s: %s\n", s.Source, s.Reason)
	}
	for _, s := range r.Rejected {
		fmt.Fprintf(c.out, "rejected  %s: %s\n  cure: %s\n", s.Source, s.Reason, s.Cure)
	}
	fmt.Fprintf(c.out, "%d accepted, %d skipped, %d rejected; snapshot %s\n", len(r.Accepted), len(r.Skipped), len(r.Rejected), r.Snapshot)
}
