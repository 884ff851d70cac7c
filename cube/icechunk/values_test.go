package icechunk_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// everyValue holds each kind of metadata value with its limits, and lists of one kind, which writers may
// pack by type and width.
func everyValue() map[string]any {
	long := strings.Repeat("grüße ", 60)
	wide := []any{}
	for i := range 300 {
		wide = append(wide, int64(i)<<(i%40))
	}
	deep := any(map[string]any{})
	for range 20 {
		deep = []any{deep, map[string]any{"down": deep}, nil}[1]
	}
	return map[string]any{
		"null": nil, "true": true, "false": false,
		"ints":   []any{int64(0), int64(-1), int64(127), int64(-128), int64(255), int64(256), int64(-32768), int64(65535), int64(1 << 31), int64(math.MaxInt64), int64(math.MinInt64)},
		"uints":  []any{uint64(1 << 63), uint64(math.MaxUint64)},
		"floats": []any{0.5, -2.25, 1e300, 5e-324, math.Pi, 1.0, float64(float32(0.1))},
		"bools":  []any{true, false, true}, "strings": []any{"", "a", long, "nul \x00 inside", "\U0001F9CA"},
		"small": []any{int64(1), int64(2), int64(3)}, "pair": []any{int64(1), int64(2)}, "mixed": []any{int64(1), 2.5, "x", nil, true, []any{}, map[string]any{}},
		"empty list": []any{}, "empty map": map[string]any{}, "": "empty key", "wide": wide, "deep": deep,
		"map":  map[string]any{"b": int64(1), "a": "x", "ä": []any{[]any{[]any{int64(7)}}}, strings.Repeat("k", 300): false},
		"same": []any{map[string]any{"k": "v"}, map[string]any{"k": "v"}, map[string]any{"k": "w"}},
	}
}

// exactText parses JSON text without making 1 and 1.0 the same.
func exactText(t *testing.T, text []byte) (out any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	require.NoError(t, d.Decode(&out))
	return floats(out)
}

// floats makes floating-point numbers comparable, whose text differs from writer to writer.
func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			f, err := v.Float64()
			if err != nil {
				panic(err)
			}
			return f
		}
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = floats(v[k])
		}
	}
	return v
}

// TestOfficialMetadataValues: every kind of value arrives on the other side as it left, in the metadata
// of the repository and of snapshots, whoever wrote it.
func TestOfficialMetadataValues(t *testing.T) {
	b, dir := gameBoard(t)
	theirs := newReferee(t, dir)
	theirs.must(t, request{"verb": "create"}, nil)
	r, err := icechunk.Open(t.Context(), b, icechunk.Config{})
	require.NoError(t, err)
	values := everyValue()
	values["whole"] = 3.0 // Go's JSON text of it is 3
	sent := request{"verb": "admin", "what": "metadata", "metadata": rawNumbers(values)}

	theirs.must(t, sent, nil)
	got, err := r.Metadata(t.Context())
	require.NoError(t, err)
	require.Equal(t, values, got, "theirs read by us")
	theirs.must(t, request{"verb": "commit", "branch": "main", "ops": []op{{Op: "group", Path: "/"}}, "message": "m", "metadata": rawNumbers(values)}, nil)
	tip, err := r.Resolve(t.Context(), "main")
	require.NoError(t, err)
	log, err := r.Log(t.Context(), tip)
	require.NoError(t, err)
	require.Equal(t, values, log[0].Metadata)

	require.NoError(t, r.SetMetadata(t.Context(), map[string]any{}))
	require.NoError(t, r.SetMetadata(t.Context(), values))
	tx, err := r.Begin(t.Context(), "main")
	require.NoError(t, err)
	require.NoError(t, tx.PutGroup("/g", []byte(`{"zarr_format":3,"node_type":"group"}`)))
	_, err = tx.Commit(t.Context(), "ours", values)
	require.NoError(t, err)
	var seen struct {
		Metadata json.RawMessage
		Logs     map[string][]struct{ Metadata json.RawMessage }
	}
	theirs.must(t, request{"verb": "view"}, &seen)
	want := exactText(t, rawNumbers(values))
	require.Equal(t, want, exactText(t, seen.Metadata), "ours read by them")
	require.Equal(t, want, exactText(t, seen.Logs["main"][0].Metadata))

	for name, bad := range map[string]any{"NaN": math.NaN(), "infinity": math.Inf(-1), "key with NUL": map[string]any{"a\x00": 1}, "channel": make(chan int)} {
		require.True(t, fault.Is(r.SetMetadata(t.Context(), map[string]any{"v": bad}), fault.Invalid), name)
	}
}

// rawNumbers is the JSON text of values in which whole floats keep their point.
func rawNumbers(values map[string]any) json.RawMessage {
	var text func(v any) string
	text = func(v any) string {
		switch v := v.(type) {
		case float64:
			s := strconv.FormatFloat(v, 'g', -1, 64)
			if !strings.ContainsAny(s, ".e") {
				s += ".0"
			}
			return s
		case []any:
			parts := []string{}
			for _, e := range v {
				parts = append(parts, text(e))
			}
			return "[" + strings.Join(parts, ",") + "]"
		case map[string]any:
			parts := []string{}
			for k, e := range v {
				key, _ := json.Marshal(k)
				parts = append(parts, string(key)+":"+text(e))
			}
			return "{" + strings.Join(parts, ",") + "}"
		}
		out, _ := json.Marshal(v)
		return string(out)
	}
	return json.RawMessage(text(values))
}
