package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

// slanted are n lines beside each other, whose boxes all meet.
func slanted(n int, shift float64) string {
	lines := make([]string, n)
	for i := range lines {
		x := (float64(i) + shift) / float64(n)
		lines[i] = fmt.Sprintf("[[%.9f,0],[%.9f,40]]", x, x+40)
	}
	return `{"type":"MultiLineString","coordinates":[` + strings.Join(lines, ",") + `]}`
}

// A question that takes long ends with its context, within one item and between many.
func TestASpatialQuestionEnds(t *testing.T) {
	c := fresh(t)
	put(t, c, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}, Items: []json.RawMessage{
		catalogtest.Item("a", "lines", slanted(20_000, 0), `"datetime":null`)}})
	shape, err := geo.Parse(json.RawMessage(slanted(20_000, 0.5)), nil)
	require.NoError(t, err)
	for _, op := range []string{"s_intersects", "s_touches", "s_within", "s_equals"} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		begun := time.Now()
		_, err = c.Search(ctx, all, catalog.Query{Filter: cql2.Spatial{Op: op, Left: cql2.Property{Name: cql2.Location}, Right: cql2.Geometry{Shape: shape}}})
		cancel()
		t.Log(op, time.Since(begun), err)
		require.Less(t, time.Since(begun), 5*time.Second, op)
		if op == "s_intersects" {
			require.True(t, fault.Is(err, fault.Canceled), err)
		}
	}
}

// Very many places in one question are looked for together.
func TestManyPlaces(t *testing.T) {
	c := fresh(t)
	ch := catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}}
	const side = 60
	for x := range side {
		for y := range side {
			ch.Items = append(ch.Items, catalogtest.Item("a", fmt.Sprint(x, "-", y), fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%[1]d,%[2]d],[%[1]d.5,%[2]d],[%[1]d.5,%[2]d.5],[%[1]d,%[2]d]]]}`, x, y), `"datetime":null`))
		}
	}
	put(t, c, ch)
	var places []cql2.Expr
	for i := range 1500 {
		x, y := float64(i%side), float64(i/side)
		places = append(places, cql2.Spatial{Op: "s_intersects", Left: cql2.Property{Name: cql2.Location}, Right: cql2.Geometry{Shape: geo.Box(x+0.3, y+0.1, x+0.4, y+0.2)}})
	}
	begun := time.Now()
	r, err := c.Search(t.Context(), all, catalog.Query{Filter: cql2.Or{Args: places}, Page: catalog.Page{Limit: catalog.MaxLimit}})
	require.NoError(t, err)
	require.Len(t, r.Documents, 1500)
	t.Log(time.Since(begun))
	none := cql2.And{Args: []cql2.Expr{cql2.Or{Args: places}, cql2.Not{Arg: cql2.Or{Args: places}}}}
	r, err = c.Search(t.Context(), all, catalog.Query{Filter: none})
	require.NoError(t, err)
	require.Empty(t, r.Documents)
}
