package layout_test

import (
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

func create(t *testing.T, s layout.Spec) (*layout.Cube, *store.Bucket) {
	t.Helper()
	b := layouttest.Bucket()
	c, err := layout.Create(t.Context(), b, s)
	require.NoError(t, err)
	return c, b
}

func uint16Spec() layout.Spec { return layouttest.Spec(cube.Uint16, layouttest.Value(65535)) }

func TestCreateAndOpen(t *testing.T) {
	for _, s := range []layout.Spec{
		uint16Spec(), layouttest.Spec(cube.Float32, layouttest.NaN()), layouttest.Spec(cube.Int16, layouttest.Value(-9999)), layouttest.Spec(cube.Uint8, nil),
	} {
		s.Latency, s.Actor = 5*time.Hour, "anna"
		c, b := create(t, s)
		again, err := layout.Open(t.Context(), b)
		require.NoError(t, err)
		want, err := json.Marshal(c.Spec())
		require.NoError(t, err)
		got, err := json.Marshal(again.Spec())
		require.NoError(t, err)
		assert.JSONEq(t, string(want), string(got))
		assert.Equal(t, 5*time.Hour, again.Spec().Latency)
		v, err := again.At(t.Context(), "")
		require.NoError(t, err)
		require.Len(t, v.Cells(), 1)
		assert.Equal(t, "r0c0/10m", v.Cells()[0].Path)
		assert.Empty(t, v.Cells()[0].Slices)
		assert.Equal(t, 3, v.Cells()[0].ChunkRows)
		assert.Equal(t, 3, v.Cells()[0].ChunkCols)
	}
}

func TestCreateRefuses(t *testing.T) {
	for name, change := range map[string]func(*layout.Spec){
		"name":               func(s *layout.Spec) { s.Name = "Bad Name" },
		"kept name":          func(s *layout.Spec) { s.Name = "labels-x" },
		"no CRS":             func(s *layout.Spec) { s.Grid.CRS = "" },
		"no bands":           func(s *layout.Spec) { s.Bands = nil },
		"two bands":          func(s *layout.Spec) { s.Bands[1].Name = s.Bands[0].Name },
		"no name":            func(s *layout.Spec) { s.Bands[1].Name = "" },
		"dtype":              func(s *layout.Spec) { s.DType = "complex64" },
		"nodata":             func(s *layout.Spec) { s.Nodata = layouttest.NaN() },
		"chunk":              func(s *layout.Spec) { s.Chunk = -1 },
		"huge":               func(s *layout.Spec) { s.Chunk = 8192; s.Bands = manyBands(100) },
		"latency":            func(s *layout.Spec) { s.Latency = -1 },
		"codec":              func(s *layout.Spec) { s.Codec = "lzma" },
		"no name of a codec": func(s *layout.Spec) { s.Codec = "blosc-zstd:5" },
	} {
		t.Run(name, func(t *testing.T) {
			s := uint16Spec()
			change(&s)
			b := layouttest.Bucket()
			_, err := layout.Create(t.Context(), b, s)
			require.Error(t, err)
			assert.Contains(t, []fault.Kind{fault.Invalid, fault.TooLarge}, fault.KindOf(err))
			for info := range b.List(t.Context(), "") {
				t.Error("left behind", info.Key)
			}
		})
	}
}

func manyBands(n int) []cube.Band {
	var bands []cube.Band
	for i := range n {
		bands = append(bands, cube.Band{Name: string(rune('a'+i/26)) + string(rune('a'+i%26))})
	}
	return bands
}

func TestCreateTwice(t *testing.T) {
	_, b := create(t, uint16Spec())
	_, err := layout.Create(t.Context(), b, uint16Spec())
	assert.Equal(t, fault.Conflict, fault.KindOf(err))
	assert.NotEmpty(t, fault.CureOf(err))
	_, err = layout.Open(t.Context(), layouttest.Bucket())
	assert.Equal(t, fault.NotFound, fault.KindOf(err))
}

// A creation that was cut off after the repository was made is taken up.
func TestCreateGoesOn(t *testing.T) {
	b := layouttest.Bucket()
	_, err := icechunk.Create(t.Context(), b, icechunk.Config{})
	require.NoError(t, err)
	_, err = layout.Open(t.Context(), b)
	assert.Equal(t, fault.NotFound, fault.KindOf(err), "there is no cube yet")
	c, err := layout.Create(t.Context(), b, uint16Spec())
	require.NoError(t, err)
	assert.Empty(t, head(t, c).Cells()[0].Slices)
}

// order of the scenes in the tests of the axis: two at one time, one between, one before all
func scenes(s layout.Spec) []layouttest.Scene {
	return []layouttest.Scene{
		layouttest.Random(s, 1, "a", layouttest.Date(3, 1, 0)),
		layouttest.Random(s, 2, "b", layouttest.Date(5, 1, 1)),
		layouttest.Random(s, 3, "c", layouttest.Date(5, 1, 1)),
		layouttest.Random(s, 4, "d", layouttest.Date(4, 1, 0)),
		layouttest.Random(s, 5, "e", layouttest.Date(1, 1, 0)),
		layouttest.Random(s, 6, "f", layouttest.Date(5, 1, 0)),
	}
}

func head(t *testing.T, c *layout.Cube) *layout.View {
	t.Helper()
	v, err := c.At(t.Context(), "")
	require.NoError(t, err)
	return v
}

// However scenes arrive, one by one or together, in whatever order, the axis and every digest is the same.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	s := uint16Spec()
	var want []cube.Slice
	var wantPixels []string
	for round := range 8 {
		rng := rand.New(rand.NewPCG(uint64(round), 1))
		c, b := create(t, s)
		all := scenes(s)
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for len(all) > 0 {
			n := 1 + rng.IntN(len(all))
			layouttest.Commit(t, c, all[:n]...)
			all = all[n:]
		}
		reopened, err := layout.Open(t.Context(), b)
		require.NoError(t, err)
		v := head(t, reopened)
		got := append([]cube.Slice(nil), v.Cells()[0].Slices...)
		ids := make([]cube.SliceID, len(got))
		for i := range got {
			got[i].Ingested = time.Time{}
			ids[i] = got[i].ID
			index, _, ok := v.Slice("r0c0/10m", got[i].ID)
			assert.True(t, ok)
			assert.Equal(t, i, index)
		}
		pixels, err := v.PixelDigests(t.Context(), "r0c0/10m", ids, s.Grid.All())
		require.NoError(t, err)
		require.Len(t, pixels, 6*2*9)
		if round == 0 {
			want, wantPixels = got, pixels
			for i := 1; i < len(got); i++ {
				assert.True(t, got[i-1].Less(got[i]))
			}
			continue
		}
		assert.Equal(t, want, got)
		assert.Equal(t, wantPixels, pixels)
	}
}

