package cql2_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
)

// lakes are four documents on which the classes of the standard are tried.
func lakes(t testing.TB) map[string]document {
	return map[string]document{
		"como": newDocument(t, `{"name":"Lago di Como","area":146,"depth":425.5,"salty":false,"seen":"2021-06-01T10:00:00Z","day":"2021-06-01",
			"from":"2021-06-01T00:00:00Z","to":"2021-06-30T12:00:00Z","fish":["trout","perch","trout"],"levels":[1,2.5,3],"free%":"50%_\\"}`,
			`{"type":"Polygon","coordinates":[[[9,45.8],[9.4,45.8],[9.4,46.2],[9,46.2],[9,45.8]]]}`),
		"zürich": newDocument(t, `{"name":"Zürichsee","area":88.66,"depth":136,"salty":false,"seen":"2021-06-01T23:59:59.999999Z","day":"2021-06-02",
			"from":"2021-06-30T12:00:00Z","to":"2021-07-31T00:00:00Z","fish":["perch",null,true],"levels":[2.5],"other":"2021-06-02"}`,
			`{"type":"MultiPolygon","coordinates":[[[[8.5,47.2],[8.9,47.2],[8.9,47.4],[8.5,47.2]]],[[[9,46],[9.2,46],[9.2,46.1],[9,46]]]]}`),
		"aral": newDocument(t, `{"name":"Арал","area":-1e300,"depth":0,"salty":true,"seen":"1960-01-01T00:00:00Z","day":"1960-01-01",
			"from":"1960-01-01","to":"1960-12-31","fish":[],"levels":[[1],2]}`,
			`{"type":"LineString","coordinates":[[58,44],[61,45]]}`),
		"odd": newDocument(t, `{"name":7,"area":"146","depth":null,"salty":"true","seen":"soon","day":20210601,"fish":"trout","levels":{"a":1}}`, ""),
	}
}

