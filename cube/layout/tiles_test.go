package layout_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/fault"
)

// tiled is a cube of 3 × 2 cells with resolutions of 10, 20 and 60 m, and flags.
func tiled(t testing.TB) layout.Spec {
	t.Helper()
	s := uint16Spec()
	s.Grid.Width, s.Grid.Height, s.Chunk, s.CellSize = 84, 120, 8, 48
	for _, of := range []struct {
		name  string
		bands []cube.Band
	}{{"20m", []cube.Band{{Name: "B05"}, {Name: "B06"}}}, {"60m", []cube.Band{{Name: "B01"}}}} {
		g, err := s.NewGroup(of.name, of.bands)
		require.NoError(t, err)
		s.Further = append(s.Further, g)
	}
	s.Flags = []layout.Flag{{Name: "cloud", Mask: 1}, {Name: "shadow", Mask: 2}, {Name: "saturated", Mask: 0x8000}}
	return s
}

// randomSpec draws a tiling and groups.
func randomSpec(t testing.TB, rng *rand.Rand) layout.Spec {
	t.Helper()
	s := uint16Spec()
	s.Chunk = []int{4, 8, 16}[rng.IntN(3)]
	s.Grid.Width, s.Grid.Height = 12*(1+rng.IntN(9)), 12*(1+rng.IntN(9))
	for _, r := range []struct {
		name  string
		chunk int
	}{{"20m", 4}, {"5m", 16}, {"60m", 2}} {
		if rng.IntN(2) == 0 {
			continue
		}
		g, err := s.NewGroup(r.name, []cube.Band{{Name: "X" + r.name}, {Name: "Y" + r.name}}[:1+rng.IntN(2)])
		require.NoError(t, err)
		g.Chunk = r.chunk
		if rng.IntN(2) == 0 {
			g.DType, g.Nodata = cube.Float32, layouttest.NaN()
		}
		s.Further = append(s.Further, g)
	}
	if rng.IntN(4) > 0 {
		s.CellSize = 48 * (1 + rng.IntN(2))
	}
	if rng.IntN(2) == 0 {
		s.Flags = []layout.Flag{{Name: "cloud", Mask: 4}, {Name: "snow", Mask: 8}}
	}
	return s
}

func randomWindow(rng *rand.Rand, g cube.Grid) cube.Window {
	w := cube.Window{Row: rng.IntN(g.Height), Col: rng.IntN(g.Width)}
	w.Height, w.Width = 1+rng.IntN(g.Height-w.Row), 1+rng.IntN(g.Width-w.Col)
	return w
}

// fill commits random scenes in random portions and orders, and returns them by source.
func fill(t testing.TB, rng *rand.Rand, c *layout.Cube, n int) map[string]layouttest.Scene {
	t.Helper()
	s := c.Spec()
	var all []layouttest.Scene
	for i := range n {
		at := layouttest.Date(1+rng.IntN(12), 1+rng.IntN(3), rng.IntN(2))
		all = append(all, layouttest.RandomIn(s, uint64(rng.IntN(1<<30)), fmt.Sprint("s", i), at, randomWindow(rng, s.Grid)))
	}
	byName := map[string]layouttest.Scene{}
	for _, sc := range all {
		byName[sc.Meta.Source] = sc
	}
	for len(all) > 0 {
		k := 1 + rng.IntN(min(3, len(all)))
		layouttest.Commit(t, c, all[:k]...)
		all = all[k:]
	}
	return byName
}

