package bulk

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is remembered of bands changes nothing of what an upgrade makes, whatever else an asset has.
func TestMergesAreRemembered(t *testing.T) {
	lists := []string{
		`"eo:bands":[{"name":"B1","common_name":"red"}]`,
		`"eo:bands":[{"name":"B1","common_name":"red"}],"raster:bands":[{"data_type":"uint8","scale":2}]`,
		`"raster:bands":[{"data_type":"uint8","scale":2}],"x":1,"eo:bands":[{"name":"B1","common_name":"red"}]`,
		`"raster:bands":[{"data_type":"uint8"}]`,
		`"eo:bands":[{"name":"a","gsd":1},{"name":"b","gsd":1}]`,
		`"eo:bands":[{"gsd":1},{"gsd":1}]`,
		`"eo:bands":[]`, `"eo:bands":[{}]`, `"eo:bands":[{"gsd":1,"gsd":2}]`, `"eo:bands":[{"name":"\u0061"}]`, `"eo:bands":[{"<":1}]`,
		`"eo:bands":[{"name":"B1","common_name":"red"}],"eo:bands":[{"name":"B2"}]`,
	}
	own := []string{``, `"data_type":"uint8",`, `"gsd":3,`, `"eo:common_name":"blue",`, `"bands":[{"name":"z"}],`, `"\u0067sd":3,`, `"<":2,`}
	forget := func() { merges.known, merges.size = nil, 0 }
	t.Cleanup(forget)
	for _, list := range lists {
		for _, first := range own {
			for _, second := range own {
				doc := func(own string) json.RawMessage {
					return json.RawMessage(`{"type":"Feature","stac_version":"1.0.0","id":"i","stac_extensions":["https://stac-extensions.github.io/eo/v1.0.0/schema.json"],"properties":{},"assets":{"a":{` + own + list + `}}}`)
				}
				forget()
				want, err := Upgrade(doc(second))
				require.NoError(t, err)
				forget()
				_, err = Upgrade(doc(first))
				require.NoError(t, err)
				got, err := Upgrade(doc(second))
				require.NoError(t, err)
				require.Equal(t, string(want), string(got), "%s after %s", second+list, first)
			}
		}
	}
	forget()
	_, err := Upgrade(json.RawMessage(`{"type":"Feature","stac_version":"1.0.0","id":"i","properties":{},"assets":{"a":{"eo:bands":[{"name":"B1"}]}}}`))
	require.NoError(t, err)
	require.Len(t, merges.known, 1)
	size := merges.size
	for hash, m := range merges.known {
		merges.keep(hash, &merge{eo: m.eo, raster: m.raster})
		require.Same(t, m, merges.known[hash], "what is known is not kept again")
	}
	require.Equal(t, size, merges.size)
}
