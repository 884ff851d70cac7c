package cql2_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/fault"
)

// TestText gives filters and how they are written again.
func TestText(t *testing.T) {
	for give, want := range map[string]string{
		// words
		"a=1":                          "a = 1",
		"NoT a = 1 aNd b < 2 Or c > 3": "NOT a = 1 AND b < 2 OR c > 3",
		"notes = 1 AND orbit = 2 AND andes > 3 AND inside < 4 AND isle = 5": "notes = 1 AND orbit = 2 AND andes > 3 AND inside < 4 AND isle = 5",
		"NOT(a=1)":  "NOT a = 1",
		"NOT NOT a": "NOT NOT a",
		`"and" = 1 AND "a b" = 2 AND "é""x" = 3`: `"and" = 1 AND "a b" = 2 AND "é""x" = 3`,
		`"eo:cloud_cover" < 10`:                  "eo:cloud_cover < 10",
		"date = DATE('2020-02-29')":              "date = DATE('2020-02-29')",
		"point = 1 AND interval = 2":             "point = 1 AND interval = 2",
		"größe > 1":                              "größe > 1",
		"a\u00a0=\u20031":                        "a = 1",
		// properties
		"properties.eo:cloud_cover < 10":     "eo:cloud_cover < 10",
		`"properties"."eo:cloud_cover" < 10`: "eo:cloud_cover < 10",
		`properties."a b" < 10`:              `"a b" < 10`,
		"properties.properties.x = 1":        "properties.properties.x = 1",
		"proj:shape.x = 1":                   "proj:shape.x = 1",
		`"a"."b".c = 1`:                      "a.b.c = 1",
		// precedence
		"a AND b OR c AND d":        "a AND b OR c AND d",
		"(a AND b) OR (c AND d)":    "a AND b OR c AND d",
		"a AND (b OR c) AND d":      "a AND (b OR c) AND d",
		"(a AND b) AND c":           "(a AND b) AND c",
		"a OR (b OR c)":             "a OR (b OR c)",
		"NOT (a OR b)":              "NOT (a OR b)",
		"a BETWEEN 1 AND 2 AND b":   "a BETWEEN 1 AND 2 AND b",
		"NOT a BETWEEN 1 AND 2":     "NOT a BETWEEN 1 AND 2",
		"a NOT BETWEEN 1 AND 2 + 3": "NOT a BETWEEN 1 AND (2 + 3)",
		"((((a))))":                 "a",
		"(a = 1) IS NULL":           "(a = 1) IS NULL",
		"a IS NOT NULL":             "NOT a IS NULL",
		"a+b*c-d/e>0":               "((a + (b * c)) - (d / e)) > 0",
		"a^2*b > -c":                "((a ^ 2) * b) > (-1 * c)",
		"a div 2 % 3 = 1":           "((a div 2) % 3) = 1",
		"a - -1 = +2":               "(a - -1) = 2",
		"a-1=2":                     "(a - 1) = 2",
		// literals
		"a = 'it''s' OR a = 'it\\'s'":      "a = 'it''s' OR a = 'it''s'",
		`a = 'x\ty\\z\q' OR b LIKE '\%\_'`: "a = 'x\ty\\\\z\\\\q' OR b LIKE '\\\\%\\\\_'",
		"a = '\\a\\b\\n\\v\\f\\r'":         "a = '\a\b\n\v\f\r'",
		"a = ''":                           "a = ''",
		"a = 1e3 OR a = .5 OR a = 5. OR a = 1.5E-7 OR a = 1E25": "a = 1000 OR a = 0.5 OR a = 5 OR a = 1.5e-07 OR a = 1e+25",
		"a = true AND FALSE":                                 "a = TRUE AND FALSE",
		"t > TIMESTAMP('2020-01-01T00:00:00.120000Z')":       "t > TIMESTAMP('2020-01-01T00:00:00.12Z')",
		"t > timestamp('2020-01-01T02:00:00.1234567+02:00')": "t > TIMESTAMP('2020-01-01T00:00:00.123456Z')",
		"t > TIMESTAMP('2016-12-31T23:59:60Z')":              "t > TIMESTAMP('2017-01-01T00:00:00Z')",
		"T_DURING(t, INTERVAL(a,'..'))":                      "T_DURING(t, INTERVAL(a, '..'))",
		"t_finishedby(INTERVAL('..','2020-01-01'), t)":       "T_FINISHEDBY(INTERVAL('..', '2020-01-01'), t)",
		// geometries
		"s_intersects(geom, point(1 2))":                                      "S_INTERSECTS(geometry, POINT(1 2))",
		"S_WITHIN(\"geometry\", BBOX(1,2,3,4))":                               "S_WITHIN(geometry, BBOX(1, 2, 3, 4))",
		"S_WITHIN(geometry, BBOX(170,-2,-5,-170,4,1e3))":                      "S_WITHIN(geometry, BBOX(170, -2, -5, -170, 4, 1000))",
		"S_EQUALS(POINT Z (1 2 3), POLYGON Z((0 0 1, 1 0 1, 1 1 1, 0 0 1)))":  "S_EQUALS(POINT(1 2), POLYGON((0 0,1 0,1 1,0 0)))",
		"S_EQUALS(g, GEOMETRYCOLLECTION(POINT(1 2), MULTIPOINT(1 2, (3 4))))": "S_EQUALS(g, GEOMETRYCOLLECTION(POINT(1 2),MULTIPOINT((1 2),(3 4))))",
		// lists and functions
		"a IN ('x','y',b)":                    "a IN ('x', 'y', b)",
		"a NOT IN (1)":                        "NOT a IN (1)",
		"A_CONTAINEDBY((1,'b',TRUE,c), d)":    "A_CONTAINEDBY((1, 'b', TRUE, c), d)",
		"a_overlaps(d, (DATE('2020-01-01')))": "A_OVERLAPS(d, (DATE('2020-01-01')))",
		"casei(accenti(a)) like casei('B%')":  "CASEI(ACCENTI(a)) LIKE CASEI('B%')",
		"Year(t) = 2020":                      "year(t) = 2020",
	} {
		e, err := cql2.ParseText(give)
		require.NoError(t, err, give)
		require.Equal(t, want, cql2.Text(e), give)
		same(t, e)
	}
}