// TestClasses tells of every filter for which lakes it is true, for which unknown; for the others it is false.
func TestClasses(t *testing.T) {
	docs := lakes(t)
	for class, filters := range map[string]map[string]string{
		"basic": {
			"name = 'Lago di Como'":                     "como; odd",
			"name <> 'Lago di Como'":                    "zürich aral; odd",
			"name > 'Lago'":                             "como zürich aral; odd",
			"name < 'Zz'":                               "como; odd", // bytewise, ü is beyond z
			"area >= 88.66":                             "como zürich; odd",
			"area = 146.0":                              "como; odd",
			"NOT area = 146":                            "zürich aral; odd",
			"salty":                                     "aral; odd",
			"NOT salty":                                 "como zürich; odd",
			"salty < TRUE":                              "como zürich; odd",
			"salty = true OR area > 100":                "como aral; odd",
			"salty = true AND area > 100":               "; odd",
			"nothing = 1":                               "; como zürich aral odd",
			"nothing = 1 OR TRUE":                       "como zürich aral odd;",
			"nothing = 1 AND FALSE":                     ";",
			"depth IS NULL":                             "odd;",
			"depth IS NOT NULL":                         "como zürich aral;",
			"geometry IS NULL":                          "odd;",
			"(area > 5) IS NULL":                        "odd;",
			"depth + 1 IS NULL":                         "odd;",
			"id = 'a' AND collection = 'c'":             "como zürich aral odd;",
			"seen = TIMESTAMP('2021-06-01T10:00:00Z')":  "como; odd",
			"seen = DATE('2021-06-01')":                 "como zürich; odd",
			"seen <> DATE('2021-06-01')":                "aral; odd",
			"seen > DATE('2021-05-31')":                 "como zürich; odd",
			"seen > DATE('2021-06-01')":                 "; odd",
			"seen >= DATE('2021-06-01')":                "como zürich; odd",
			"seen <= TIMESTAMP('2021-06-01T10:00:00Z')": "como aral; odd",
			"day = TIMESTAMP('2021-06-01T10:00:00Z')":   "como; odd",
			"day < DATE('2021-06-02')":                  "como aral; odd",
			"seen = '2021-06-01T10:00:00Z'":             "como;", // as text it is written
		},
		"advanced comparison": {
			"name LIKE '%di%'":              "como; odd",
			"name LIKE '_арал'":             "; odd",
			"name LIKE '____'":              "aral; odd", // code points
			"name NOT LIKE '%e%'":           "como aral; odd",
			`"free%" LIKE '50\%\_\\\\'`:     "como; zürich aral odd",
			`"free%" LIKE '%\%%'`:           "como; zürich aral odd",
			"depth BETWEEN 136 AND 425.5":   "como zürich; odd",
			"depth BETWEEN 426 AND 100":     "; odd",
			"depth NOT BETWEEN 1 AND 200":   "como aral; odd",
			"depth BETWEEN nothing AND -1":  "; odd", // false whatever nothing is, but where depth is unknown
			"depth BETWEEN nothing AND 500": "; como zürich aral odd",
			"day BETWEEN DATE('2021-06-01') AND TIMESTAMP('2021-06-01T12:00:00Z')": "como; odd",
			"area IN (146, 1 + 1)":   "como; odd",
			"area NOT IN (146)":      "zürich aral; odd",
			"area IN (146, nothing)": "como; zürich aral odd",
			"name IN ()":             ";",
		},
		"case and accents": {
			"CASEI(name) = CASEI('LAGO DI COMO')":          "como; odd",
			"CASEI(name) = CASEI('ZÜRICHSEE')":             "zürich; odd",
			"CASEI(name) LIKE CASEI('АР%')":                "aral; odd",
			"ACCENTI(name) = ACCENTI('Zu\u0308richsee')":   "zürich; odd",
			"ACCENTI(CASEI(name)) LIKE 'zurich%'":          "zürich; odd",
			"CASEI('Straße') = CASEI('STRASSE')":           "como zürich aral odd;",
			"CASEI('ΣΊΣΥΦΟΣ') = CASEI('σίσυφος')":          "como zürich aral odd;",
			"ACCENTI('København Łódź') = 'Kobenhavn Lodz'": "como zürich aral odd;",
			"ACCENTI('はが') = 'はは'":                         ";", // voicing marks are no accents
		},
		"spatial": {
			"S_INTERSECTS(geometry, POINT(9 46))":             "como zürich; odd",
			"S_INTERSECTS(BBOX(8, 47, 9, 48), geom)":          "zürich; odd",
			"S_DISJOINT(geometry, POINT(9 46))":               "aral; odd",
			"S_WITHIN(geometry, BBOX(8, 45, 0, 10, 48, 100))": "como zürich; odd",
			"S_CONTAINS(geometry, POINT Z (9.1 46.05 3))":     "como zürich; odd",
			"S_TOUCHES(geometry, LINESTRING(9 45, 9 45.9))":   "como; odd",
			"S_CROSSES(geometry, LINESTRING(59 40, 59 50))":   "aral; odd",
			"S_OVERLAPS(geometry, BBOX(9.3, 46.1, 10, 50))":   "como; odd",
			"S_EQUALS(geometry, LINESTRING(61 45, 58 44))":    "aral; odd",
			"S_INTERSECTS(somewhere, POINT(9 46))":            "; como zürich aral odd",
			"S_INTERSECTS(geometry, BBOX(170, 40, 62, 50))":   "aral zürich como; odd", // all but 62 to 170
		},
		"temporal": {
			"T_AFTER(seen, DATE('2021-05-31'))":                                        "como zürich; odd",
			"T_BEFORE(seen, TIMESTAMP('2021-06-01T10:00:00Z'))":                        "aral; odd",
			"T_DISJOINT(day, INTERVAL('2021-06-02', '..'))":                            "como aral; odd",
			"T_INTERSECTS(seen, INTERVAL('..', '2021-06-01T10:00:00Z'))":               "como aral; odd",
			"T_EQUALS(INTERVAL(from, to), INTERVAL('1960-01-01', '1960-12-31'))":       "aral; odd",
			"T_MEETS(INTERVAL(from, to), INTERVAL('2021-06-30T12:00:00Z', '..'))":      "como; odd",
			"T_METBY(INTERVAL(from, to), INTERVAL('..', '2021-06-30T12:00:00Z'))":      "zürich; odd",
			"T_CONTAINS(INTERVAL(from, to), INTERVAL('2021-06-10', '2021-06-11'))":     "como; odd",
			"T_DURING(seen, INTERVAL('2021-05-01', '2021-07-01'))":                     "como zürich; odd",
			"T_STARTS(INTERVAL(from, to), INTERVAL('1960-01-01', '1970-01-01'))":       "aral; odd",
			"T_STARTEDBY(INTERVAL(from, to), INTERVAL('1960-01-01', '1960-02-01'))":    "aral; odd",
			"T_FINISHES(INTERVAL(from, to), INTERVAL('1950-01-01', '1960-12-31'))":     "aral; odd",
			"T_FINISHEDBY(INTERVAL(from, to), INTERVAL('1960-02-01', '1960-12-31'))":   "aral; odd",
			"T_OVERLAPS(INTERVAL(from, to), INTERVAL('2021-06-15', '2021-07-15'))":     "como; odd",
			"T_OVERLAPPEDBY(INTERVAL(from, to), INTERVAL('2021-06-15', '2021-07-15'))": "zürich; odd",
			"T_INTERSECTS(INTERVAL(from, nothing), DATE('2021-06-01'))":                "; como zürich aral odd",
			"T_DURING(seen, INTERVAL('..', '..'))":                                     "como zürich aral; odd",
			"INTERVAL(from, to) IS NULL":                                               "odd;",
		},
		"arrays": {
			"A_CONTAINS(fish, ('perch'))":                     "como zürich; odd",
			"A_EQUALS(fish, ('perch', 'trout'))":              "como; odd",
			"A_CONTAINEDBY(fish, ('perch', 'trout'))":         "como aral; odd",
			"A_OVERLAPS(fish, ('pike', true))":                "zürich; odd",
			"A_CONTAINS(fish, ())":                            "como zürich aral; odd",
			"A_EQUALS((3, 1.0, 2.5, 2.5), levels)":            "como; odd",
			"A_CONTAINS(levels, (2))":                         "aral; odd",
			"A_CONTAINEDBY(levels, (1, 2))":                   "; odd", // a list within a list is equal to nothing
			"A_CONTAINEDBY(levels, levels)":                   "como zürich; odd",
			"A_OVERLAPS(levels, (area - 143.5, depth - 135))": "como; odd",
			"A_OVERLAPS(levels, (area, 1))":                   "como; odd",
			"A_CONTAINEDBY((nothing), fish)":                  "; como zürich aral odd",
		},
		"property, property": {
			"area > depth":                 "; odd",
			"seen > day":                   "; odd", // on the same day or before
			"seen = day":                   "como aral; odd",
			"day = other":                  "zürich; como aral odd",
			"name = name":                  "como zürich aral odd;",
			"name < area":                  "; como zürich aral odd", // text and number
			"fish = fish":                  "odd; como zürich aral",
			"nothing = nothing":            "; como zürich aral odd",
			"depth BETWEEN area AND depth": "como zürich aral; odd",
			"salty <= salty":               "como zürich aral odd;",
		},
		"arithmetic": {
			"area + 1 = 147":                   "como; odd",
			"depth * 2 - 1 = 271":              "zürich; odd",
			"area / 0 = 1 OR area / depth > 0": "como zürich; aral odd",
			"depth div 100 = 4":                "como; odd",
			"-depth div 100 = -4":              "como; odd",
			"-depth % 100 = -25.5":             "como; odd",
			"depth ^ 2 = 18496":                "zürich; odd",
			"area * area > 0":                  "como zürich; aral odd", // an overflow
			"(area - 200) ^ 0.5 > 0":           "; como zürich aral odd",
			"-2 ^ 2 = 4":                       "como zürich aral odd;",
			"2 + 3 * 4 ^ 2 = 50":               "como zürich aral odd;",
			"(2 + 3) * 4 - -1 = 21":            "como zürich aral odd;",
			"7 - 3 - 2 = 2 AND 8 / 4 / 2 = 1":  "como zürich aral odd;",
		},
		"functions": {
			"abs(area) = 1e300":                    "aral; odd",
			"FLOOR(depth) = 425":                   "como; odd",
			"ceil(area) = 89":                      "zürich; odd",
			"length(name) = 9":                     "zürich; odd",
			"lower(name) = 'арал'":                 "aral; odd",
			"upper(name) = 'ZÜRICHSEE'":            "zürich; odd",
			"year(seen) = 2021 AND month(day) = 6": "como zürich; odd",
			"day(day) + day(seen) = 3":             "zürich; odd",
		},
	} {
		for filter, want := range filters {
			e, err := cql2.ParseText(filter)
			require.NoError(t, err, "%s: %s", class, filter)
			again, err := cql2.ParseJSON(cql2.JSON(e))
			require.NoError(t, err, filter)
			yes, unknown, _ := strings.Cut(want, ";")
			got := map[string][]string{"true": {}, "unknown": {}}
			for name, doc := range docs {
				answer := told(cql2.Eval(e, doc))
				require.Equal(t, answer, told(cql2.Eval(again, doc)), "%s: in JSON %s", filter, cql2.JSON(e))
				got[answer] = append(got[answer], name)
			}
			assert.ElementsMatch(t, strings.Fields(yes), got["true"], "%s: %s is true", class, filter)
			assert.ElementsMatch(t, strings.Fields(unknown), got["unknown"], "%s: %s is unknown", class, filter)
		}
	}
}
