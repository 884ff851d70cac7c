package main

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
)

const (
	cellEdge  = 43 // of a cell in chunks: a scene is one cell of 1,849
	cellChunk = 64 // edge of a chunk in pixels; what is in it does not matter to a commit
)

// commits are those of one scene of 1,849 chunks into one of many cells, without the writing of its pixels.
type commits struct {
	Cells  int     `json:"cells"`
	P50    float64 `json:"p50_ms"`
	CPU    float64 `json:"cpu_ms"`
	Scenes int     `json:"scenes"`
}

// cells makes a tiled cube, each of its cells with a scene, and commits to the first one.
func cells(ctx context.Context, r request) (commits, error) {
	side := int(math.Ceil(math.Sqrt(float64(r.Cells))))
	grid := square(side * cellEdge * cellChunk)
	c, err := newCube(ctx, r.Path, layout.Spec{
		Name: "tiled", Grid: grid, Bands: []cube.Band{{Name: "B02"}}, DType: cube.Uint16, Chunk: cellChunk, CellSize: cellEdge * cellChunk,
	}, nil)
	if err != nil {
		return commits{}, err
	}
	var staged []*layout.Staged
	for i := range r.Cells {
		at := cube.Window{Row: i / side * cellEdge * cellChunk, Col: i % side * cellEdge * cellChunk, Height: cellChunk, Width: cellChunk}
		s, err := stageNoise(ctx, c, at, i)
		if err != nil {
			return commits{}, err
		}
		staged = append(staged, s)
	}
	if _, err := c.Commit(ctx, staged, "the cells"); err != nil {
		return commits{}, err
	}
	var times, cpu []float64
	for i := range r.Scenes {
		s, err := stageNoise(ctx, c, cube.Window{Height: cellEdge * cellChunk, Width: cellEdge * cellChunk}, r.Cells+i)
		if err != nil {
			return commits{}, err
		}
		stop, start := meter(), time.Now()
		if _, err := c.Commit(ctx, []*layout.Staged{s}, "one scene"); err != nil {
			return commits{}, err
		}
		times = append(times, float64(time.Since(start).Microseconds())/1000)
		cpu = append(cpu, 1000*stop(1, 0).CPU)
	}
	slices.Sort(times)
	slices.Sort(cpu)
	return commits{r.Cells, times[len(times)/2], cpu[len(cpu)/2], r.Scenes}, nil
}

// stageNoise stages a scene of pixels that do not compress away over whole chunks of the frame.
func stageNoise(ctx context.Context, c *layout.Cube, w cube.Window, day int) (*layout.Staged, error) {
	spec := c.Spec()
	n := spec.ChunkSize()
	image, valid := make([]byte, spec.ImageChunkBytes()), make([]byte, spec.ValidChunkBytes())
	rng := rand.New(rand.NewPCG(uint64(day), 1))
	for i := range valid {
		image[2*i], valid[i] = byte(rng.Uint64()), 1
	}
	stage, err := c.Stage(ctx, w)
	if err != nil {
		return nil, err
	}
	for cy := w.Row / n; cy < (w.Row+w.Height)/n; cy++ {
		for cx := w.Col / n; cx < (w.Col+w.Width)/n; cx++ {
			if err := stage.Write(ctx, spec.Groups()[0].Name, cy, cx, image, valid); err != nil {
				return nil, err
			}
		}
	}
	return stage.Finish(ctx, meta(day))
}
