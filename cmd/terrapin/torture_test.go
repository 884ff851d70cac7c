package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/faulty"
	"github.com/terrapin-eo/terrapin/store/s3/s3test"
)

// step is a named place of a commit: an operation on a key, before or after it is done.
type step struct {
	Op    faulty.Op
	Key   string
	Nth   int
	After bool
}

// dieEnv tells a program of the tests at which step it kills itself.
const dieEnv = "TERRAPIN_TEST_DIE"

// dieWhereTold makes this process kill itself, as by kill -9, at the step that the environment names.
func dieWhereTold() {
	var at step
	if json.Unmarshal([]byte(os.Getenv(dieEnv)), &at) != nil {
		return
	}
	die := func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // no further instruction, whenever the signal comes
	}
	wrapDriver = func(d store.Driver) store.Driver {
		f := faulty.New(d, 1)
		met := 0
		meets := func(c faulty.Call) bool {
			if c.Op != at.Op || !strings.Contains(c.Key, at.Key) {
				return false
			}
			met++
			return met >= at.Nth
		}
		if at.After {
			f.After(func(c faulty.Call, err error) {
				if meets(c) && err == nil {
					die()
				}
			})
		} else {
			f.Before(func(c faulty.Call) {
				if meets(c) {
					die()
				}
			})
		}
		return f
	}
}

// The steps that commands go through, by what they write and delete.
var (
	refSteps    = []step{{Op: faulty.Put, Key: "/overwritten/"}, {Op: faulty.Put, Key: "cubes/s2/repo"}}
	ingestSteps = append([]step{{Op: faulty.Put, Key: "/chunks/"}, {Op: faulty.Put, Key: "/manifests/"}, {Op: faulty.Put, Key: "/transactions/"}, {Op: faulty.Put, Key: "/snapshots/"}}, refSteps...)
	steps       = map[string][]step{
		"ingest": ingestSteps, "supersede": ingestSteps, "tag": refSteps,
		"dataset":       append([]step{{Op: faulty.Put, Key: "datasets/"}, {Op: faulty.Put, Key: "commit.json"}}, refSteps...),
		"labels":        {{Op: faulty.Put, Key: "labels/"}, {Op: faulty.Put, Key: "commit.json"}},
		"model":         {{Op: faulty.Put, Key: "models/"}, {Op: faulty.Put, Key: "commit.json"}},
		"compact":       ingestSteps,
		"gc":            {{Op: faulty.Delete, Key: "/chunks/"}, {Op: faulty.Delete, Key: "/"}, refSteps[0], refSteps[1]},
		"expire and gc": {{Op: faulty.Delete, Key: "/snapshots/"}, {Op: faulty.Delete, Key: "/manifests/"}, {Op: faulty.Delete, Key: "/"}, refSteps[0], refSteps[1]},
	}
)

// torture is one run of kills over one data place.
type torture struct {
	t    *testing.T
	rng  *rand.Rand
	data string
	home string // of sources
	env  []string

	files    []string
	contents []string // content digest of each file
	cube     map[string]int
	versions map[string]string // digests of the dataset versions that were acknowledged
	killed   map[string]int
	spans    map[string]time.Duration // how long a command took that was not killed
	serial   int
	python   bool
	server   *s3test.Server
}

func (w *torture) run(code int, args ...string) map[string]any {
	w.t.Helper()
	var out, errs bytes.Buffer
	got := run(context.Background(), append([]string{"--data", w.data, "--as", "tester", "--json"}, args...), streams{in: strings.NewReader(""), out: &out, err: &errs, env: os.Getenv})
	require.Equal(w.t, code, got, "terrapin %s\n%s%s", strings.Join(args, " "), out.String(), errs.String())
	var doc map[string]any
	require.NoError(w.t, json.Unmarshal(out.Bytes(), &doc), out.String())
	return doc
}

// slices lists what the cube holds: content digests by source.
func (w *torture) slices() map[string]string {
	w.t.Helper()
	p := place{data: w.data, env: os.Getenv}
	at, err := openReading(w.t.Context(), p, slog.New(slog.DiscardHandler))
	require.NoError(w.t, err)
	defer at.close()
	c, err := at.cube(w.t.Context(), "s2")
	require.NoError(w.t, err)
	view, err := c.At(w.t.Context(), "")
	require.NoError(w.t, err)
	out := map[string]string{}
	for _, s := range view.Slices() {
		out[s.Source] = s.Content
	}
	return out
}

// source makes a scene of a new date, or of one that is there, from one of the bundled files.
func (w *torture) source(name string, file int) string {
	data, err := os.ReadFile(w.files[file])
	require.NoError(w.t, err)
	path := filepath.Join(w.home, name+".tif")
	require.NoError(w.t, os.WriteFile(path, data, 0o600))
	return path
}

