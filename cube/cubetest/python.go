// Package cubetest runs the official Python libraries as referees of what the cube packages write.
// It owns nothing else; where no interpreter is named, a test is skipped and says so.
package cubetest

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Python runs a script with arguments by the interpreter named in TERRAPIN_PYTHON and returns what it
// prints. A script that fails fails the test.
func Python(t testing.TB, script string, args ...string) string {
	t.Helper()
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official zarr, numcodecs, icechunk or xarray")
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", script}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("python: %v\n%s%s", err, out.String(), errs.String())
	}
	return strings.TrimSpace(out.String())
}
