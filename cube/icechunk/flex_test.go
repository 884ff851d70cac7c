package icechunk

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestFlexBuffers(t *testing.T) {
	deep := any("bottom")
	for range 30 {
		deep = []any{map[string]any{"d": deep}}
	}
	for _, v := range []any{
		nil, true, false, int64(0), int64(-1), int64(math.MinInt64), uint64(math.MaxUint64), 2.5, "", "grüße\x00", []any{}, map[string]any{},
		[]any{int64(1), "two", nil, 3.5, []any{true}}, map[string]any{"b": int64(1), "a": map[string]any{"": "empty key"}}, deep,
	} {
		data, err := encodeFlex(v)
		require.NoError(t, err)
		got, err := decodeFlex(data)
		require.NoError(t, err)
		require.Equal(t, v, got)
	}
	data, err := encodeFlex(struct {
		N json.Number `json:"n"`
		L []string    `json:"l"`
	}{"12", []string{"x"}})
	require.NoError(t, err)
	got, err := decodeFlex(data)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"n": int64(12), "l": []any{"x"}}, got)
	for _, bad := range []any{math.NaN(), math.Inf(1), map[string]any{"a\x00b": 1}, make(chan int)} {
		_, err := encodeFlex(bad)
		require.True(t, fault.Is(err, fault.Invalid), "%v", bad)
	}
}

// TestFlexBuffersOfOthers decodes what other writers produce and ours does not: narrow widths,
// typed vectors, indirect scalars. The bytes follow the examples of the FlexBuffers description.
func TestFlexBuffersOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want any
	}{
		"int8":            {[]byte{0xfe, flexInt << 2, 1}, int64(-2)},
		"float32":         {[]byte{0, 0, 0x20, 0x40, flexFloat<<2 | 2, 4}, 2.5},
		"typed ints":      {[]byte{3, 1, 2, 255, 3, flexVectorInt << 2, 1}, []any{int64(1), int64(2), int64(-1)}},
		"tuple of uints":  {[]byte{7, 200, 2, 17 << 2, 1}, []any{int64(7), int64(200)}},
		"vector of bools": {[]byte{2, 1, 0, 2, flexVectorBool << 2, 1}, []any{true, false}},
		"indirect int":    {[]byte{0x39, 0x30, 2, flexIndirectInt<<2 | 1, 1}, int64(12345)},
		"string":          {[]byte{2, 'h', 'i', 0, 3, flexString << 2, 1}, "hi"},
	} {
		got, err := decodeFlex(c.data)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}
