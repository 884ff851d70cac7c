package compact_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/compact"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/s3"
	"github.com/terrapin-eo/terrapin/store/s3/s3test"
)

// BenchmarkSeries reads 24 dates of one chunk of 256² pixels from an S3 server, nothing kept, before and after
// the cube is compacted: one chip at a time, and eight together.
func BenchmarkSeries(b *testing.B) {
	server := s3test.MinIO(b)
	for name, value := range server.Env() {
		b.Setenv(name, value)
	}
	place, err := s3.ParseLocation(server.Bucket(b, "series"), os.Getenv)
	require.NoError(b, err)
	d, err := s3.New(b.Context(), place)
	require.NoError(b, err)
	s := layouttest.Spec(cube.Uint16, nil)
	s.Chunk, s.Grid.Width, s.Grid.Height = 256, 1024, 1024
	s.Bands = append(s.Bands, cube.Band{Name: "B11"})
	c := create(b, store.New(d, "s3://series").Sub("cubes/s2"), s)
	for n := range 32 {
		layouttest.Commit(b, c, layouttest.Random(s, uint64(n), day(n).String(), day(n)))
	}
	measure := func(name string) {
		v := at(b, c, "")
		for _, chips := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/chips=%d", name, chips), func(b *testing.B) {
				rng, r := rand.New(rand.NewPCG(1, 1)), read.New(read.Config{CacheBytes: -1})
				image, valid := make([][]byte, chips), make([][]byte, chips)
				for i := range chips {
					image[i], valid[i] = make([]byte, 24*256*256*8), make([]byte, 24*256*256)
				}
				b.SetBytes(int64(chips * len(image[0])))
				for b.Loop() {
					qs := make([]read.Request, chips)
					for i := range qs {
						qs[i] = series24(v, rng)
					}
					_, err := r.ReadMany(b.Context(), v, qs, image, valid)
					require.NoError(b, err)
				}
				b.ReportMetric(float64(r.Stats().Ranges)/float64(b.N*chips), "ranges/chip")
			})
		}
	}
	measure("before")
	run(b, compact.Config{Cube: c})
	measure("after")
}

// series24 is a random place and a random 24 dates in a row.
func series24(v *layout.View, rng *rand.Rand) read.Request {
	q := read.Request{Cell: "r0c0/10m", Window: cube.Window{Row: 256 * rng.IntN(4), Col: 256 * rng.IntN(4), Height: 256, Width: 256}}
	from := rng.IntN(len(v.Slices()) - compact.SeriesDates + 1)
	for _, s := range v.Slices()[from : from+compact.SeriesDates] {
		q.Slices = append(q.Slices, s.ID)
	}
	return q
}
