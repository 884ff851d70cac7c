package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// --json gives one document whatever goes wrong, with what is wrong and a cure.
func TestEveryFailureIsOneDocument(t *testing.T) {
	s := newShell(t)
	for name, c := range map[string]struct {
		args []string
		exit int
		kind string
	}{
		"no verb":         {[]string{"cube"}, exitUsage, "usage"},
		"flag before":     {[]string{"ingest", "--no-such-flag", "s2"}, exitUsage, "usage"},
		"no pixel size":   {[]string{"cube", "create", "c", "--crs", "EPSG:32631", "--bounds", "0,0,10,10", "--res", "nan", "--bands", "a"}, exitRefused, "invalid"},
		"no directory":    {[]string{"cube", "show", "c"}, exitRefused, "not_found"},
		"unknown command": {[]string{"cubes"}, exitUsage, "usage"},
	} {
		stdout, stderr, code := s.run(append(c.args, "--json")...)
		require.Equal(t, c.exit, code, name)
		var doc struct {
			Error struct{ Kind, Message, Cure string }
		}
		dec := json.NewDecoder(strings.NewReader(stdout))
		require.NoError(t, dec.Decode(&doc), "%s: %s%s", name, stdout, stderr)
		require.False(t, dec.More(), name)
		require.Equal(t, c.kind, doc.Error.Kind, name)
		require.NotEmpty(t, doc.Error.Message, name)
		require.NotEmpty(t, doc.Error.Cure, name)
	}
}

func TestAnInterruptSaysWhatToDo(t *testing.T) {
	s := newShell(t)
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, complaints strings.Builder
	code := run(ctx, append([]string{"ingest", "s2", "--json", "--data", s.dir}, scenes(t)...),
		streams{in: strings.NewReader(""), out: &out, err: &complaints, env: func(string) string { return "" }})
	require.Equal(t, exitRefused, code)
	require.Contains(t, out.String(), "interrupted")
	require.Contains(t, complaints.String(), "do it again")
}

// A command killed between its commit and the catalog leaves the catalog behind: no damage.
func TestFsckSeesThroughACatalogThatLags(t *testing.T) {
	s := newShell(t)
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	before, err := os.ReadFile(filepath.Join(s.dir, catalogName))
	require.NoError(t, err)
	s.json(exitOK, append([]string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d"}, scenes(t)...)...)
	for _, beside := range []string{"-wal", "-shm"} {
		require.NoError(t, os.RemoveAll(filepath.Join(s.dir, catalogName+beside)))
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, catalogName), before, 0o600))
	require.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
}

// What --data names is a directory or a bucket. Any other URL, and nothing at all, would make folders beside
// the caller's files.
func TestDataNamesAPlace(t *testing.T) {
	like, err := filepath.Abs(scenes(t)[0])
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	for _, data := range []string{"", "gs://bucket/x", "S3://bucket/x", "file://host/x", "file:x://y", "https://host/x"} {
		for _, verb := range [][]string{{"cube", "create", "s2", "--like", like}, {"cube", "ls"}} {
			var out, complaints strings.Builder
			code := run(t.Context(), append(verb, "--json", "--data", data),
				streams{in: strings.NewReader(""), out: &out, err: &complaints, env: func(string) string { return "" }})
			require.Equal(t, exitRefused, code, "%q", data)
			require.Contains(t, complaints.String(), "cure: ", "%q", data)
		}
	}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, entries, "a refused place is not made")

	s := newShell(t)
	location := s.json(exitOK, "cube", "create", "s2", "--like", like)["location"].(string)
	s.dir = strings.TrimSuffix(location, "/cubes/s2")
	require.Equal(t, location, s.json(exitOK, "cube", "show", "s2")["location"], "the URL that is shown is taken")
}

// Files among a data directory's objects pass for damage, and a URL is no folder.
func TestExportsStayOutside(t *testing.T) {
	s := withCube(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(s.dir, link))
	for _, out := range []string{s.dir, filepath.Join(s.dir, "cubes", "export"), filepath.Join(link, "cubes", "export"), "s3://bucket/export"} {
		e := s.json(exitRefused, "cube", "export", "s2", out)["error"].(map[string]any)
		require.NotEmpty(t, e["cure"], out)
	}
	require.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
	require.NoFileExists(t, "s3:")
	s.json(exitOK, "cube", "export", "s2", s.dir+"-export")
}

// Tags are for ever, so that one in the way stays there.
func TestTagsThatWouldStandInTheWay(t *testing.T) {
	s := withCube(t)
	for _, tag := range []string{"", "main", "datasets/crops/v2", "..", "a/../b", "/a", "a/", "a b", "@x", "a\nb", "1CECHNKREP0F1RSTCMT0"} {
		e := s.json(exitRefused, "cube", "tag", "s2", tag)["error"].(map[string]any)
		require.NotEmpty(t, e["cure"], "tag %q", tag)
	}
	for _, tag := range []string{"v1", "2020/spring.1", "été_2020"} {
		s.json(exitOK, "cube", "tag", "s2", tag)
		s.json(exitOK, "cube", "show", "s2", "--version", tag)
	}
}

// One damaged cube is named by the verbs that go over all cubes, and hides none of the others.
func TestADamagedCubeHidesNoOther(t *testing.T) {
	s := withCube(t)
	s.json(exitOK, "cube", "create", "broken", "--like", scenes(t)[0])
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "cubes", "broken", "repo"), []byte("damaged"), 0o600))

	stdout, _, code := s.run("cube", "ls", "--json")
	require.Equal(t, exitRefused, code)
	var list []cubeEntry
	require.NoError(t, json.Unmarshal([]byte(stdout), &list))
	require.Len(t, list, 2)
	require.Contains(t, list[0].Problem.Object, "cubes/broken")
	require.NotEmpty(t, list[0].Problem.Cure)
	require.Nil(t, list[1].Problem)
	require.Len(t, list[1].Snapshot, 20)

	use := s.json(exitRefused, "store", "du")
	require.Contains(t, use["cubes"], "s2")
	require.Len(t, use["problems"], 1)
	report := s.json(exitOK, "store", "doctor")
	require.Equal(t, true, report["ok"], "the store keeps its promises")
	require.Len(t, report["warnings"], 1)
	require.Contains(t, s.json(exitRefused, "cube", "show", "missing")["error"].(map[string]any)["cure"], "s2")
	require.NotEmpty(t, s.json(exitRefused, "store", "gc")["error"].(map[string]any)["cure"], "what a damaged cube needs is not known")
}
