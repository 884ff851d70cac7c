// Package layouttest makes small cubes and scenes for the tests of whoever reads or writes cubes. It
// owns no rule; the scenes it makes are random but the same for the same seed.
package layouttest

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// UTM31 is the well-known text of EPSG:32631, as PROJ 6 writes it in WKT 1.
const UTM31 = `PROJCS["WGS 84 / UTM zone 31N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",3],PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH],AUTHORITY["EPSG","32631"]]`

// Spec is a small cube: two chunks and a rest along each axis, three bands.
func Spec(d cube.DType, nodata *float64) layout.Spec {
	return layout.Spec{
		Name:   "s2",
		Grid:   cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 500000, 0, -10, 5600000}, Width: 37, Height: 41},
		WKT:    UTM31,
		Bands:  []cube.Band{{Name: "B02"}, {Name: "B03"}, {Name: "B08"}},
		DType:  d,
		Nodata: nodata,
		Chunk:  16,
	}
}

// Bucket is an empty place in memory.
func Bucket() *store.Bucket { return store.New(mem.New(), "mem://data").Sub("cubes/s2") }

// Scene is one scene, each of its parts as large as the frame of its group.
type Scene struct {
	Meta layout.Meta
	// Footprint is what the scene covers of the first group's frame; the zero value is the whole.
	Footprint cube.Window
	Image     []byte // [band, height, width]
	Valid     []byte // likewise
	// Further are the pixels of the further groups, in their order.
	Further []Pixels
	// Flags is uint16 [height, width] of the first group; nil leaves them unwritten.
	Flags []byte
}

// Pixels are those of one group: [band, height, width] each.
type Pixels struct{ Image, Valid []byte }

// Of returns the pixels of the i-th group.
func (sc Scene) Of(i int) Pixels {
	if i == 0 {
		return Pixels{sc.Image, sc.Valid}
	}
	return sc.Further[i-1]
}

// Random makes a scene: values of all sizes, one pixel in five not observed, one chunk of nothing.
func Random(s layout.Spec, seed uint64, source string, at time.Time) Scene {
	rng := rand.New(rand.NewPCG(seed, 17))
	n, size := len(s.Bands)*s.Grid.Height*s.Grid.Width, s.DType.Size()
	sc := Scene{Meta: layout.Meta{Source: source, Time: at}, Image: make([]byte, n*size), Valid: make([]byte, n)}
	for i := range n {
		row, col := i/s.Grid.Width%s.Grid.Height, i%s.Grid.Width
		v := s.Fill()
		if rng.IntN(5) > 0 && (row >= s.ChunkSize() || col < s.ChunkSize() || col >= 2*s.ChunkSize()) {
			v = float64(rng.IntN(100))
			if s.DType.Float() {
				v = float64(float32(rng.NormFloat64()))
			}
			sc.Valid[i] = 1
		}
		s.DType.Put(sc.Image[i*size:], v)
	}
	return sc
}

// Date is noon of a day of 2021, plus microseconds.
func Date(month, day, micros int) time.Time {
	return time.Date(2021, time.Month(month), day, 12, 0, 0, micros*1000, time.UTC)
}

// RandomIn makes a scene of all groups that covers a window of the first group's frame: values of all
// sizes and a few flags, one pixel in five not observed, fill outside.
func RandomIn(s layout.Spec, seed uint64, source string, at time.Time, footprint cube.Window) Scene {
	rng := rand.New(rand.NewPCG(seed, 18))
	sc := Scene{Meta: layout.Meta{Source: source, Time: at}, Footprint: footprint.Intersect(s.Grid.All())}
	for i, g := range s.Groups() {
		p := pixelsIn(rng, g, Scaled(s, g, sc.Footprint))
		if i == 0 {
			sc.Image, sc.Valid = p.Image, p.Valid
			continue
		}
		sc.Further = append(sc.Further, p)
	}
	if len(s.Flags) == 0 {
		return sc
	}
	sc.Flags = make([]byte, 2*s.Grid.Width*s.Grid.Height)
	for row := sc.Footprint.Row; row < sc.Footprint.Row+sc.Footprint.Height; row++ {
		for col := sc.Footprint.Col; col < sc.Footprint.Col+sc.Footprint.Width; col++ {
			if rng.IntN(3) == 0 {
				binary.LittleEndian.PutUint16(sc.Flags[2*(row*s.Grid.Width+col):], s.Flags[rng.IntN(len(s.Flags))].Mask)
			}
		}
	}
	return sc
}

