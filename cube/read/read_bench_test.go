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
	for name, cfg := range map[string]read.Config{"cached": {}, "cold": {CacheBytes: -1}} {
		b.Run(name, func(b *testing.B) {
			r := read.New(cfg)
			image, valid := make([]byte, 8*3*64*64*2), make([]byte, 8*64*64)
			b.SetBytes(int64(len(image) + len(valid)))
			for i := 0; b.Loop(); i++ {
				q := read.Request{Cell: cell, Slices: ids, Window: cube.Window{Row: i * 37 % 960, Col: i * 53 % 960, Height: 64, Width: 64}}
				require.NoError(b, r.Read(b.Context(), v, q, image, valid))
			}
		})
	}
}