// same reads what is written of a tree, in both encodings.
func same(t testing.TB, e cql2.Expr) {
	t.Helper()
	text, err := cql2.ParseText(cql2.Text(e))
	require.NoError(t, err, cql2.Text(e))
	require.Equal(t, string(cql2.JSON(e)), string(cql2.JSON(text)), cql2.Text(e))
	data, err := cql2.ParseJSON(cql2.JSON(e))
	require.NoError(t, err, string(cql2.JSON(e)))
	require.Equal(t, cql2.Text(e), cql2.Text(data), string(cql2.JSON(e)))
	require.Equal(t, string(cql2.JSON(e)), string(cql2.JSON(data)))
}

func TestTextRefuses(t *testing.T) {
	for give, want := range map[string]string{
		"":                             "at character 1, the end: a value is missing",
		"a =":                          "at character 4, the end: a value is missing",
		"a = 1 b":                      `at character 7, "b": the filter should end here`,
		"ä = 1 AND":                    "at character 10, the end",
		"a = 1 AND AND b":              "AND is no value",
		"a == 1":                       "a value is missing",
		"a != 1":                       `the character "!"`,
		"a = 'x":                       "at character 5, \"'x\": a string is not closed",
		`"a = 1`:                       "not closed",
		"(a = 1":                       ") is missing",
		"a = 1)":                       "the filter should end here",
		"a IS 1":                       "NULL is missing",
		"a NOT 1":                      "LIKE, BETWEEN or IN is missing",
		"a BETWEEN 1":                  "AND is missing",
		"a IN 1":                       "( is missing",
		"a IN (1":                      ") is missing",
		"a = NULL":                     "NULL is no value",
		"1":                            "1 is no condition, it is a number",
		"a + 1":                        "a + 1 is no condition, it is a number",
		"'x' AND a":                    "'x' is no condition, it is text",
		"NOT id":                       "id is no condition",
		"geometry":                     "geometry is no condition",
		"'5' > 4":                      "'5' is text and 4 is a number: they do not compare",
		"a IN (1) AND id = 5":          "at character 14",
		"id = 5":                       "id is text and 5 is a number",
		"a BETWEEN 1 AND 'b'":          "1 is a number and 'b' is text",
		"5 IN ('x')":                   "do not compare",
		"DATE('2020-01-01') = 5":       "do not compare",
		"(a = 1) = TRUE":               "is a condition where a value has to be",
		"geometry = 5":                 "does not compare",
		"POINT(1 2) = POINT(1 2)":      "does not compare",
		"INTERVAL('..','..') = a":      "does not compare",
		"a LIKE b":                     "the pattern b is no string",
		"5 LIKE 'x'":                   "5 is a number where text has to be",
		"a + 'x' = 1":                  "'x' is text where a number has to be",
		"S_INTERSECTS(geometry, 'x')":  "'x' is text where a geometry has to be",
		"S_INTERSECTS(id, POINT(1 2))": "id is text where a geometry has to be",
		"S_INTERSECTS(geometry)":       ", is missing",
		"S_INTERSECTS(geometry, POINT(1 2), POINT(1 2))":  ") is missing",
		"S_INTERSECTS(geometry, POINT(90 180))":           "at character 30, \"90 180))\": latitude 180 is beyond ±90",
		"S_INTERSECTS(geometry, POINT(1))":                "a number is missing",
		"S_INTERSECTS(geometry, POLYGON((0 0,1 0,1 1)))":  "needs 4 positions",
		"S_INTERSECTS(geometry, BBOX(1,2,3))":             "bbox has 3 numbers",
		"S_INTERSECTS(geometry, BBOX(1,9,3,4))":           "south 9 is greater",
		"S_INTERSECTS(geometry, BBOX(1,a,3,4))":           "a is no number",
		"T_AFTER(t, '2020-01-01')":                        "is text where a time or date has to be",
		"T_AFTER(t, DATE('2020-02-30'))":                  `at character 12, "DATE('2020-02-30'))": "2020-02-30" is no date`,
		"t = TIMESTAMP('2020-01-01')":                     "is no time",
		"t = TIMESTAMP('2020-01-01T00:00:00')":            "is no time",
		"t = TIMESTAMP(2020)":                             "a string in single quotes is missing",
		"T_AFTER(t, INTERVAL('2020-01-02','2020-01-01'))": "ends before it begins",
		"T_AFTER(t, INTERVAL('2020','..'))":               "is no time",
		"A_CONTAINS(a, 5)":                                "5 is a number where a list has to be",
		"A_CONTAINS(a, ((1)))":                            "",
		"A_CONTAINS(a, (POINT(1 2)))":                     "in a list: POINT(1 2) does not compare",
		"A_CONTAINS(a, (b = 1))":                          "in a list",
		"avg(a) > 1":                                      "at character 1, \"avg(a) > 1\": there is no function avg; there are abs, ceil",
		"floor(a, b) = 1":                                 "floor has one argument, not 2",
		"floor('x') = 1":                                  "floor: 'x' is text where a number has to be",
		"a = 1e999":                                       "out of range",
		"a = 10b":                                         "a number runs into a name",
		"a ^ 2 ^ 2 = 1":                                   "a power of a power needs brackets",
		"a = +b":                                          "a number is missing",
		"a. = 1 AND b.c. = 2 AND $ = 1":                   `the character "$"`,
		"a = 'x\x00y'":                                    "U+0000",
		"a = \xff":                                        "not UTF-8",
		`"" = 1`:                                          "no name of a property",
		`"a". = 1`:                                        "a name is missing after the dot",
		strings.Repeat("(", 500):                          "nested too deep",
		strings.Repeat("NOT ", 500) + "a":                 "nested too deep",
		"a = " + strings.Repeat("1+", 100) + "1":          "nested more than 64 deep",
		"a IN (" + strings.Repeat("1,", 20_000) + "1)":    "more than 10000 parts",
		"a = '" + strings.Repeat("x", 2<<20) + "'":        "bytes",
	} {
		_, err := cql2.ParseText(give)
		if want == "" {
			require.NoError(t, err, give)
			continue
		}
		if len(give) > 1000 {
			give = give[:20] + "…"
		}
		require.ErrorContains(t, err, want, give)
		require.True(t, fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge), give)
		require.NotEmpty(t, fault.CureOf(err))
		require.Less(t, len(err.Error()), 400)
	}
}

