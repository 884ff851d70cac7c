package cubetest

import (
	"os"
	"path/filepath"
	"testing"
)

// Real finds a file or folder, by its path with slashes, in the collection of real imagery: the folder that
// TERRAPIN_DATA names, else shared/data beside the repository. It is not part of the repository: a test
// that needs what is not there is skipped and says so.
func Real(t testing.TB, path string) string {
	t.Helper()
	root := os.Getenv("TERRAPIN_DATA")
	if root == "" {
		root = filepath.Join(top(t), "..", "shared", "data")
	}
	path = filepath.Join(root, filepath.FromSlash(path))
	if _, err := os.Stat(path); err != nil {
		t.Skip("no real data (TERRAPIN_DATA names its folder): " + err.Error())
	}
	return path
}

// top is the folder of the module that the test belongs to.
func top(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test's folder")
	return ""
}
