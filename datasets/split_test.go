package datasets

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/fault"
)

func utm(size int) cube.Grid {
	return cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 664000, 0, -10, 5612120}, Width: size, Height: size}
}

// scattered makes windows of several sizes in random splits.
func scattered(rng *rand.Rand, g cube.Grid, n int) []sample {
	var out []sample
	for i := range n {
		h, w := 1+rng.IntN(12), 1+rng.IntN(12)
		s := sample{split: uint8(rng.IntN(3))}
		binary.BigEndian.PutUint64(s.id[8:], uint64(i))
		s.lay(cube.Window{Row: rng.IntN(g.Height - h + 1), Col: rng.IntN(g.Width - w + 1), Height: h, Width: w})
		out = append(out, s)
	}
	return out
}

// byHand is the audit by comparing all pairs and painting a set of pixels.
func byHand(samples []sample, r ruler) (shared int64, least float64) {
	painted := map[[2]int32]int{}
	least = math.Inf(1)
	for i, a := range samples {
		for row := range a.height {
			for col := range a.width {
				painted[[2]int32{a.row + row, a.col + col}] |= 1 << a.split
			}
		}
		for _, b := range samples[:i] {
			if a.split != b.split {
				least = min(least, r.distance(a.window(), b.window()))
			}
		}
	}
	for _, p := range painted {
		if p&(p-1) != 0 {
			shared++
		}
	}
	return shared, least
}

func TestTheAuditSeesWhatAllPairsShow(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for round := range 300 {
		g := utm(30 + rng.IntN(400))
		r, err := newRuler(g)
		require.NoError(t, err)
		samples := scattered(rng, g, 1+rng.IntN(25))
		shared, least := byHand(samples, r)
		l := audit(samples, g, r)
		require.Equal(t, shared, l.SharedPixels, "round %d", round)
		if math.IsInf(least, 1) {
			require.Nil(t, l.MinDistance)
		} else {
			require.InDelta(t, least, *l.MinDistance, 1e-9, "round %d", round)
		}
	}
}

func TestAfterSeparationTheAuditFindsNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		g := utm(30 + rng.IntN(300))
		r, err := newRuler(g)
		require.NoError(t, err)
		samples := scattered(rng, g, 1+rng.IntN(40))
		buffer := float64(rng.IntN(4)) * 35
		kept, dropped := separate(samples, r, buffer)
		require.Equal(t, len(samples)-len(kept), dropped[0]+dropped[1]+dropped[2])
		require.Zero(t, dropped[2], "test samples stand")
		l := audit(kept, g, r)
		require.Zero(t, l.SharedPixels)
		if l.MinDistance != nil {
			require.GreaterOrEqual(t, *l.MinDistance, buffer)
		}
		rng.Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
		again, _ := separate(samples, r, buffer)
		require.ElementsMatch(t, kept, again, "the order of the samples must not matter")
	}
}

func TestALeakIsRefused(t *testing.T) {
	zero := 0.0
	assert.True(t, fault.Is(Leakage{SharedPixels: 1}.check(SplitRule{}), fault.Conflict))
	assert.True(t, fault.Is(Leakage{SharedBlocks: 1}.check(SplitRule{}), fault.Conflict))
	assert.True(t, fault.Is(Leakage{MinDistance: &zero}.check(SplitRule{BufferMetres: 1}), fault.Conflict))
	assert.NoError(t, Leakage{MinDistance: &zero}.check(SplitRule{}))
}

func TestBlocksAreNearlySquareAndOfOneArea(t *testing.T) {
	back, err := crs.Transform("EPSG:6933", "OGC:CRS84")
	require.NoError(t, err)
	b := newBlocks(SplitRule{BlockMetres: 1000, Fractions: [3]float64{1, 0, 0}})
	for _, y := range []float64{0.5, 1_000_000.5, -3_000_000.5, 5_652_000.5, 6_800_000.5} {
		k := b.at(1, y)
		width := globeWidth / float64(b.columns(k.row))
		south, north := float64(k.row)*1000, float64(k.row+1)*1000
		lon0, lat0, err := back(0, south)
		require.NoError(t, err)
		lon1, lat1, err := back(width, north)
		require.NoError(t, err)
		ground := func(d float64) float64 { return d * math.Pi / 180 * equatorRadius }
		ratio := ground(lon1-lon0) * math.Cos((lat0+lat1)/2*math.Pi/180) / ground(lat1-lat0)
		assert.InDelta(t, 1, ratio, 0.02, "y %g", y)
	}
	assert.Equal(t, int32(1), b.columns(7400), "beyond the pole")
	assert.Equal(t, b.at(-1, 500), block{0, b.columns(0) - 1})
	assert.Equal(t, b.at(0, -1), block{-1, 0})
}

func TestSharesOfTheSplitsAreThoseOfTheRecipe(t *testing.T) {
	b := newBlocks(SplitRule{BlockMetres: 320, Salt: "9", Fractions: [3]float64{0.6, 0.3, 0.1}})
	var n [3]float64
	const total = 20000
	for i := range int32(total) {
		n[b.split(block{i / 100, i % 100})]++
	}
	for i, f := range []float64{0.6, 0.3, 0.1} {
		assert.InDelta(t, f, n[i]/total, 5*math.Sqrt(f*(1-f)/total))
	}
}

