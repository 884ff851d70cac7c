package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sort"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// sceneEdge is the edge in chunks of a scene that is written.
const sceneEdge = 10

// writing is a whole scene in memory and the cube that it is written into, over and over.
type writing struct {
	cube         *layout.Cube
	image, valid [][]byte
	written      int
}

// write puts one scene into a cube on disk, durable and committed (engine "stage"), or only encodes its
// chunks (engine "encoder"): the same chunks, the same codecs, as many threads.
func (b *bench) write(ctx context.Context, r request) (spent, error) {
	if b.writing == nil {
		s, err := b.prepare(ctx, r.Path)
		if err != nil {
			return spent{}, err
		}
		b.writing = &s
	}
	s := b.writing
	n := 0
	for i := range s.image {
		n += len(s.image[i])
	}
	do := s.encode
	if r.Engine == "stage" {
		do = s.commit
	}
	stop := meter()
	err := do(ctx, r.Threads)
	return stop(len(s.image), n), err
}

func (b *bench) prepare(ctx context.Context, dir string) (writing, error) {
	var s writing
	picked, names := sourceBands(b.Bands)
	files, err := filepath.Glob("demo/data/s2_*.tif")
	if err != nil || len(files) == 0 {
		return s, fmt.Errorf("no demo/data/s2_*.tif here: run it from the top of the repository")
	}
	sort.Strings(files)
	pixels, err := source(files[0], picked)
	if err != nil {
		return s, err
	}
	for cy := range sceneEdge {
		for cx := range sceneEdge {
			image, valid := chunk(pixels, 0, cy, cx, sceneEdge*edge)
			s.image, s.valid = append(s.image, image), append(s.valid, valid)
		}
	}
	s.cube, err = newCube(ctx, dir, layout.Spec{Name: "written", Grid: square(sceneEdge * edge), Bands: names, DType: cube.Uint16}, nil)
	return s, err
}

// square is a grid of so many pixels.
func square(side int) cube.Grid {
	return cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 600000, 0, -10, 5700000}, Width: side, Height: side}
}

// newCube creates a cube in a directory; count, if given, is told of every object written.
func newCube(ctx context.Context, dir string, spec layout.Spec, count *counted) (*layout.Cube, error) {
	driver, err := file.New(dir)
	if err != nil {
		return nil, err
	}
	var d store.Driver = driver
	if count != nil {
		count.Driver = driver
		d = count
	}
	return layout.Create(ctx, store.New(d, "file://"+dir).Sub("cubes/"+spec.Name), spec)
}

func (s *writing) encode(ctx context.Context, threads int) error {
	view, err := s.cube.At(ctx, "")
	if err != nil {
		return err
	}
	const cell = "r0c0/10m"
	image, valid := view.Array(cell, layout.Image), view.Array(cell, layout.Valid)
	return parallel(threads, len(s.image), func(_, i int) error {
		if _, err := image.Encode(s.image[i]); err != nil {
			return err
		}
		_, err := valid.Encode(s.valid[i])
		return err
	})
}

func (s *writing) commit(ctx context.Context, threads int) error {
	spec := s.cube.Spec()
	stage, err := s.cube.Stage(ctx, spec.Grid.All())
	if err != nil {
		return err
	}
	err = parallel(threads, len(s.image), func(_, i int) error {
		return stage.Write(ctx, spec.Groups()[0].Name, i/sceneEdge, i%sceneEdge, s.image[i], s.valid[i])
	})
	if err != nil {
		return err
	}
	s.written++
	staged, err := stage.Finish(ctx, meta(s.written))
	if err != nil {
		return err
	}
	_, err = s.cube.Commit(ctx, []*layout.Staged{staged}, "one scene")
	return err
}

func meta(day int) layout.Meta {
	return layout.Meta{Source: fmt.Sprintf("scene_%05d", day), Time: time.Date(2021, 1, 3, 10, 50, 0, 0, time.UTC).AddDate(0, 0, day)}
}