// TestJSON gives filters in JSON and what they are in text.
func TestJSON(t *testing.T) {
	for give, want := range map[string]string{
		`{"op":"=","args":[{"property":"properties.a"},1]}`:                                                          "a = 1",
		`{"args":[{"property":"a"},"x"],"op":"like"}`:                                                                "a LIKE 'x'",
		`{"op":"isNull","args":[{"property":"a"}]}`:                                                                  "a IS NULL",
		`{"op":"and","args":[{"op":"or","args":[true,{"property":"b"}]},false]}`:                                     "(TRUE OR b) AND FALSE",
		`{"op":"and","args":[{"property":"b"}]}`:                                                                     "b",
		`{"op":"in","args":[{"property":"a"},["x","y"]]}`:                                                            "a IN ('x', 'y')",
		`{"op":"in","args":[{"property":"a"},[]]}`:                                                                   "a IN ()",
		`{"op":"between","args":[{"property":"a"},1,2.5]}`:                                                           "a BETWEEN 1 AND 2.5",
		`{"op":"between","args":[{"property":"a"},[1,2]]}`:                                                           "a BETWEEN 1 AND 2",
		`{"op":"t_metBy","args":[{"interval":["..",{"property":"b"}]},{"date":"2020-01-01"}]}`:                       "T_METBY(INTERVAL('..', b), DATE('2020-01-01'))",
		`{"op":"t_after","args":[{"property":"a"},{"timestamp":"2020-01-01T00:00:00Z"}]}`:                            "T_AFTER(a, TIMESTAMP('2020-01-01T00:00:00Z'))",
		`{"op":"t_after","args":[{"property":"a"},{"interval":[{"date":"2020-01-01"},"2020-01-02T00:00:00Z"]}]}`:     "T_AFTER(a, INTERVAL('2020-01-01', '2020-01-02T00:00:00Z'))",
		`{"op":"s_intersects","args":[{"property":"geometry"},{"bbox":[1,2,3,4]}]}`:                                  "S_INTERSECTS(geometry, BBOX(1, 2, 3, 4))",
		`{"op":"s_intersects","args":[{"property":"geom"},{"type":"Point","coordinates":[1,2,3],"bbox":[1,2,1,2]}]}`: "S_INTERSECTS(geometry, POINT(1 2))",
		`{"op":"a_containedBy","args":[["a",1,true],{"property":"b"}]}`:                                              "A_CONTAINEDBY(('a', 1, TRUE), b)",
		`{"op":"=","args":[{"op":"casei","args":[{"property":"a"}]},{"op":"accenti","args":["É\n"]}]}`:               "CASEI(a) = ACCENTI('É\n')",
		`{"op":"=","args":[{"op":"div","args":[{"property":"a"},2]},{"op":"floor","args":[1e2]}]}`:                   "(a div 2) = floor(100)",
		`{"op":"NOT","args":[{"op":"<>","args":[{"property":"a\"b"},"<&>"]}]}`:                                       `NOT "a""b" <> '<&>'`,
	} {
		e, err := cql2.ParseJSON([]byte(give))
		require.NoError(t, err, give)
		require.Equal(t, want, cql2.Text(e), give)
		same(t, e)
	}
}