// Scaled is the part of a group's frame that a window of the first group's frame touches.
func Scaled(s layout.Spec, g layout.Group, w cube.Window) cube.Window {
	f := s.Grid.Transform[0] / g.Grid.Transform[0]
	lo := func(v int) int { return int(math.Floor(float64(v)*f + 1e-9)) }
	hi := func(v int) int { return int(math.Ceil(float64(v)*f - 1e-9)) }
	return cube.Window{Row: lo(w.Row), Col: lo(w.Col), Height: hi(w.Row+w.Height) - lo(w.Row), Width: hi(w.Col+w.Width) - lo(w.Col)}
}

func pixelsIn(rng *rand.Rand, g layout.Group, in cube.Window) Pixels {
	n, size := len(g.Bands)*g.Grid.Height*g.Grid.Width, g.DType.Size()
	p := Pixels{Image: make([]byte, n*size), Valid: make([]byte, n)}
	for i := range n {
		row, col := i/g.Grid.Width%g.Grid.Height, i%g.Grid.Width
		v := g.Fill()
		inside := row >= in.Row && row < in.Row+in.Height && col >= in.Col && col < in.Col+in.Width
		if inside && rng.IntN(5) > 0 {
			v, p.Valid[i] = float64(rng.IntN(100)), 1
		}
		g.DType.Put(p.Image[i*size:], v)
	}
	return p
}

// Stage writes a scene's chunks and finishes it.
func Stage(t testing.TB, c *layout.Cube, sc Scene) *layout.Staged {
	t.Helper()
	staged, err := TryStage(t.Context(), c, sc)
	require.NoError(t, err)
	return staged
}

// TryStage is Stage on a store that may fail.
func TryStage(ctx context.Context, c *layout.Cube, sc Scene) (*layout.Staged, error) {
	s := c.Spec()
	footprint := sc.Footprint
	if footprint.Empty() {
		footprint = s.Grid.All()
	}
	st, err := c.Stage(ctx, footprint)
	if err != nil {
		return nil, err
	}
	for i, g := range s.Groups() {
		if i > len(sc.Further) {
			break
		}
		p, edge, size := sc.Of(i), g.ChunkSize(), g.DType.Size()
		image, valid := make([]byte, g.ImageChunkBytes()), make([]byte, g.ValidChunkBytes())
		flags := make([]byte, 2*edge*edge)
		w := Scaled(s, g, footprint)
		for cy := w.Row / edge; cy*edge < w.Row+w.Height; cy++ {
			for cx := w.Col / edge; cx*edge < w.Col+w.Width; cx++ {
				for j := range image {
					image[j] = 0xA5 // what lies outside of the array must not count
				}
				for j := range valid {
					valid[j] = 1
				}
				at := cube.Window{Row: cy * edge, Col: cx * edge, Height: edge, Width: edge}
				plane, chunk := g.Grid.Height*g.Grid.Width, edge*edge
				for b := range g.Bands {
					cube.CopyWindow(image[b*chunk*size:(b+1)*chunk*size], at, p.Image[b*plane*size:(b+1)*plane*size], g.Grid.All(), size)
					cube.CopyWindow(valid[b*chunk:(b+1)*chunk], at, p.Valid[b*plane:(b+1)*plane], g.Grid.All(), 1)
				}
				if err := st.Write(ctx, g.Name, cy, cx, image, valid); err != nil {
					return nil, err
				}
				if i == 0 && sc.Flags != nil {
					clear(flags)
					cube.CopyWindow(flags, at, sc.Flags, g.Grid.All(), 2)
					if err := st.WriteFlags(ctx, cy, cx, flags); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return st.Finish(ctx, sc.Meta)
}

// Commit stages and commits scenes together; all must be accepted.
func Commit(t testing.TB, c *layout.Cube, scenes ...Scene) layout.Result {
	t.Helper()
	var staged []*layout.Staged
	for _, sc := range scenes {
		staged = append(staged, Stage(t, c, sc))
	}
	result, err := c.Commit(t.Context(), staged, "test")
	require.NoError(t, err)
	for _, o := range result.Outcomes {
		require.Equal(t, layout.Accepted, o.Status, o.Reason)
	}
	return result
}

// NaN is a nodata value.
func NaN() *float64 { v := math.NaN(); return &v }

// Value is a nodata value.
func Value(v float64) *float64 { return &v }