// mosaic reads a slice of a group over the whole frame, cell by cell and chunk by chunk.
func mosaic(t testing.TB, v *layout.View, g layout.Group, id cube.SliceID, name string) []byte {
	t.Helper()
	var out []byte
	var fill []byte
	for _, c := range v.Cells() {
		if c.Group != g.Name {
			continue
		}
		a := v.Array(c.Path, name)
		planes, size, edge := 1, a.DType.Size(), g.ChunkSize()
		if name != layout.Flags {
			planes = len(g.Bands)
		}
		frame := g.Grid.Height * g.Grid.Width * size
		if out == nil {
			out, fill = make([]byte, planes*frame), make([]byte, a.ChunkBytes())
			a.FillChunk(out)
			a.FillChunk(fill)
		}
		i, _, ok := v.Slice(c.Path, id)
		if !ok {
			continue
		}
		for cy := range c.ChunkRows {
			for cx := range c.ChunkCols {
				chunk := bytes.Clone(fill)
				ref, ok, err := v.Ref(t.Context(), c.Path, name, i, cy, cx)
				require.NoError(t, err)
				if ok {
					encoded, err := v.Cube().Repo().ReadChunk(t.Context(), ref)
					require.NoError(t, err)
					require.NoError(t, a.Decode(chunk, encoded))
				}
				at := cube.Window{Row: c.Window.Row + cy*edge, Col: c.Window.Col + cx*edge, Height: edge, Width: edge}
				for b := range planes {
					n := edge * edge * size
					cube.CopyPart(out[b*frame:(b+1)*frame], g.Grid.All(), chunk[b*n:(b+1)*n], at, c.Window, size)
				}
			}
		}
	}
	return out
}

// Whatever the tiling and the groups, the cells together hold what each scene put in, and no more.
func TestRandomTilingsHoldWhatWasPutIn(t *testing.T) {
	for round := range 12 {
		rng := rand.New(rand.NewPCG(uint64(round), 3))
		s := randomSpec(t, rng)
		c, b := create(t, s)
		all := fill(t, rng, c, 5)
		c, err := layout.Open(t.Context(), b)
		require.NoError(t, err)
		v := head(t, c)
		require.Len(t, v.Slices(), len(all))
		for i, sl := range v.Slices() {
			sc := all[sl.Source]
			assert.Equal(t, sc.Footprint, sl.Footprint)
			if i > 0 {
				assert.True(t, v.Slices()[i-1].Less(sl))
			}
			for k, g := range s.Groups() {
				require.True(t, bytes.Equal(sc.Of(k).Image, mosaic(t, v, g, sl.ID, layout.Image)), "round %d: %s of %s", round, g.Name, sl.Source)
				require.True(t, bytes.Equal(sc.Of(k).Valid, mosaic(t, v, g, sl.ID, layout.Valid)), "round %d: validity", round)
			}
			if len(s.Flags) > 0 {
				require.True(t, bytes.Equal(sc.Flags, mosaic(t, v, s.Groups()[0], sl.ID, layout.Flags)), "round %d: flags", round)
			}
		}
		checkCells(t, v)
	}
}

// checkCells compares the axes of a view that was shared step by step with those worked out anew.
func checkCells(t *testing.T, v *layout.View) {
	t.Helper()
	s := v.Spec()
	seen := map[string]bool{}
	for _, c := range v.Cells() {
		seen[c.Path] = true
		g, err := v.Frame(c.Group)
		require.NoError(t, err)
		var want []cube.SliceID
		for _, sl := range v.Slices() {
			if !layouttest.Scaled(s, g, sl.Footprint).Intersect(c.Window).Empty() {
				want = append(want, sl.ID)
			}
		}
		var got []cube.SliceID
		for i, sl := range c.Slices {
			got = append(got, sl.ID)
			at, err := v.FindSlice(c.Path, sl.ID)
			require.NoError(t, err)
			require.Equal(t, i, at)
		}
		require.Equal(t, want, got, c.Path)
		again, err := v.Cell(c.Path)
		require.NoError(t, err)
		require.Equal(t, c, again)
		minX, minY, maxX, maxY := g.Grid.WindowBounds(c.Window)
		a, b, d, e := c.Grid.Bounds()
		require.Equal(t, []float64{minX, minY, maxX, maxY}, []float64{a, b, d, e}, "a cell lies where its window is")
	}
	for _, c := range v.Cells() {
		require.True(t, seen[fmt.Sprintf("r%dc%d/%s", c.Row, c.Col, v.Groups()[0].Name)], "cells come with all their groups")
	}
}

