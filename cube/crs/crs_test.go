package crs

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

type vectors struct {
	PROJ   string `json:"proj"`
	Points []struct {
		CRS            string
		Lon, Lat, X, Y float64
		Back           [2]float64
	} `json:"points"`
}

// check holds Transform to PROJ's numbers: 0.1 mm forward, 1e-9 degrees back.
func check(t *testing.T, data []byte) {
	t.Helper()
	var v vectors
	require.NoError(t, json.Unmarshal(data, &v))
	require.Greater(t, len(v.Points), 500)
	worst := map[string][2]float64{}
	for _, p := range v.Points {
		forward, err := Transform("EPSG:4326", p.CRS)
		require.NoError(t, err)
		inverse, err := Transform(p.CRS, "OGC:CRS84")
		require.NoError(t, err)
		x, y, err := forward(p.Lon, p.Lat)
		require.NoError(t, err)
		metres := math.Hypot(x-p.X, y-p.Y)
		lon, lat, err := inverse(p.X, p.Y)
		require.NoError(t, err)
		degrees := math.Max(math.Abs(math.Remainder(lon-p.Back[0], 360)), math.Abs(lat-p.Back[1]))
		if metres > 1e-4 || degrees > 1e-9 {
			t.Errorf("%s (%.9f, %.9f): off by %g m, and %g° back", p.CRS, p.Lon, p.Lat, metres, degrees)
		}
		w := worst[p.CRS]
		worst[p.CRS] = [2]float64{math.Max(w[0], metres), math.Max(w[1], degrees)}
	}
	t.Logf("PROJ %s, worst error in metres and degrees: %v", v.PROJ, worst)
}

func TestEqualsPROJ(t *testing.T) {
	data, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	check(t, data)
}

func TestEqualsPROJLive(t *testing.T) {
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official pyproj")
	}
	cmd := exec.Command(python, "testdata/vectors.py", "2000", "11")
	cmd.Stderr = os.Stderr
	data, err := cmd.Output()
	require.NoError(t, err)
	check(t, data)
}

// Any two systems agree through any third: there and back is where one started.
func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	codes := []string{"EPSG:4326", "EPSG:32631", "EPSG:25832", "EPSG:3857", "EPSG:6933", "EPSG:3035"}
	for range 2000 {
		lon, lat := rng.Float64()*10, 40+rng.Float64()*20
		a, b := codes[rng.IntN(len(codes))], codes[rng.IntN(len(codes))]
		toA, err := Transform("OGC:CRS84", a)
		require.NoError(t, err)
		ab, err := Transform(a, b)
		require.NoError(t, err)
		back, err := Transform(b, "OGC:CRS84")
		require.NoError(t, err)
		x, y, err := toA(lon, lat)
		require.NoError(t, err)
		x, y, err = ab(x, y)
		require.NoError(t, err)
		x, y, err = back(x, y)
		require.NoError(t, err)
		require.InDelta(t, lon, x, 1e-9, "%s %s", a, b)
		require.InDelta(t, lat, y, 1e-9, "%s %s", a, b)
	}
}

func TestRefuses(t *testing.T) {
	for _, code := range []string{"", "EPSG:2154", "EPSG:32661", "EPSG:32600", "EPSG:x", "ESRI:54009"} {
		_, err := Transform(code, "EPSG:4326")
		require.True(t, fault.Is(err, fault.Unsupported), code)
		require.NotEmpty(t, fault.CureOf(err))
		require.False(t, Supported(code))
	}
	forward, err := Transform("EPSG:4326", "EPSG:32631")
	require.NoError(t, err)
	for _, p := range [][2]float64{{183, 0}, {3, 91}, {math.NaN(), 0}, {0, math.Inf(1)}, {100, 10}} {
		_, _, err := forward(p[0], p[1])
		require.True(t, fault.Is(err, fault.Invalid), "%v: %v", p, err)
	}
	inverse, err := Transform("EPSG:32631", "EPSG:4326")
	require.NoError(t, err)
	for _, p := range [][2]float64{{1e9, 0}, {500000, 2e7}} {
		_, _, err := inverse(p[0], p[1])
		require.True(t, fault.Is(err, fault.Invalid), "%v: %v", p, err)
	}
}

