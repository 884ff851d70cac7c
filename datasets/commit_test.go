package datasets

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/commit"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/ingest"
	"github.com/terrapin-eo/terrapin/labels"
)

func TestCommit(t *testing.T) {
	w := newWorld(t, 1, 0)
	r := w.commit(t, cropsRecipe)
	assert.True(t, r.Created)
	assert.Equal(t, "v1", r.Version)
	assert.Equal(t, "dataset-crops-v1", r.Collection)
	assert.Equal(t, 36, r.Samples["train"]+r.Samples["validate"]+r.Samples["test"])
	for _, name := range Splits() {
		assert.Positive(t, r.Samples[name], name)
	}
	assert.Zero(t, r.Leakage.SharedPixels)
	assert.Equal(t, 12, r.Time.Slices, "scenes without a single observed pixel count")
	assert.Equal(t, "no cut-off", r.Time.Cutoff)
	assert.Equal(t, uint64(r.Samples["train"]*256*10), r.Statistics[0].Count, "two of twelve dates are nodata")

	again := w.commit(t, strings.Replace(cropsRecipe, "name: crops", "name: crops\ndescription: the same", 1))
	assert.False(t, again.Created)
	again.Created = true
	assert.Equal(t, r, again)

	v, err := Open(t.Context(), w.root, "crops")
	require.NoError(t, err)
	assert.Equal(t, r.Digest, v.Digest)
	assert.Equal(t, []int{6, 0, 7}, v.BandIndex)
	assert.Equal(t, 65535.0, *v.Nodata)
	train, err := v.Split("train")
	require.NoError(t, err)
	require.Equal(t, r.Samples["train"], train.Len())
	for i := 1; i < train.Len(); i++ {
		require.Less(t, sampleAt(t, train, i-1).ID, sampleAt(t, train, i).ID)
		require.Len(t, sampleAt(t, train, i).Slots, v.Slots)
	}
	tags, err := w.cube(t).Tags(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"datasets/crops/v1": v.Snapshot}, tags)

	check, err := Verify(t.Context(), w.cfg, "crops@v1")
	require.NoError(t, err)
	assert.True(t, check.OK, "%+v", check.Problems)
	assert.Equal(t, v.Digest, check.Recomputed)
	assert.Equal(t, 3*3*12, check.Chunks)
}

func TestTheManifestHasTheSameBytesEveryTime(t *testing.T) {
	w := newWorld(t, 1, 0)
	r, err := ParseRecipe([]byte(cropsRecipe))
	require.NoError(t, err)
	_, view, rev, err := pins(t.Context(), w.cfg, r)
	require.NoError(t, err)
	p, err := resolve(t.Context(), r, view, rev, nil)
	require.NoError(t, err)
	made := func() string {
		out, err := sealed(io.Discard, func(out io.Writer) error { return p.manifest(out, "dataset-crops-v1") })
		require.NoError(t, err)
		require.Positive(t, out.size)
		return out.sum
	}
	first := made()
	for range 30 {
		require.Equal(t, first, made())
	}
}

func TestPhysicalValuesAreCommitted(t *testing.T) {
	w := emptyWorld(t)
	// Two dates of the sample, counted anew: the second has another scale and offset.
	dir := t.TempDir()
	script := `
import sys, rasterio
for day, scale, offset in (("20210501", 0.0001, 0.0), ("20210601", 1/30000, -0.1)):
    with rasterio.open(f"../demo/data/s2_{day}.tif") as src:
        with rasterio.open(f"{sys.argv[1]}/s2_{day}.tif", "w", **(src.profile | {"driver": "GTiff"})) as out:
            out.write(src.read()); out.descriptions = src.descriptions
            out.scales, out.offsets = [scale] * src.count, [offset] * src.count
`
	out, err := exec.CommandContext(t.Context(), python(t), "-c", script, dir).CombinedOutput()
	require.NoError(t, err, string(out))
	files := []string{filepath.Join(dir, "s2_20210501.tif"), filepath.Join(dir, "s2_20210601.tif")}
	spec, err := ingest.LikeRaster(files[0], sampleBands)
	require.NoError(t, err)
	spec.Name, spec.Chunk, spec.Created = "s2", 32, time.Unix(0, 0).UTC()
	c, err := layout.Create(t.Context(), w.root.Sub("cubes/s2"), spec)
	require.NoError(t, err)
	w.ingest(t, c, files...)

	recipe := strings.Replace(cropsRecipe, "labels: cropland\n", "", 1)
	err = w.refused(t, recipe)
	assert.True(t, fault.Is(err, fault.Precondition), err)
	assert.Contains(t, err.Error(), "2 radiometric contracts")
	assert.Contains(t, fault.CureOf(err), "values: physical")

	r := w.commit(t, recipe+"values: physical\n")
	v, err := Open(t.Context(), w.root, "crops")
	require.NoError(t, err)
	assert.Equal(t, Physical, v.Values)
	assert.Equal(t, cube.Contract{Scale: 1.0 / 30000, Offset: -0.1}, v.Slices[1].Contract)
	counted := uint64(r.Samples["train"] * 256 * 2)
	for _, s := range r.Statistics {
		assert.Equal(t, counted, s.Count, s.Band)
		assert.Greater(t, s.Min, -0.11)
		assert.Less(t, s.Max, 2.0, "statistics are of reflectances, not of stored numbers")
	}
	check, err := Verify(t.Context(), w.cfg, "crops@v1")
	require.NoError(t, err)
	assert.True(t, check.OK, "%+v", check.Problems)
}