// deed is a command line, and what it makes of the cube if it is done.
type deed struct {
	name string
	args []string
	set  map[string]int
}

func (w *torture) deed() deed {
	w.serial++
	switch n := w.rng.IntN(21); {
	case n < 9:
		d := deed{name: "ingest", args: []string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d"}, set: map[string]int{}}
		for range 1 + w.rng.IntN(3) {
			name := "s2_" + time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, w.rng.IntN(9000)).Format("20060102")
			if _, there := w.cube[name]; there {
				continue
			}
			d.set[name] = w.rng.IntN(len(w.files))
			d.args = append(d.args, w.source(name, d.set[name]))
		}
		if len(d.set) > 0 {
			return d
		}
	case n < 12:
		known := slices.Sorted(maps.Keys(w.cube))
		name, file := known[w.rng.IntN(len(known))], w.rng.IntN(len(w.files))
		return deed{"supersede", []string{"ingest", "s2", "--supersede", "--datetime-pattern", "s2_%Y%m%d", w.source(name, file)}, map[string]int{name: file}}
	case n < 14:
		recipe := filepath.Join(w.home, "recipe.yaml")
		require.NoError(w.t, os.WriteFile(recipe, []byte(strings.NewReplacer("salt: 1", "salt: "+strconv.Itoa(w.serial), "block_m: 160", "block_m: 80").Replace(testRecipe)), 0o600))
		return deed{name: "dataset", args: []string{"dataset", "commit", recipe}}
	case n < 15:
		return deed{name: "labels", args: []string{"labels", "import", "crops", sample + "fields.geojson", "--cube", "s2", "--classes", sample + "classes.json"}}
	case n < 16:
		return deed{name: "model", args: []string{"model", "register", fmt.Sprint("net", w.serial), "--artifact", sample + "classes.json"}}
	case n < 17:
		return deed{name: "tag", args: []string{"cube", "tag", "s2", fmt.Sprint("t", w.serial)}}
	case n < 18:
		return deed{name: "compact", args: []string{"cube", "compact", "s2", "--all"}}
	case n < 19:
		return deed{name: "expire and gc", args: []string{"store", "gc", "--older-than", "1s", "--expire-before", "1s"}}
	}
	return deed{name: "gc", args: []string{"store", "gc", "--older-than", "1s"}}
}

