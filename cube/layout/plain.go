package layout

import (
	"maps"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/zarr"
)

// Plain is a part of a cube as a plain Zarr group: the nodes of a cell, without its records.
type Plain struct {
	// Attrs are the group's attributes.
	Attrs map[string]any
	// Arrays are image, valid, time and the coordinates, by name; and flags where the cube has them at this
	// resolution.
	Arrays map[string]zarr.Array
	// Coords are the values of the coordinates in C order, little-endian; those of "band" are encoded already.
	Coords map[string][]byte
}

// Plain describes a window of a group's frame with some of its bands and n slices, as a cell of that
// size would be described. The time coordinate's values are the caller's.
func (s Spec) Plain(g Group, window cube.Window, bands []cube.Band, n int) Plain {
	g.Bands = bands
	grid := g.Grid
	grid.Transform[2], grid.Transform[5] = g.Grid.Transform.Apply(float64(window.Col), float64(window.Row))
	grid.Width, grid.Height = window.Width, window.Height
	if g.Name != s.Groups()[0].Name {
		s.Flags = nil
	}
	arrays := s.arrays(tile{group: g, grid: grid, window: window}, n)
	maps.DeleteFunc(arrays, func(name string, _ zarr.Array) bool { return strings.Contains(name, "/") })
	return Plain{
		Attrs:  geoAttrs(grid),
		Arrays: arrays,
		Coords: map[string][]byte{
			"band": zarr.EncodeStrings(g.BandNames()), "spatial_ref": make([]byte, 8),
			"y": centres(grid, "y", grid.Height), "x": centres(grid, "x", grid.Width),
		},
	}
}