func TestJSONRefuses(t *testing.T) {
	for give, want := range map[string]string{
		``:                                "it is no JSON",
		`{`:                               "it is no JSON",
		`5`:                               "filter: 5 is no condition",
		`null`:                            "null is no value",
		`[true]`:                          "it is a list",
		`{}`:                              "has to have op",
		`{"op":5,"args":[]}`:              "filter.op: it is no string",
		`{"op":"="}`:                      `"=" has no list of args`,
		`{"op":"=","args":[1]}`:           `"=" takes 2 args, not 1`,
		`{"op":"and","args":[]}`:          "and has no arguments",
		`{"op":"not","args":[true,true]}`: "takes 1 args, not 2",
		`{"op":"and","args":[true,{"op":"=","args":[{"property":"a"},{"property":7}]}]}`: "filter.args[1].args[1].property: it is no string",
		`{"op":"and","args":[true,{"op":"=","args":["a",7]}]}`:                           "filter.args[1]: 'a' is text and 7 is a number",
		`{"op":"=","args":[{"property":"a"},null]}`:                                      "filter.args[1]: null is no value",
		`{"op":"=","args":[{"property":"a"},1e999]}`:                                     "out of range",
		`{"op":"in","args":[{"property":"a"},5]}`:                                        "takes a value and a list",
		`{"op":"in","args":[{"property":"a"},[{"x":1}]]}`:                                "filter.args[1][0]: an object has to have",
		`{"op":"between","args":[{"property":"a"},[1]]}`:                                 "filter.args[1]: it is no list of two",
		`{"op":"between","args":[{"property":"a"},1]}`:                                   "takes a value and a list",
		`{"op":"t_after","args":[{"property":"a"},{"interval":["2020-01-01"]}]}`:         "filter.args[1].interval: it is no list of two",
		`{"op":"t_after","args":[{"property":"a"},{"interval":["..","x"]}]}`:             "filter.args[1].interval[1]: \"x\" is no time",
		`{"op":"s_within","args":[{"property":"geometry"},{"bbox":["a"]}]}`:              "filter.args[1].bbox: it is no list of numbers",
		`{"op":"s_within","args":[{"property":"geometry"},{"type":"Circle"}]}`:           "filter.args[1]: geometry: unknown type",
		`{"op":"s_near","args":[{"property":"geometry"},1]}`:                             "there is no function s_near",
		`{"op":"=","args":[{"property":"a"},"\u0000"]}`:                                  "U+0000",
		strings.Repeat(`{"op":"not","args":[`, 100) + "true" + strings.Repeat("]}", 100): "nested more than 64 deep",
		strings.Repeat(`[`, 9000) + strings.Repeat("]", 9000):                            "nested more than 64 deep",
		strings.Repeat(`[`, 900_000):                                                     "it is no JSON",
		`{"op":"in","args":[1,[` + strings.Repeat("1,", 20_000) + `1]]}`:                 "more than 10000 parts",
	} {
		_, err := cql2.ParseJSON([]byte(give))
		if len(give) > 1000 {
			give = give[:20] + "…"
		}
		require.ErrorContains(t, err, want, give)
		require.True(t, fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge), give)
		require.NotEmpty(t, fault.CureOf(err))
		require.Less(t, len(err.Error()), 400)
	}
}

