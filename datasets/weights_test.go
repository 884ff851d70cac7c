package datasets

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels"
)

// weightVectors are testdata/conformance/weights.json.
func weightVectors(t testing.TB) (l *LabelPin, cases []struct {
	Given     json.RawMessage    `json:"given"`
	Canonical string             `json:"canonical"`
	Of        map[string]float64 `json:"of"`
}) {
	t.Helper()
	data, err := os.ReadFile("../testdata/conformance/weights.json")
	require.NoError(t, err)
	l = &LabelPin{}
	require.NoError(t, json.Unmarshal(data, &struct {
		Classes *[]Class `json:"classes"`
		Weights any      `json:"weights"`
	}{&l.Classes, &cases}))
	require.NotEmpty(t, cases)
	return l, cases
}

func TestWeightsByClassHaveOneText(t *testing.T) {
	l, cases := weightVectors(t)
	for _, c := range cases {
		w, err := l.ClassWeights(string(c.Given))
		require.NoError(t, err, "%s", c.Given)
		require.Equal(t, c.Canonical, w.Text)
		again, err := l.ClassWeights(w.Text)
		require.NoError(t, err)
		require.Equal(t, w, again)
		for class, weight := range c.Of {
			require.Equal(t, weight, w.Of(class), "%s of %s", class, c.Given)
		}
		require.Zero(t, w.Of(""), "a sample without a class")
		require.EqualValues(t, 1, w.Of("rye"), "a class of pixels that the labels do not list")
	}
}

func TestBadWeightsByClassAreRefused(t *testing.T) {
	l, _ := weightVectors(t)
	for text, says := range map[string]string{
		``:                                        "one key",
		`{}`:                                      "one key",
		`{"Class": {}}`:                           "one key",
		`{"class": 1}`:                            "one key",
		`{"class": {"2": 1}, "class": {}}`:        "one key",
		`{"class": {"2": 1}, "row": 1}`:           "one key",
		`{"class": {"2": 1}`:                      "one key",
		`{"class": {"2": 1}} x`:                   "follows",
		`{"class": {"2": 1`:                       "one key",
		`{"class": {"2"`:                          "EOF",
		`{"class": {"2": -1}}`:                    `class "2" has the weight -1`,
		`{"class": {"2": 1e999}}`:                 "no finite number",
		`{"class": {"2": "1"}}`:                   "no finite number",
		`{"class": {"2": null}}`:                  "no finite number",
		`{"class": {"2": [1]}}`:                   "no finite number",
		`{"class": {"2": NaN}}`:                   "invalid character",
		`{"class": {"barley": 1}}`:                `no class "barley"`,
		`{"class": {"": 1}}`:                      `no class ""`,
		`{"class": {"02": 1}}`:                    `no class "02"`,
		`{"class": {"2": 1, "2": 1}}`:             "twice",
		`{"class": {"10": 1, "winter wheat": 1}}`: "twice",
	} {
		_, err := l.ClassWeights(text)
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", text, err)
		require.ErrorContains(t, err, says, text)
		require.NotEmpty(t, fault.CureOf(err), text)
	}
	_, err := l.ClassWeights(`{"class": {"barley": 1}}`)
	require.Contains(t, fault.CureOf(err), `"winter wheat" (10), "maïs" (2), -1, "2" (7)`)
	_, err = (*LabelPin)(nil).ClassWeights(`{"class": {}}`)
	require.ErrorContains(t, err, "no labels")
	alike := &LabelPin{Classes: []Class{{Value: 3, Name: "4"}, {Value: 4}}}
	_, err = alike.ClassWeights(`{"class": {"3": 2}}`)
	require.ErrorContains(t, err, "samples do not tell")
	same, err := alike.ClassWeights(`{"class": {"3": 2, "4": 2}}`)
	require.NoError(t, err)
	require.EqualValues(t, 2, same.Of("4"))
}

func FuzzClassWeights(f *testing.F) {
	l, cases := weightVectors(f)
	for _, c := range cases {
		f.Add(string(c.Given))
	}
	f.Add(`{"class":{"2":1e999}}`)
	f.Fuzz(func(t *testing.T, text string) {
		w, err := l.ClassWeights(text)
		if err != nil {
			return
		}
		again, err := l.ClassWeights(w.Text)
		if err != nil || again.Text != w.Text {
			t.Fatalf("%q became %q and that %q, %v", text, w.Text, again.Text, err)
		}
	})
}

// What a default of the training split keeps and weighs is counted before the version is there for ever.
func TestWeightsThatAreAllZeroAreNotCommitted(t *testing.T) {
	w := newWorld(t, 1, 0)
	rev, err := labels.Open(t.Context(), w.root, "cropland", "")
	require.NoError(t, err)
	of := func(weight string) string {
		var parts []string
		for _, c := range rev.Classes {
			parts = append(parts, fmt.Sprintf("%d: %s", c.Value, weight))
		}
		return "weights: {class: {" + strings.Join(parts, ", ") + "}}\n"
	}
	err = w.refused(t, cropsRecipe+of("0"))
	require.True(t, fault.Is(err, fault.Precondition), err)
	require.ErrorContains(t, err, "recipe line 8, column 10: weights: all ")
	err = w.refused(t, cropsRecipe+"filter: labelled > 1\n"+of("2"))
	require.ErrorContains(t, err, "recipe line 8, column 9: filter: none of the ")
	require.Equal(t, "v1", w.commit(t, cropsRecipe+"filter: labelled > 0\nweights: class_balanced\n").Version)
	require.Equal(t, "v2", w.commit(t, cropsRecipe+of("0.5")).Version)
}

func TestTwoClassesOfOneNameAreNamedByTheirValues(t *testing.T) {
	l := &LabelPin{Classes: []Class{{Value: 2, Name: "maize"}, {Value: 5, Name: "maize"}, {Value: 7, Name: "rye"}}}
	_, err := l.ClassWeights(`{"class": {"maize": 3}}`)
	require.ErrorContains(t, err, `two classes are named "maize"`)
	require.Equal(t, `name both by their values, with one weight: {"2": 3, "5": 3}`, fault.CureOf(err))
	w, err := l.ClassWeights(`{"class": {"2": 3, "5": 3}}`)
	require.NoError(t, err)
	require.EqualValues(t, 3, w.Of("maize"))
}