func TestGeographicDistancesAreMetres(t *testing.T) {
	g := cube.Grid{CRS: "EPSG:4326", Transform: cube.Affine{0.001, 0, 5, 0, -0.001, 50.6}, Width: 100, Height: 100}
	r, err := newRuler(g)
	require.NoError(t, err)
	a := cube.Window{Row: 0, Col: 0, Height: 10, Width: 10}
	assert.InDelta(t, 10*70.6, r.distance(a, cube.Window{Row: 0, Col: 20, Height: 10, Width: 10}), 2)
	assert.InDelta(t, 10*111.2, r.distance(a, cube.Window{Row: 20, Col: 0, Height: 10, Width: 10}), 2)
}

// The antimeridian is no border of a grid that goes around the Earth, or further.
func TestDistancesAcrossTheAntimeridian(t *testing.T) {
	window := func(row, col int) cube.Window { return cube.Window{Row: row, Col: col, Height: 6, Width: 6} }
	for _, g := range []cube.Grid{
		{CRS: "EPSG:4326", Transform: cube.Affine{1, 0, -180, 0, -1, 90}, Width: 360, Height: 180},
		{CRS: "EPSG:4326", Transform: cube.Affine{1, 0, -180, 0, -1, 90}, Width: 480, Height: 180},
		{CRS: "EPSG:3857", Transform: cube.Affine{math.Pi * equatorRadius / 180, 0, -math.Pi * equatorRadius, 0, -math.Pi * equatorRadius / 180, math.Pi * equatorRadius / 2}, Width: 360, Height: 180},
		{CRS: "EPSG:6933", Transform: cube.Affine{globeWidth / 360, 0, -globeWidth / 2, 0, -globeWidth / 360, globeWidth / 6}, Width: 360, Height: 110},
	} {
		r, err := newRuler(g)
		require.NoError(t, err)
		assert.Zero(t, r.distance(window(50, 0), window(50, 354)), g.CRS)
		assert.InDelta(t, r.distance(window(50, 100), window(50, 116)), r.distance(window(50, 2), window(50, 346)), 1e-6, g.CRS)
		samples := []sample{}
		for row := 40; row < 64; row += 6 {
			for col := 0; col+6 <= g.Width; col += 6 {
				split := uint8(0)
				if col%90 == 84 {
					split = 2
				}
				samples = append(samples, sample{row: int32(row), col: int32(col), height: 6, width: 6, split: split, block: block{int32(row), int32(col)}})
			}
		}
		const buffer = 600_000
		kept, dropped := separate(samples, r, buffer)
		assert.Positive(t, dropped[0])
		found := leastDistance(kept, r)
		assert.GreaterOrEqual(t, found, float64(buffer), g.CRS)
		least := math.Inf(1)
		for _, a := range kept {
			for _, b := range kept {
				if a.split != b.split {
					least = min(least, r.distance(a.window(), b.window()))
				}
			}
		}
		assert.Equal(t, least, found, "the audit finds the least one: %s", g.CRS)
		if g.Width == 360 {
			assert.Zero(t, leastDistance([]sample{{row: 50, col: 0, height: 6, width: 6}, {row: 50, col: 354, height: 6, width: 6, split: 2}}, r))
		}
	}
	for _, g := range []cube.Grid{utm(100), {CRS: "EPSG:4326", Transform: cube.Affine{1, 0, -180, 0, -1, 90}, Width: 180, Height: 180}} {
		r, err := newRuler(g)
		require.NoError(t, err)
		assert.Zero(t, r.turn, "no way around is the shorter one")
	}
}

func TestDistancesAreThoseOnTheEllipsoid(t *testing.T) {
	// The lengths are pyproj's Geod(ellps="WGS84"): one thousandth of a degree.
	for _, c := range []struct{ lat, north, east float64 }{
		{0.05, 110.574, 111.319}, {45, 111.132, 78.847}, {70, 111.562, 38.187}, {-16, 110.658, 107.036},
	} {
		g := cube.Grid{CRS: "EPSG:4326", Transform: cube.Affine{0.001, 0, 10, 0, -0.001, c.lat + 0.01}, Width: 20, Height: 20}
		r, err := newRuler(g)
		require.NoError(t, err)
		a := cube.Window{Row: 9, Col: 9, Height: 1, Width: 1}
		north := r.distance(a, cube.Window{Row: 11, Col: 9, Height: 1, Width: 1})
		east := r.distance(a, cube.Window{Row: 9, Col: 11, Height: 1, Width: 1})
		assert.InDelta(t, c.north, north, 0.002, "latitude %g", c.lat)
		assert.InDelta(t, c.east, east, 0.006, "latitude %g", c.lat)
		assert.LessOrEqual(t, r.least, min(north, east))
	}
}

func TestASearchForASaltThatCannotBeFoundEnds(t *testing.T) {
	r, err := newRuler(utm(1000))
	require.NoError(t, err)
	samples := make([]sample, 400_000) // in two blocks, and three splits to be filled
	for i := range samples {
		samples[i] = sample{block: block{0, int32(i % 2)}, row: int32(i / 1000), col: int32(i % 1000), height: 1, width: 1}
	}
	began := time.Now()
	_, found := fillingSalt(samples, r, SplitRule{BlockMetres: 1000, Fractions: [3]float64{0.7, 0.15, 0.15}})
	assert.False(t, found)
	assert.Less(t, time.Since(began), 5*time.Second)
}
