package catalogtest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

func day(s string) *time.Time { return ptr(instant(s + "T00:00:00Z")) }

func shape(t *testing.T, geometry string) *geo.Shape {
	t.Helper()
	s, err := geo.Parse(json.RawMessage(geometry), nil)
	require.NoError(t, err)
	return s
}

// finds holds questions of items in collection a to the ids they find.
func finds(t *testing.T, c catalog.Catalog, cases map[string]found) {
	t.Helper()
	for name, one := range cases {
		want := []string{}
		for _, id := range one.want {
			want = append(want, "a/"+id)
		}
		one.q.Count, one.q.Limit = true, 100
		got, r := search(t, c, one.q)
		require.Equal(t, want, got, name)
		require.True(t, r.Matched == nil || *r.Matched == len(want), name)
	}
}

type found struct {
	q    catalog.Query
	want []string
}

func testPlaceAndTime(t *testing.T, c catalog.Catalog) {
	tri := `{"type":"Polygon","coordinates":[[[0,0],[10,0],[0,10],[0,0]]]}`
	put(t, c,
		Item("a", "triangle", tri, at("2020-01-05T00:00:00Z")),
		Item("a", "nowhere", "null", at("2020-01-04T00:00:00Z")),
		Item("a", "fiji", `{"type":"MultiPolygon","coordinates":[[[[179,0],[180,0],[180,1],[179,1],[179,0]]],[[[-180,0],[-179,0],[-179,1],[-180,1],[-180,0]]]]}`, at("2020-01-03T00:00:00Z")),
		Item("a", "over", `{"type":"Polygon","coordinates":[[[178,10],[182,10],[182,11],[178,11],[178,10]]]}`, at("2020-01-02T00:00:00Z")),
		Item("a", "span", "null", `"datetime":null,"start_datetime":"2019-01-01T00:00:00Z","end_datetime":"2019-12-31T00:00:00Z"`),
		Item("a", "timeless", "null", `"datetime":null`),
	)
	corner, edge := shape(t, `{"type":"Point","coordinates":[9,9]}`), shape(t, `{"type":"Point","coordinates":[5,5]}`)
	finds(t, c, map[string]found{
		"bbox in the box, not in the shape": {catalog.Query{BBox: []float64{8, 8, 9, 9}}, nil},
		"bbox":                              {catalog.Query{BBox: []float64{1, 1, 2, 2}}, []string{"triangle"}},
		"bbox of one point":                 {catalog.Query{BBox: []float64{1, 1, 1, 1}}, []string{"triangle"}},
		"bbox with heights":                 {catalog.Query{BBox: []float64{1, 1, -50, 2, 2, 50}}, []string{"triangle"}},
		"bbox over the antimeridian":        {catalog.Query{BBox: []float64{178.5, 0, -179.5, 20}}, []string{"fiji", "over"}},
		"bbox west of it":                   {catalog.Query{BBox: []float64{178, 0, 179.5, 20}}, []string{"fiji", "over"}},
		"bbox east of it":                   {catalog.Query{BBox: []float64{-179.5, 0, -178.5, 20}}, []string{"fiji", "over"}},
		"bbox around it the other way":      {catalog.Query{BBox: []float64{-170, 0, 170, 20}}, []string{"triangle"}},
		"nearly all but Greenwich":          {catalog.Query{BBox: []float64{11, -90, -1, 90}}, []string{"fiji", "over"}},
		"world":                             {catalog.Query{BBox: []float64{-180, -90, 180, 90}}, []string{"triangle", "fiji", "over"}},
		"point off the shape":               {catalog.Query{Intersects: corner}, nil},
		"point on the edge":                 {catalog.Query{Intersects: edge}, []string{"triangle"}},
		"moment":                            {catalog.Query{Time: catalog.Interval{Start: day("2020-01-04"), End: day("2020-01-04")}}, []string{"nowhere"}},
		"moment in a span":                  {catalog.Query{Time: catalog.Interval{Start: day("2019-06-01"), End: day("2019-06-01")}}, []string{"span"}},
		"until":                             {catalog.Query{Time: catalog.Interval{End: day("2019-01-01")}}, []string{"span"}},
		"since":                             {catalog.Query{Time: catalog.Interval{Start: day("2020-01-04")}}, []string{"triangle", "nowhere"}},
		"since ever":                        {catalog.Query{Time: catalog.Interval{Start: day("0001-01-01")}}, []string{"triangle", "nowhere", "fiji", "over", "span"}},
		"ids":                               {catalog.Query{IDs: []string{"fiji", "none", "over", "fiji"}}, []string{"fiji", "over"}},
		"no ids":                            {catalog.Query{IDs: []string{}}, nil},
		"no collections":                    {catalog.Query{Collections: []string{}}, nil},
		"other collection":                  {catalog.Query{Collections: []string{"b", "none"}}, nil},
		"all together":                      {catalog.Query{IDs: []string{"fiji", "over"}, Collections: []string{"a"}, BBox: []float64{179, 0, 180, 5}, Time: catalog.Interval{Start: day("2020-01-01")}}, []string{"fiji"}},
		"quotes are text":                   {catalog.Query{IDs: []string{`' OR 1=1 --`}}, nil},
	})
	for name, q := range map[string]catalog.Query{
		"three numbers": {BBox: []float64{1, 2, 3}}, "south over north": {BBox: []float64{0, 2, 1, 1}},
		"both shapes": {BBox: []float64{0, 0, 1, 1}, Intersects: edge}, "low over high": {BBox: []float64{0, 0, 9, 1, 1, 1}},
		"time turned round": {Time: catalog.Interval{Start: day("2020-01-02"), End: day("2020-01-01")}},
	} {
		_, err := c.Search(t.Context(), all, q)
		require.True(t, fault.Is(err, fault.Invalid), name)
		require.NotEmpty(t, fault.CureOf(err), name)
		_, err = c.Collections(t.Context(), all, q)
		require.True(t, fault.Is(err, fault.Invalid), name)
		_, err = c.Aggregate(t.Context(), all, q, []catalog.Aggregation{{Name: "n"}})
		require.True(t, fault.Is(err, fault.Invalid), name)
	}
}