// A view that shares with the one before equals one that is read anew, after each commit.
func TestViewsShareWithoutMixing(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	s := tiled(t)
	c, b := create(t, s)
	for round := range 6 {
		sc := layouttest.RandomIn(s, uint64(round), fmt.Sprint("s", rng.IntN(3)), layouttest.Date(1+rng.IntN(2), 1, 0), randomWindow(rng, s.Grid))
		_, err := c.CommitWith(t.Context(), []*layout.Staged{layouttest.Stage(t, c, sc)}, "x", layout.CommitOptions{Supersede: true})
		require.NoError(t, err)
		fresh, err := layout.Open(t.Context(), b)
		require.NoError(t, err)
		v, w := head(t, c), head(t, fresh)
		require.Equal(t, w.Slices(), v.Slices())
		require.Equal(t, w.Cells(), v.Cells())
		checkCells(t, v)
		log, err := c.Log(t.Context(), "")
		require.NoError(t, err)
		old, err := fresh.At(t.Context(), log[len(log)-2].ID.String()) // back to the creation
		require.NoError(t, err)
		require.Empty(t, old.Cells())
		require.Empty(t, old.Slices())
	}
}

// One grid and many cells fed with the same scenes hold the same, though the digests name cells.
func TestTilingChangesNoPixel(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	many := tiled(t)
	one := many
	one.CellSize = 0
	a, _ := create(t, many)
	b, _ := create(t, one)
	for i := range 6 {
		sc := layouttest.RandomIn(many, uint64(i), fmt.Sprint("s", i), layouttest.Date(1+rng.IntN(12), 1, 0), randomWindow(rng, many.Grid))
		layouttest.Commit(t, a, sc)
		layouttest.Commit(t, b, sc)
	}
	v, w := head(t, a), head(t, b)
	require.Len(t, w.Cells(), 3)
	require.Len(t, w.Slices(), len(v.Slices()))
	for _, sl := range v.Slices() {
		// Of one time they are in the order of their ids, which the digests make.
		at := slices.IndexFunc(w.Slices(), func(o cube.Slice) bool { return o.Source == sl.Source })
		require.GreaterOrEqual(t, at, 0)
		other := w.Slices()[at]
		require.Equal(t, sl.Time, other.Time)
		for _, g := range many.Groups() {
			for _, name := range []string{layout.Image, layout.Valid} {
				require.True(t, bytes.Equal(mosaic(t, v, g, sl.ID, name), mosaic(t, w, g, other.ID, name)))
			}
		}
	}
}

func TestLocate(t *testing.T) {
	s := tiled(t)
	c, _ := create(t, s)
	v := head(t, c)
	for _, q := range []struct {
		group string
		w     cube.Window
		cell  string
		in    cube.Window
	}{
		{"10m", cube.Window{Row: 50, Col: 3, Height: 9, Width: 60}, "r1c0/10m", cube.Window{Row: 2, Col: 3, Height: 9, Width: 60}},
		{"20m", cube.Window{Row: 50, Col: 25, Height: 9, Width: 60}, "r2c1/20m", cube.Window{Row: 2, Col: 1, Height: 9, Width: 60}},
		{"60m", cube.Window{Row: -3, Col: 100, Height: 9, Width: 6}, "r0c1/60m", cube.Window{Row: -3, Col: 92, Height: 9, Width: 6}},
	} {
		cell, in, err := v.Locate(q.group, q.w)
		require.NoError(t, err)
		assert.Equal(t, q.cell, cell)
		assert.Equal(t, q.in, in)
	}
	_, _, err := v.Locate("30m", cube.Window{Height: 1, Width: 1})
	assert.Equal(t, fault.NotFound, fault.KindOf(err))

	cell, err := v.Cell("r2c1/60m")
	require.NoError(t, err)
	assert.Equal(t, cube.Window{Row: 16, Col: 8, Height: 4, Width: 6}, cell.Window)
	assert.Equal(t, cube.Affine{60, 0, 500480, 0, -60, 5599040}, cell.Grid.Transform)
	assert.Empty(t, cell.Slices)
	for _, path := range []string{"r3c0/10m", "r0c2/10m", "r0c0/30m", "r00c0/10m", "r0c0", "", "r-1c0/10m", "r0c0/10m/x"} {
		_, err := v.Cell(path)
		assert.Equal(t, fault.NotFound, fault.KindOf(err), path)
		assert.NotEmpty(t, fault.CureOf(err))
	}
}

