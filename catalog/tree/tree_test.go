package tree

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func read(t testing.TB, text string) *Tree {
	t.Helper()
	tree := &Tree{}
	require.NoError(t, tree.Read([]byte(text), 64))
	return tree
}

func TestWhatIsThere(t *testing.T) {
	r := read(t, ` {"a": {"b":[{"c":1.5},"x",null]}, "n":[1,[2],{"z":0}], "deep":{"n":[1,"x"],"e":[]}, "\u0061b": "\"q\"", "yes":true, "a":7} `)
	require.True(t, r.Spaced())
	require.False(t, r.Plain())
	require.Equal(t, 4, r.Depth())
	require.Equal(t, Object, r.Kind(Root))
	list := r.Get(r.Get(Root, "a"), "b")
	require.Equal(t, List, r.Kind(list))
	require.Equal(t, "1.5", string(r.Raw(r.Get(r.First(list), "c"))))
	require.Equal(t, "x", string(r.Text(r.Next(r.First(list)))))
	require.Equal(t, Null, r.Kind(r.Next(r.Next(r.First(list)))))
	require.Equal(t, `"q"`, string(r.Text(r.Get(Root, "ab"))))
	require.Equal(t, `"\u0061b"`, string(r.Key(r.Get(Root, "ab"))))
	require.Equal(t, Bool, r.Kind(r.Get(Root, "yes")))
	require.False(t, r.Opaque(r.Get(Root, "n")), "members of the whole are noted")
	require.Equal(t, Number, r.Kind(r.First(r.Get(Root, "n"))))
	require.True(t, r.Opaque(r.Get(r.Get(Root, "deep"), "n")))
	require.False(t, r.Opaque(r.Get(r.Get(Root, "deep"), "e")))

	for _, none := range []Node{r.Get(Root, "c"), r.Get(r.Get(r.Get(Root, "c"), "d"), "e"), r.Get(list, "b"), r.First(r.Get(Root, "yes"))} {
		require.Equal(t, None, none)
	}
	require.Equal(t, Missing, r.Kind(None))
	require.Empty(t, r.Raw(None))
	require.Nil(t, r.Text(Root))
	require.Nil(t, r.Name(Root))
}

func TestChanges(t *testing.T) {
	in := `{"a":{"x":1,"y":[ {"p":1}, {"q":2,"r":3} ],"x":2}, "s" : "t","left": [ 1, 2 ]}`
	for name, c := range map[string]struct {
		change func(*Tree)
		want   string
	}{
		"nothing":            {func(*Tree) {}, in},
		"a value":            {func(r *Tree) { r.SetValue(r.Get(Root, "s"), `[true]`) }, `{"a":{"x":1,"y":[ {"p":1}, {"q":2,"r":3} ],"x":2},"s":[true],"left":[ 1, 2 ]}`},
		"a text":             {func(r *Tree) { r.SetText(r.Get(Root, "s"), `"`) }, `{"a":{"x":1,"y":[ {"p":1}, {"q":2,"r":3} ],"x":2},"s":"\"","left":[ 1, 2 ]}`},
		"a member more":      {func(r *Tree) { r.SetText(r.Member(r.Get(Root, "a"), "z"), "é") }, `{"a":{"x":1,"y":[ {"p":1}, {"q":2,"r":3} ],"x":2,"z":"é"},"s":"t","left":[ 1, 2 ]}`},
		"names that go":      {func(r *Tree) { r.Drop(r.Get(Root, "a"), "x"); r.Drop(Root, "s"); r.Drop(Root, "no") }, `{"a":{"y":[ {"p":1}, {"q":2,"r":3} ]},"left":[ 1, 2 ]}`},
		"a name that moves":  {func(r *Tree) { r.Move(r.Get(Root, "a"), "x", "z"); r.Move(Root, "no", "yes") }, `{"a":{"z":1,"y":[ {"p":1}, {"q":2,"r":3} ],"x":2},"s":"t","left":[ 1, 2 ]}`},
		"a name that cannot": {func(r *Tree) { r.Move(r.Get(Root, "a"), "x", "y") }, `{"a":{"y":[ {"p":1}, {"q":2,"r":3} ]},"s":"t","left":[ 1, 2 ]}`},
		"touched":            {func(r *Tree) { r.Touch(r.Get(r.Get(Root, "a"), "y")) }, `{"a":{"x":1,"y":[{"p":1},{"q":2,"r":3}],"x":2},"s":"t","left":[ 1, 2 ]}`},
		"taken apart": {func(r *Tree) {
			one := r.First(r.Get(r.Get(Root, "a"), "y"))
			two := r.Next(one)
			q := r.First(two)
			r.Drop(two, "q")
			r.Adopt(one, q)
			r.Take(r.Member(Root, "s"), r.Get(two, "r"))
			r.SetList(r.Get(Root, "left"), []Node{two, one})
			r.Drop(Root, "a")
		}, `{"s":3,"left":[{"r":3},{"p":1,"q":2}]}`},
	} {
		r := read(t, in)
		c.change(r)
		require.Equal(t, c.want, string(r.Append(nil, Root)), name)
		require.Equal(t, c.want, string(r.Raw(Root)), name)
		require.NoError(t, r.Again(), name)
		require.Equal(t, c.want, string(r.Append(nil, Root)), name)
		require.NoError(t, r.Compact())
		var flat bytes.Buffer
		require.NoError(t, json.Compact(&flat, []byte(c.want)))
		require.Equal(t, flat.String(), string(r.Raw(Root)), name)
		require.NoError(t, r.Again(), name)
		require.Equal(t, flat.String(), string(r.Raw(Root)), name)
	}
}

