package catalog

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

// faulty are the published items that are not valid, and why.
var faulty = map[string]string{
	"item-classes-maxar.json": "is not RFC 3339", // a space for the T
	"roads_item.json":         "is not closed",
}

// TestRealItemsAreRead reads every published item of the real data: all but the faulty ones are good.
func TestRealItemsAreRead(t *testing.T) {
	n, refused := 0, map[string]string{}
	require.NoError(t, filepath.WalkDir(cubetest.Real(t, "stac"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".json") || strings.Contains(d.Name(), "invalid") {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var head struct{ Type, ID, Collection string }
		if json.Unmarshal(text, &head) != nil || head.Type != "Feature" || head.Collection == "" {
			return nil
		}
		e, err := ParseItem(text)
		if err != nil {
			refused[d.Name()] = err.Error()
			return nil
		}
		require.True(t, e.Timed, path)
		n++
		return nil
	}))
	require.Greater(t, n, 20)
	for name, reason := range refused {
		require.Contains(t, reason, faulty[name], name)
		require.NotEmpty(t, faulty[name], "%s: %s", name, reason)
	}
}