func TestPixelDigests(t *testing.T) {
	s := uint16Spec()
	c, _ := create(t, s)
	sc := layouttest.Random(s, 1, "a", layouttest.Date(3, 1, 0))
	layouttest.Commit(t, c, sc)
	v := head(t, c)
	id := v.Cells()[0].Slices[0].ID
	digest := func(data []byte, size int, w cube.Window) string {
		w = w.Intersect(s.Grid.All())
		var part []byte
		for b := range s.Bands {
			plane := s.Grid.Height * s.Grid.Width * size
			out := make([]byte, w.Height*w.Width*size)
			cube.CopyWindow(out, w, data[b*plane:(b+1)*plane], s.Grid.All(), size)
			part = append(part, out...)
		}
		sum := layout.DigestChunk(part, 1, len(part), len(part), len(part), 1)
		return hex.EncodeToString(sum[:])
	}
	chunk := func(cy, cx int) cube.Window { return cube.Window{Row: 16 * cy, Col: 16 * cx, Height: 16, Width: 16} }

	got, err := v.PixelDigests(t.Context(), "r0c0/10m", []cube.SliceID{id, ""}, cube.Window{Row: 10, Col: 20, Height: 10, Width: 200})
	require.NoError(t, err)
	var want []string
	for _, layer := range []struct {
		data []byte
		size int
	}{{sc.Image, 2}, {sc.Valid, 1}} {
		for _, at := range []cube.Window{chunk(0, 1), chunk(0, 2), chunk(1, 1), chunk(1, 2)} {
			want = append(want, digest(layer.data, layer.size, at))
		}
	}
	assert.Equal(t, want, got, "chunk (0,1) is absent and has the digest of its fill values")

	none, err := v.PixelDigests(t.Context(), "r0c0/10m", []cube.SliceID{id}, cube.Window{Row: -5, Height: 5, Width: 5})
	require.NoError(t, err)
	assert.Empty(t, none)
	_, err = v.PixelDigests(t.Context(), "r0c0/10m", []cube.SliceID{"nothing"}, s.Grid.All())
	assert.Equal(t, fault.NotFound, fault.KindOf(err))
	_, err = v.PixelDigests(t.Context(), "r1c1/10m", []cube.SliceID{id}, s.Grid.All())
	assert.Equal(t, fault.NotFound, fault.KindOf(err))
}