func TestTwoDirectoriesGiveOneDigest(t *testing.T) {
	a, b := newWorld(t, 1, 0), newWorld(t, 2, 0)
	ra, rb := a.commit(t, cropsRecipe), b.commit(t, strings.Replace(cropsRecipe, "name: crops", "name: fields", 1))
	assert.Equal(t, ra.Digest, rb.Digest)
	assert.NotEqual(t, ra.Snapshot, rb.Snapshot)
}

func TestALateSceneMakesANewVersionThatCanBeCompared(t *testing.T) {
	w := newWorld(t, 1, 0)
	first := w.commit(t, strings.Replace(cropsRecipe, "window:", "time: {at: 2021-08-15}\nwindow:", 1))
	second := w.commit(t, cropsRecipe)
	assert.Equal(t, "v2", second.Version)
	assert.Equal(t, 10, first.Time.Slices)
	d, err := Diff(t.Context(), w.root, "crops@v1", "crops@v2")
	require.NoError(t, err)
	assert.Equal(t, 36, d.Samples.Changed)
	assert.Equal(t, 36, d.Changes.Slots)
	assert.Equal(t, 36, d.Changes.Pixels)
	assert.Zero(t, d.Changes.Label+d.Changes.Split+d.Changes.Place)
	assert.Equal(t, []string{"s2_20210901", "s2_20211001"}, d.SlicesAdded)
	assert.Subset(t, d.Definitions, []string{"time", "slots", "contracts", "statistics"})
	same, err := Diff(t.Context(), w.root, "crops@v2", "crops@v2")
	require.NoError(t, err)
	assert.True(t, same.Same)
	assert.Equal(t, 36, same.Samples.Unchanged)
	assert.Empty(t, same.Changed)
}

