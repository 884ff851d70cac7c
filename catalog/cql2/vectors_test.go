package cql2_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

// vectors is the folder of cql2-rs' test data: the examples of the standard, what cql2-rs makes of them, and operators
// with the documents that they find.
func vectors(t *testing.T) string { return cubetest.Real(t, "cql2/cql2-rs") }

func lines(t *testing.T, path string) (out []string) {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, line := range strings.Split(string(data), "\n") {
		if line != "" && !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// foreign are examples that call functions this server does not have.
var foreign = map[string]string{
	"clause6_01": "avg", "clause6_02b": "avg", "clause7_18": "buffer", "example68": "foo", "example69": "bar",
}

// TestExamplesOfTheStandard reads each example in text and in JSON, and what cql2-rs writes of it in both: it must be the same tree.
func TestExamplesOfTheStandard(t *testing.T) {
	folder := vectors(t)
	files, err := filepath.Glob(filepath.Join(folder, "*_*.txt"))
	require.NoError(t, err)
	more, err := filepath.Glob(filepath.Join(folder, "example*.txt"))
	require.NoError(t, err)
	trees := 0
	for _, file := range append(files, more...) {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if strings.HasPrefix(name, "operators") {
			continue
		}
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		e, err := cql2.ParseText(string(data))
		if function, not := foreign[name]; not {
			require.ErrorContains(t, err, "there is no function "+function, name)
			continue
		}
		require.NoError(t, err, name)
		same(t, e)
		want := string(cql2.JSON(e))
		if data, err := os.ReadFile(filepath.Join(folder, name+".json")); err == nil {
			e, err := cql2.ParseJSON(data)
			require.NoError(t, err, name)
			require.Equal(t, want, string(cql2.JSON(e)), "%s.json", name)
			trees++
		}
		for _, suffix := range []string{".txt.out", ".json.out"} { // the input, then text, then JSON
			data, err := os.ReadFile(filepath.Join(folder, name+suffix))
			if os.IsNotExist(err) {
				continue
			}
			require.NoError(t, err)
			out := strings.Split(strings.TrimSpace(string(data)), "\n")
			e, err := cql2.ParseJSON([]byte(out[len(out)-1]))
			require.NoError(t, err, name)
			require.Equal(t, want, string(cql2.JSON(e)), "%s%s, JSON", name, suffix)
			trees++
			if name == "example78" {
				continue // writes div(foo, 2), which the standard's grammar does not have
			}
			e, err = cql2.ParseText(out[len(out)-2])
			require.NoError(t, err, name)
			require.Equal(t, want, string(cql2.JSON(e)), "%s%s, text", name, suffix)
			trees++
		}
	}
	require.Greater(t, trees, 500)
}

// TestOperators asks the operators of cql2-rs of its documents.
func TestOperators(t *testing.T) {
	folder := vectors(t)
	var docs []document
	nowhere := map[string]bool{} // documents with latitudes beyond ±90, which this server refuses
	for _, line := range lines(t, filepath.Join(folder, "cql2testdata.ndjson")) {
		d := newDocument(t, line, "")
		shape, err := geo.Parse([]byte(gjson.Get(line, "geom").Raw), nil)
		if err != nil {
			nowhere[d.values["intfield"].Raw] = true
		}
		d.shape = shape
		docs = append(docs, d)
	}
	require.Len(t, nowhere, 16)
	wrong := map[string]string{ // by the standard
		"in(textfield, ('item_1', 'item_3', 'Item_50', 'itém_100'))":          "IN is no function",
		"floatfield between -23 and 40 and in(textfield, 'item_2', 'item_3')": "IN is no function",
		"like(textfield, 'item_%')":                                           "LIKE is no function", "like(textfield, 'Item_%')": "LIKE is no function",
		"like(textfield, 'itém_%')": "LIKE is no function",
	}
	across := 0
	data, err := os.ReadFile(filepath.Join(folder, "operators_expected.txt")) // the lines of ids may be empty
	require.NoError(t, err)
	expected := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	require.Len(t, expected, 318)
	for i := 0; i < len(expected); i += 2 {
		filter := expected[i]
		e, err := cql2.ParseText(filter)
		if wrong[filter] != "" {
			require.Error(t, err, "%s: %s", filter, wrong[filter])
			continue
		}
		require.NoError(t, err, filter)
		spatial := strings.Contains(filter, "geom")
		want, got := []string{}, []string{}
		for _, id := range strings.Fields(expected[i+1]) {
			if !spatial || !nowhere[id] {
				want = append(want, id)
			}
		}
		for _, d := range docs {
			if told(cql2.Eval(e, d)) == "true" {
				got = append(got, d.values["intfield"].Raw)
			}
		}
		if spatial && strings.Join(want, " ") != strings.Join(got, " ") {
			across++ // cql2-rs does not know that 185 and -175 degrees are the same
			for _, id := range got {
				if !assert.Contains(t, append(want, "1", "2", "3", "4", "5", "6", "9"), id, filter) {
					break
				}
			}
			continue
		}
		require.Equal(t, want, got, filter)
	}
	require.Equal(t, 4, across)
}

// TestExpressions reads those of the standard's abstract tests that cql2-rs collects.
func TestExpressions(t *testing.T) {
	refused := 0
	for _, line := range lines(t, filepath.Join(vectors(t), "expressions.txt")) {
		_, filter, _ := strings.Cut(line, "|")
		e, err := cql2.ParseText(filter)
		if strings.Contains(filter, "90 180") { // the standard asks for a failure: "invalid coordinate"
			require.ErrorContains(t, err, "latitude 180", filter)
			refused++
			continue
		}
		require.NoError(t, err, filter)
		same(t, e)
	}
	require.Equal(t, 4, refused)
}

// TestReductions evaluates what cql2-rs reduces to true or false without looking at a document.
func TestReductions(t *testing.T) {
	no := map[string]bool{ // values and no conditions, or comparisons that the standard's grammar does not have
		"1 + 1": true, "POINT(0 0) = POINT(0 0)": true, "POINT(0 0) = POINT(1 0)": true,
	}
	doc := newDocument(t, `{"eo:cloud_cover":10,"boolfalse":false,"booltrue":true,"tstarr":[1,2,3]}`, `{"type":"Point","coordinates":[-93,45]}`)
	pairs := lines(t, filepath.Join(vectors(t), "reductions.txt"))
	asked := 0
	for i := 0; i+1 < len(pairs); i += 2 {
		e, err := cql2.ParseText(pairs[i])
		if no[pairs[i]] {
			require.Error(t, err, pairs[i])
			continue
		}
		require.NoError(t, err, pairs[i])
		same(t, e)
		if want := pairs[i+1]; want == "true" || want == "false" {
			require.Equal(t, want, told(cql2.Eval(e, doc)), pairs[i])
			asked++
		}
	}
	require.Greater(t, asked, 25)
}
