package read

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
)

// What is stored as it is is not decoded: the memory that was read into is kept, or it was read to where it is wanted.
func TestRawChunksAreNotCopied(t *testing.T) {
	s := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	s.Codec = layout.Uncompressed
	c, err := layout.Create(t.Context(), layouttest.Bucket(), s)
	require.NoError(t, err)
	id := layouttest.Commit(t, c, layouttest.Random(s, 1, "a", layouttest.Date(3, 1, 0))).Outcomes[0].Slice.ID
	v, err := c.At(t.Context(), "")
	require.NoError(t, err)
	q := Request{Cell: "r0c0/10m", Slices: []cube.SliceID{id}, Window: cube.Window{Height: 16, Width: 16}}
	for _, keeps := range []int64{0, -1} {
		r := New(Config{CacheBytes: keeps})
		image, valid := make([]byte, 3*16*16*2), make([]byte, 16*16)
		b := r.newBatch(v, pixels)
		b.add(q, image, valid)
		b.unite()
		b.lookUp(t.Context())
		b.sift()
		raw := 0
		for _, span := range b.spans {
			mine := make([]arrived, 0, len(span.jobs))
			for _, j := range span.jobs {
				_, l, own := r.cache.claim(j.key)
				require.True(t, own)
				mine = append(mine, arrived{job: j, load: l})
			}
			b.read(t.Context(), mine, span.offset+span.size, func(a arrived) {
				require.NoError(t, a.err)
				if !b.array(a.job).raw {
					b.decode(t.Context(), a)
					return
				}
				raw++
				if keeps < 0 {
					require.Same(t, &image[0], &a.data[0])
					require.Nil(t, a.buf)
					b.decode(t.Context(), a)
					return
				}
				read := a.buf
				b.decode(t.Context(), a)
				kept := r.cache.get(a.key)
				require.Same(t, read, kept.buf)
				kept.release()
			})
		}
		require.Equal(t, 1, raw)
		wantImage, wantValid := make([]byte, len(image)), make([]byte, len(valid))
		require.NoError(t, New(Config{}).Read(t.Context(), v, q, wantImage, wantValid))
		require.Equal(t, wantImage, image)
		b.recycle()
		require.Empty(t, r.Idle())
	}
}

// The fingerprint of what comes piece by piece is that of the whole.
func TestFingerprintsOfPieces(t *testing.T) {
	s := layouttest.Spec(cube.Uint16, nil)
	s.Codec, s.Chunk, s.Grid.Width, s.Grid.Height = layout.Uncompressed, 512, 600, 512 // 1.5 MiB
	c, err := layout.Create(t.Context(), layouttest.Bucket(), s)
	require.NoError(t, err)
	id := layouttest.Commit(t, c, layouttest.Random(s, 1, "a", layouttest.Date(3, 1, 0))).Outcomes[0].Slice.ID
	v, err := c.At(t.Context(), "")
	require.NoError(t, err)
	q := Request{Cell: "r0c0/10m", Slices: []cube.SliceID{id}, Window: cube.Window{Height: 512, Width: 512}}
	r := New(Config{CacheBytes: -1})
	b := r.newBatch(v, pixels)
	defer b.recycle()
	b.add(q, make([]byte, 3*512*512*2), make([]byte, 512*512))
	b.unite()
	b.lookUp(t.Context())
	b.sift()
	met := 0
	for _, span := range b.spans {
		for _, j := range span.jobs {
			b.read(t.Context(), []arrived{{job: j}}, j.end(), func(a arrived) {
				require.NoError(t, a.err)
				met++
				once := a
				once.print = 0
				require.Greater(t, len(a.data), pieceBytes)
				require.Equal(t, r.bytesOf(once), r.bytesOf(a))
			})
		}
	}
	require.Equal(t, 2, met)
}
