package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The commands that the README shows work as they stand there, from the top of the repository.
func TestReadmeCommandsRun(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	page, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(page), "```bash\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	s := newShell(t)
	ran := 0
	for _, line := range strings.Split(block, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(strings.ReplaceAll(line, "'", ""))
		if len(fields) < 2 || fields[0] != "terrapin" || fields[1] == "serve" {
			continue
		}
		var args []string
		for _, field := range fields[1:] {
			if matches, err := filepath.Glob(field); err == nil && len(matches) > 0 {
				args = append(args, matches...)
			} else {
				args = append(args, field)
			}
		}
		stdout, stderr, code := s.run(args...)
		require.Equal(t, exitOK, code, "%s\n%s%s", line, stdout, stderr)
		ran++
	}
	require.Equal(t, 4, ran)
}
