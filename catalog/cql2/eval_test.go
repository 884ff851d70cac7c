package cql2_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// document is an item as a filter sees it.
type document struct {
	id, collection string
	values         map[string]gjson.Result
	shape          *geo.Shape
}

func (d document) Value(name string) gjson.Result {
	switch name {
	case cql2.ID:
		return gjson.Result{Type: gjson.String, Str: d.id}
	case cql2.Collection:
		return gjson.Result{Type: gjson.String, Str: d.collection}
	}
	return d.values[name]
}

func (d document) Moment(name string) (int64, int64, bool) {
	text := d.values[name].Str
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		from, to := cql2.Day(cql2.Date{Value: t})
		return from, to, true
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UnixMicro(), t.UnixMicro(), err == nil
}

func (d document) Shape() *geo.Shape { return d.shape }

func newDocument(t testing.TB, properties, geometry string) document {
	t.Helper()
	d := document{id: "a", collection: "c", values: map[string]gjson.Result{}}
	require.True(t, gjson.Valid(properties), properties)
	gjson.Parse(properties).ForEach(func(key, value gjson.Result) bool {
		d.values[key.Str] = value
		return true
	})
	if geometry != "" {
		shape, err := geo.Parse(json.RawMessage(geometry), nil)
		require.NoError(t, err)
		d.shape = shape
	}
	return d
}

func told(b *bool) string {
	switch {
	case b == nil:
		return "unknown"
	case *b:
		return "true"
	}
	return "false"
}

func property(name string) cql2.Expr { return cql2.Property{Name: name} }

func TestTruthHasThreeValues(t *testing.T) {
	doc := newDocument(t, `{"yes":true,"no":false,"null":null}`, "")
	arg := map[string]cql2.Expr{"true": property("yes"), "false": property("no"), "unknown": property("null")}
	for _, c := range []struct{ a, b, and, or string }{
		{"true", "true", "true", "true"}, {"true", "false", "false", "true"}, {"false", "true", "false", "true"},
		{"false", "false", "false", "false"}, {"true", "unknown", "unknown", "true"}, {"unknown", "true", "unknown", "true"},
		{"false", "unknown", "false", "unknown"}, {"unknown", "false", "false", "unknown"}, {"unknown", "unknown", "unknown", "unknown"},
	} {
		args := []cql2.Expr{arg[c.a], arg[c.b]}
		require.Equal(t, c.and, told(cql2.Eval(cql2.And{Args: args}, doc)), "%s AND %s", c.a, c.b)
		require.Equal(t, c.or, told(cql2.Eval(cql2.Or{Args: args}, doc)), "%s OR %s", c.a, c.b)
	}
	for a, want := range map[string]string{"true": "false", "false": "true", "unknown": "unknown"} {
		require.Equal(t, want, told(cql2.Eval(cql2.Not{Arg: arg[a]}, doc)), "NOT %s", a)
	}
}
