package burn_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/labels/burn"
)

// unit is a grid whose coordinates are columns and negative rows.
func unit(w, h int) cube.Grid {
	return cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{1, 0, 0, 0, -1, 0}, Width: w, Height: h}
}

func draw(p burn.Polygon, g cube.Grid) string {
	cells := make([]byte, 0, (g.Width+1)*g.Height)
	for range g.Height {
		for range g.Width {
			cells = append(cells, '.')
		}
		cells = append(cells, '\n')
	}
	burn.Spans(p, g, func(row, from, until int) {
		for c := from; c < until; c++ {
			cells[row*(g.Width+1)+c] = '#'
		}
	})
	return string(cells)
}

func ring(xy ...float64) burn.Ring {
	var r burn.Ring
	for i := 0; i < len(xy); i += 2 {
		r = append(r, burn.Point{X: xy[i], Y: -xy[i+1]})
	}
	return r
}

func TestSpans(t *testing.T) {
	square := ring(1, 1, 4, 1, 4, 4, 1, 4, 1, 1)
	for _, c := range []struct {
		name string
		p    burn.Polygon
		want string
	}{
		{"square", burn.Polygon{square}, ".....\n.###.\n.###.\n.###.\n.....\n"},
		{"hole", burn.Polygon{square, ring(2, 2, 3, 2, 3, 3, 2, 3, 2, 2)}, ".....\n.###.\n.#.#.\n.###.\n.....\n"},
		{"nothing between centres", burn.Polygon{ring(1.6, 1.6, 2.4, 1.6, 2.4, 2.4, 1.6, 2.4, 1.6, 1.6)}, ".....\n.....\n.....\n.....\n.....\n"},
		{"over the edge", burn.Polygon{ring(-9, -9, 2, -9, 2, 2, -9, 2, -9, -9)}, "##...\n##...\n.....\n.....\n.....\n"},
		{"outside", burn.Polygon{ring(7, 1, 9, 1, 9, 3, 7, 3, 7, 1)}, ".....\n.....\n.....\n.....\n.....\n"},
		{"empty", nil, ".....\n.....\n.....\n.....\n.....\n"},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, draw(c.p, unit(5, 5))) })
	}
}

// Two polygons that share an edge never share a pixel and leave none out, wherever the edge runs.
func TestSharedEdges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	g := unit(12, 12)
	for range 2000 {
		half := func(lo, hi float64) float64 { return lo + math.Round(r.Float64()*(hi-lo)*2)/2 }
		x0, y0, x1, y1 := half(0, 3), half(0, 3), half(8, 12), half(8, 12)
		top, bottom := half(x0, x1), half(x0, x1)
		left := burn.Polygon{ring(x0, y0, top, y0, bottom, y1, x0, y1, x0, y0)}
		right := burn.Polygon{ring(top, y0, x1, y0, x1, y1, bottom, y1, top, y0)}
		whole := burn.Polygon{ring(x0, y0, x1, y0, x1, y1, x0, y1, x0, y0)}
		require.Equal(t, burn.Count(whole, g), burn.Count(left, g)+burn.Count(right, g),
			"cut from (%g,%g) to (%g,%g)", top, y0, bottom, y1)
	}
}

// referee is a scene of shapes that rasterio burns, one value each.
type referee struct {
	Transform cube.Affine     `json:"transform"`
	Width     int             `json:"width"`
	Height    int             `json:"height"`
	Shapes    []burn.Polygon  `json:"-"`
	GeoJSON   [][][][]float64 `json:"shapes"`
}

const refereeProgram = `
import json, sys
import numpy as np
from affine import Affine
from rasterio.features import rasterize
out = open(sys.argv[2], "wb")
for s in json.load(open(sys.argv[1])):
    for rings in s["shapes"]:
        a = rasterize([({"type": "Polygon", "coordinates": rings}, 1)], out_shape=(s["height"], s["width"]),
                      transform=Affine(*s["transform"]), fill=0, dtype="uint8")
        out.write(np.ascontiguousarray(a).tobytes())
`