// A chunk that was never written equals one written as fill.
func TestAbsentEqualsFill(t *testing.T) {
	for _, s := range []layout.Spec{uint16Spec(), layouttest.Spec(cube.Float32, layouttest.NaN()), layouttest.Spec(cube.Float64, layouttest.NaN()), layouttest.Spec(cube.Uint8, nil)} {
		c, _ := create(t, s)
		empty, err := c.Stage(t.Context(), s.Grid.All())
		require.NoError(t, err)
		meta := layout.Meta{Source: "a", Time: layouttest.Date(1, 1, 0)}
		absent, err := empty.Finish(t.Context(), meta)
		require.NoError(t, err)
		sc := layouttest.Scene{Meta: meta, Image: make([]byte, 3*41*37*s.DType.Size()), Valid: make([]byte, 3*41*37)}
		a := head(t, c).Array("r0c0/10m", layout.Image)
		a.FillChunk(sc.Image)
		written := layouttest.Stage(t, c, sc)
		assert.Equal(t, absent.Slice.Content, written.Slice.Content)
		assert.Equal(t, absent.Slice.ID, written.Slice.ID)
	}
}

func TestDuplicates(t *testing.T) {
	s := uint16Spec()
	c, _ := create(t, s)
	one := layouttest.Random(s, 1, "a", layouttest.Date(3, 1, 0))
	first := layouttest.Commit(t, c, one)

	again, err := c.Commit(t.Context(), []*layout.Staged{layouttest.Stage(t, c, one)}, "again")
	require.NoError(t, err)
	assert.Equal(t, layout.Skipped, again.Outcomes[0].Status)
	assert.Equal(t, first.Snapshot, again.Snapshot, "nothing changed, so nothing is committed")

	other := layouttest.Random(s, 2, "a", layouttest.Date(3, 1, 0))
	planned, err := c.Plan(t.Context(), []*layout.Staged{layouttest.Stage(t, c, other)})
	require.NoError(t, err)
	result, err := c.Commit(t.Context(), []*layout.Staged{layouttest.Stage(t, c, other)}, "other")
	require.NoError(t, err)
	assert.Equal(t, planned, result.Outcomes)
	assert.Equal(t, layout.Rejected, result.Outcomes[0].Status)
	assert.Contains(t, result.Outcomes[0].Reason, string(first.Outcomes[0].Slice.ID), "the slice it meets is named")
	assert.NotEmpty(t, result.Outcomes[0].Cure)

	contract := one
	contract.Meta.Contract = cube.Contract{Scale: 0.0001, Offset: -0.1}
	result, err = c.Commit(t.Context(), []*layout.Staged{layouttest.Stage(t, c, contract)}, "other contract")
	require.NoError(t, err)
	assert.Equal(t, layout.Rejected, result.Outcomes[0].Status, "the contract is part of the content")

	later := layouttest.Random(s, 2, "a", layouttest.Date(3, 2, 0))
	sameSecond := layouttest.Random(s, 2, "a", layouttest.Date(3, 2, 5))
	result = layouttest.Commit(t, c, later, sameSecond)
	assert.Equal(t, "a_20210302T120000", result.Outcomes[0].Slice.Item)
	assert.Equal(t, "a_20210302T120000000005", result.Outcomes[1].Slice.Item)

	batch := []*layout.Staged{
		layouttest.Stage(t, c, layouttest.Random(s, 7, "n", layouttest.Date(6, 1, 0))),
		layouttest.Stage(t, c, layouttest.Random(s, 7, "n", layouttest.Date(6, 1, 0))),
		layouttest.Stage(t, c, layouttest.Random(s, 8, "n", layouttest.Date(6, 1, 0))),
	}
	result, err = c.Commit(t.Context(), batch, "within one call")
	require.NoError(t, err)
	assert.Equal(t, []layout.Status{layout.Accepted, layout.Skipped, layout.Rejected},
		[]layout.Status{result.Outcomes[0].Status, result.Outcomes[1].Status, result.Outcomes[2].Status})
	assert.Len(t, head(t, c).Cells()[0].Slices, 4)
}

