package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	httpserve "github.com/terrapin-eo/terrapin/serve/http"
)

// sample is the bundled data.
const sample = "../../demo/data/"

// shell runs command lines on one data directory, in this process.
type shell struct {
	t   *testing.T
	dir string
}

func newShell(t *testing.T) shell { return shell{t: t, dir: t.TempDir()} }

// run returns what a command line printed and its exit code.
func (s shell) run(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	var out, err bytes.Buffer
	all := append([]string{"--data", s.dir, "--as", "tester"}, args...)
	code = run(context.Background(), all, streams{in: strings.NewReader(""), out: &out, err: &err, env: func(string) string { return "" }})
	return out.String(), err.String(), code
}

// json runs a verb with --json and decodes its document: exactly one, and nothing else, on stdout.
func (s shell) json(code int, args ...string) map[string]any {
	s.t.Helper()
	stdout, stderr, got := s.run(append(args, "--json")...)
	require.Equal(s.t, code, got, "terrapin %s\n%s%s", strings.Join(args, " "), stdout, stderr)
	dec := json.NewDecoder(strings.NewReader(stdout))
	var doc map[string]any
	require.NoError(s.t, dec.Decode(&doc), stdout)
	require.False(s.t, dec.More(), "more than one document: %s", stdout)
	return doc
}

func scenes(t *testing.T) []string {
	files, err := filepath.Glob(sample + "s2_*.tif")
	require.NoError(t, err)
	require.Len(t, files, 12)
	return files
}