func TestContains(t *testing.T) {
	r := read(t, `{"a":{"eo:x":1,"b":{"c":"d"}}}`)
	a := r.Get(Root, "a")
	for _, changed := range []bool{false, true} {
		require.True(t, r.Contains(a, []byte(`"eo:`)))
		require.True(t, r.Contains(a, []byte(`"d"`)))
		require.False(t, r.Contains(a, []byte(`"a"`)))
		if !changed {
			r.SetText(r.Get(r.Get(a, "b"), "c"), "d")
		}
	}
	r.Drop(a, "eo:x")
	require.False(t, r.Contains(a, []byte(`"eo:`)))
}

func TestBounds(t *testing.T) {
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	r := &Tree{}
	require.NoError(t, r.Read(nested(64), 64))
	require.ErrorIs(t, r.Read(nested(65), 64), ErrDeep)
	require.ErrorIs(t, r.Read(nested(10_000_000), 64), ErrDeep)
	for text, vast := range map[string]bool{"1e99": false, "1e400": true, "-1.5E+300": true, "0.25": false, strings.Repeat("9", 400): true} {
		require.NoError(t, r.Read([]byte(text), 1))
		require.Equal(t, vast, r.Vast(), text)
		require.Equal(t, Number, r.Kind(Root))
	}
}

// FuzzRead holds the reader against encoding/json, and what it writes against what it read.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : [ 1 , -0.5e+3 , true , false , null , "x\u00e9\\\"" ] , "links" : [ {"rel":"a","href":"b"} , 7 ] }`, `[]`, `{"a":01}`, `{"a":1.}`,
		"{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", `{"assets":{"a":{"href":"x","href":"y"},"b":{"\u0068ref":"/z"},"c":[]}}`, `{"a":tru}`, `{"a":1}}`, `{"a" 1}`, `{,}`, "{\"\xff\":1}", `{"a":-}`, `{"a":1e}`, `"`, ``, `[{"a":[[1]]},"b"]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := &Tree{}
		err := r.Read(text, 100)
		if bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("[")) > 100 {
			return
		}
		require.Equal(t, json.Valid(text) && utf8.Valid(text), err == nil, "%v", err)
		if err != nil {
			return
		}
		var flat bytes.Buffer
		require.NoError(t, json.Compact(&flat, text))
		if !r.Spaced() {
			require.Equal(t, flat.String(), string(r.Raw(Root)))
		}
		require.NoError(t, r.Compact())
		require.Equal(t, flat.String(), string(r.Raw(Root)))
		touchAll(r, Root)
		require.Equal(t, flat.String(), string(r.Raw(Root)))

		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil || r.Kind(Root) != Object {
			return
		}
		last := map[string]string{}
		for n := r.First(Root); n != None; n = r.Next(n) {
			last[string(r.Name(n))] = string(r.Raw(n))
			require.True(t, r.Named(n, string(r.Name(n))))
		}
		require.Len(t, last, len(members))
		for name, value := range members {
			require.JSONEq(t, string(value), last[name], name)
		}
	})
}

func touchAll(r *Tree, n Node) {
	if r.Kind(n) == Object || r.Kind(n) == List && !r.Opaque(n) {
		r.Touch(n)
	}
	for child := r.First(n); child != None; child = r.Next(child) {
		touchAll(r, child)
	}
}