func TestProperties(t *testing.T) {
	e, err := cql2.ParseText("a = 1 AND b IN (c, 2) OR T_AFTER(INTERVAL(d, '..'), a) OR S_INTERSECTS(geom, POINT(1 2)) OR abs(e) + id IS NULL")
	require.ErrorContains(t, err, "id is text")
	require.Nil(t, e)
	e, err = cql2.ParseText("a = 1 AND b IN (c, 2) OR T_AFTER(INTERVAL(d, '..'), a) OR S_INTERSECTS(geom, POINT(1 2)) OR abs(e) IS NULL")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c", "d", "geometry", "e"}, cql2.Properties(e))
}

func TestDeepestIsReadAgain(t *testing.T) {
	var filter strings.Builder
	for i := range cql2.MaxDepth / 2 {
		fmt.Fprintf(&filter, "p%d AND (q%d OR (", i, i)
	}
	filter.WriteString("z" + strings.Repeat("))", cql2.MaxDepth/2))
	_, err := cql2.ParseText(filter.String())
	require.ErrorContains(t, err, "nested")
	text := strings.Repeat("a + (", cql2.MaxDepth-3) + "1" + strings.Repeat(")", cql2.MaxDepth-3) + " = 1"
	e, err := cql2.ParseText(text)
	require.NoError(t, err)
	same(t, e)
	e, err = cql2.ParseText(strings.Repeat("NOT ", cql2.MaxDepth-1) + "a")
	require.NoError(t, err)
	same(t, e)
}

var everyday = "eo:cloud_cover < 10 AND datetime > TIMESTAMP('2021-01-01T00:00:00Z') AND (platform = 'sentinel-2a' OR platform = 'sentinel-2b') AND S_INTERSECTS(geometry, BBOX(10, 40, 20, 50))"

func BenchmarkParseText(b *testing.B) {
	for b.Loop() {
		if _, err := cql2.ParseText(everyday); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseJSON(b *testing.B) {
	e, err := cql2.ParseText(everyday)
	require.NoError(b, err)
	data := cql2.JSON(e)
	for b.Loop() {
		if _, err := cql2.ParseJSON(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEval has nine predicates and nineteen values.
func BenchmarkEval(b *testing.B) {
	e, err := cql2.ParseText(everyday)
	require.NoError(b, err)
	doc := newDocument(b, `{"eo:cloud_cover":5,"datetime":"2022-01-01T00:00:00Z","platform":"sentinel-2b"}`, `{"type":"Point","coordinates":[15,45]}`)
	for b.Loop() {
		if r := cql2.Eval(e, doc); r == nil || !*r {
			b.Fatal(r)
		}
	}
}
