package catalog

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

func TestParseInterval(t *testing.T) {
	moment := func(s string) *time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err)
		return &v
	}
	a, b := "1985-04-12T23:20:50.52Z", "1986-04-12T23:20:50.52Z"
	for give, want := range map[string]Interval{
		a:                                {moment(a), moment(a)},
		"1985-04-13t00:20:50.520+01:00":  {moment(a), moment(a)},
		a + "/" + b:                      {moment(a), moment(b)},
		a + "/..":                        {moment(a), nil},
		a + "/":                          {moment(a), nil},
		"../" + b:                        {nil, moment(b)},
		"/" + b:                          {nil, moment(b)},
		"2020-07-23T00:00:00.012345678Z": {moment("2020-07-23T00:00:00.012345Z"), moment("2020-07-23T00:00:00.012345Z")},
		"1990-12-31T23:59:60Z":           {moment("1991-01-01T00:00:00Z"), moment("1991-01-01T00:00:00Z")},
		"0001-01-01T00:00:00Z/" + b:      {moment("0001-01-01T00:00:00Z"), moment(b)},
		"2020-02-29T00:00:00-00:00/2021-01-01T00:00:00z": {moment("2020-02-29T00:00:00Z"), moment("2021-01-01T00:00:00Z")},
	} {
		got, err := ParseInterval(give)
		require.NoError(t, err, give)
		for i, ends := range [][2]*time.Time{{got.Start, want.Start}, {got.End, want.End}} {
			require.Equal(t, ends[1] == nil, ends[0] == nil, "%s: end %d", give, i)
			if ends[0] != nil {
				require.True(t, ends[0].Equal(*ends[1]), "%s: %s", give, ends[0])
			}
		}
	}
	for _, give := range []string{"", "/", "..", "../..", "/..", "../", "/" + a + "/" + b, a + "/" + b + "/", "1985-04-12", "1937-01-01T12:00:27.87+0100",
		"37-01-01T12:00:27.87Z", "1985-12-12T23:20:50.52", "21985-12-12T23:20:50.52Z", "1985-13-12T23:20:50.52Z", "1985-12-32T23:20:50.52Z", "2021-02-29T00:00:00Z",
		"1985-12-01T25:20:50.52Z", "1985-12-01T00:60:50.52Z", "1985-12-01T00:06:61.52Z", "1985-04-12T23:20:50.Z", "1985-04-12T23:20:50,52Z", b + "/" + a, " " + a} {
		_, err := ParseInterval(give)
		require.True(t, fault.Is(err, fault.Invalid), "%q: %v", give, err)
		require.NotEmpty(t, fault.CureOf(err), give)
	}
}

func FuzzToken(f *testing.F) {
	s := NewSigner([]byte("a key of this test"))
	at := Position{Rank: 1, Values: []any{json.Number("1234567890123456789"), json.Number("0.1"), "c", nil}, Back: true}
	good := s.Token("ask", at)
	f.Add(good)
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		p, err := s.Open("ask", token)
		if token == good {
			require.NoError(t, err)
			require.Equal(t, at, p)
			return
		}
		require.True(t, fault.Is(err, fault.Invalid), "%q was let in", token)
	})
}

func TestTokenHoldsForOneKeyAndOneQuestion(t *testing.T) {
	s := NewSigner([]byte("one"))
	token := s.Token("ask", Position{Values: []any{"c"}})
	_, err := s.Open("other", token)
	require.Error(t, err)
	_, err = NewSigner([]byte("two")).Open("ask", token)
	require.Error(t, err)
	a, b := Query{IDs: []string{"x", "y"}}, Query{IDs: []string{"y", "x", "x"}}
	require.Equal(t, a.Ask(), b.Ask(), "lists are sets")
	require.NotEqual(t, Query{}.Ask(), Query{IDs: []string{}}.Ask())
}

func FuzzParseItem(f *testing.F) {
	f.Add([]byte(`{"type":"Feature","id":"a","collection":"c","geometry":null,"properties":{"datetime":"2020-01-01T00:00:00Z"}}`))
	f.Add([]byte(`{"type":"Feature","id":"a","collection":"c","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"datetime":null}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		e, err := ParseItem(doc)
		if err != nil {
			require.True(t, fault.Is(err, fault.Invalid))
			return
		}
		again, err := ParseItem(e.Document)
		require.NoError(t, err)
		require.Equal(t, e.Ref, again.Ref)
		require.Equal(t, e.Sort, again.Sort)
	})
}

func TestQueriesHaveBoundedGeometries(t *testing.T) {
	line := func(n int) cql2.Expr {
		s, _, err := geo.ReadWKT("LINESTRING(0 0" + strings.Repeat(",1 1", n-1) + ")")
		require.NoError(t, err)
		return cql2.Spatial{Op: "s_intersects", Left: cql2.Property{Name: cql2.Location}, Right: cql2.Geometry{Shape: s}}
	}
	half := line(MaxCorners / 2)
	require.NoError(t, Query{Filter: cql2.Not{Arg: cql2.And{Args: []cql2.Expr{half, half}}}}.Check())
	err := Query{Filter: cql2.Or{Args: []cql2.Expr{half, line(MaxCorners/2 + 1)}}}.Check()
	require.True(t, fault.Is(err, fault.Invalid), err)
	require.ErrorContains(t, err, "100001 positions")
	require.Contains(t, fault.CureOf(err), "simplify")
	err = Query{Intersects: half.(cql2.Spatial).Right.(cql2.Geometry).Shape, Filter: line(MaxCorners/2 + 1)}.Check()
	require.True(t, fault.Is(err, fault.Invalid), err)
}