// testShapes has one item of each kind of geometry, a degree wide and each on a meridian of its own where nothing else is said.
func testShapes(t *testing.T, c catalog.Catalog) {
	shapes := []struct{ id, geometry string }{
		{"point", `{"type":"Point","coordinates":[10,0]}`},
		{"high point", `{"type":"Point","coordinates":[20,0,8848]}`},
		{"points", `{"type":"MultiPoint","coordinates":[[30,0],[30,50]]}`},
		{"line", `{"type":"LineString","coordinates":[[40,-1],[41,1]]}`},
		{"lines", `{"type":"MultiLineString","coordinates":[[[50,-1],[51,1]],[[50,50],[51,51]]]}`},
		{"solid", `{"type":"Polygon","coordinates":[[[60,0,1],[61,0,1],[61,1,2],[60,1,2],[60,0,1]]]}`},
		{"hole", `{"type":"Polygon","coordinates":[[[70,-5],[80,-5],[80,5],[70,5],[70,-5]],[[72,-3],[78,-3],[78,3],[72,3],[72,-3]]]}`},
		{"mixed", `{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[90,0]},{"type":"LineString","coordinates":[[90,50],[91,51]]},{"type":"GeometryCollection","geometries":[{"type":"Polygon","coordinates":[[[92,0],[93,0],[93,1],[92,0]]]}]}]}`},
		{"north pole", `{"type":"Polygon","coordinates":[[[-180,85],[180,85],[180,90],[-180,90],[-180,85]]]}`},
		{"south pole", `{"type":"Polygon","coordinates":[[[-180,-90],[180,-90],[180,-85],[-180,-85],[-180,-90]]]}`},
		{"the pole", `{"type":"Point","coordinates":[0,90]}`},
		{"over 180", `{"type":"LineString","coordinates":[[175,-20],[185,-20]]}`},
		{"over -180", `{"type":"LineString","coordinates":[[-175,-30],[-185,-30]]}`},
		{"at 180", `{"type":"Point","coordinates":[180,-40]}`},
		{"at -180", `{"type":"Point","coordinates":[-180,-40]}`},
		{"null", `null`},
	}
	docs := documents(json.RawMessage(`{"type":"Feature","id":"member missing","collection":"a","properties":{`+then+`}}`),
		json.RawMessage(`{"type":"Feature","id":"jump","collection":"a","bbox":[179,60,-179,61],"properties":{`+then+`},
			"geometry":{"type":"Polygon","coordinates":[[[179,60],[-179,60],[-179,61],[179,61],[179,60]]]}}`))
	for _, s := range shapes {
		docs = append(docs, Item("a", s.id, s.geometry, then))
	}
	put(t, c, docs...)
	at := func(geometry string) catalog.Query { return catalog.Query{Intersects: shape(t, geometry)} }
	box := func(b ...float64) catalog.Query { return catalog.Query{BBox: b} }
	finds(t, c, map[string]found{
		"point":                      {box(10, 0, 10, 0), []string{"point"}},
		"beside the point":           {box(10.001, 0, 11, 1), nil},
		"a height is not compared":   {at(`{"type":"Point","coordinates":[20,0,1]}`), []string{"high point"}},
		"one of the points":          {box(29, 49, 31, 51), []string{"points"}},
		"between the points":         {box(29, 10, 31, 40), nil},
		"middle of the line":         {at(`{"type":"Point","coordinates":[40.5,0]}`), []string{"line"}},
		"box of the line, not on it": {box(40, 0.5, 40.1, 1), nil},
		"lines that cross":           {at(`{"type":"LineString","coordinates":[[40,1],[41,-1]]}`), []string{"line"}},
		"second line":                {box(50.4, 50, 50.6, 51), []string{"lines"}},
		"area within an area":        {box(60.4, 0.4, 60.6, 0.6), []string{"solid"}},
		"area around an area":        {box(59, -1, 62, 2), []string{"solid"}},
		"area that touches":          {box(61, 1, 62, 2), []string{"solid"}},
		"in the hole":                {box(73, -2, 77, 2), nil},
		"point in the hole":          {at(`{"type":"Point","coordinates":[75,0]}`), nil},
		"edge of the hole":           {at(`{"type":"Point","coordinates":[72,0]}`), []string{"hole"}},
		"over the hole's edge":       {box(77, -2, 79, 2), []string{"hole"}},
		"part of a collection":       {box(89, -1, 91, 1), []string{"mixed"}},
		"part of a collection in it": {box(92.4, 0, 93, 0.1), []string{"mixed"}},
		"between its parts":          {box(89, 10, 95, 40), nil},
		"collection asks":            {at(`{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[10,0]},{"type":"Point","coordinates":[60,0]}]}`), []string{"point", "solid"}},
		"north pole":                 {box(-180, 86, 180, 90), []string{"north pole", "the pole"}},
		"the pole":                   {box(-1, 90, 1, 90), []string{"north pole", "the pole"}},
		"south pole":                 {box(-10, -90, 10, -86), []string{"south pole"}},
		"over 180 from the east":     {box(-176, -21, -174, -19), []string{"over 180"}},
		"over 180 from the west":     {box(174, -21, 176, -19), []string{"over 180"}},
		"not the long way round":     {box(-170, -35, 170, -15), nil},
		"over -180 from the east":    {box(174, -31, 176, -29), []string{"over -180"}},
		"question over 180":          {at(`{"type":"LineString","coordinates":[[178,-25],[182,-15]]}`), []string{"over 180"}},
		"box over 180":               {box(170, -35, -170, -15), []string{"over -180", "over 180"}},
		"longitudes that jump":       {box(179.5, 60, 179.6, 61), []string{"jump"}},
		"not between them":           {box(-1, 60, 1, 61), nil},
		"world":                      {box(-180, -90, 180, 90), []string{"at -180", "at 180", "high point", "hole", "jump", "line", "lines", "mixed", "north pole", "over -180", "over 180", "point", "points", "solid", "south pole", "the pole"}},
	})
}

