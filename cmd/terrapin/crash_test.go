package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the program itself, so that it can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("TERRAPIN_TEST_AS_PROGRAM") == "1" {
		dieWhereTold()
		main()
		return
	}
	os.Exit(m.Run())
}

// program starts this binary as `terrapin ARGS`.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "TERRAPIN_TEST_AS_PROGRAM=1")
	return cmd
}

// A kill -9 at any moment of an ingest leaves the scenes of a commit there or absent, never half, and the next
// command goes on as if nothing had happened.
func TestKilledIngestIsCompleteOrAbsent(t *testing.T) {
	whole := withCube(t)
	want := whole.json(exitOK, "cube", "show", "s2")["times"]
	started := time.Now()
	timed := newShell(t)
	timed.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	args := append([]string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", "--json", "--data"}, timed.dir)
	require.NoError(t, program(append(args, scenes(t)...)...).Run())
	span := time.Since(started)

	chance := rand.New(rand.NewPCG(1, 2))
	empty := newShell(t)
	empty.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	outcomes := map[int]int{}
	for i := range 24 {
		s := newShell(t)
		require.NoError(t, os.CopyFS(s.dir, os.DirFS(empty.dir)))
		cmd := program(append([]string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", "--json", "--data", s.dir}, scenes(t)...)...)
		require.NoError(t, cmd.Start())
		timer := time.AfterFunc(time.Duration(chance.Int64N(int64(span))), func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		_ = cmd.Wait() // killed or done, either is the point
		timer.Stop()
		times, _ := s.json(exitOK, "cube", "show", "s2")["times"].([]any)
		outcomes[len(times)]++
		if len(times) != 0 {
			assert.Equal(t, want, any(times), "round %d: the scenes of one commit come together", i)
		}
		// Whoever commits next finds a whole cube and brings the catalog up to it.
		s.json(exitOK, append([]string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d"}, scenes(t)...)...)
		assert.Equal(t, want, s.json(exitOK, "cube", "show", "s2")["times"])
		assert.Equal(t, true, s.json(exitOK, "store", "fsck", "--full")["ok"], "round %d", i)
	}
	t.Logf("scenes after each kill: %v", outcomes)
	assert.NotZero(t, outcomes[0], "no kill came before the commit")
	assert.NotZero(t, outcomes[len(scenes(t))], "no kill came after the commit")
}

// The same for whatever else commits: each verb is killed at random moments, and then run again.
func TestKilledVerbsAreCompleteOrAbsent(t *testing.T) {
	base := withCube(t)
	base.json(exitOK, "labels", "import", "crops", sample+"labels_cropland.tif", "--cube", "s2")
	recipe := filepath.Join(t.TempDir(), "recipe.yaml")
	require.NoError(t, os.WriteFile(recipe, []byte(testRecipe), 0o600))
	base.json(exitOK, "dataset", "commit", recipe)
	chance := rand.New(rand.NewPCG(3, 4))
	for name, args := range map[string][]string{
		"labels": {"labels", "import", "crops", sample + "fields.geojson", "--cube", "s2", "--classes", sample + "classes.json"},
		"cube":   {"cube", "create", "other", "--like", scenes(t)[0]},
		"model":  {"model", "register", "net", "--artifact", sample + "classes.json"},
		// Committed in base already under another salt, so that this is its second version.
		"dataset": {"dataset", "commit", strings.Replace(recipe, "recipe", "second", 1)},
	} {
		if name == "dataset" {
			require.NoError(t, os.WriteFile(args[2], []byte(strings.Replace(testRecipe, "salt: 1", "salt: 2", 1)), 0o600))
		}
		t.Run(name, func(t *testing.T) {
			for range 8 {
				s := newShell(t)
				require.NoError(t, os.CopyFS(s.dir, os.DirFS(base.dir)))
				cmd := program(append(args, "--json", "--data", s.dir)...)
				require.NoError(t, cmd.Start())
				timer := time.AfterFunc(time.Duration(chance.Int64N(int64(400*time.Millisecond))), func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
				_ = cmd.Wait() // killed or done, either is the point
				timer.Stop()
				s.json(exitOK, "dataset", "verify", "crops@v1")
				stdout, stderr, code := s.run(append(args, "--json")...)
				if name != "cube" || code == exitOK {
					require.Equal(t, exitOK, code, stdout+stderr)
				} else {
					assert.Contains(t, stdout, "exists already")
				}
				assert.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
			}
		})
	}
}

// started is a running server.
type started struct {
	cmd  *exec.Cmd
	urls endpoints
}

func startServer(t *testing.T, dir string, more ...string) started {
	cmd := program(append([]string{"serve", "--data", dir, "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--json"}, more...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err)
	s := started{cmd: cmd}
	require.NoError(t, json.Unmarshal(line, &s.urls), string(line))
	var keys map[string]string
	require.NoError(t, json.Unmarshal(line, &keys))
	require.Len(t, keys, 3, "the line promises http, flight and stac")
	return s
}

// A server holds its directory: a second one is refused by name, write verbs go to it with the same documents, and
// SIGTERM drains to exit 0.
func TestServerHoldsItsDirectory(t *testing.T) {
	s := newShell(t)
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	server := startServer(t, s.dir)

	doc := s.json(exitRefused, "serve", "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0")
	assert.Contains(t, doc["error"].(map[string]any)["message"], server.urls.HTTP)
	assert.Equal(t, server.urls.Flight, doc["served"].(map[string]any)["flight"], "programs learn where the other one is")

	held := s.json(exitOK, "ingest", "s2", scenes(t)[0], "--datetime-pattern", "s2_%Y%m%d")
	assert.Equal(t, scenes(t)[0], held["accepted"].([]any)[0].(map[string]any)["source"], "sources keep the caller's names")
	remote := newShell(t)
	again := remote.json(exitOK, "ingest", "s2", scenes(t)[0], scenes(t)[1], "--server", server.urls.HTTP, "--datetime-pattern", "s2_%Y%m%d")
	assert.Len(t, again["skipped"], 1)
	assert.Len(t, again["accepted"], 1)
	missing := filepath.Join(t.TempDir(), "gone.tif")
	doc = remote.json(exitRefused, "ingest", "s2", missing, "--server", server.urls.HTTP, "--datetime-pattern", "s2_%Y%m%d")
	assert.Equal(t, missing, doc["rejected"].([]any)[0].(map[string]any)["source"])

	folder := t.TempDir()
	whole, err := filepath.Abs(scenes(t)[1])
	require.NoError(t, err)
	require.NoError(t, os.Symlink(whole, filepath.Join(folder, filepath.Base(whole))))
	require.NoError(t, os.Symlink(missing, filepath.Join(folder, "s2_20200101.tif")))
	doc = remote.json(exitRefused, "ingest", "s2", folder, "--server", server.urls.HTTP, "--datetime-pattern", "s2_%Y%m%d")
	assert.Len(t, doc["skipped"], 1)
	assert.Equal(t, filepath.Join(folder, "s2_20200101.tif"), doc["rejected"].([]any)[0].(map[string]any)["source"], "a scene of a folder that cannot be sent")

	res, err := http.Get(server.urls.STAC + "collections/s2/items")
	require.NoError(t, err)
	defer res.Body.Close()
	var items struct{ Features []any }
	require.NoError(t, json.NewDecoder(res.Body).Decode(&items))
	assert.Len(t, items.Features, 2, "what a verb committed is found at once")

	require.NoError(t, server.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, server.cmd.Wait(), "SIGTERM drains and exits 0")
	s.json(exitOK, "ingest", "s2", scenes(t)[2], "--datetime-pattern", "s2_%Y%m%d")
}

func TestServeRefusesWhatItMust(t *testing.T) {
	s := newShell(t)
	server := startServer(t, newShell(t).dir)
	taken := server.urls.HTTP[len("http://"):]
	for _, args := range [][]string{
		{"--http", taken, "--flight", "127.0.0.1:0"}, {"--http", "0.0.0.0:0", "--flight", "127.0.0.1:0"},
	} {
		doc := s.json(exitRefused, append([]string{"serve"}, args...)...)
		assert.Equal(t, "precondition", doc["error"].(map[string]any)["kind"], "%v", args)
		assert.NotEmpty(t, doc["error"].(map[string]any)["cure"], fmt.Sprint(args))
	}
}
