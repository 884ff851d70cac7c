package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/cube/layout"
)

// cubeArgs name a cube and one of its versions.
type cubeArgs struct {
	Cube    string `json:"cube"`
	Version string `json:"version,omitempty"`
}

func (c *cli) cubeShowCommand() *cobra.Command {
	var a cubeArgs
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "a cube's location, snapshot, bands, cells, times and arrays",
		Long: `Shows a cube as its repository holds it.

With --json: {"cube", "location", "snapshot", "bands", "cells": [{"path", "crs", "transform", "times",
"arrays": [{"path", "dims", "shape", "chunks", "dtype"}]}]}; while there is one cell, its keys stand at
the top level too. A cube with several resolutions, cells or flags has "groups": [{"name", "crs",
"transform", "width", "height", "bands", "dtype", "chunk"}], "cell_size" and "flags": [{"name", "mask"}]
too; "bands" are those of the first resolution. Cells stand there once a scene has touched them.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Cube = args[0]
			return c.invoke(cmd.Context(), cubeShowVerb, a, nil, c.printCube)
		},
	}
	cmd.Flags().StringVar(&a.Version, "version", "", "snapshot id, tag or branch (default: the newest)")
	return cmd
}

var cubeShowVerb = verb{name: "cube.show", run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	view, err := w.view(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	return view.Describe(), exitOK, nil
}}

// view opens the cube and version that a call names.
func (w *workspace) view(ctx context.Context, c call) (*layout.View, error) {
	var a cubeArgs
	if err := c.into(&a); err != nil {
		return nil, err
	}
	opened, err := w.cube(ctx, a.Cube)
	if err != nil {
		return nil, err
	}
	return opened.At(ctx, a.Version)
}

// mostCells is how many cells a person is shown.
const mostCells = 24

func (c *cli) printCube(doc json.RawMessage) {
	d := decoded[layout.Description](doc)
	fmt.Fprintf(c.out, "cube %s\n  at        %s\n  snapshot  %s\n", d.Cube, d.Location, d.Snapshot)
	for i, g := range d.Groups {
		if i == 0 && d.CellSize > 0 {
			fmt.Fprintf(c.out, "  cells     of %d × %d pixels of %s\n", d.CellSize, d.CellSize, g.Name)
		}
		fmt.Fprintf(c.out, "  %-8s  %s  %d × %d pixels  %s  %s\n", g.Name, g.CRS, g.Width, g.Height, g.DType, strings.Join(g.Bands, " "))
	}
	if len(d.Groups) == 0 {
		fmt.Fprintf(c.out, "  bands     %s\n", strings.Join(d.Bands, " "))
	}
	if len(d.Flags) > 0 {
		var names []string
		for _, f := range d.Flags {
			names = append(names, fmt.Sprintf("%s=%d", f.Name, f.Mask))
		}
		fmt.Fprintf(c.out, "  flags     %s\n", strings.Join(names, " "))
	}
	for i, cell := range d.Cells {
		if i == mostCells {
			fmt.Fprintf(c.out, "  and %d cells more; --json has all\n", len(d.Cells)-i)
			break
		}
		c.printCell(cell, len(d.Cells) == 1)
	}
	if len(d.Cells) == 0 {
		fmt.Fprintln(c.out, "  no cell yet: they come into being with the scenes that touch them")
	}
}

// printCell writes one line about a cell, and one about each of its arrays if it is the only one.
func (c *cli) printCell(cell layout.CellDescription, alone bool) {
	fmt.Fprintf(c.out, "  cell %s  %s  %d × %d pixels  %d times", cell.Path, cell.CRS, cell.Width, cell.Height, len(cell.Times))
	if n := len(cell.Times); n > 0 {
		fmt.Fprintf(c.out, "  %s … %s", cell.Times[0], cell.Times[n-1])
	}
	fmt.Fprintln(c.out)
	if !alone {
		return
	}
	for _, a := range cell.Arrays {
		fmt.Fprintf(c.out, "    %-28s %-8s %v (%s) in chunks of %v\n", a.Path, a.DType, a.Shape, strings.Join(a.Dims, ", "), a.Chunks)
	}
}
