package layout_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/cube/layout"
)

const (
	vectors     = "../../testdata/conformance/slice.json"
	cellVectors = "../../testdata/conformance/cells.json"
	specPage    = "../../docs/spec/cube-layout.md"
)

// recompute is the Python of the spec page: what it tells strangers is what the tests run.
func recompute(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(specPage))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "```python\n")
	code, _, found := strings.Cut(rest, "```")
	require.True(t, found, "no Python on the spec page")
	return code
}

type vector struct {
	Name     string        `json:"name"`
	Image    []string      `json:"image_digests"`
	Valid    []string      `json:"valid_digests"`
	Contract cube.Contract `json:"contract"`
	Source   string        `json:"source"`
	Time     int64         `json:"time"`
	Content  string        `json:"content"`
	ID       string        `json:"id"`
}

func join(t *testing.T, digests []string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.Join(digests, ""))
	require.NoError(t, err)
	return raw
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile(vectors)
	require.NoError(t, err)
	var all []vector
	require.NoError(t, json.Unmarshal(text, &all))
	require.NotEmpty(t, all)
	for _, v := range all {
		content, err := layout.ContentDigest(join(t, v.Image), join(t, v.Valid), v.Contract)
		require.NoError(t, err)
		assert.Equal(t, v.Content, content, v.Name)
		id, err := layout.NewSliceID(content, v.Source, v.Time)
		require.NoError(t, err)
		assert.Equal(t, v.ID, string(id), v.Name)
	}
}

func TestPythonAgreesOnTheVectors(t *testing.T) {
	cubetest.Python(t, "import sys, json\n"+recompute(t)+`
for v in json.load(open(sys.argv[1])):
    image, valid = (bytes.fromhex("".join(v[k])) for k in ("image_digests", "valid_digests"))
    content = content_digest(image, valid, v["contract"])
    assert content == v["content"], v["name"]
    assert slice_id(content, v["source"], v["time"]) == v["id"], v["name"]
`, vectors)
}

// cellVector is a slice of a cube of format 2.
type cellVector struct {
	Name  string `json:"name"`
	Cells []struct {
		Path  string   `json:"path"`
		Image []string `json:"image_digests"`
		Valid []string `json:"valid_digests"`
		Flags []string `json:"flags_digests"`
	} `json:"cells"`
	Contract cube.Contract `json:"contract"`
	Source   string        `json:"source"`
	Time     int64         `json:"time"`
	Content  string        `json:"content"`
	ID       string        `json:"id"`
}

func TestCellVectors(t *testing.T) {
	text, err := os.ReadFile(cellVectors)
	require.NoError(t, err)
	var all []cellVector
	require.NoError(t, json.Unmarshal(text, &all))
	require.NotEmpty(t, all)
	for _, v := range all {
		var cells []layout.CellDigests
		for _, c := range v.Cells {
			cells = append(cells, layout.CellDigests{Path: c.Path, Image: join(t, c.Image), Valid: join(t, c.Valid), Flags: join(t, c.Flags)})
		}
		content, err := layout.ContentDigestOfCells(cells, v.Contract)
		require.NoError(t, err)
		assert.Equal(t, v.Content, content, v.Name)
		id, err := layout.NewSliceID(content, v.Source, v.Time)
		require.NoError(t, err)
		assert.Equal(t, v.ID, string(id), v.Name)
	}
	cubetest.Python(t, "import sys, json\n"+recompute(t)+`
for v in json.load(open(sys.argv[1])):
    raw = lambda c, k: bytes.fromhex("".join(c.get(k) or []))
    cells = [(c["path"], raw(c, "image_digests"), raw(c, "valid_digests"), raw(c, "flags_digests")) for c in v["cells"]]
    content = content_digest_of_cells(cells, v["contract"])
    assert content == v["content"], v["name"]
    assert slice_id(content, v["source"], v["time"]) == v["id"], v["name"]
`, cellVectors)
}
