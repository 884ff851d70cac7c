package main

import (
	"context"
	"math/rand/v2"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/compact"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
)

// series is how many ranges a chip series takes, counted by cube/read.
type series struct {
	Dates  int   `json:"dates"` // of a series
	Scenes int   `json:"scenes"`
	Before count `json:"before"`
	After  count `json:"after"`
}

type count struct {
	Mean float64 `json:"mean"`
	Most int64   `json:"most"`
}

const seriesEdge = 8 // of the cube in chunks

// series commits scenes one by one, as they arrive, and counts the ranges before and after a compaction.
func (b *bench) series(ctx context.Context, r request) (series, error) {
	out := series{Dates: compact.SeriesDates, Scenes: r.Scenes}
	c, err := newCube(ctx, r.Path, layout.Spec{Name: "series", Grid: square(seriesEdge * edge), Bands: []cube.Band{{Name: "B02"}}, DType: cube.Uint16}, nil)
	if err != nil {
		return out, err
	}
	for day := range r.Scenes {
		if err := noise(ctx, c, day); err != nil {
			return out, err
		}
	}
	if out.Before, err = ranges(ctx, c); err != nil {
		return out, err
	}
	if _, err := compact.Run(ctx, compact.Config{Cube: c}); err != nil {
		return out, err
	}
	out.After, err = ranges(ctx, c)
	return out, err
}

// ranges reads every chip of one chunk with series that begin anywhere, each by itself with nothing kept.
func ranges(ctx context.Context, c *layout.Cube) (count, error) {
	v, err := c.At(ctx, "")
	if err != nil {
		return count{}, err
	}
	cell := v.Cells()[0]
	rng := rand.New(rand.NewPCG(5, 5))
	var sum, most, n int64
	image, valid := make([]byte, compact.SeriesDates*edge*edge*2), make([]byte, compact.SeriesDates*edge*edge)
	for cy := range cell.ChunkRows {
		for cx := range cell.ChunkCols {
			q := read.Request{Cell: cell.Path, Window: cube.Window{Row: cy * edge, Col: cx * edge, Height: edge, Width: edge}}
			first := rng.IntN(len(cell.Slices) - compact.SeriesDates + 1)
			for _, s := range cell.Slices[first : first+compact.SeriesDates] {
				q.Slices = append(q.Slices, s.ID)
			}
			report, err := read.New(read.Config{CacheBytes: -1}).ReadMany(ctx, v, []read.Request{q}, [][]byte{image}, [][]byte{valid})
			if err != nil {
				return count{}, err
			}
			sum, most, n = sum+report.Ranges, max(most, report.Ranges), n+1
		}
	}
	return count{float64(sum) / float64(n), most}, nil
}
