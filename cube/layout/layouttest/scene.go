// Package layouttest makes small cubes and scenes for the tests of whoever reads or writes cubes. It
// owns no rule; the scenes it makes are random but the same for the same seed.
package layouttest

import (
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

// Scene is one scene on the cube's grid, whole.
type Scene struct {
	Meta  layout.Meta
	Image []byte // [band, height, width]
	Valid []byte // likewise
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

// Stage writes a scene's chunks and finishes it.
func Stage(t testing.TB, c *layout.Cube, sc Scene) *layout.Staged {
	t.Helper()
	s := c.Spec()
	st, err := c.Stage(t.Context(), s.Grid.All())
	require.NoError(t, err)
	edge, size := s.ChunkSize(), s.DType.Size()
	image, valid := make([]byte, s.ImageChunkBytes()), make([]byte, s.ValidChunkBytes())
	for cy := 0; cy*edge < s.Grid.Height; cy++ {
		for cx := 0; cx*edge < s.Grid.Width; cx++ {
			for i := range image {
				image[i] = 0xA5 // what lies outside of the array must not count
			}
			for i := range valid {
				valid[i] = 1
			}
			at := cube.Window{Row: cy * edge, Col: cx * edge, Height: edge, Width: edge}
			for b := range s.Bands {
				plane, chunk := s.Grid.Height*s.Grid.Width, edge*edge
				cube.CopyWindow(image[b*chunk*size:(b+1)*chunk*size], at, sc.Image[b*plane*size:(b+1)*plane*size], s.Grid.All(), size)
				cube.CopyWindow(valid[b*chunk:(b+1)*chunk], at, sc.Valid[b*plane:(b+1)*plane], s.Grid.All(), 1)
			}
			require.NoError(t, st.Write(t.Context(), s.Groups()[0].Name, cy, cx, image, valid))
		}
	}
	staged, err := st.Finish(t.Context(), sc.Meta)
	require.NoError(t, err)
	return staged
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