// kill runs a command line as a process of its own and kills it, and says whether it was acknowledged.
func (w *torture) kill(d deed) (out map[string]any, done bool) {
	began := time.Now()
	cmd := program(append(d.args, "--json", "--data", w.data)...)
	cmd.Env = append(cmd.Env, w.env...)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	how := "at random"
	var timer *time.Timer
	if w.rng.IntN(3) > 0 {
		of := steps[d.name]
		at := of[w.rng.IntN(len(of))]
		at.Nth, at.After = max(1, w.rng.IntN(5)-2), w.rng.IntN(2) == 0
		text, err := json.Marshal(at)
		require.NoError(w.t, err)
		cmd.Env = append(cmd.Env, dieEnv+"="+string(text))
		how = fmt.Sprintf("%s %s after=%v", at.Op, at.Key, at.After)
		require.NoError(w.t, cmd.Start())
	} else {
		require.NoError(w.t, cmd.Start())
		timer = time.AfterFunc(time.Duration(w.rng.Int64N(int64(w.spans[d.name]+50*time.Millisecond))), func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
	}
	err := cmd.Wait()
	if timer != nil {
		timer.Stop()
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		w.killed[how]++
	} else {
		require.NoError(w.t, err, "%s: %s", d.name, stdout.String())
		w.spans[d.name] = time.Since(began)
	}
	return out, json.Unmarshal(stdout.Bytes(), &out) == nil && out["error"] == nil
}

// settle demands that the cube is as it was or as the deed makes it, whole, and the latter if it was acknowledged.
func (w *torture) settle(d deed, done bool, what string) {
	w.t.Helper()
	want := maps.Clone(w.cube)
	have := w.slices()
	landed := len(d.set) > 0
	for name, file := range d.set {
		landed = landed && have[name] == w.contents[file]
	}
	if done || landed {
		maps.Copy(want, d.set)
	}
	require.Len(w.t, have, len(want), what)
	for name, file := range want {
		require.Equal(w.t, w.contents[file], have[name], "%s: %s", what, name)
	}
	w.cube = want
}

// foreign lets the official library commit on top, or, to only look, read everything of every branch and tag.
func (w *torture) foreign(commit bool) {
	if !w.python {
		return
	}
	mode, args := "look", []string{"file", strings.TrimPrefix(w.data, "file://") + "/cubes/s2"}
	if w.server != nil {
		args = []string{w.server.Endpoint, "torture", "some/where/cubes/s2"}
	}
	if commit {
		mode = fmt.Sprint("commit", w.serial)
	}
	out := cubetest.Python(w.t, officialScript, append([]string{mode}, args...)...)
	assert.Contains(w.t, out, "read")
}

const officialScript = `
import os, sys, icechunk, zarr
mode, where = sys.argv[1:3]
if where == "file":
    storage = icechunk.local_filesystem_storage(sys.argv[3])
else:
    storage = icechunk.s3_storage(bucket=sys.argv[3], prefix=sys.argv[4], endpoint_url=where, region="us-east-1", allow_http=True, force_path_style=True,
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"], secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"])
repo = icechunk.Repository.open(storage)
def walk(g):
    for _, a in g.arrays():
        yield a
    for _, sub in g.groups():
        yield from walk(sub)
n = 0
if mode == "look":
    for session in [repo.readonly_session(b) for b in repo.list_branches()] + [repo.readonly_session(tag=t) for t in repo.list_tags()]:
        for a in walk(zarr.open_group(session.store, mode="r")):
            a[...]
            n += 1
else:
    session = repo.writable_session("main")
    g = zarr.open_group(session.store, mode="a").require_group("notes")
    g.create_array(mode, shape=(3,), dtype="i4", chunks=(3,))[:] = [1, 2, 3]
    session.commit("a note by the official library")
print("read", n)
`

// newTorture makes a place with a cube, labels and one scene.
func newTorture(t *testing.T, seed uint64, data string) *torture {
	w := &torture{t: t, rng: rand.New(rand.NewPCG(seed, 5)), data: data, home: t.TempDir(), files: scenes(t), cube: map[string]int{},
		versions: map[string]string{}, killed: map[string]int{}, spans: map[string]time.Duration{}, python: os.Getenv("TERRAPIN_PYTHON") != ""}
	w.run(exitOK, "cube", "create", "s2", "--like", w.files[0])
	base := newShell(t)
	base.json(exitOK, "cube", "create", "s2", "--like", w.files[0])
	base.json(exitOK, append([]string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d"}, w.files...)...)
	all := (&torture{t: t, data: base.dir}).slices()
	for _, f := range w.files {
		w.contents = append(w.contents, all[strings.TrimSuffix(filepath.Base(f), ".tif")])
	}
	first := deed{args: []string{w.source("s2_19990101", 0)}, set: map[string]int{"s2_19990101": 0}}
	w.run(exitOK, "ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", first.args[0])
	w.cube = first.set
	w.run(exitOK, "labels", "import", "crops", sample+"labels_cropland.tif", "--cube", "s2")
	return w
}

// serveAndKill: a server holds the place, refuses a second one, is killed while it ingests, and the next one takes over.
func (w *torture) serveAndKill() {
	start := func() started {
		cmd := program("serve", "--data", w.data, "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--json")
		cmd.Env = append(cmd.Env, w.env...)
		out, err := cmd.StdoutPipe()
		require.NoError(w.t, err)
		require.NoError(w.t, cmd.Start())
		w.t.Cleanup(func() { _ = cmd.Process.Kill() })
		s := started{cmd: cmd}
		require.NoError(w.t, json.NewDecoder(out).Decode(&s.urls))
		return s
	}
	one := start()
	w.run(exitRefused, "serve", "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0")
	w.serial++
	name := "s2_" + time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, w.serial).Format("20060102")
	d := deed{name: "ingest by the server", set: map[string]int{name: w.rng.IntN(len(w.files))}}
	d.args = []string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", w.source(name, d.set[name]), "--server", one.urls.HTTP}
	cmd := program(append(d.args, "--json")...)
	require.NoError(w.t, cmd.Start())
	timer := time.AfterFunc(time.Duration(w.rng.Int64N(int64(400*time.Millisecond))), func() { _ = one.cmd.Process.Kill() })
	done := cmd.Wait() == nil
	_ = one.cmd.Process.Kill() // again, if the client was done before
	_ = one.cmd.Wait()
	timer.Stop()
	w.killed["a server"]++
	two := start()
	w.settle(d, done, d.name)
	require.NoError(w.t, two.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(w.t, two.cmd.Wait())
}

// total counts the kills so far.
func (w *torture) total() (n int) {
	for _, times := range w.killed {
		n += times
	}
	return n
}

// kills goes on until n processes were killed, looking at the place after each, and at everything now and then.
func (w *torture) kills(n int) {
	commands := 0
	for i := 0; w.total() < n; i++ {
		commands++
		switch {
		case i%60 == 59:
			w.foreign(true)
		case i%40 == 20:
			w.serveAndKill()
		}
		d := w.deed()
		out, done := w.kill(d)
		what := fmt.Sprintf("round %d: %s", i, d.name)
		w.settle(d, done, what)
		if d.name == "dataset" && done {
			w.versions[out["version"].(string)], _ = out["digest"].(string)
		}
		if i%3 == 0 && d.name != "tag" && d.name != "model" { // those made once are refused if they had landed
			w.run(exitOK, d.args...)
			w.settle(d, true, what+", done again")
		}
		if i%30 == 29 {
			require.Equal(w.t, true, w.run(exitOK, "store", "fsck", "--full")["ok"], what)
			w.t.Logf("%d commands, %d killed, %d scenes", commands, w.total(), len(w.cube))
		}
	}
	w.run(exitOK, "store", "gc", "--older-than", "1s")
	require.Equal(w.t, true, w.run(exitOK, "store", "fsck", "--full")["ok"])
	for version, digest := range w.versions {
		require.Equal(w.t, digest, w.run(exitOK, "dataset", "show", "crops@"+version)["digest"], version)
	}
	w.foreign(false)
	for _, how := range slices.Sorted(maps.Keys(w.killed)) {
		w.t.Logf("%4d killed: %s", w.killed[how], how)
	}
	w.t.Logf("%d commands, %d killed, %d scenes, %d dataset versions acknowledged", commands, w.total(), len(w.cube), len(w.versions))
}

// tortureSize reads a number from the environment; `make torture` sets it.
func tortureSize(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

// Commands are killed at random times and at named steps, on one place that lives through all of it: what was
// acknowledged is there with the right pixels, what was not is there whole or not at all, and the official
// library reads every version. The seed is printed; the same seed does the same up to the scheduler.
func TestTorture(t *testing.T) {
	seed := tortureSize(t, "TERRAPIN_TORTURE_SEED", 1)
	t.Logf("seed %d", seed)
	if only := os.Getenv("TERRAPIN_TORTURE_STORE"); only == "" || only == "file" {
		t.Run("file", func(t *testing.T) {
			newTorture(t, seed, t.TempDir()).kills(int(tortureSize(t, "TERRAPIN_TORTURE", 100)))
		})
	}
	if only := os.Getenv("TERRAPIN_TORTURE_STORE"); only == "" || only == "s3" {
		t.Run("s3", func(t *testing.T) {
			server := s3test.MinIO(t)
			shell := newBucketShell(t, server, "torture")
			w := newTorture(t, seed, shell.data)
			w.server = server
			w.kills(int(tortureSize(t, "TERRAPIN_TORTURE", 20)))
		})
	}
}

// A command that is killed between its commit and the catalog leaves the catalog behind; history may expire then
// without the catalog losing the thread.
func TestHistoryExpiresAfterAKill(t *testing.T) {
	s := newShell(t)
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	s.json(exitOK, "ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", scenes(t)[0])
	cmd := program("ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", scenes(t)[1], "--json", "--data", s.dir)
	text, err := json.Marshal(step{Op: faulty.Put, Key: "cubes/s2/repo", Nth: 1, After: true})
	require.NoError(t, err)
	cmd.Env = append(cmd.Env, dieEnv+"="+string(text))
	require.Error(t, cmd.Run())
	require.Len(t, s.json(exitOK, "cube", "show", "s2")["times"], 2, "it had landed")
	require.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
	s.json(exitOK, "store", "gc", "--older-than", "1ms", "--expire-before", "1ms")
	require.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
}

// A disk that fills up in the middle of ingests: each is refused with the reason and changes nothing, what was
// there reads on, and with room again the next one goes through.
func TestTortureFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", dir).Run(); err != nil {
		t.Skip("no small disk can be mounted here (not root)")
	}
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", "-l", dir).Run()) })
	w := newTorture(t, 3, dir)
	full := 0
	for i := 0; full < 4 && i < 200; i++ {
		name := "s2_" + time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i).Format("20060102")
		d := deed{name: "ingest", set: map[string]int{name: i % len(w.files)}}
		d.args = []string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", w.source(name, i%len(w.files))}
		cmd := program(append(d.args, "--json", "--data", dir)...)
		out, err := cmd.Output()
		w.settle(d, err == nil, string(out))
		if err != nil {
			full++
			assert.Contains(t, string(out), "full")
		}
	}
	require.Equal(t, 4, full, "the disk did not fill up")
	require.NoError(t, exec.Command("mount", "-o", "remount,size=64m", dir).Run())
	require.Equal(t, true, w.run(exitOK, "store", "fsck", "--full")["ok"])
	w.run(exitOK, "ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", w.source("s2_20200101", 1))
	require.Equal(t, true, w.run(exitOK, "store", "fsck", "--full")["ok"])
}
