package stream

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestParseTicketDefaults(t *testing.T) {
	got, err := ParseTicket([]byte(`{"dataset": "crops@v3"}`))
	require.NoError(t, err)
	require.Equal(t, &SampleTicket{Dataset: "crops@v3", Split: "train", Shuffle: ByVersion, BatchSize: 32, WorldSize: 1}, got.Samples)
	require.Nil(t, got.Windows)

	got, err = ParseTicket([]byte(`{"cube": "s2", "bounds": null, "time": null}`))
	require.NoError(t, err)
	require.Equal(t, &WindowTicket{Cube: "s2", Size: 256, BatchSize: 8}, got.Windows)
	require.Nil(t, got.Samples)
}

func TestParseTicketReadsEveryKey(t *testing.T) {
	text := `{"dataset":"crops@v3","digest":"td1:00","split":"test","seed":18446744073709551615,"epoch":7,"shuffle":false,` +
		`"order":"terrapin-order-1","batch_size":5,"rank":2,"world_size":3,"start":11,"tail":"pad","message_bytes":4096,"run":"unet-4"}`
	got, err := ParseTicket([]byte(text))
	require.NoError(t, err)
	require.JSONEq(t, text, string(got.JSON()))

	text = `{"dataset":"crops@v3","split":"train","seed":0,"epoch":0,"shuffle":"window:2147483648","filter":"class = 'maize' AND labelled > 0.5",` +
		`"weights":"class_balanced","batch_size":5,"rank":0,"world_size":1,"start":0}`
	got, err = ParseTicket([]byte(text))
	require.NoError(t, err)
	require.JSONEq(t, text, string(got.JSON()))
	short, err := ParseTicket([]byte(`{"dataset":"crops@v3","shuffle":"window:2GiB","weights":"class_balanced","batch_size":5,"filter":{"op":"and","args":[` +
		`{"op":"=","args":[{"property":"class"},"maize"]},{"op":">","args":[{"property":"labelled"},0.5]}]}}`))
	require.NoError(t, err)
	require.Equal(t, got, short, "one filter has one canonical text, whatever it was written in")
	none, err := ParseTicket([]byte(`{"dataset":"a","filter":null,"weights":null}`))
	require.NoError(t, err)
	require.Empty(t, none.Samples.Filter.text+none.Samples.Weights.text)

	text = `{"cube":"s2","version":"v7","cell":"r0c0/10m","bounds":[0,1,2.5,3],"time":["2021-01-01",".."],"bands":["B04"],` +
		`"size":64,"overlap":8,"batch_size":2,"start":3,"message_bytes":9}`
	got, err = ParseTicket([]byte(text))
	require.NoError(t, err)
	require.JSONEq(t, text, string(got.JSON()))
}

// A resolved ticket can be read again and means the same.
func TestTicketJSONReadsBack(t *testing.T) {
	for _, text := range []string{`{"dataset":"a"}`, `{"cube":"a"}`, `{"dataset":"a","shuffle":"uniform"}`, `{"dataset":"a","shuffle":false}`,
		`{"dataset":"a","shuffle":"base","filter":"a > 1 OR NOT (b IS NULL)"}`} {
		first, err := ParseTicket([]byte(text))
		require.NoError(t, err)
		second, err := ParseTicket(first.JSON())
		require.NoError(t, err)
		require.Equal(t, first, second)
	}
}

