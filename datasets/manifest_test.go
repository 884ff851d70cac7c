package datasets

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOthersReadTheManifest(t *testing.T) {
	interpreter := python(t)
	w := newWorld(t, 1, 0)
	w.commit(t, cropsRecipe)
	cmd := exec.CommandContext(t.Context(), interpreter, "testdata/read_manifest.py", w.path("datasets", "crops", "v1", manifestFile))
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		t.Fatalf("%v\n%s", err, exit.Stderr)
	}
	require.NoError(t, err)
	var got struct {
		Nulls map[string]int
		Rows  []struct {
			ID, Split               string
			Row, Col, Height, Width int
			Times                   []string
			Slots                   []string
		}
		CRS    string
		Valid  bool
		Area   []float64 `json:"area_m2"`
		Inside []bool
		Items  []struct {
			ID, Type, Collection, Split, Geometry string
		}
	}
	require.NoError(t, json.Unmarshal(out, &got))
	for column, nulls := range got.Nulls {
		assert.Zero(t, nulls, column)
	}
	assert.Contains(t, []string{"OGC:CRS84", "EPSG:4326"}, got.CRS)
	assert.True(t, got.Valid)
	require.Len(t, got.Rows, 36)
	require.Len(t, got.Items, 36)
	v, err := Open(t.Context(), w.root, "crops@v1")
	require.NoError(t, err)
	there := map[string]Sample{}
	for _, name := range Splits() {
		s, err := v.Split(name)
		require.NoError(t, err)
		for i := range s.Len() {
			one := sampleAt(t, s, i)
			there[one.ID] = one
		}
	}
	for i, r := range got.Rows {
		s := there[r.ID]
		assert.Equal(t, s.Split, r.Split)
		assert.Equal(t, [4]int{s.Window.Row, s.Window.Col, s.Window.Height, s.Window.Width}, [4]int{r.Row, r.Col, r.Height, r.Width})
		require.Len(t, r.Times, 12)
		assert.Equal(t, "2020-11-01T00:00:00+00:00", r.Times[0])
		for k, id := range r.Slots {
			assert.Equal(t, string(s.Slots[k]), id)
		}
		assert.InDelta(t, 160*160, got.Area[i], 1)
		assert.True(t, got.Inside[i])
		assert.Equal(t, r.ID, got.Items[i].ID)
		assert.Equal(t, "Feature", got.Items[i].Type)
		assert.Equal(t, "dataset-crops-v1", got.Items[i].Collection)
		assert.Equal(t, r.Split, got.Items[i].Split)
		assert.Equal(t, "Polygon", got.Items[i].Geometry)
	}
}
