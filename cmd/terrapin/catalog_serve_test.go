package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
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

	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/fault"
)

// ask gets a document of a server.
func ask(t *testing.T, url string) (status int, body string) {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(raw)
}

// The verbs of the catalog work on a server, and on the one that holds the directory, with the same results; and a
// server's catalog is what another load reads through its API.
func TestCatalogVerbsOnAServer(t *testing.T) {
	path, bad := itemsFile(t, 2500)
	s := newShell(t)
	server := startServer(t, s.dir)
	remote := newShell(t)
	for _, where := range []shell{s, remote} {
		to := []string{}
		if where == remote {
			to = []string{"--server", server.urls.HTTP}
		}
		done := where.json(exitRefused, append([]string{"catalog", "load", path}, to...)...)
		assert.EqualValues(t, 2500, done["items"])
		assert.EqualValues(t, bad, done["rejected"])
	}
	assert.Equal(t, s.exported("--base", server.urls.HTTP), remote.exported("--server", server.urls.HTTP))
	assert.Contains(t, s.json(exitOK, "catalog", "index", "proj:epsg")["indexes"], "proj:epsg")
	assert.NotContains(t, remote.json(exitOK, "catalog", "index", "proj:epsg", "--drop", "--server", server.urls.HTTP)["indexes"], "proj:epsg")
	assert.EqualValues(t, 2500, remote.json(exitOK, "catalog", "info", "--server", server.urls.HTTP)["items"])
	_, body := ask(t, server.urls.STAC+"collections/b/items/i00001")
	assert.Contains(t, body, `"proj:epsg":32631`, "as it came")

	// Live copies, while the server runs.
	file := filepath.Join(t.TempDir(), "live.sqlite")
	s.json(exitOK, "catalog", "backup", file)
	near := s.json(exitOK, "catalog", "backup", file+".ndjson")
	far := remote.json(exitOK, "catalog", "backup", file+".ndjson.gz", "--server", server.urls.HTTP)
	for _, kept := range []map[string]any{near, far} {
		assert.EqualValues(t, 2, kept["collections"])
		assert.EqualValues(t, 2500, kept["items"])
	}
	_, _, code := remote.run("catalog", "backup", file, "--server", server.urls.HTTP)
	assert.Equal(t, exitUsage, code)
	for _, name := range []string{file, file + ".ndjson", file + ".ndjson.gz"} {
		copied := newShell(t)
		copied.json(exitOK, "catalog", "restore", name)
		assert.Equal(t, s.exported(), copied.exported(), name)
	}

	// Another catalog is filled through the API, in pages, and filled again by its journal.
	crawled := newShell(t)
	journal := filepath.Join(t.TempDir(), "journal")
	done := crawled.json(exitOK, "catalog", "load", server.urls.STAC, "--resume", journal)
	assert.EqualValues(t, 2500, done["items"])
	assert.Equal(t, []any{"a", "b"}, done["collections"])
	done = crawled.json(exitOK, "catalog", "load", server.urls.STAC, "--resume", journal)
	assert.EqualValues(t, 0, done["items"])
	some := newShell(t)
	assert.EqualValues(t, 1250, some.json(exitOK, "catalog", "load", server.urls.STAC, "--collection", "b")["items"])
	assert.EqualValues(t, 2500, crawled.json(exitOK, "catalog", "info")["items"])
}

func TestMetricsTellNothingOfUsers(t *testing.T) {
	s := newShell(t)
	server := startServer(t, s.dir)
	s.json(exitRefused, "catalog", "load", writeLines(t, itemLine("private-name", 1), "nonsense"))
	status, _ := ask(t, server.urls.STAC+"collections/private-name/items?limit=7&ids=secret-id")
	require.Equal(t, http.StatusOK, status)
	status, body := ask(t, server.urls.HTTP+"/metrics")
	require.Equal(t, http.StatusOK, status)
	refused, err := http.Post(server.urls.HTTP+"/metrics", "text/plain", nil)
	require.NoError(t, err)
	require.NoError(t, refused.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, refused.StatusCode)
	for _, want := range []string{
		`terrapin_http_requests_total{method="GET",route="/collections/{collection}/items",status="200"} 1`,
		`terrapin_catalog_operations_total{operation="search",outcome="ok"}`, `terrapin_catalog_operation_seconds_bucket{operation="search"`,
		`terrapin_catalog_size{what="readers"}`, `terrapin_build_info{`, "go_goroutines", "process_open_fds",
	} {
		assert.Contains(t, body, want)
	}
	for _, no := range []string{"private-name", "secret-id", "tester"} {
		assert.NotContains(t, body, no)
	}
	status, _ = ask(t, server.urls.HTTP+"/readyz")
	assert.Equal(t, http.StatusOK, status)
}