// Digests of a window over cells: the cells row by row, of each image and validity.
func TestPixelDigestsAcrossCells(t *testing.T) {
	s := tiled(t)
	c, _ := create(t, s)
	layouttest.Commit(t, c,
		layouttest.RandomIn(s, 1, "all", layouttest.Date(1, 1, 0), s.Grid.All()),
		layouttest.RandomIn(s, 2, "east", layouttest.Date(1, 2, 0), cube.Window{Col: 60, Height: 10, Width: 10}))
	v := head(t, c)
	all, east := v.Slices()[0].ID, v.Slices()[1].ID
	of := func(cell string, id cube.SliceID, w cube.Window) []string {
		d, err := v.PixelDigests(t.Context(), cell, []cube.SliceID{id}, w)
		require.NoError(t, err)
		return d
	}
	w := cube.Window{Row: 40, Col: 40, Height: 10, Width: 10} // the corner of four cells
	want := append(of("r0c0/10m", all, cube.Window{Row: 40, Col: 40, Height: 8, Width: 8}), of("r0c1/10m", all, cube.Window{Row: 40, Height: 8, Width: 2})...)
	want = append(want, of("r1c0/10m", all, cube.Window{Col: 40, Height: 2, Width: 8})...)
	want = append(want, of("r1c1/10m", all, cube.Window{Height: 2, Width: 2})...)
	require.Len(t, want, 8)
	assert.Equal(t, want, of("r0c0/10m", all, w))
	assert.Equal(t, want, of("r1c1/10m", all, cube.Window{Row: -8, Col: -8, Height: 10, Width: 10}), "whichever cell the window is named by")
	assert.Empty(t, of("r0c0/10m", east, cube.Window{Height: 48, Width: 48}), "the slice does not reach that cell")
	assert.Len(t, of("r0c0/10m", east, cube.Window{Row: 0, Col: 40, Height: 8, Width: 16}), 2)
	_, err := v.FindSlice("r0c0/10m", east)
	assert.ErrorContains(t, err, "does not reach")
}

func TestTilingsThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*layout.Spec){
		"cell":        func(s *layout.Spec) { s.CellSize = 50 },
		"cell 60m":    func(s *layout.Spec) { s.CellSize = 64 },
		"negative":    func(s *layout.Spec) { s.CellSize = -48 },
		"ratio":       func(s *layout.Spec) { s.Further[0].Grid.Transform[0] = 25; s.Further[0].Name = "" },
		"bounds":      func(s *layout.Spec) { s.Further[0].Grid.Width++ },
		"shifted":     func(s *layout.Spec) { s.Further[0].Grid.Transform[2] += 10 },
		"part pixels": func(s *layout.Spec) { s.Grid.Width++ },
		"CRS":         func(s *layout.Spec) { s.Further[0].Grid.CRS = "EPSG:32632" },
		"twice":       func(s *layout.Spec) { s.Further[0].Bands = []cube.Band{{Name: "B03"}} },
		"no bands":    func(s *layout.Spec) { s.Further[0].Bands = nil },
		"group name":  func(s *layout.Spec) { s.Further[0].Name = "coarse" },
		"two groups":  func(s *layout.Spec) { s.Further = append(s.Further, s.Further[0]) },
		"same":        func(s *layout.Spec) { s.Further[0].Grid = s.Grid; s.Further[0].Name = "" },
		"nodata":      func(s *layout.Spec) { s.Further[0].Nodata = layouttest.NaN() },
		"two bits":    func(s *layout.Spec) { s.Flags[0].Mask = 3 },
		"no bit":      func(s *layout.Spec) { s.Flags[0].Mask = 0 },
		"taken bit":   func(s *layout.Spec) { s.Flags[0].Mask = 2 },
		"flag name":   func(s *layout.Spec) { s.Flags[0].Name = "high cloud" },
		"flag twice":  func(s *layout.Spec) { s.Flags[0].Name = "shadow" },
		"17 flags": func(s *layout.Spec) {
			s.Flags = nil
			for i := range 17 {
				s.Flags = append(s.Flags, layout.Flag{Name: fmt.Sprint("f", i), Mask: 1 << (i % 16)})
			}
		},
	} {
		s := tiled(t)
		change(&s)
		_, err := layout.Create(t.Context(), layouttest.Bucket(), s)
		assert.Equal(t, fault.Invalid, fault.KindOf(err), name)
		if name != "flag twice" {
			assert.NotEmpty(t, fault.CureOf(err), name)
		}
	}
	s := tiled(t)
	s.CellSize = 64
	_, err := layout.Create(t.Context(), layouttest.Bucket(), s)
	assert.Contains(t, fault.CureOf(err), "multiple of 48, such as 96")
}
