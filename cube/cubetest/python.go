// Package cubetest gives tests what they judge by: the official Python libraries as referees, and real
// imagery. It owns neither; where the interpreter or a file is not there, a test is skipped and says so.
package cubetest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// farewell ends a script at once: threads of the official icechunk that outlive the interpreter now and
// then crash it after all is said.
const farewell = "\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n"

// attempts is how often a script is asked that a signal killed before it could judge.
const attempts = 3

// Python runs a script with arguments by the interpreter named in TERRAPIN_PYTHON and returns what it
// prints. A script that fails fails the test; it must change nothing that a second run would mind.
func Python(t testing.TB, script string, args ...string) string {
	t.Helper()
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official zarr, numcodecs, icechunk, rasterio or xarray")
	}
	for attempt := 1; ; attempt++ {
		cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", script + farewell}, args...)...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		if err == nil {
			return strings.TrimSpace(out.String())
		}
		var ended *exec.ExitError
		if attempt < attempts && errors.As(err, &ended) && !ended.Exited() {
			t.Logf("the referee crashed (%v) and is asked again", err)
			continue
		}
		t.Fatalf("python: %v\n%s%s", err, out.String(), errs.String())
	}
}
