package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

const edge = 256 // of a chunk

// sourceBands picks B02, B03, B04 and B08 of the bundled scenes, or takes all nine.
func sourceBands(n int) ([]int, []cube.Band) {
	names := []cube.Band{{Name: "B02"}, {Name: "B03"}, {Name: "B04"}, {Name: "B05"}, {Name: "B06"}, {Name: "B07"}, {Name: "B08"}, {Name: "B11"}, {Name: "B12"}}
	if n == len(names) {
		return []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, names
	}
	return []int{0, 1, 2, 6}, []cube.Band{names[0], names[1], names[2], names[6]}
}

// open opens the cube below the directory, or makes it.
func open(ctx context.Context, o options) (*layout.View, error) {
	driver, err := file.New(o.Cube)
	if err != nil {
		return nil, err
	}
	bucket := store.New(driver, "file://"+o.Cube).Sub("cubes/bench")
	c, err := layout.Open(ctx, bucket)
	if fault.Is(err, fault.NotFound) {
		c, err = create(ctx, bucket, o)
	}
	if err != nil {
		return nil, err
	}
	return c.At(ctx, "")
}

// create fills a cube with the bundled Sentinel-2 pixels: mirrored, tiled, shaded and with a little noise
// of a sensor, so that no chunk is another's copy and they compress as such pixels do.
func create(ctx context.Context, bucket *store.Bucket, o options) (*layout.Cube, error) {
	picked, names := sourceBands(o.Bands)
	side := int(math.Sqrt(o.GB*1e9/float64(o.Dates*len(names)*2))) / edge * edge
	nodata := 65535.0
	spec := layout.Spec{
		Name:  "bench",
		Grid:  cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 600000, 0, -10, 5700000}, Width: max(side, edge), Height: max(side, edge)},
		Bands: names, DType: cube.Uint16, Nodata: &nodata,
	}
	c, err := layout.Create(ctx, bucket, spec)
	if err != nil {
		return nil, err
	}
	scenes, err := filepath.Glob("demo/data/s2_*.tif")
	if err != nil || len(scenes) == 0 {
		return nil, fmt.Errorf("no demo/data/s2_*.tif here: run it from the top of the repository")
	}
	sort.Strings(scenes)
	fmt.Fprintf(os.Stderr, "making %d dates of %d² pixels …\n", o.Dates, spec.Grid.Width)
	for date := range o.Dates {
		pixels, err := source(scenes[date%len(scenes)], picked)
		if err != nil {
			return nil, err
		}
		if err := commit(ctx, c, pixels, date); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// scene is the pixels of a source, [band, row, col].
type scene struct {
	bands, height, width int
	values               []uint16
}

func source(path string, bands []int) (scene, error) {
	r, err := gdal.Open(path)
	if err != nil {
		return scene{}, err
	}
	defer r.Close()
	w, h := r.Size()
	buf := make([]byte, len(bands)*w*h*2)
	if err := r.Read(cube.Window{Height: h, Width: w}, bands, cube.Uint16, buf); err != nil {
		return scene{}, err
	}
	s := scene{bands: len(bands), height: h, width: w, values: make([]uint16, len(bands)*h*w)}
	for i := range s.values {
		s.values[i] = binary.LittleEndian.Uint16(buf[2*i:])
	}
	return s, nil
}

// mirrored folds a coordinate back and forth into [0, n).
func mirrored(i, n int) int {
	if i %= 2 * n; i >= n {
		return 2*n - 1 - i
	}
	return i
}

func (s scene) at(band, row, col int) uint16 {
	return s.values[(band*s.height+mirrored(row, s.height))*s.width+mirrored(col, s.width)]
}

func commit(ctx context.Context, c *layout.Cube, source scene, date int) error {
	spec := c.Spec()
	stage, err := c.Stage(ctx, spec.Grid.All())
	if err != nil {
		return err
	}
	group := spec.Groups()[0].Name
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for cy := range spec.Grid.Height / edge {
		for cx := range spec.Grid.Width / edge {
			g.Go(func() error {
				image, valid := chunk(source, date, cy, cx, spec.Grid.Width)
				return stage.Write(gctx, group, cy, cx, image, valid)
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	at := time.Date(2021, 1, 3, 10, 50, 0, 0, time.UTC).AddDate(0, 0, 5*date)
	staged, err := stage.Finish(ctx, layout.Meta{Source: fmt.Sprintf("bench_%03d", date), Time: at})
	if err != nil {
		return err
	}
	_, err = c.Commit(ctx, []*layout.Staged{staged}, "bench")
	return err
}

// chunk makes one chunk. Every sixth date leaves the north-western half of the grid unobserved, as the
// edge of a swath does.
func chunk(source scene, date, cy, cx, width int) (image, valid []byte) {
	image, valid = make([]byte, source.bands*edge*edge*2), make([]byte, source.bands*edge*edge)
	rng := rand.New(rand.NewPCG(uint64(date), uint64(cy)<<32|uint64(cx)))
	for band := range source.bands {
		for y := range edge {
			row := cy*edge + y
			shade := 0.07 * math.Sin(float64(row)/61+float64(date))
			noise := uint64(0)
			for x := range edge {
				col, i := cx*edge+x, (band*edge+y)*edge+x
				if date%6 == 5 && row+col < width {
					binary.LittleEndian.PutUint16(image[2*i:], 65535)
					continue
				}
				if x%4 == 0 {
					noise = rng.Uint64()
				}
				sensor := 6 * float64(bits.OnesCount16(uint16(noise>>(16*(x%4))))-8) // 12 counts
				v := float64(source.at(band, row, col))*(1+shade+0.1*math.Sin(float64(col)/97)) + sensor
				binary.LittleEndian.PutUint16(image[2*i:], uint16(max(0, min(v, 65000))))
				valid[i] = 1
			}
		}
	}
	return image, valid
}
