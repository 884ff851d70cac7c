package datasets

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

const full = `name: crops
cube: s2-flanders            # at its current snapshot
features: [B02, B03, B04, B08]
labels: cropland
window: {size: 16, stride: 8, jitter: 2}
time: {policy: range, at: 2021-10-01T12:00:00+02:00, range: [2020-11-01, 2021-10-31], slots: 14, availability: ignore}
values: physical
split: {by: block, block_m: 320, buffer_m: 20, train: 0.6, validate: 0.2, test: 0.2, salt: 7, allow_drop: true}
normalise: {per: band, from: train}
`

func TestAFullRecipe(t *testing.T) {
	r, err := ParseRecipe([]byte(full))
	require.NoError(t, err)
	assert.Equal(t, [2]place{{2, 7}, {4, 9}}, [2]place{r.cubeAt, r.labelsAt})
	r.features, r.cubeAt, r.labelsAt, r.windowAt, r.Training = nil, place{}, place{}, [3]place{}, Training{}
	at := time.Date(2021, 10, 1, 10, 0, 0, 0, time.UTC)
	assert.Equal(t, Recipe{
		Name: "crops", Cube: "s2-flanders", Features: []string{"B02", "B03", "B04", "B08"}, Labels: "cropland",
		Window: WindowRule{Size: 16, Stride: 8, Jitter: 2},
		Time: TimeRule{Policy: Range, At: &at, Slots: 14, Range: &[2]time.Time{
			time.Date(2020, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 10, 31, 23, 59, 59, 999999000, time.UTC)}},
		Values: Physical, Normalise: true,
		Split: SplitRule{BlockMetres: 320, BufferMetres: 20, Fractions: [3]float64{0.6, 0.2, 0.2}, Salt: "7", AllowDrop: true},
	}, r)
}

func TestDefaults(t *testing.T) {
	r, err := ParseRecipe([]byte("name: a\ncube: s2\nwindow: {size: 16}\nsplit: {block_m: 320}\n"))
	require.NoError(t, err)
	r.cubeAt, r.labelsAt, r.windowAt = place{}, place{}, [3]place{}
	assert.Equal(t, Training{filterAt: place{1, 1}, weightsAt: place{1, 1}}, r.Training)
	r.Training = Training{}
	assert.Equal(t, Recipe{
		Name: "a", Cube: "s2", Window: WindowRule{Size: 16, Stride: 16}, Time: TimeRule{Policy: All, Strict: true}, Values: Raw,
		Split: SplitRule{BlockMetres: 320, Fractions: [3]float64{0.7, 0.15, 0.15}, Salt: "1"},
	}, r)
}