func TestMetaOfASlice(t *testing.T) {
	s := uint16Spec()
	s.Latency = 5 * time.Hour
	c, _ := create(t, s)
	sc := layouttest.Random(s, 1, "S2/A <é>", layouttest.Date(3, 1, 7).Add(999).In(time.FixedZone("x", 3600)))
	sc.Meta.Actor = "anna"
	sc.Meta.Properties = map[string]any{"eo:cloud_cover": 12.5}
	published := layouttest.Random(s, 2, "b", layouttest.Date(3, 2, 0))
	published.Meta.Available, published.Meta.AvailableFrom = layouttest.Date(3, 3, 0), "published"
	published.Meta.Contract = cube.Contract{Scale: 0.0001, Offset: -0.1, Baseline: "05.00"}
	layouttest.Commit(t, c, sc, published)
	slices := head(t, c).Cells()[0].Slices
	assert.Equal(t, layouttest.Date(3, 1, 7), slices[0].Time, "UTC, microseconds")
	assert.Equal(t, layouttest.Date(3, 1, 7).Add(5*time.Hour), slices[0].Available)
	assert.Equal(t, "latency", slices[0].AvailableFrom)
	assert.Equal(t, "S2_A_<é>", slices[0].Item)
	assert.Equal(t, cube.DefaultContract(), slices[0].Contract)
	assert.Equal(t, map[string]any{"eo:cloud_cover": 12.5}, slices[0].Properties)
	assert.Equal(t, "anna", slices[0].Actor)
	assert.Equal(t, s.Grid.All(), slices[0].Footprint)
	assert.Equal(t, "published", slices[1].AvailableFrom)
	assert.Equal(t, layouttest.Date(3, 3, 0), slices[1].Available)
	assert.Equal(t, published.Meta.Contract, slices[1].Contract)
}

