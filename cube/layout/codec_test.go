package layout_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/fault"
)

func TestParseCodec(t *testing.T) {
	for text, want := range map[string]string{
		"bytes": "bytes", "zstd": "zstd:3", "zstd:22": "zstd:22", "gzip": "gzip:5", "gzip:1": "gzip:1", "blosc-lz4": "blosc-lz4",
		"blosc": "", "blosc-zstd": "", "blosc-zstd:5": "", "blosc:9": "blosc-zstd:9", "blosc-zstd:1": "blosc-zstd:1",
	} {
		got, err := layout.ParseCodec(text)
		require.NoError(t, err, text)
		assert.Equal(t, layout.Codec(want), got, text)
		again, err := layout.ParseCodec(got.String())
		require.NoError(t, err, text)
		assert.Equal(t, got, again)
	}
	for _, text := range []string{"", "none", "bytes:1", "zstd:0", "zstd:23", "zstd:", "gzip:10", "blosc-lz4:5", "blosc-zstd:10", "blosc-snappy", "zstd:3:3"} {
		_, err := layout.ParseCodec(text)
		require.Error(t, err, text)
		assert.Equal(t, fault.Invalid, fault.KindOf(err))
		assert.Contains(t, fault.CureOf(err), "bytes")
	}
}

// A codec makes another format, which older releases refuse, and the same slices.
func TestACodecChangesOnlyTheBytes(t *testing.T) {
	ids := map[cube.SliceID]bool{}
	for _, codec := range []layout.Codec{"", layout.Uncompressed, "zstd:19", "gzip:9", "blosc-lz4", "blosc-zstd:9"} {
		s := stored(codec)
		c, b := create(t, s)
		text, err := json.Marshal(c.Spec())
		require.NoError(t, err)
		var doc map[string]any
		require.NoError(t, json.Unmarshal(text, &doc))
		if codec == "" {
			assert.Equal(t, 1.0, doc["format"])
			assert.NotContains(t, doc, "codec")
		} else {
			assert.Equal(t, 3.0, doc["format"])
			assert.Equal(t, string(codec), doc["codec"])
		}
		again, err := layout.Open(t.Context(), b)
		require.NoError(t, err)
		assert.Equal(t, codec, again.Spec().Codec)
		slice := layouttest.Commit(t, again, scenes(s)[0]).Outcomes[0].Slice
		ids[slice.ID] = true
		v := head(t, again)
		require.NoError(t, v.CheckSlice(t.Context(), slice))
		require.NoError(t, v.CheckArrays(t.Context(), "r0c0/10m"))
		assert.Equal(t, codec.String(), v.Describe().Codec)
		assert.Equal(t, codec == layout.Uncompressed, v.Array("r0c0/10m", layout.Image).Raw())
		assert.False(t, v.Array("r0c0/10m", layout.Valid).Raw())
		doc["format"] = 4 - doc["format"].(float64) // 1 for those with a codec, 3 for that without
		text, err = json.Marshal(doc)
		require.NoError(t, err)
		assert.Equal(t, fault.Corrupt, fault.KindOf(new(layout.Spec).UnmarshalJSON(text)))
	}
	assert.Len(t, ids, 1)
}
