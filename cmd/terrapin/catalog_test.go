package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
)

// itemLine is an item of a collection, by its number.
func itemLine(collection string, n int) string {
	return fmt.Sprintf(`{"type":"Feature","stac_version":"1.0.0","id":"i%05d","collection":%q,"geometry":{"type":"Point","coordinates":[%d,%d]},"bbox":[%[3]d,%d,%[3]d,%[4]d],"links":[],`+
		`"assets":{"a":{"href":"https://example.com/%[1]d.tif"}},"properties":{"datetime":"2020-01-%02[5]dT00:00:00Z","eo:cloud_cover":%[6]d,"proj:epsg":32631}}`,
		n, collection, n%360-180, n%170-85, 1+n%28, n%101)
}

func collectionLine(id string) string {
	return fmt.Sprintf(`{"type":"Collection","stac_version":"1.0.0","id":%q,"description":"d","license":"proprietary","links":[],"extent":{"spatial":{"bbox":[[-180,-90,180,90]]},"temporal":{"interval":[[null,null]]}}}`, id)
}

// itemsFile writes a collection and its items, and after every hundredth a line that is no good; it returns how many are not.
func itemsFile(t *testing.T, items int) (path string, bad int) {
	t.Helper()
	var out bytes.Buffer
	out.WriteString(collectionLine("a") + "\n")
	for i := range items {
		out.WriteString(itemLine([]string{"a", "b"}[i%2], i) + "\n")
		if i%100 == 99 {
			out.WriteString([]string{`{"type":"Feature","id":"cut`, `{"type":"Feature","stac_version":"1.0.0","id":"x","collection":"a"}`, "nonsense"}[i/100%3] + "\n")
			bad++
		}
	}
	path = filepath.Join(t.TempDir(), "items.ndjson")
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	return path, bad
}

// exported is every document of a catalog, in an order of its own.
func (s shell) exported(more ...string) []string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "all.ndjson")
	s.json(exitOK, append([]string{"catalog", "export", path}, more...)...)
	raw, err := os.ReadFile(path)
	require.NoError(s.t, err)
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	slices.Sort(lines)
	return lines
}

// lines reads a file of JSON documents.
func lines(t *testing.T, path string) (out []map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for dec := json.NewDecoder(bytes.NewReader(raw)); dec.More(); {
		var one map[string]any
		require.NoError(t, dec.Decode(&one))
		out = append(out, one)
	}
	return out
}