func official(t *testing.T, scenes []referee) []byte {
	t.Helper()
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official rasterio to compare with")
	}
	for i := range scenes {
		for _, p := range scenes[i].Shapes {
			var rings [][][]float64
			for _, r := range p {
				var line [][]float64
				for _, q := range r {
					line = append(line, []float64{q.X, q.Y})
				}
				rings = append(rings, line)
			}
			scenes[i].GeoJSON = append(scenes[i].GeoJSON, rings)
		}
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.json"), filepath.Join(dir, "out.bin")
	data, err := json.Marshal(scenes)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(in, data, 0o600))
	msg, err := exec.Command(python, "-c", refereeProgram, in, out).CombinedOutput()
	require.NoError(t, err, string(msg))
	data, err = os.ReadFile(out)
	require.NoError(t, err)
	return data
}

func compare(t *testing.T, scenes []referee) {
	t.Helper()
	want := official(t, scenes)
	for i, s := range scenes {
		g := cube.Grid{CRS: "EPSG:32631", Transform: s.Transform, Width: s.Width, Height: s.Height}
		for k, p := range s.Shapes {
			got := make([]byte, g.Width*g.Height)
			burn.Spans(p, g, func(row, from, until int) {
				for c := from; c < until; c++ {
					got[row*g.Width+c] = 1
				}
			})
			require.Equal(t, want[:len(got)], got, fmt.Sprintf("scene %d shape %d: %v", i, k, p))
			want = want[len(got):]
		}
	}
	require.Empty(t, want)
}

// star makes a valid polygon around a centre; snap rounds its vertices, so that many fall on pixel
// centres and corners, in whichever direction the ring runs.
func star(r *rand.Rand, cx, cy, radius, snap float64, turn bool) burn.Ring {
	n := 3 + r.IntN(12)
	var out burn.Ring
	for i := range n {
		a := 2 * math.Pi * (float64(i) + 0.8*r.Float64()) / float64(n)
		if turn {
			a = -a
		}
		d := radius * (0.3 + 0.7*r.Float64())
		q := burn.Point{X: cx + d*math.Cos(a), Y: cy + d*math.Sin(a)}
		if snap > 0 {
			q = burn.Point{X: math.Round(q.X/snap) * snap, Y: math.Round(q.Y/snap) * snap}
		}
		out = append(out, q)
	}
	return append(out, out[0])
}

func TestEqualToGDAL(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	frames := []referee{
		{Transform: cube.Affine{10, 0, 664000, 0, -10, 5612120}, Width: 40, Height: 30},
		{Transform: cube.Affine{29.90640459139769, 0, 703986.502389, 0, -29.883120236686878, 4254601.8671}, Width: 31, Height: 47},
		{Transform: cube.Affine{0.5, 0, 733601, 0, -0.5, 3725139}, Width: 64, Height: 20},
		{Transform: cube.Affine{0.00030951871761557823, 0, -78.66495951928223, 0, -0.00030951871761557823, 38.41639559904431}, Width: 30, Height: 30},
		{Transform: cube.Affine{1, 0, 0, 0, -1, 0}, Width: 24, Height: 24},
	}
	for i := range frames {
		f := &frames[i]
		px := f.Transform[0]
		for k := range 1200 {
			col, row := float64(f.Width)*(1.4*r.Float64()-0.2), float64(f.Height)*(1.4*r.Float64()-0.2)
			cx, cy := f.Transform.Apply(col, row)
			snap := 0.0
			switch k % 3 { // free, on half pixels of the frame, on pixels
			case 1:
				snap = px / 2
			case 2:
				snap = px
			}
			radius := px * (1 + 15*r.Float64())
			p := burn.Polygon{star(r, cx, cy, radius, snap, k%2 == 0)}
			if k%4 == 0 {
				p = append(p, star(r, cx, cy, radius*0.28, snap, r.IntN(2) == 0))
			}
			f.Shapes = append(f.Shapes, p)
		}
		for range 300 { // rectangles on half pixels: every edge runs through centres
			x0, y0 := f.Transform.Apply(float64(r.IntN(40))/2, float64(r.IntN(40))/2)
			w, h := px*float64(1+r.IntN(20))/2, -f.Transform[4]*float64(1+r.IntN(20))/2
			box := burn.Ring{{X: x0, Y: y0}, {X: x0 + w, Y: y0}, {X: x0 + w, Y: y0 - h}, {X: x0, Y: y0 - h}, {X: x0, Y: y0}}
			f.Shapes = append(f.Shapes, burn.Polygon{box})
		}
	}
	compare(t, frames)
}
