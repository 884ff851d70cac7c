package read_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
)

// BenchmarkRead reads time series of 64×64 pixels, three bands and eight dates, at changing places.
func BenchmarkRead(b *testing.B) {
	s := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	s.Grid.Width, s.Grid.Height, s.Chunk = 1024, 1024, 256
	c, err := layout.Create(b.Context(), layouttest.Bucket(), s)
	require.NoError(b, err)
	var ids []cube.SliceID
	for i := range 8 {
		result := layouttest.Commit(b, c, layouttest.Random(s, uint64(i), fmt.Sprint("s", i), layouttest.Date(1, 1+i, 0)))
		ids = append(ids, result.Outcomes[0].Slice.ID)
	}
	v, err := c.At(b.Context(), "")
	require.NoError(b, err)
	for _, c := range []struct {
		name  string
		cfg   read.Config
		bands []int
		first bool // every chunk is met for the first time
	}{
		{name: "cached"}, {name: "cached unverified", cfg: read.Config{Unverified: true}},
		{name: "cold unverified", cfg: read.Config{CacheBytes: -1, Unverified: true}},
		{name: "cold again", cfg: read.Config{CacheBytes: -1}},
		{name: "cold first", cfg: read.Config{CacheBytes: -1}, first: true},
		{name: "one band unverified", cfg: read.Config{CacheBytes: -1, Unverified: true}, bands: []int{1}},
		{name: "one band again", cfg: read.Config{CacheBytes: -1}, bands: []int{1}},
		{name: "one band first", cfg: read.Config{CacheBytes: -1}, bands: []int{1}, first: true},
	} {
		b.Run(c.name, func(b *testing.B) {
			cfg, bands := c.cfg, 3
			if c.bands != nil {
				bands = len(c.bands)
			}
			r := read.New(cfg)
			image, valid := make([]byte, 8*bands*64*64*2), make([]byte, 8*64*64)
			whole := read.Request{Cell: cell, Slices: ids, Window: s.Grid.All()}
			require.NoError(b, r.Read(b.Context(), v, whole, make([]byte, 8*3*1024*1024*2), make([]byte, 8*1024*1024)))
			b.SetBytes(int64(len(image) + len(valid)))
			for i := 0; b.Loop(); i++ {
				if c.first {
					b.StopTimer()
					r.Forget()
					b.StartTimer()
				}
				q := read.Request{Cell: cell, Slices: ids, Window: cube.Window{Row: i * 37 % 960, Col: i * 53 % 960, Height: 64, Width: 64}, Bands: c.bands}
				require.NoError(b, r.Read(b.Context(), v, q, image, valid))
			}
		})
	}
}
