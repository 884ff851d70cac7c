package layout_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
)

// Chunks of one value, large ones too, stand in the manifest and make no object; chunks of nothing but
// fill are not there at all.
func TestConstantChunksTakeNoSpace(t *testing.T) {
	for d, bands := range map[cube.DType]int{cube.Uint8: 13, cube.Uint16: 13, cube.Float32: 4, cube.Float64: 2} {
		s := layouttest.Spec(d, nil)
		s.Chunk, s.Grid.Width, s.Grid.Height, s.Bands = 256, 1024, 768, manyBands(bands)
		s.Flags = []layout.Flag{{Name: "cloud", Mask: 1}}
		c, b := create(t, s)
		stored := func() (n int64) {
			for info, err := range b.List(t.Context(), "chunks/") {
				require.NoError(t, err)
				n += info.Size
			}
			return n
		}
		st, err := c.Stage(t.Context(), s.Grid.All())
		require.NoError(t, err)
		image, valid := make([]byte, s.ImageChunkBytes()), bytes.Repeat([]byte{1}, s.ValidChunkBytes())
		for at := 0; at < len(image); at += d.Size() {
			d.Put(image[at:], 77)
		}
		for at := range 12 {
			require.NoError(t, st.Write(t.Context(), "10m", at/4, at%4, image, valid))
			require.NoError(t, st.WriteFlags(t.Context(), at/4, at%4, make([]byte, 2*256*256)))
		}
		staged, err := st.Finish(t.Context(), layout.Meta{Source: "constant", Time: layouttest.Date(1, 1, 0)})
		require.NoError(t, err)
		before := stored()
		_, err = c.Commit(t.Context(), []*layout.Staged{staged}, "constant")
		require.NoError(t, err)
		v := head(t, c)
		for at := range 12 {
			for _, name := range []string{layout.Image, layout.Valid} {
				ref, ok, err := v.Ref(t.Context(), "r0c0/10m", name, 0, at/4, at%4)
				require.NoError(t, err)
				assert.True(t, ok)
				assert.NotEmpty(t, ref.Inline, "%s of %s is inline", name, d)
				assert.LessOrEqual(t, len(ref.Inline), 512)
			}
			_, ok, err := v.Ref(t.Context(), "r0c0/10m", layout.Flags, 0, at/4, at%4)
			require.NoError(t, err)
			assert.False(t, ok, "no flags, no chunk")
		}
		assert.LessOrEqual(t, stored()-before, int64(3*12*32+512), "nothing but digests is stored")
	}
}