func writeLines(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lines.ndjson")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// A server whose database goes away is there and not ready, and says so; when it is back, so is the server.
func TestReadinessTellsAMissingDatabase(t *testing.T) {
	database := pgtest.Start(t)
	s := newShell(t)
	server := startServer(t, s.dir, "--catalog", database.Database(t))
	ready := func(want int) (body string) {
		t.Helper()
		require.Eventually(t, func() bool {
			var status int
			status, body = ask(t, server.urls.HTTP+"/readyz")
			return status == want
		}, 30*time.Second, 100*time.Millisecond)
		return body
	}
	ready(http.StatusOK)
	database.Stop()
	var told struct{ Message, Cure string }
	require.NoError(t, json.Unmarshal([]byte(ready(http.StatusServiceUnavailable)), &told))
	assert.Contains(t, told.Message, "catalog")
	assert.NotEmpty(t, told.Cure)
	status, _ := ask(t, server.urls.HTTP+"/healthz")
	assert.Equal(t, http.StatusOK, status)
	status, _ = ask(t, server.urls.STAC+"search")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	require.NoError(t, database.Start())
	ready(http.StatusOK)
	status, _ = ask(t, server.urls.STAC+"search")
	assert.Equal(t, http.StatusOK, status)
}

// SIGTERM lets a request that is under way end, answers it, takes no more, and exits 0.
func TestAServerDrains(t *testing.T) {
	s := newShell(t)
	server := startServer(t, s.dir)
	at := strings.TrimPrefix(server.urls.HTTP, "http://")
	slow, err := net.Dial("tcp", at)
	require.NoError(t, err)
	defer slow.Close()
	body := `{"limit": 1}`
	_, err = fmt.Fprintf(slow, "POST /search HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", at, len(body), body[:5])
	require.NoError(t, err)
	require.Eventually(t, func() bool { // the request is being answered
		_, metrics := ask(t, server.urls.HTTP+"/metrics")
		return strings.Contains(metrics, "terrapin_http_requests_in_flight 2")
	}, 10*time.Second, 50*time.Millisecond)
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", at)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, 10*time.Second, 50*time.Millisecond)
	_, err = io.WriteString(slow, body[5:])
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(slow), nil)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Contains(t, string(raw), "FeatureCollection")
	require.NoError(t, server.cmd.Wait())
}

// What docs/guides/catalog.md shows to do works as it stands there.
func TestTheCatalogGuideRuns(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "guides", "catalog.md"))
	require.NoError(t, err)
	s, elsewhere := withCube(t), newShell(t)
	elsewhere.json(exitOK, "catalog", "load", writeLines(t, itemLine("sentinel-2-l2a", 1), itemLine("sentinel-2-l2a", 2)))
	elsewhere.json(exitOK, "catalog", "export", filepath.Join(elsewhere.dir, "scenes.parquet"))
	here, there := startServer(t, s.dir), startServer(t, elsewhere.dir)
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("items.ndjson", []byte(collectionLine("mine")+"\n"+itemLine("mine", 1)+"\n"), 0o600))
	require.NoError(t, os.WriteFile("page.json", []byte(`{"type":"FeatureCollection","features":[`+itemLine("mine", 2)+`]}`), 0o600))
	table, err := os.ReadFile(filepath.Join(elsewhere.dir, "scenes.parquet"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("scenes.parquet", table, 0o600))

	text := strings.NewReplacer("http://localhost:8080", here.urls.HTTP, "localhost:8080", here.urls.HTTP, "https://host/stac", there.urls.STAC).Replace(string(page))
	asked, ran := 0, 0
	for _, block := range strings.Split(text, "```bash\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
			if command, ok := strings.CutPrefix(line, "terrapin "); ok {
				command, _, _ = strings.Cut(command, " # ")
				stdout, stderr, code := s.run(strings.Fields(command)...)
				require.Equal(t, exitOK, code, "%s\n%s%s", line, stdout, stderr)
				ran++
				continue
			}
			require.True(t, strings.HasPrefix(line, "curl "), line)
			out, err := exec.Command("bash", "-c", strings.Replace(line, "curl ", "curl -sS --fail-with-body ", 1)).CombinedOutput()
			require.NoError(t, err, "%s\n%s", line, out)
			require.True(t, json.Valid(out), "%s\n%s", line, out)
			asked++
		}
	}
	require.Equal(t, 10, ran)
	require.Equal(t, 4, asked)
	_, script, found := strings.Cut(text, "```python\n")
	require.True(t, found)
	script, _, _ = strings.Cut(script, "```")
	require.Contains(t, cubetest.Python(t, script), "s2_2021")
}

// Where no server answers, only who puts something in reads that what is in already is skipped.
func TestNoServerAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	url := "http://" + l.Addr().String()
	_, _, err = callServer(t.Context(), url, "ingest", json.RawMessage("{}"), nil, "ada")
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Contains(t, fault.CureOf(err), "runs there, and run the same command again")
	err = streamed(t.Context(), url, catalogBackupVerb.name, "ada", nil)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Equal(t, "check that `terrapin serve` runs there", fault.CureOf(err))
}
