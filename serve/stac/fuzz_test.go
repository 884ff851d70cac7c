package stac

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/bulk"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/fault"
)

// mergedPlainly is RFC 7386 as it is written there.
func mergedPlainly(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out, ok := target.(map[string]any)
	if !ok {
		out = map[string]any{}
	}
	for name, v := range changes {
		if v == nil {
			delete(out, name)
		} else {
			out[name] = mergedPlainly(out[name], v)
		}
	}
	return out
}

func FuzzMerge(f *testing.F) {
	for _, c := range [][2]string{
		{`{"a":"b"}`, `{"a":"c"}`}, {`{"a":"b","b":"c"}`, `{"a":null}`}, {`{"a":["b"]}`, `{"a":{"b":1}}`}, {`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`}, {`{"a":[{"b":"c"}]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`}, {`{}`, `{"a":{"bb":{"ccc":null}}}`}, {`{"a":1.50,"\u00e9":2}`, `{"é":3}`}, {`[1]`, `{"a":null}`},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, doc, patch string) {
		var target, changes any
		if json.Unmarshal([]byte(doc), &target) != nil || json.Unmarshal([]byte(patch), &changes) != nil || twice(t, doc) || twice(t, patch) {
			t.Skip()
		}
		out, err := merged(json.RawMessage(doc), json.RawMessage(patch))
		if _, ok := changes.(map[string]any); !ok {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		var got any
		require.NoError(t, json.Unmarshal(out, &got), string(out))
		require.Equal(t, mergedPlainly(target, changes), got, string(out))
	})
}

// twice reports whether an object has a member twice, which means one thing to one reader and another to others.
func twice(t *testing.T, doc string) bool {
	t.Helper()
	v, err := plain([]byte(doc))
	require.NoError(t, err)
	again, err := json.Marshal(v)
	require.NoError(t, err)
	count := func(text string) (n int) {
		quoted := false
		for i := 0; i < len(text); i++ {
			switch {
			case quoted && text[i] == '\\':
				i++
			case text[i] == '"':
				quoted = !quoted
			case !quoted && text[i] == ':':
				n++
			}
		}
		return n
	}
	return count(doc) != count(string(again))
}

func FuzzJSONPatch(f *testing.F) {
	f.Add(`{"a":{"b":[1,2]}}`, `[{"op":"test","path":"/a/b/0","value":1},{"op":"move","from":"/a/b/0","path":"/c"},{"op":"copy","from":"/a","path":"/a/d"},{"op":"remove","path":"/a/b/0"}]`)
	f.Add(`{"a~/b":1}`, `[{"op":"replace","path":"/a~0~1b","value":{"x":null}},{"op":"add","path":"","value":[]},{"op":"add","path":"/-","value":1}]`)
	f.Fuzz(func(t *testing.T, doc, patch string) {
		if !json.Valid([]byte(doc)) {
			t.Skip()
		}
		out, err := patched(json.RawMessage(doc), json.RawMessage(patch))
		if err != nil {
			require.Contains(t, []fault.Kind{fault.Invalid, fault.TooLarge}, fault.KindOf(err), "%v", err)
			return
		}
		require.True(t, json.Valid(out))
	})
}

// FuzzStacQL: what is accepted is a filter that can be written and read again.
func FuzzStacQL(f *testing.F) {
	f.Add(`{"eo:cloud_cover":{"gte":0,"lte":"10"},"properties.a":{"startsWith":"a%","contains":"\\"},"t":{"in":["2020-01-01T00:00:00Z",1,true,"2020-01-01"]}}`)
	f.Add(`{"a":{"eq":null,"neq":null},"b":{"in":[]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := stacQL(json.RawMessage(text))
		if err != nil {
			require.NotEmpty(t, fault.CureOf(err))
			return
		}
		for _, e := range all {
			_, err := cql2.ParseJSON(cql2.JSON(e))
			require.NoError(t, err, "%s", cql2.JSON(e))
		}
	})
}

// FuzzPostedItem: what is accepted is an item of its place, and posting it as it is then is no change.
func FuzzPostedItem(f *testing.F) {
	f.Add(postedX)
	f.Add(`{"type":"Feature","stac_version":"1.1.0","id":"a","properties":{"datetime":null,"start_datetime":"2020-01-01T00:00:00Z","end_datetime":"2020-01-02T00:00:00Z"},"geometry":null}`)
	f.Add(`{"type":"Feature","stac_version":"1.0.0","id":"a","collection":"mine","properties":{"datetime":"2020-01-01T00:00:00Z"},"geometry":{"type":"MultiPoint","coordinates":[[179,1],[-179,2]]},"links":[{"rel":"self","href":"x"}]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		if bulk.TooDeep([]byte(doc), maxNesting) {
			t.Skip()
		}
		e, err := postedItem(json.RawMessage(doc), catalog.ItemRef{Collection: "mine"})
		if err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err), "%v", err)
			require.NotEmpty(t, fault.CureOf(err))
			return
		}
		require.Equal(t, "mine", e.Ref.Collection)
		id, collection := nameOf(e.Document)
		require.Equal(t, e.Ref, catalog.ItemRef{Collection: collection, ID: id})
		again, err := postedItem(e.Document, e.Ref)
		require.NoError(t, err, string(e.Document))
		require.Equal(t, string(e.Document), string(again.Document))
	})
}