func TestBadRecipesAreRefusedWithTheirPlace(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		kind     fault.Kind
		where    string
		says     string
		cure     string
	}{
		"misspelt key":        {"labels:", "lables:", fault.Invalid, "line 4, column 1", `"lables"`, `"labels"`},
		"misspelt deep key":   {"stride:", "strid:", fault.Invalid, "line 5, column 20", `"window.strid"`, `"stride"`},
		"nothing near":        {"jitter:", "rotation:", fault.Invalid, "line 5, column 31", `"window.rotation"`, "known here: size, stride, jitter"},
		"not built":           {"slots: 14", "max_cloud: 20", fault.Unsupported, "line 6", "time.max_cloud", "leave"},
		"no filter":           {"values: physical", "filter: row >", fault.Invalid, "line 7, column 9", "filter", ""},
		"filter a list":       {"values: physical", "filter: [row > 1]", fault.Invalid, "line 7, column 9", "filter", "one value"},
		"weights a list":      {"values: physical", "weights: [1]", fault.Invalid, "line 7, column 10", "weights", "one value"},
		"weights of no class": {"values: physical", "weights: {row: {a: 1}}", fault.Invalid, "line 7, column 11", `"weights.row"`, "class"},
		"class not weighed":   {"values: physical", "weights: {class: {a: b}}", fault.Invalid, "line 7, column 22", "no number", "finite"},
		"negative weight":     {"values: physical", "weights: {class: {a: -1}}", fault.Invalid, "line 7, column 10", "-1", "class: {"},
		"class twice":         {"values: physical", "weights: {class: 1}", fault.Invalid, "line 7, column 10", "by class", "class: {"},
		"unknown shuffle":     {"values: physical", "shuffle: blocks", fault.Invalid, "line 7, column 10", "blocks", "window:2GiB"},
		"shuffle of no bytes": {"values: physical", "shuffle: window:0", fault.Invalid, "line 7, column 10", "window:0", "window:2GiB"},
		"base as shuffle":     {"values: physical", "shuffle: base", fault.Invalid, "line 7, column 10", "base order", "ticket"},
		"feature not built":   {"B03", "ndvi_30d@2", fault.Unsupported, "line 3, column 17", "ndvi_30d@2", "bands"},
		"expression":          {"B03", "'(B08-B04)/(B08+B04)'", fault.Unsupported, "line 3, column 17", "not built", "bands"},
		"band twice":          {"B03", "B02", fault.Invalid, "line 3, column 17", "twice", "once"},
		"no features":         {"[B02, B03, B04, B08]", "[]", fault.Invalid, "line 3, column 11", "list", "leave"},
		"size 0":              {"size: 16", "size: 0", fault.Invalid, "line 5, column 16", "window.size", "choose one from 1 to"},
		"size in quotes":      {"size: 16", "size: '16'", fault.Invalid, "line 5, column 16", "window.size", "in digits"},
		"size a fraction":     {"size: 16", "size: 16.5", fault.Invalid, "line 5, column 16", "window.size", "in digits"},
		"stride negative":     {"stride: 8", "stride: -8", fault.Invalid, "line 5, column 28", "window.stride", "choose one from 1 to"},
		"unknown policy":      {"policy: range", "policy: newest", fault.Invalid, "line 6, column 16", "newest", "latest"},
		"range without need":  {"policy: range", "policy: all", fault.Invalid, "line 6", "time.range", "policy: range"},
		"range missing":       {"range: [2020-11-01, 2021-10-31], ", "", fault.Invalid, "line 6", "needs time.range", "range:"},
		"range reversed":      {"[2020-11-01, 2021-10-31]", "[2021-11-01, 2021-10-31]", fault.Invalid, "line 6", "before", "earlier"},
		"no time":             {"2021-10-01T12:00:00+02:00", "autumn", fault.Invalid, "line 6, column 27", "autumn", "date"},
		"unknown values":      {"values: physical", "values: reflectance", fault.Invalid, "line 7, column 9", "reflectance", "raw, physical"},
		"unknown split":       {"by: block", "by: random", fault.Invalid, "line 8, column 13", "random", "block"},
		"block 0":             {"block_m: 320", "block_m: 0", fault.Invalid, "line 8, column 29", "block_m", "metres"},
		"block NaN":           {"block_m: 320", "block_m: .nan", fault.Invalid, "line 8, column 29", "block_m", "finite"},
		"buffer negative":     {"buffer_m: 20", "buffer_m: -1", fault.Invalid, "line 8", "buffer_m", "metres"},
		"fractions":           {"train: 0.6", "train: 0.7", fault.Invalid, "line 8", "1.1", "add up to 1"},
		"negative fraction":   {"train: 0.6, validate: 0.2", "train: 1.0, validate: -0.2", fault.Invalid, "line 8", "validate", ""},
		"normalise per pixel": {"per: band", "per: pixel", fault.Invalid, "line 9, column 18", "pixel", "band"},
		"key twice":           {"values: physical", "cube: other", fault.Invalid, "line 7, column 1", "twice", "one"},
		"bad name":            {"name: crops", "name: Crops/1", fault.Invalid, "line 1", "Crops/1", "lower-case"},
		"name missing":        {"name: crops", "description: crops", fault.Invalid, "line 1", `"name"`, "add"},
		"window a number":     {"window: {size: 16, stride: 8, jitter: 2}", "window: 16", fault.Invalid, "line 5, column 9", "mapping", "size"},
		"not YAML":            {"name: crops", "name: [crops", fault.Invalid, "line 1", "yaml", "YAML"},
		"second document":     {"normalise: {per: band, from: train}", "---\nname: other", fault.Invalid, "line 9, column 1", "second document", "file of its own"},
		"broken afterwards":   {"normalise: {per: band, from: train}", "---\n[", fault.Invalid, "line", "yaml", "one YAML mapping"},
		"null":                {"labels: cropland", "labels:", fault.Invalid, "line 4", "labels", ""},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, full, c.old)
			_, err := ParseRecipe([]byte(strings.Replace(full, c.old, c.new, 1)))
			require.Error(t, err)
			assert.Equal(t, c.kind, fault.KindOf(err), err)
			assert.Contains(t, err.Error(), c.where)
			assert.Contains(t, err.Error(), c.says)
			assert.Contains(t, fault.CureOf(err), c.cure)
		})
	}
	_, err := ParseRecipe(nil)
	assert.True(t, fault.Is(err, fault.Invalid))
}

func TestTheOrderOfTraining(t *testing.T) {
	parse := func(keys string) Training {
		r, err := ParseRecipe([]byte("name: a\ncube: s2\nwindow: {size: 16}\nsplit: {block_m: 320}\n" + keys))
		require.NoError(t, err, keys)
		r.Training.filterAt, r.Training.weightsAt = place{}, place{}
		return r.Training
	}
	window := order.Window(2 << 30)
	assert.Equal(t, Training{Filter: "row > 3 AND scenes = 2", Weights: "scenes", Shuffle: &window},
		parse("filter: row>3 and scenes=2\nweights: scenes\nshuffle: window:2GiB"))
	assert.Equal(t, Training{Weights: `{"class":{"maize":2,"3":0.5}}`, Shuffle: &order.Uniform}, parse("weights: {class: {maize: 2, 3: .5}}\nshuffle: uniform"))
}

func FuzzParseRecipe(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("name: &a x\ncube: *a\nwindow: {size: 16}\nsplit: {block_m: 320}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecipe(data)
		if err == nil && (r.Window.Size < 1 || r.Window.Stride < 1 || r.Split.BlockMetres < 1) {
			t.Fatalf("accepted %+v", r)
		}
	})
}