func TestStageRefuses(t *testing.T) {
	s := uint16Spec()
	c, _ := create(t, s)
	_, err := c.Stage(t.Context(), cube.Window{Row: 41, Height: 5, Width: 5})
	assert.Equal(t, fault.Invalid, fault.KindOf(err))
	st, err := c.Stage(t.Context(), s.Grid.All())
	require.NoError(t, err)
	image, valid := make([]byte, s.ImageChunkBytes()), make([]byte, s.ValidChunkBytes())
	assert.Error(t, st.Write(t.Context(), "10m", 3, 0, image, valid))
	assert.Error(t, st.Write(t.Context(), "10m", 0, 0, image[1:], valid))
	valid[9] = 2
	assert.Error(t, st.Write(t.Context(), "10m", 1, 1, image, valid))
	valid[9] = 1
	require.NoError(t, st.Write(t.Context(), "10m", 2, 2, image, valid))
	assert.Error(t, st.Write(t.Context(), "10m", 2, 2, image, valid), "twice")
	for _, m := range []layout.Meta{
		{Time: layouttest.Date(1, 1, 0)}, {Source: "a"}, {Source: "a\xff", Time: layouttest.Date(1, 1, 0)},
		{Source: "a", Time: layouttest.Date(1, 1, 0), Contract: cube.Contract{Offset: 1}},
		{Source: "a", Time: layouttest.Date(1, 1, 0), Available: layouttest.Date(1, 2, 0), AvailableFrom: "hearsay"},
	} {
		_, err := st.Finish(t.Context(), m)
		assert.Equal(t, fault.Invalid, fault.KindOf(err), "%+v", m)
	}
	huge := layouttest.Random(s, 1, "huge", layouttest.Date(1, 1, 0))
	huge.Meta.Properties = map[string]any{"x": string(make([]byte, 20000))}
	_, err = c.Commit(t.Context(), []*layout.Staged{layouttest.Stage(t, c, huge)}, "huge")
	assert.Equal(t, fault.TooLarge, fault.KindOf(err))
}

func TestTagsAndLog(t *testing.T) {
	s := uint16Spec()
	c, _ := create(t, s)
	one := layouttest.Commit(t, c, layouttest.Random(s, 1, "a", layouttest.Date(3, 1, 0)))
	require.NoError(t, c.Tag(t.Context(), "datasets/crops/v1", one.Snapshot))
	require.NoError(t, c.Tag(t.Context(), "datasets/crops/v1", one.Snapshot))
	two := layouttest.Commit(t, c, layouttest.Random(s, 2, "b", layouttest.Date(2, 1, 0)))
	assert.Error(t, c.Tag(t.Context(), "datasets/crops/v1", two.Snapshot))
	tags, err := c.Tags(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"datasets/crops/v1": one.Snapshot}, tags)
	log, err := c.Log(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, log, 4) // the root, the creation, two commits
	assert.Equal(t, two.Snapshot, log[0].ID.String())
	v, err := c.At(t.Context(), "datasets/crops/v1")
	require.NoError(t, err)
	require.Len(t, v.Cells()[0].Slices, 1)
	assert.Equal(t, "a", v.Cells()[0].Slices[0].Source)
	_, err = c.At(t.Context(), "nothing")
	assert.Equal(t, fault.NotFound, fault.KindOf(err))
}

func TestDescribe(t *testing.T) {
	s := uint16Spec()
	c, b := create(t, s)
	empty, err := json.Marshal(head(t, c).Describe())
	require.NoError(t, err)
	assert.Contains(t, string(empty), `"times":[]`)
	result := layouttest.Commit(t, c, layouttest.Random(s, 1, "a", layouttest.Date(3, 1, 5)))
	text, err := json.Marshal(head(t, c).Describe())
	require.NoError(t, err)
	var d map[string]any
	require.NoError(t, json.Unmarshal(text, &d))
	assert.Equal(t, "s2", d["cube"])
	assert.Equal(t, b.URL(), d["location"])
	assert.Equal(t, result.Snapshot, d["snapshot"])
	assert.Equal(t, []any{"B02", "B03", "B08"}, d["bands"])
	cell := d["cells"].([]any)[0].(map[string]any)
	for k, v := range cell {
		assert.Equal(t, v, d[k], "the keys of the one cell stand at the top level too")
	}
	assert.Equal(t, []any{"2021-03-01T12:00:00.000005Z"}, cell["times"])
	image := cell["arrays"].([]any)[0].(map[string]any)
	assert.Equal(t, "r0c0/10m/image", image["path"])
	assert.Equal(t, []any{1.0, 3.0, 41.0, 37.0}, image["shape"])
	assert.Equal(t, []any{1.0, 3.0, 16.0, 16.0}, image["chunks"])
	assert.Equal(t, "uint16", image["dtype"])
}