func TestVerifyFindsADamagedChunk(t *testing.T) {
	w := newWorld(t, 1, 0)
	w.commit(t, cropsRecipe)
	chunks, err := filepath.Glob(w.path("cubes", "s2", "chunks", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, chunks)
	for _, path := range chunks {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		for i := range data {
			if i%97 == 50 {
				data[i] ^= 0x10
			}
		}
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	check, err := Verify(t.Context(), w.cfg, "crops@v1")
	require.NoError(t, err)
	assert.False(t, check.OK)
	require.NotEmpty(t, check.Problems)
	assert.NotEmpty(t, check.Problems[0].Cure)
}

func TestAnInterruptedCommitLeavesNothingVisible(t *testing.T) {
	w := newWorld(t, 1, 0)
	r := w.commit(t, cropsRecipe)
	require.NoError(t, os.Remove(w.path("datasets", "crops", "v1", commit.File)))
	_, err := Open(t.Context(), w.root, "crops")
	require.True(t, fault.Is(err, fault.NotFound))
	again := w.commit(t, cropsRecipe)
	assert.Equal(t, r, again, "the same recipe takes the leftovers up again")

	require.NoError(t, os.Remove(w.path("datasets", "crops", "v1", commit.File)))
	other := w.commit(t, strings.Replace(cropsRecipe, "[B08, B02, B11]", "[B08]", 1))
	assert.Equal(t, "v2", other.Version, "another recipe passes the number over: its tag never moves")

	c := w.cube(t)
	require.NoError(t, c.Tag(t.Context(), "datasets/crops/v3", firstSnapshot(t, w)))
	third := w.commit(t, strings.Replace(cropsRecipe, "[B08, B02, B11]", "[B02]", 1))
	assert.Equal(t, "v4", third.Version, "a tag without a commit is passed over")
}

func firstSnapshot(t *testing.T, w *world) string {
	t.Helper()
	log, err := w.cube(t).Log(t.Context(), "")
	require.NoError(t, err)
	return log[len(log)-1].ID.String()
}

func TestPlantedOverlapNeverPasses(t *testing.T) {
	w := newWorld(t, 1, 0)
	overlapping := strings.Replace(cropsRecipe, "{size: 16}", "{size: 16, stride: 4}", 1)
	err := w.refused(t, overlapping)
	assert.True(t, fault.Is(err, fault.Precondition), err)
	assert.Contains(t, err.Error(), "would be dropped")
	r := w.commit(t, strings.Replace(overlapping, "salt: 1}", "salt: 1, allow_drop: true}", 1))
	assert.Positive(t, r.Leakage.Dropped)
	assert.Zero(t, r.Leakage.SharedPixels)

	buffered := w.commit(t, strings.Replace(cropsRecipe, "salt: 1}", "salt: 1, buffer_m: 100, allow_drop: true}", 1))
	assert.GreaterOrEqual(t, *buffered.Leakage.MinDistance, 100.0)
}

func TestASplitThatCannotBeFilled(t *testing.T) {
	w := newWorld(t, 1, 0)
	err := w.refused(t, strings.Replace(cropsRecipe, "block_m: 320", "block_m: 50000", 1))
	assert.Contains(t, err.Error(), "cannot be filled")
	assert.NotContains(t, fault.CureOf(err), "salt", "one block fills one split under any salt")
	for salt := range 40 {
		recipe := strings.Replace(cropsRecipe, "salt: 1}", "salt: "+string(rune('a'+salt%26))+"}", 1)
		_, err := Commit(t.Context(), w.cfg, []byte(recipe), "test")
		if err == nil {
			continue
		}
		require.Contains(t, err.Error(), "cannot be filled")
		cure := fault.CureOf(err)
		require.Contains(t, cure, "split.salt: ")
		better, _, _ := strings.Cut(strings.TrimPrefix(cure, "set split.salt: "), ",")
		w.commit(t, strings.Replace(cropsRecipe, "salt: 1}", "salt: "+better+"}", 1))
		return
	}
	t.Fatal("every salt filled every split")
}

func TestJitterStaysInsideAndIsPartOfTheVersion(t *testing.T) {
	w := newWorld(t, 1, 0)
	w.commit(t, strings.NewReplacer("{size: 16}", "{size: 12, stride: 24, jitter: 6}", "salt: 1", "salt: 5").Replace(cropsRecipe))
	v, err := Open(t.Context(), w.root, "crops")
	require.NoError(t, err)
	moved := 0
	for _, name := range Splits() {
		s, err := v.Split(name)
		require.NoError(t, err)
		for i := range s.Len() {
			win := sampleAt(t, s, i).Window
			assert.Equal(t, win, win.Intersect(v.Grid.All()))
			if win.Row%24 != 0 || win.Col%24 != 0 {
				moved++
			}
		}
	}
	assert.Positive(t, moved)
}

func TestUnknownVersionsSayWhichExist(t *testing.T) {
	w := newWorld(t, 1, 0)
	_, err := Open(t.Context(), w.root, "crops@v1")
	assert.True(t, fault.Is(err, fault.NotFound))
	w.commit(t, cropsRecipe)
	_, err = Open(t.Context(), w.root, "crop@v1")
	assert.Contains(t, fault.CureOf(err), `"crops"`)
	_, err = Open(t.Context(), w.root, "crops@v7")
	assert.True(t, fault.Is(err, fault.NotFound))
	assert.Contains(t, fault.CureOf(err), "v1")
	for _, bad := range []string{"crops@1", "crops@", "../x"} {
		_, err = Open(t.Context(), w.root, bad)
		assert.True(t, fault.Is(err, fault.Invalid), bad)
	}
	err = w.refused(t, strings.Replace(cropsRecipe, "B11", "B1", 1))
	assert.True(t, fault.Is(err, fault.Unsupported))
	assert.Contains(t, err.Error(), "line 3, column 22")
	assert.Contains(t, fault.CureOf(err), "B11")
	assert.True(t, fault.Is(w.refused(t, strings.Replace(cropsRecipe, "cropland", "roads", 1)), fault.NotFound))
	v, err := Open(t.Context(), w.root, "crops")
	require.NoError(t, err)
	_, err = v.Split("training")
	assert.True(t, fault.Is(err, fault.NotFound))
}

func TestWindowsWithoutALabelAreLeftOut(t *testing.T) {
	w := newWorld(t, 1, 0)
	half := `{"type":"FeatureCollection","features":[{"type":"Feature","id":1,"properties":{"class":"field"},"geometry":{"type":"Polygon","coordinates":[[[5.0,50.0],[5.327,50.0],[5.327,51.0],[5.0,51.0],[5.0,50.0]]]}}]}`
	path := filepath.Join(t.TempDir(), "half.geojson")
	require.NoError(t, os.WriteFile(path, []byte(half), 0o600))
	_, err := labels.Import(t.Context(), labels.Config{Root: w.root, Cube: w.cube(t)}, labels.ImportRequest{Set: "half", Files: []string{path}, Actor: "test"})
	require.NoError(t, err)
	r := w.commit(t, strings.NewReplacer("cropland", "half", "block_m: 320", "block_m: 100").Replace(cropsRecipe))
	assert.Positive(t, r.LeftOut["no_labelled_pixel"])
	assert.Equal(t, 36, r.LeftOut["no_labelled_pixel"]+r.Samples["train"]+r.Samples["validate"]+r.Samples["test"])
	bare := w.commit(t, strings.NewReplacer("labels: cropland\n", "", "crops", "bare").Replace(cropsRecipe))
	assert.Nil(t, bare.Labels)
}

func slicesAt(available time.Duration, days ...int) []cube.Slice {
	var out []cube.Slice
	for _, d := range days {
		at := time.Date(2021, 1, d, 10, 0, 0, 0, time.UTC)
		out = append(out, cube.Slice{ID: cube.SliceID(at.Format("0102")), Time: at, Available: at.Add(available), Contract: cube.DefaultContract()})
	}
	return out
}

func TestTimeRules(t *testing.T) {
	at := func(d int) *time.Time { t := time.Date(2021, 1, d, 12, 0, 0, 0, time.UTC); return &t }
	span := &[2]time.Time{*at(2), *at(6)}
	for name, c := range map[string]struct {
		rule  TimeRule
		want  []cube.SliceID
		slots int
		late  int
	}{
		"no cut-off":        {TimeRule{Policy: All, Strict: true}, []cube.SliceID{"0101", "0103", "0105", "0107"}, 4, 0},
		"at, strict":        {TimeRule{Policy: All, At: at(5), Strict: true}, []cube.SliceID{"0101", "0103"}, 2, 1},
		"at, ignore":        {TimeRule{Policy: All, At: at(5)}, []cube.SliceID{"0101", "0103", "0105"}, 3, 0},
		"latest":            {TimeRule{Policy: Latest, At: at(7), Strict: true}, []cube.SliceID{"0105"}, 1, 1},
		"latest of several": {TimeRule{Policy: Latest, Slots: 3}, []cube.SliceID{"0103", "0105", "0107"}, 3, 0},
		"range":             {TimeRule{Policy: Range, Range: span, Strict: true}, []cube.SliceID{"0103"}, 1, 0},
		"range, late at":    {TimeRule{Policy: Range, Range: span, At: at(9), Strict: true}, []cube.SliceID{"0103", "0105"}, 2, 0},
		"padded":            {TimeRule{Policy: Range, Range: span, At: at(9), Slots: 5}, []cube.SliceID{"0103", "0105"}, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			line, err := choose(slicesAt(30*time.Hour, 1, 3, 5, 7), c.rule)
			require.NoError(t, err)
			var got []cube.SliceID
			for _, s := range line.slices {
				got = append(got, s.ID)
			}
			if name == "range" { // the 5th was available on the 6th at 16:00
				assert.Equal(t, 1, line.report.Unavailable)
				line.report.Unavailable = 0
			}
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.slots, line.slots)
			assert.Equal(t, c.late, line.report.Unavailable)
		})
	}
	_, err := choose(slicesAt(0, 1, 3), TimeRule{Policy: All, Slots: 1})
	assert.True(t, fault.Is(err, fault.Invalid))
	_, err = choose(slicesAt(0, 3), TimeRule{Policy: All, At: at(1)})
	assert.True(t, fault.Is(err, fault.Precondition))
	_, err = choose(nil, TimeRule{Policy: All})
	assert.True(t, fault.Is(err, fault.Precondition))
}

func TestTwoContractsAreRefusedUnderRaw(t *testing.T) {
	s := slicesAt(0, 1, 3)
	require.NoError(t, oneContract(s))
	s[1].Contract.Offset = -0.1
	err := oneContract(s)
	assert.True(t, fault.Is(err, fault.Precondition))
	assert.Contains(t, err.Error(), "offset -0.1")
	assert.Contains(t, fault.CureOf(err), "values: physical")
}
