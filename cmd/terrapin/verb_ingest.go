package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/ingest"
)

// ingestArgs are the flags of `ingest`.
type ingestArgs struct {
	Cube            string   `json:"cube"`
	Sources         []string `json:"sources,omitempty"`
	DatetimePattern string   `json:"datetime_pattern,omitempty"`
	Bands           []string `json:"bands,omitempty"`
	FlagsFrom       []string `json:"flags_from,omitempty"`
	Supersede       bool     `json:"supersede,omitempty"`
	SupersedeItem   string   `json:"supersede_item,omitempty"`
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
assets hold the bands, at each of the cube's resolutions. The time of a scene comes from --datetime-pattern (a strptime pattern searched in
the file's name, UTC), else from the STAC item, else from the raster's acquisition metadata.

A folder that is a plain Zarr v3 group, as xarray writes it and cube export does, is a scene for each step of its
time axis (docs/guides/zarr.md).

A scene that is there already is skipped; a bad one is rejected with its reason and a cure, and changes
nothing; --strict commits only if none is bad.

A reprocessed scene, which has the source and time of one that is there and other content, is rejected
unless --supersede is given: then it takes the place of the old one. --supersede-item ITEM does so for
exactly one scene under another name or time. Older snapshots, and dataset versions made from them, keep
the old scene.

A cube with flags wants to know where they come from. --flags-from names a band or an asset and how its
values are read: BAND=scl (Sentinel-2's scene classification: cloud 8, 9, 10, cirrus 10, cloud_shadow 3,
snow 11, saturated 1, water 6, and its other classes by their names), BAND=qa_pixel (the single bits of
Landsat's QA_PIXEL, Collection 2), BAND=bits:cloud=3,cloud_shadow=8-9:3,saturated=0-6 (a bit, a field
with its number, any bit of a range), BAND=classes:cloud=8+9,snow=11 (class values), or none, where
scenes have no flags. It may be given several times. Without it the classification that a STAC item
declares is taken, where its classes mean flags of the cube.

With --json: {"snapshot", "accepted": [{"source", "item", "datetime"}], "rejected": [{"source", "reason",
"cure"}], "skipped": [{"source", "reason"}], "superseded": [{"source", "item", "slice"}]}; an accepted
scene that took another's place stands in accepted and superseded, slice being the one that went. Exit 1
if any was rejected.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Cube, a.Sources = args[0], args[1:]
			return c.invoke(cmd.Context(), ingestVerb, a, a.Sources, c.printIngest)
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.DatetimePattern, "datetime-pattern", "", "strptime pattern searched in the file's name, such as 's2_%Y%m%d'")
	f.StringSliceVar(&a.Bands, "bands", nil, "band names of files without names, in order")
	f.StringArrayVar(&a.FlagsFrom, "flags-from", nil, "where flags come from: BAND=scl|qa_pixel|bits:…|classes:…, or none; may be repeated")
	f.BoolVar(&a.Supersede, "supersede", false, "let scenes with other content take the place of those with the same source and time")
	f.StringVar(&a.SupersedeItem, "supersede-item", "", "item whose place the only scene takes")
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
		Sources: sources.paths, Given: sources.given, DatetimePattern: a.DatetimePattern, Bands: a.Bands, Actor: c.actor,
		FlagsFrom: a.FlagsFrom, Supersede: a.Supersede, SupersedeItem: a.SupersedeItem, Strict: a.Strict, Progress: c.progress("scenes read")})
	if err != nil {
		return nil, 0, sources.namedIn(err)
	}
	if len(report.Rejected) > 0 {
		return report, exitRefused, nil
	}
	return report, exitOK, nil
}}

func (c *cli) printIngest(doc json.RawMessage) {
	r := decoded[ingest.Report](doc)
	replaced, notes := map[string]cube.SliceID{}, map[string]int{}
	for _, s := range r.Superseded {
		replaced[s.Item] = s.Slice
	}
	for _, s := range r.Accepted {
		fmt.Fprintf(c.out, "accepted  %s as %s, %s", s.Source, s.Item, s.Datetime)
		if old, ok := replaced[s.Item]; ok {
			fmt.Fprintf(c.out, ", in place of slice %s", old)
		}
		fmt.Fprintln(c.out)
		if notes[s.Note]++; s.Note != "" && notes[s.Note] == 1 { // what holds for all is said once
			fmt.Fprintf(c.out, "  note: %s\n", s.Note)
		}
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(c.out, "skipped   %s: %s\n", s.Source, s.Reason)
	}
	for _, s := range r.Rejected {
		fmt.Fprintf(c.out, "rejected  %s: %s\n  cure: %s\n", s.Source, s.Reason, s.Cure)
	}
	fmt.Fprintf(c.out, "%d accepted, %d skipped, %d rejected; snapshot %s\n", len(r.Accepted), len(r.Skipped), len(r.Rejected), r.Snapshot)
}