func TestParseTicketRefuses(t *testing.T) {
	for _, c := range []struct {
		text, says, cure string
		kind             fault.Kind
	}{
		{`{"dataset":"a","batchsize":3}`, `unknown key "batchsize"`, "batch_size", fault.Invalid},
		{`{"dataset":"a","Seed":3}`, `unknown key "Seed"`, "seed", fault.Invalid},
		{`{"dataset":"a","cube":"b"}`, `unknown key "cube"`, "dataset", fault.Invalid},
		{`{"cube":"a","seed":1}`, `unknown key "seed"`, "overlap", fault.Invalid},
		{`{"dataset":"a","seed":1,"seed":2}`, `key "seed" stands there twice`, "leave one", fault.Invalid},
		{`{"dataset":"a","seed":-1}`, `key "seed"`, "", fault.Invalid},
		{`{"dataset":"a","run":"a/b"}`, `key "run": "a/b" is no name`, "letters", fault.Invalid},
		{`{"dataset":"a","seed":1.0}`, `key "seed"`, "", fault.Invalid},
		{`{"dataset":"a","seed":"1"}`, `key "seed"`, "", fault.Invalid},
		{`{"dataset":"a","seed":null}`, `key "seed"`, "", fault.Invalid},
		{`{"dataset":"a","seed":18446744073709551616}`, `key "seed"`, "", fault.Invalid},
		{`{"dataset":"a","batch_size":0}`, `key "batch_size"`, "", fault.Invalid},
		{`{"dataset":"a","batch_size":-4}`, `-4`, "", fault.Invalid},
		{`{"dataset":"a","batch_size":2000000}`, `key "batch_size"`, "", fault.Invalid},
		{`{"dataset":"a","batch_size":1e2}`, `key "batch_size"`, "", fault.Invalid},
		{`{"dataset":"a","world_size":0}`, `key "world_size"`, "", fault.Invalid},
		{`{"dataset":"a","rank":1}`, `key "rank"`, "0 to world_size-1", fault.Invalid},
		{`{"dataset":"a","start":-1}`, `key "start"`, "", fault.Invalid},
		{`{"dataset":"a","start":9223372036854775808}`, `key "start"`, "", fault.Invalid},
		{`{"dataset":"a","tail":"wrap"}`, `"wrap"`, "pad", fault.Invalid},
		{`{"dataset":"a","tail":"short","world_size":2}`, `key "tail"`, "drop", fault.Invalid},
		{`{"dataset":"a","shuffle":1}`, `key "shuffle"`, "base", fault.Invalid},
		{`{"dataset":"a","shuffle":null}`, `key "shuffle"`, "", fault.Invalid},
		{`{"dataset":"a","shuffle":"window:2GB"}`, `window:2GB`, "window:2GiB", fault.Invalid},
		{`{"dataset":"a","shuffle":"stripes"}`, `key "shuffle"`, `or "base"`, fault.Invalid},
		{`{"dataset":"a","filter":"label = "}`, `key "filter"`, "", fault.Invalid},
		{`{"dataset":"a","filter":{"op":"nonsense","args":[]}}`, `key "filter"`, "", fault.Invalid},
		{`{"dataset":"a","filter":3}`, `key "filter"`, "split", fault.Invalid},
		{`{"dataset":"a","filter":["a"]}`, `key "filter"`, "split", fault.Invalid},
		{`{"dataset":"a","weights":""}`, `key "weights"`, "", fault.Invalid},
		{`{"dataset":"a","weights":{"class":1}}`, `key "weights"`, "", fault.Invalid},
		{`{"dataset":"a","message_bytes":2147483648}`, `key "message_bytes"`, "", fault.Invalid},
		{`{"dataset":"a","message_bytes":0}`, `key "message_bytes"`, "", fault.Invalid},
		{`{"dataset":7}`, `key "dataset"`, "", fault.Invalid},
		{`{"split":"train"}`, `key "dataset" is missing`, "crops@v3", fault.Invalid},
		{`{}`, `key "dataset" is missing`, "", fault.Invalid},
		{``, `not a JSON object`, "dataset", fault.Invalid},
		{`[]`, `not a JSON object`, "dataset", fault.Invalid},
		{`"x"`, `not a JSON object`, "dataset", fault.Invalid},
		{`{"dataset":"a"`, `does not end`, "", fault.Invalid},
		{`{"dataset":"a",}`, `byte`, "", fault.Invalid},
		{`{"dataset":"a"} {}`, `follows`, "", fault.Invalid},
		{`{"cube":""}`, `key "cube"`, "", fault.Invalid},
		{`{"cube":"a","bounds":[1,2,3]}`, `key "bounds"`, "", fault.Invalid},
		{`{"cube":"a","bounds":[3,2,1,4]}`, `encloses no area`, "min x", fault.Invalid},
		{`{"cube":"a","bounds":[1,2,null,4]}`, `key "bounds"`, "", fault.Invalid},
		{`{"cube":"a","time":["2021-01-01"]}`, `key "time"`, "", fault.Invalid},
		{`{"cube":"a","bands":[]}`, `key "bands"`, "", fault.Invalid},
		{`{"cube":"a","bands":["B02",null]}`, `key "bands"`, "", fault.Invalid},
		{`{"cube":"a","size":16,"overlap":16}`, `key "overlap"`, "", fault.Invalid},
		{`{"cube":"a","size":100000}`, `key "size"`, "", fault.Invalid},
		{`{"x":"` + strings.Repeat("a", 2<<20) + `"}`, `bytes`, "", fault.TooLarge},
	} {
		_, err := ParseTicket([]byte(c.text))
		text := c.text[:min(len(c.text), 80)]
		require.Error(t, err, text)
		require.Contains(t, err.Error(), c.says, text)
		require.Contains(t, fault.CureOf(err), c.cure, text)
		require.Equal(t, c.kind, fault.KindOf(err), text)
	}
}

func FuzzParseTicket(f *testing.F) {
	f.Add([]byte(`{"dataset":"crops@v3","seed":1}`))
	f.Add([]byte(`{"cube":"s2","bounds":[1,2,3,4]}`))
	f.Add([]byte(`{"dataset":"a","filter":"a > 1","weights":"w","shuffle":"window:2GiB"}`))
	f.Add([]byte(`{"a":{"b":[}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ParseTicket(data)
		if err != nil {
			return
		}
		again, err := ParseTicket(got.JSON())
		require.NoError(t, err)
		require.Equal(t, got.JSON(), again.JSON())
	})
}