func testCollectionSearch(t *testing.T, c catalog.Catalog) {
	one := func(id, bbox, interval, words string) json.RawMessage {
		return json.RawMessage(`{"type":"Collection","id":` + text(id) + `,"license":"other","description":` + text(words) + `,"links":[],
			"extent":{"spatial":{"bbox":[` + bbox + `]},"temporal":{"interval":[` + interval + `]}}}`)
	}
	apply(t, c, catalog.Changes{Collections: documents(
		one("europe", "[-10,35,30,70]", `["2020-01-01T00:00:00Z","2021-01-01T00:00:00Z"]`, "Forests of Europe"),
		one("fiji", "[177,-19,-178,-16],[0,0,1,1]", `["2019-01-01T00:00:00Z",null]`, "Reefs, not forests"),
		one("high", "[-10,35,0,30,70,9000]", `[null,"2018-01-01T00:00:00Z"]`, "Älps"),
		json.RawMessage(`{"type":"Collection","id":"no extent","description":"forest"}`),
	)})
	for name, one := range map[string]struct {
		q    catalog.Query
		want []string
	}{
		"all":                 {catalog.Query{}, []string{"europe", "fiji", "high", "no extent"}},
		"ids":                 {catalog.Query{IDs: []string{"fiji", "none"}}, []string{"fiji"}},
		"collections are ids": {catalog.Query{Collections: []string{"fiji", "high"}, IDs: []string{"high", "europe"}}, []string{"high"}},
		"bbox":                {catalog.Query{BBox: []float64{0, 40, 1, 41}}, []string{"europe", "high"}},
		"antimeridian":        {catalog.Query{BBox: []float64{-179, -18, -178.5, -17}}, []string{"fiji"}},
		"first box alone":     {catalog.Query{BBox: []float64{0, 0, 1, 1}}, []string{}},
		"shape":               {catalog.Query{Intersects: shape(t, `{"type":"Point","coordinates":[178,-17]}`)}, []string{"fiji"}},
		"time":                {catalog.Query{Time: catalog.Interval{Start: day("2020-06-01"), End: day("2020-06-01")}}, []string{"europe", "fiji", "no extent"}},
		"time before":         {catalog.Query{Time: catalog.Interval{End: day("2017-01-01")}}, []string{"high", "no extent"}},
		"words":               {catalog.Query{Words: word("forests")}, []string{"europe", "fiji"}},
		"words, accents":      {catalog.Query{Words: word("alps")}, []string{"high"}},
		"filter":              {catalog.Query{Filter: is("=", property("description"), "forest")}, []string{"no extent"}},
		"filter by id":        {catalog.Query{Filter: is("<", property("id"), "g")}, []string{"europe", "fiji"}},
	} {
		one.q.Count = true
		r, err := c.Collections(t.Context(), all, one.q)
		require.NoError(t, err)
		require.Equal(t, one.want, collectionNames(t, r.Documents), name)
		require.True(t, r.Matched == nil || *r.Matched == len(one.want), name)
	}
}
