// Package terrapin_test holds the shape of the module: who may import whom.
package terrapin_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/terrapin-eo/terrapin/"

// foreign names packages that one room alone may import.
var foreign = map[string]string{
	"github.com/airbusgeo/godal":       "gdal",
	"modernc.org/sqlite":               "catalog/sqlite",
	"github.com/spf13/cobra":           "cmd/terrapin",
	"github.com/go-chi/chi/v5":         "serve/http",
	"github.com/google/flatbuffers/go": "cube/icechunk",
}

// TestImportsFollowTheDrawing reads the allowed imports from docs/architecture.md, the one drawing of
// them, and holds every package to it.
func TestImportsFollowTheDrawing(t *testing.T) {
	allowed := drawing(t)
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Standard,GoFiles", "./...").Output()
	require.NoError(t, err)
	seen := map[string]bool{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
			GoFiles    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		room, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours || len(p.GoFiles) == 0 {
			continue
		}
		seen[room] = true
		may, drawn := allowed[room]
		if !assert.True(t, drawn, "%s is not in the drawing of docs/architecture.md", room) {
			continue
		}
		uses := []string{}
		for _, path := range p.Imports {
			if to, ours := strings.CutPrefix(path, module); ours {
				uses = append(uses, to)
			}
			if owner, only := foreign[path]; only {
				assert.Equal(t, owner, room, "only %s imports %s", owner, path)
			}
		}
		assert.ElementsMatch(t, may, uses, "what %s imports is not what docs/architecture.md draws", room)
	}
	for room := range allowed {
		assert.True(t, seen[room], "%s is drawn in docs/architecture.md but does not exist", room)
	}
}

// drawing parses the block of docs/architecture.md that begins with ```imports: lines "room: room …".
func drawing(t *testing.T) map[string][]string {
	page, err := os.ReadFile("docs/architecture.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(page), "```imports\n")
	require.True(t, found, "docs/architecture.md has no ```imports block")
	block, _, found = strings.Cut(block, "```")
	require.True(t, found)
	allowed := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
		room, may, ok := strings.Cut(line, ":")
		require.True(t, ok, "line %q of the drawing", line)
		allowed[strings.TrimSpace(room)] = strings.Fields(may)
	}
	return allowed
}

// TestEveryPackageSaysWhatItIs asks each package for a package comment.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}\t{{len .GoFiles}}\t{{.Doc}}", "./...").Output()
	require.NoError(t, err)
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		parts := strings.SplitN(line, "\t", 3)
		require.Len(t, parts, 3)
		if parts[1] != "0" {
			assert.NotEmpty(t, parts[2], "%s has no package comment", parts[0])
		}
	}
}