func TestFootprint(t *testing.T) {
	g := cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 399960, 0, -10, 5700000}, Width: 10980, Height: 10980}
	ring, err := FootprintWGS84(g, g.All())
	require.NoError(t, err)
	require.Equal(t, ring[0], ring[len(ring)-1])
	require.Greater(t, len(ring), 20, "a tile of 110 km has curved edges")
	require.Positive(t, area(ring), "counter-clockwise")
	// Every point of the true outline lies within a metre of the ring.
	to, err := Transform(g.CRS, "OGC:CRS84")
	require.NoError(t, err)
	for i := range 1000 {
		x, y := g.Transform.Apply(float64(i)*10.98, 0)
		lon, lat, err := to(x, y)
		require.NoError(t, err)
		require.Less(t, distance(ring, lon, lat), 1e-5)
	}

	small := cube.Window{Row: 100, Col: 100, Height: 10, Width: 10}
	ring, err = FootprintWGS84(g, small)
	require.NoError(t, err)
	require.Len(t, ring, 5)
}

func TestBBox(t *testing.T) {
	world := cube.Grid{CRS: "EPSG:4326", Transform: cube.Affine{1, 0, -180, 0, -1, 90}, Width: 360, Height: 180}
	b, err := BBoxWGS84(world, world.All())
	require.NoError(t, err)
	require.Equal(t, [4]float64{-180, -90, 180, 90}, b)

	easy := cube.Grid{CRS: "EPSG:6933", Transform: cube.Affine{1000, 0, -17367530, 0, -1000, 7314540}, Width: 34735, Height: 14629}
	b, err = BBoxWGS84(easy, easy.All())
	require.NoError(t, err)
	require.InDelta(t, -180, b[0], 0.01)
	require.InDelta(t, 180, b[2], 0.01)

	// Zone 1 reaches west over the antimeridian.
	fiji := cube.Grid{CRS: "EPSG:32701", Transform: cube.Affine{10, 0, 100000, 0, -10, 8200000}, Width: 10980, Height: 10980}
	b, err = BBoxWGS84(fiji, fiji.All())
	require.NoError(t, err)
	require.Greater(t, b[0], 170.0)
	require.Less(t, b[2], -170.0)
	ring, err := FootprintWGS84(fiji, fiji.All())
	require.NoError(t, err)
	for i := 1; i < len(ring); i++ {
		require.Less(t, math.Abs(ring[i][0]-ring[i-1][0]), 1.0, "longitudes run on")
	}
}

func area(ring [][2]float64) (sum float64) {
	for i := 1; i < len(ring); i++ {
		sum += ring[i-1][0]*ring[i][1] - ring[i][0]*ring[i-1][1]
	}
	return sum / 2
}

func distance(ring [][2]float64, x, y float64) float64 {
	best := math.Inf(1)
	for i := 1; i < len(ring); i++ {
		a, b := ring[i-1], ring[i]
		dx, dy := b[0]-a[0], b[1]-a[1]
		u := math.Max(0, math.Min(1, ((x-a[0])*dx+(y-a[1])*dy)/(dx*dx+dy*dy)))
		best = math.Min(best, math.Hypot(x-a[0]-u*dx, y-a[1]-u*dy))
	}
	return best
}

func FuzzTransform(f *testing.F) {
	f.Add(500000.0, 5600000.0)
	f.Add(-1e30, 1e-30)
	codes := []string{"EPSG:4326", "EPSG:32631", "EPSG:32760", "EPSG:3857", "EPSG:6933", "EPSG:3035"}
	f.Fuzz(func(t *testing.T, x, y float64) {
		for _, from := range codes {
			for _, to := range codes {
				fn, err := Transform(from, to)
				require.NoError(t, err)
				u, v, err := fn(x, y)
				if err == nil && (math.IsNaN(u) || math.IsNaN(v) || math.IsInf(u, 0) || math.IsInf(v, 0)) {
					t.Fatalf("%s to %s: (%g, %g) gives (%g, %g) without an error", from, to, x, y, u, v)
				}
			}
		}
	})
}