// withCube makes a cube and ingests the bundled scenes.
func withCube(t *testing.T) shell {
	s := newShell(t)
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	s.json(exitOK, append([]string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d"}, scenes(t)...)...)
	return s
}

func TestUsageErrorsExitTwo(t *testing.T) {
	s := newShell(t)
	for _, args := range [][]string{
		{"nonsense"}, {"cube"}, {"cube", "nonsense"}, {"cube", "create"}, {"cube", "show", "a", "b"}, {"ingest", "s2"},
		{"--no-such-flag"}, {"cube", "create", "s2"}, {"labels", "import", "crops", "x.geojson"}, {"dataset", "commit"},
		{"cube", "create", "s2", "--like", "a.tif", "--crs", "EPSG:32631"}, {"serve", "extra"}, {"cube", "ls", "--chunk", "4"},
	} {
		stdout, stderr, code := s.run(args...)
		assert.Equal(t, exitUsage, code, "terrapin %v", args)
		assert.Empty(t, stdout, "terrapin %v", args)
		assert.NotEmpty(t, stderr, "terrapin %v", args)
	}
}

func TestHelpExitsZero(t *testing.T) {
	s := newShell(t)
	for _, args := range [][]string{{"--help"}, {"ingest", "--help"}, {"cube", "create", "--help"}, {"--version"}, {}} {
		stdout, _, code := s.run(args...)
		assert.Equal(t, exitOK, code, "terrapin %v", args)
		assert.NotEmpty(t, stdout, "terrapin %v", args)
	}
}

func TestCubeShowKeepsItsPromise(t *testing.T) {
	s := withCube(t)
	doc := s.json(exitOK, "cube", "show", "s2")
	assert.Equal(t, "s2", doc["cube"])
	assert.Equal(t, "file://"+s.dir+"/cubes/s2", doc["location"])
	assert.NotEmpty(t, doc["snapshot"])
	assert.Equal(t, []any{"B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12"}, doc["bands"])
	cells := doc["cells"].([]any)
	require.Len(t, cells, 1)
	cell := cells[0].(map[string]any)
	for _, key := range []string{"path", "crs", "transform", "times", "arrays"} {
		assert.Equal(t, cell[key], doc[key], "%s stands at the top too while there is one cell", key)
	}
	assert.Equal(t, "EPSG:32631", cell["crs"])
	assert.Equal(t, []any{10.0, 0.0, 664000.0, 0.0, -10.0, 5612120.0}, cell["transform"])
	times := cell["times"].([]any)
	require.Len(t, times, 12)
	assert.Equal(t, "2020-11-01T00:00:00Z", times[0])
	for _, a := range cell["arrays"].([]any) {
		array := a.(map[string]any)
		for _, key := range []string{"path", "dims", "shape", "chunks", "dtype"} {
			assert.Contains(t, array, key)
		}
		assert.Equal(t, []any{"time", "band", "y", "x"}, array["dims"])
		assert.Equal(t, []any{12.0, 9.0, 100.0, 100.0}, array["shape"])
	}
}

func TestIngestReportsEverySource(t *testing.T) {
	s := newShell(t)
	all := scenes(t)
	s.json(exitOK, "cube", "create", "s2", "--like", all[0])
	whole, err := os.ReadFile(all[3])
	require.NoError(t, err)
	damaged := filepath.Join(t.TempDir(), "s2_20220101.tif")
	require.NoError(t, os.WriteFile(damaged, whole[:len(whole)/2], 0o600))
	missing := filepath.Join(t.TempDir(), "s2_20220201.tif")

	doc := s.json(exitRefused, "ingest", "s2", all[0], damaged, all[1], missing, sample+"labels_cropland.tif", "--datetime-pattern", "s2_%Y%m%d")
	assert.Len(t, doc["accepted"], 2)
	rejected := doc["rejected"].([]any)
	require.Len(t, rejected, 3)
	for _, r := range rejected {
		entry := r.(map[string]any)
		assert.NotEmpty(t, entry["reason"])
		assert.NotEmpty(t, entry["cure"], "%v", entry)
	}
	before := s.json(exitOK, "cube", "show", "s2")["snapshot"]

	doc = s.json(exitOK, "ingest", "s2", all[0], all[1], "--datetime-pattern", "s2_%Y%m%d")
	assert.Len(t, doc["skipped"], 2)
	assert.Empty(t, doc["accepted"])
	doc = s.json(exitRefused, "ingest", "s2", all[2], damaged, "--strict", "--datetime-pattern", "s2_%Y%m%d")
	assert.Empty(t, doc["accepted"], "--strict commits nothing where one is bad")
	assert.Equal(t, before, s.json(exitOK, "cube", "show", "s2")["snapshot"])

	doc = s.json(exitRefused, "ingest", "s2", all[4])
	reason := doc["rejected"].([]any)[0].(map[string]any)
	assert.Contains(t, reason["reason"], "when it was acquired")
	assert.Contains(t, reason["cure"], "--datetime-pattern")
}

func TestUnknownNamesSayWhichExist(t *testing.T) {
	s := withCube(t)
	for _, args := range [][]string{{"cube", "show", "nope"}, {"ingest", "nope", scenes(t)[0]}, {"dataset", "show", "nope"}, {"labels", "show", "nope"}} {
		doc := s.json(exitRefused, args...)
		e := doc["error"].(map[string]any)
		assert.Equal(t, "not_found", e["kind"], "terrapin %v: %v", args, e)
		assert.NotEmpty(t, e["message"])
	}
	e := s.json(exitRefused, "cube", "show", "nope")["error"].(map[string]any)
	assert.Contains(t, e["cure"], "s2")
}

func TestCubeCreateRefusesNonsense(t *testing.T) {
	s := newShell(t)
	grid := []string{"--crs", "EPSG:32631", "--bounds", "0,0,100,100", "--res", "10", "--bands", "a"}
	for _, extra := range [][]string{
		{"--bounds", "0,0,100"}, {"--bounds", "100,100,0,0"}, {"--res", "0"}, {"--res", "7"}, {"--res", "-10"}, {"--bands", "b,b"}, {"--bands", "a"},
		{"--dtype", "complex64"}, {"--nodata", "70000"}, {"--nodata", "nan"}, {"--nodata", "x"}, {"--latency", "soon"}, {"--chunk", "-1"},
		{"--crs", "EPSG:999999"}, {"--crs", "moon"}, {"--bounds", "nan,0,100,100"}, {"--flags", "cloud,cloud"}, {"--cell", "1048832"},
		{"--codec", "lzma"}, {"--codec", "zstd:23"}, {"--codec", "bytes:1"},
	} {
		doc := s.json(exitRefused, append(append([]string{"cube", "create", "c"}, grid...), extra...)...)
		e := doc["error"].(map[string]any)
		assert.Equal(t, "invalid", e["kind"], "%v: %v", extra, e)
		assert.NotEmpty(t, e["cure"], "%v: %v", extra, e)
	}
	for _, name := range []string{"models", "labels-x", "dataset-x", "predictions-x", "../x", "A", ""} {
		_, _, code := s.run(append([]string{"cube", "create", name}, grid...)...)
		assert.NotEqual(t, exitOK, code, "cube %q", name)
	}
	made := s.json(exitOK, append([]string{"cube", "create", "raw", "--codec", "bytes"}, grid...)...)
	assert.Equal(t, "bytes", made["codec"])
	made = s.json(exitOK, append([]string{"cube", "create", "c"}, grid...)...)
	assert.Equal(t, "blosc-zstd:5", made["codec"])
	doc := s.json(exitRefused, append([]string{"cube", "create", "c"}, grid...)...)
	assert.Equal(t, "conflict", doc["error"].(map[string]any)["kind"])
}

// A misspelt directory is refused, not made.
func TestOnlyFoundingVerbsMakeADirectory(t *testing.T) {
	s := newShell(t)
	s.dir = filepath.Join(s.dir, "absent")
	for _, args := range [][]string{{"cube", "show", "s2"}, {"ingest", "s2", scenes(t)[0]}, {"store", "fsck"}, {"store", "reindex"}, {"dataset", "ls"}} {
		doc := s.json(exitRefused, args...)
		assert.Equal(t, "not_found", doc["error"].(map[string]any)["kind"], "terrapin %v", args)
		_, err := os.Stat(s.dir)
		require.ErrorIs(t, err, os.ErrNotExist, "terrapin %v", args)
	}
}

// testRecipe suits the bundled scenes.
const testRecipe = `name: crops
cube: s2
features: [B04, B08]
labels: crops
window: {size: 8, stride: 8, jitter: 0}
time: {policy: all}
values: raw
split: {by: block, block_m: 160, buffer_m: 0, train: 0.6, validate: 0.2, test: 0.2, salt: 1}
normalise: {per: band, from: train}
`

// Every verb answers with the keys that scripts rely on.
func TestEveryVerbKeepsItsPromise(t *testing.T) {
	s := withCube(t)
	recipe := filepath.Join(t.TempDir(), "recipe.yaml")
	require.NoError(t, os.WriteFile(recipe, []byte(testRecipe), 0o600))
	facts := filepath.Join(t.TempDir(), "facts.yaml")
	require.NoError(t, os.WriteFile(facts, []byte("framework: PyTorch\nclasses: [{value: 0, name: cropland}, {value: 1, name: other}]\n"), 0o600))
	polygons := []string{"labels", "import", "crops", sample + "fields.geojson", "--cube", "s2", "--classes", sample + "classes.json"}
	for _, step := range []struct {
		args []string
		keys []string
	}{
		{append(polygons, "--dry-run"), []string{"labels", "revision", "digest", "accepted", "rejected", "dry_run"}},
		{append(polygons, "--state", "draft"), []string{"labels", "revision", "digest", "accepted", "rejected"}},
		{[]string{"labels", "revert", "crops", "r1"}, []string{"labels", "revision", "digest", "state"}},
		{[]string{"labels", "import", "crops", sample + "labels_cropland.tif", "--cube", "s2"}, []string{"labels", "revision", "digest", "accepted", "rejected"}},
		{[]string{"dataset", "commit", recipe}, []string{"dataset", "version", "created", "digest", "samples", "leakage", "collection"}},
		{[]string{"dataset", "show", "crops"}, []string{"dataset", "version", "digest", "samples", "leakage", "collection"}},
		{[]string{"dataset", "verify", "crops@v1"}, []string{"ok", "digest"}},
		{[]string{"dataset", "diff", "crops@v1", "crops@v1"}, nil},
		{[]string{"stream", "crops@v1", "--batch-size", "4"}, []string{"samples", "batches", "sha256", "samples_per_second"}},
		{[]string{"stream", "crops@v1", "--bench"}, []string{"samples", "batches", "samples_per_second", "chunks_decoded", "chunks_kept", "bytes_read", "first_batch_seconds", "stall", "mixing"}},
		{[]string{"stream", "crops@v1", "--explain"}, []string{"samples", "steps", "order", "shuffle", "chunks_per_batch", "read_bytes_per_batch"}},
		{[]string{"model", "register", "net", "--facts", facts, "--dataset", "crops@v1"}, []string{"id", "digest", "document"}},
		{[]string{"model", "show", "net"}, []string{"id", "framework", "dataset_digest"}},
		{[]string{"cube", "tag", "s2", "first"}, []string{"cube", "tag", "snapshot"}},
		{[]string{"store", "reindex"}, []string{"collections", "items"}},
		{[]string{"store", "fsck"}, []string{"ok", "problems"}},
	} {
		doc := s.json(exitOK, step.args...)
		for _, key := range step.keys {
			assert.Contains(t, doc, key, "terrapin %v", step.args)
		}
	}
	for _, args := range [][]string{
		{"cube", "ls"}, {"cube", "log", "s2"}, {"labels", "ls"}, {"labels", "show", "crops"}, {"dataset", "ls"}, {"model", "ls"}, {"predictions", "ls"},
	} {
		stdout, stderr, code := s.run(append(args, "--json")...)
		require.Equal(t, exitOK, code, stderr)
		var list []map[string]any
		require.NoError(t, json.Unmarshal([]byte(stdout), &list), "terrapin %v: %s", args, stdout)
		if args[0] != "predictions" {
			assert.NotEmpty(t, list, "terrapin %v", args)
		}
		plain, _, code := s.run(args...)
		assert.Equal(t, exitOK, code)
		assert.Equal(t, len(list) == 0, plain == "", "terrapin %v for people: %s", args, plain)
	}
	doc := s.json(exitRefused, "predictions", "show", "nope")
	assert.Equal(t, "not_found", doc["error"].(map[string]any)["kind"])
}

// What came over the network names uploads only: a server opens no path of its own machine for a caller.
func TestServersOpenNoPaths(t *testing.T) {
	s := withCube(t)
	w, err := openCommitting(context.Background(), place{data: s.dir}, slog.New(slog.DiscardHandler), commitOptions{catchUp: true})
	require.NoError(t, err)
	defer w.close()
	secret, err := filepath.Abs(scenes(t)[0])
	require.NoError(t, err)
	for name, args := range map[string]string{
		"model.register": `{"id": "m", "files": ["` + secret + `"]}`,
		"ingest":         `{"cube": "s2", "sources": ["` + secret + `"]}`,
		"labels.import":  `{"labels": "l", "cube": "s2", "files": ["` + secret + `"]}`,
	} {
		_, _, err := serverVerbs(w)[name](context.Background(), httpserve.VerbRequest{Args: json.RawMessage(args), Actor: "eve"})
		assert.True(t, fault.Is(err, fault.Invalid), "%s: %v", name, err)
	}
	_, err = gather(call{remote: true, files: []httpserve.Upload{{Name: "x", Path: "/x"}}}, []string{"x"}, []string{"../x"})
	assert.True(t, fault.Is(err, fault.Invalid), "%v", err)
}

// The lock file of a server that was killed sends nobody anywhere.
func TestStaleLockIsNoServer(t *testing.T) {
	s := withCube(t)
	stale := `{"pid": 999999999, "http": "http://127.0.0.1:1", "flight": "grpc://127.0.0.1:1", "stac": "http://127.0.0.1:1/"}`
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, lockName), []byte(stale), 0o600))
	f, err := os.Open(filepath.Join(s.dir, lockName))
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(f.Fd()), syscall.LOCK_SH)) // somebody looks, as clients do
	released := time.AfterFunc(200*time.Millisecond, func() { f.Close() })
	defer released.Stop()
	s.json(exitOK, "cube", "tag", "s2", "x")
}

// A job that fails tells of the caller's file, not of the folder it was uploaded to.
func TestAFailedUploadKeepsItsName(t *testing.T) {
	s := &sourceSet{dir: "/tmp/upload", given: map[string]string{"/tmp/upload/0/a.tif": "mine/a.tif", "/tmp/upload/0": "mine"}}
	err := s.namedIn(fault.New(fault.Unavailable, "ingest /tmp/upload/0/a.tif: no answer").WithCure("send /tmp/upload/0/a.tif again"))
	assert.Equal(t, "ingest mine/a.tif: no answer", err.Error())
	assert.Equal(t, "send mine/a.tif again", fault.CureOf(err))
	assert.True(t, fault.Is(err, fault.Unavailable))
}
