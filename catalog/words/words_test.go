package words_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/words"
	"github.com/terrapin-eo/terrapin/fault"
)

func TestOf(t *testing.T) {
	for text, want := range map[string][]string{
		"":                        nil,
		"Green Forest":            {"green", "forest"},
		"Sentinel-2A, level 2":    {"sentinel", "2a", "level", "2"},
		"Čeřeň-forest's":          {"ceren", "forest", "s"},
		"ΔΆΣΟΣ лес 森林":            {"δασοσ", "лес", "森林"},
		"ﬁre ½ x²":                {"fire", "1", "2", "x2"},
		"हिन्दी में":              {"हिनदी", "म"},
		"tabs\tand\nlines_under.": {"tabs", "and", "lines", "under"},
		"e\u0301te\u0301":         {"ete"},
	} {
		require.Equal(t, want, nilIfNone(words.Of(text)), text)
	}
}

func nilIfNone(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

func TestTerms(t *testing.T) {
	for give, want := range map[string]string{
		"EO,Earth Observation": `(eo OR "earth observation")`,
		"water":                "water",
		" water , ":            "water",
		"a AND b":              `"a and b"`, // no keywords in the basic form
		"-fire":                "fire",
		"":                     "",
		" , ":                  "",
	} {
		q, err := words.Terms(strings.Split(give, ","))
		require.NoError(t, err, give)
		require.Equal(t, want, text(q), give)
	}
}

func text(q words.Question) string {
	if q == nil {
		return ""
	}
	return q.String()
}

func TestParse(t *testing.T) {
	for give, want := range map[string]string{
		"sentinel":                            "sentinel",
		`"climate model"`:                     `"climate model"`,
		"climate model":                       "(climate OR model)",
		"climate, model":                      "(climate OR model)",
		"climate OR model":                    "(climate OR model)",
		"climate AND model":                   "(climate AND model)",
		"(quick OR brown) AND fox":            "((quick OR brown) AND fox)",
		"quick AND brown OR fast":             "((quick AND brown) OR fast)",
		"quick +brown -fox":                   "(brown AND (-(fox)))",
		"quick slow -fox":                     "((quick OR slow) AND (-(fox)))",
		"-fox":                                "-(fox)",
		"fire AND NOT sea":                    "(fire AND (-(sea)))",
		"fire NOT sea":                        "(fire AND (-(sea)))",
		"fire AND -sea AND +ice":              "(fire AND (-(sea)) AND ice)",
		"-(a b)":                              "-((a OR b))",
		`+"sea ice" water`:                    `"sea ice"`,
		"Sentinel-2":                          `"sentinel 2"`,
		"land and water":                      "(land OR and OR water)", // keywords are in capitals
		"ANDROID ORANGE NOTE":                 "(android OR orange OR note)",
		"((((water))))":                       "water",
		"a && b":                              "(a OR b)",
		`(a"b"c)`:                             "(a OR b OR c)",
		"   ":                                 "",
		"a AND (b OR (c AND (d OR \"e f\")))": `(a AND (b OR (c AND (d OR "e f"))))`,
	} {
		q, err := words.Parse(give)
		require.NoError(t, err, give)
		require.Equal(t, want, text(q), give)
		if q != nil {
			again, err := words.Parse(q.String())
			require.NoError(t, err, give)
			require.Equal(t, q, again, give)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for give, want := range map[string]string{
		"AND water":                   "at character 4: there is nothing before AND",
		"water AND":                   "nothing after AND",
		"water OR":                    "nothing after OR",
		"OR water":                    "nothing before OR",
		"water OR OR ice":             "nothing before AND or OR",
		"(water AND) ice":             "nothing after AND",
		"(water":                      "not closed",
		"water)":                      "at character 6: a bracket is closed",
		`sea "ice`:                    "at character 5: a quote is not closed",
		"!?":                          "no word",
		"()":                          "no word",
		"a\xff":                       "not UTF-8",
		strings.Repeat("(", 100):      "nested",
		strings.Repeat("a", 17000):    "bytes",
		strings.Repeat("a ", 300):     "words",
		strings.Repeat("(a AND ", 40): "nested",
		"a AND NOT":                   "",
	} {
		_, err := words.Parse(give)
		if want == "" {
			require.NoError(t, err, give)
			continue
		}
		require.ErrorContains(t, err, want, give)
		require.True(t, fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge), give)
		require.NotEmpty(t, fault.CureOf(err), give)
	}
	_, err := words.Terms([]string{"?"})
	require.ErrorContains(t, err, "no word")
	_, err = words.Terms([]string{strings.Repeat("a ", 300)})
	require.True(t, fault.Is(err, fault.TooLarge))
}

func TestMatch(t *testing.T) {
	texts := [][]string{words.Of("Green Forest"), words.Of("A river, wide and slow.")}
	for question, want := range map[string]bool{
		"forest": true, "FOREST": true, "for": false, `"green forest"`: true, `"forest green"`: false, `"forest a"`: false,
		`"river wide"`: true, "water OR slow": true, "river AND forest AND slow": true, "river AND sea": false, "forest -river": false,
		"forest -sea": true, "-sea": true, "-river": false, "sea +river": true, "sea ice": false, "(sea OR river) AND (green OR blue)": true,
	} {
		q, err := words.Parse(question)
		require.NoError(t, err, question)
		require.Equal(t, want, words.Match(q, texts), question)
	}
	require.True(t, words.Match(nil, nil))
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a", "a AND b", `(a OR "b c") -d`, "+a b,c", "NOT (a)", "é AND ß", "-+a", "AND", "(a))", "\"", "a\u00a0b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := words.Parse(s)
		if err != nil || q == nil {
			return
		}
		words.Match(q, [][]string{{"a", "b"}})
		again, err := words.Parse(q.String())
		if err != nil && (fault.Is(err, fault.TooLarge) || strings.Contains(err.Error(), "nested")) { // brackets and keywords take room
			return
		}
		require.NoError(t, err, q)
		require.Equal(t, q, again)
	})
}

func BenchmarkOf(b *testing.B) {
	for b.Loop() {
		words.Of("Sentinel-2A MSI Level-1C scene of tile 33UWP, cloud free, over the Čeřeň forest")
	}
}