// A load with bad lines that is killed at random moments, and begun again each time, loses nothing and doubles nothing.
func TestKilledLoadGoesOn(t *testing.T) {
	const items = 6000
	path, bad := itemsFile(t, items)
	whole := newShell(t)
	problems := filepath.Join(t.TempDir(), "errors.ndjson")
	begin := time.Now()
	done := whole.json(exitRefused, "catalog", "load", path, "--errors", problems)
	span := time.Since(begin)
	assert.EqualValues(t, items, done["items"])
	assert.EqualValues(t, bad, done["rejected"])
	assert.Equal(t, []any{"a"}, done["collections"])
	assert.Equal(t, []any{"b"}, done["derived"])
	told := lines(t, problems)
	require.Len(t, told, bad)
	for i, p := range told {
		assert.EqualValues(t, 102+101*i, p["line"])
		assert.NotEmpty(t, p["reason"])
		assert.NotEmpty(t, p["cure"])
	}
	want := whole.exported()
	require.Len(t, want, items+2)
	again := whole.json(exitRefused, "catalog", "load", path)
	assert.EqualValues(t, items, again["items"])
	assert.Equal(t, want, whole.exported())

	chance := rand.New(rand.NewPCG(5, 6))
	journal := filepath.Join(t.TempDir(), "journal")
	for round, more := range [][]string{nil, {"--resume", journal}} {
		s := newShell(t)
		killed, span := 0, span
		for tries := 0; killed < 5 && tries < 50; tries++ {
			cmd := program(append([]string{"catalog", "load", path, "--json", "--data", s.dir}, more...)...)
			require.NoError(t, cmd.Start())
			timer := time.AfterFunc(time.Duration(chance.Int64N(int64(span))), func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
			_ = cmd.Wait() // killed or done, either is the point
			if !timer.Stop() {
				killed++
				continue
			}
			span = span * 3 / 4    // it is faster than it was
			_ = os.Remove(journal) // which would have nothing more to do
		}
		t.Logf("round %d: %d were killed", round, killed)
		require.NotZero(t, killed)
		s.run(append([]string{"catalog", "load", path}, more...)...)
		assert.Equal(t, want, s.exported(), "round %d", round)
		assert.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
	}
}

func TestLoadRefusesWhatItCannotDo(t *testing.T) {
	s := newShell(t)
	for _, args := range [][]string{{"catalog", "load"}, {"catalog"}, {"catalog", "load", "x.ndjson", "--header", "nonsense"}, {"catalog", "index"}, {"catalog", "export"}, {"catalog", "export", "x", "--format", "xls"}} {
		_, stderr, code := s.run(args...)
		assert.Equal(t, exitUsage, code, "%v: %s", args, stderr)
	}
	for _, args := range [][]string{{"catalog", "load", "no.ndjson"}, {"catalog", "load", t.TempDir()}, {"catalog", "restore", "no"}, {"catalog", "backup", "x.sqlite"}, {"catalog", "load", "http://127.0.0.1:1/"}} {
		stdout, _, code := s.run(append(args, "--json")...)
		assert.Equal(t, exitRefused, code, "%v", args)
		assert.Contains(t, stdout, `"cure"`, "%v", args)
	}
}

// What was posted goes out as a backup or an export and comes back the same, between catalogs of both kinds.
func TestBackupsAndExportsComeBack(t *testing.T) {
	path, _ := itemsFile(t, 2500)
	s := withCube(t)
	s.json(exitRefused, "catalog", "load", path)
	posted := slices.DeleteFunc(s.exported(), func(line string) bool {
		return strings.Contains(line, `"collection":"s2"`) || strings.Contains(line, `"id":"s2"`)
	})
	require.Len(t, posted, 2502)
	info := s.json(exitOK, "catalog", "info")
	assert.Equal(t, "sqlite", info["back_end"])
	assert.EqualValues(t, 2512, info["items"])

	dir := t.TempDir()
	for _, name := range []string{"b.ndjson", "b.ndjson.gz", "b.ndjson.zst", "b.sqlite"} {
		file := filepath.Join(dir, name)
		kept := s.json(exitOK, "catalog", "backup", file)
		if name != "b.sqlite" {
			assert.EqualValues(t, 2500, kept["items"])
		}
		other := newShell(t)
		done := other.json(exitOK, "catalog", "restore", file)
		assert.EqualValues(t, 2500, done["items"], name)
		assert.Equal(t, posted, other.exported(), name)
	}
	_, stderr, code := s.run("catalog", "backup", filepath.Join(s.dir, "catalog.sqlite"))
	assert.Equal(t, exitRefused, code)
	assert.Contains(t, stderr, "is the catalog itself")
	assert.EqualValues(t, 2512, s.json(exitOK, "catalog", "info")["items"])
	for _, name := range []string{"e.ndjson.gz", "e.parquet"} {
		file := filepath.Join(dir, name)
		out := s.json(exitOK, "catalog", "export", "a", "b", file)
		assert.EqualValues(t, 2500, out["items"])
		other := newShell(t)
		assert.EqualValues(t, 2500, other.json(exitOK, "catalog", "load", file)["items"])
		if name == "e.ndjson.gz" {
			assert.Equal(t, posted, other.exported())
		}
		assert.Len(t, other.exported(), len(posted))
	}

	t.Run("postgres", func(t *testing.T) {
		server := pgtest.Start(t)
		database := server.Database(t)
		p := newShell(t)
		in := []string{"--catalog", database}
		done := p.json(exitOK, append([]string{"catalog", "restore", filepath.Join(dir, "b.sqlite")}, in...)...)
		assert.EqualValues(t, 2500, done["items"])
		assert.Equal(t, posted, p.exported(in...))
		assert.Contains(t, p.json(exitOK, append([]string{"catalog", "index", "proj:epsg"}, in...)...)["indexes"], "proj:epsg")
		file := filepath.Join(dir, "p.ndjson.gz")
		p.json(exitOK, append([]string{"catalog", "backup", file}, in...)...)
		other := newShell(t)
		other.json(exitOK, "catalog", "restore", file)
		assert.Equal(t, posted, other.exported())
		_, _, code := p.run(append([]string{"catalog", "backup", filepath.Join(dir, "p.sqlite")}, in...)...)
		assert.Equal(t, exitUsage, code)

		// As docs/guides/catalog.md says: pg_dump, and pg_restore into an empty database.
		dump, fresh := filepath.Join(dir, "p.dump"), server.Database(t)
		for _, cmd := range []*exec.Cmd{
			exec.Command(filepath.Join(os.Getenv("TERRAPIN_POSTGRES"), "pg_dump"), "--format=custom", "--file", dump, database),
			exec.Command(filepath.Join(os.Getenv("TERRAPIN_POSTGRES"), "pg_restore"), "--clean", "--if-exists", "--no-owner", "--dbname", fresh, dump),
		} {
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
		}
		assert.Equal(t, posted, p.exported("--catalog", fresh))
		assert.Contains(t, p.json(exitOK, "catalog", "info", "--catalog", fresh)["indexes"], "proj:epsg")
	})
}
