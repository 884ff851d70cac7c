package commit_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/commit"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

type thing struct {
	commit.Head
	Weight int `json:"weight"`
}

func TestHeadStandsFirstAndIsWrittenOnce(t *testing.T) {
	ctx, root := context.Background(), store.New(mem.New(), "mem:///")
	made := thing{Weight: 3, Head: commit.Head{
		Kind: "model", Name: "unet", Revision: "v1", Digest: "sha256:00", Actor: "ann", Created: time.Unix(0, 0).UTC(),
		STAC: commit.STAC{Collections: []json.RawMessage{}, Items: []json.RawMessage{json.RawMessage(`{}`)}},
	}}
	require.NoError(t, commit.Write(ctx, root, "models/unet", &made))
	data, _, err := root.Read(ctx, "models/unet/commit.json", store.Range{})
	require.NoError(t, err)
	assert.Equal(t, `{
 "format": 1,
 "kind": "model",
 "name": "unet",
 "revision": "v1",
 "digest": "sha256:00",
 "actor": "ann",
 "created": "1970-01-01T00:00:00Z",
 "stac": {
  "collections": [],
  "items": [
   {}
  ]
 },
 "weight": 3
}
`, string(data))
	var got thing
	require.NoError(t, commit.Read(ctx, root, "models/unet", "model", &got))
	assert.Len(t, got.SHA, 64)
	got.SHA = ""
	assert.Equal(t, made, got)
	require.ErrorIs(t, commit.Write(ctx, root, "models/unet", &made), store.ErrConflict)
}

func TestWhatIsNoCommitIsNamed(t *testing.T) {
	ctx, root := context.Background(), store.New(mem.New(), "mem:///")
	for name, c := range map[string]struct {
		text string
		want fault.Kind
	}{
		"cut":            {`{"format": 1, "kind": "mod`, fault.Corrupt},
		"no object":      {`[]`, fault.Corrupt},
		"without format": {`{"kind": "model"}`, fault.Corrupt},
		"of tomorrow":    {`{"format": 2, "kind": ["model"]}`, fault.Unsupported},
		"of another":     {`{"format": 1, "kind": "dataset"}`, fault.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := root.Write(ctx, "models/m/commit.json", []byte(c.text), store.Condition{})
			require.NoError(t, err)
			err = commit.Read(ctx, root, "models/m", "model", &thing{})
			require.Equal(t, c.want, fault.KindOf(err), "%v", err)
			assert.ErrorContains(t, err, "models/m/commit.json")
			assert.NotEmpty(t, fault.CureOf(err))
		})
	}
	require.ErrorIs(t, commit.Read(ctx, root, "models/none", "model", &thing{}), store.ErrNotFound)
}
