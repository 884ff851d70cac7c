package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/s3/s3test"
)

// inBucket is a shell on a bucket of a server, with a state directory of its own.
type bucketShell struct {
	t          *testing.T
	data, home string
}

func newBucketShell(t *testing.T, server *s3test.Server, name string) bucketShell {
	t.Helper()
	server.Setenv(t)
	s := bucketShell{t: t, data: strings.Replace(server.Bucket(t, name), "?", "/some/where?", 1), home: t.TempDir()}
	t.Setenv("XDG_STATE_HOME", s.home)
	return s
}

func (s bucketShell) json(code int, args ...string) map[string]any {
	s.t.Helper()
	var out, errs bytes.Buffer
	all := append([]string{"--data", s.data, "--as", "tester", "--json"}, args...)
	got := run(context.Background(), all, streams{in: strings.NewReader(""), out: &out, err: &errs, env: os.Getenv})
	require.Equal(s.t, code, got, "terrapin %s\n%s%s", strings.Join(args, " "), out.String(), errs.String())
	var doc map[string]any
	require.NoError(s.t, json.Unmarshal(out.Bytes(), &doc), out.String())
	return doc
}

// refused runs a verb that fails and returns its error.
func (s bucketShell) refused(args ...string) map[string]any {
	s.t.Helper()
	e, ok := s.json(exitRefused, args...)["error"].(map[string]any)
	require.True(s.t, ok)
	assert.NotEmpty(s.t, e["cure"], "%v", e)
	return e
}

// The whole job works on a bucket as on a directory, also after a kill, and with the official library in between.
func TestWholeJobInABucket(t *testing.T) {
	server := s3test.MinIO(t)
	s := newBucketShell(t, server, "job")
	made := s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	assert.Equal(t, "s3://job/some/where/cubes/s2", made["location"])

	ingest := append([]string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d"}, scenes(t)...)
	began := time.Now()
	s.json(exitOK, ingest[:6]...)
	span := time.Since(began)
	chance := rand.New(rand.NewPCG(1, 2))
	for range 4 { // killed anywhere, the next one goes on: nobody waits for the lease of a dead process
		cmd := program(append(ingest, "--json", "--data", s.data)...)
		require.NoError(t, cmd.Start())
		timer := time.AfterFunc(time.Duration(chance.Int64N(int64(span)))+50*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		_ = cmd.Wait() // killed or done, either is the point
		timer.Stop()
		assert.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
	}
	s.json(exitOK, ingest...)
	require.Len(t, s.json(exitOK, "cube", "show", "s2")["times"], 12)

	s.json(exitOK, "labels", "import", "crops", sample+"fields.geojson", "--cube", "s2", "--classes", sample+"classes.json")
	s.json(exitOK, "labels", "import", "crops", sample+"labels_cropland.tif", "--cube", "s2")
	recipe := filepath.Join(t.TempDir(), "recipe.yaml")
	require.NoError(t, os.WriteFile(recipe, []byte(testRecipe), 0o600))
	version := s.json(exitOK, "dataset", "commit", recipe)
	assert.Equal(t, true, s.json(exitOK, "dataset", "verify", "crops@v1")["ok"])
	streamed := s.json(exitOK, "stream", "crops@v1", "--batch-size", "4")
	assert.NotZero(t, streamed["samples"])
	assert.Equal(t, true, s.json(exitOK, "store", "fsck", "--full")["ok"])

	// The same work on a directory gives the same bytes.
	local := withCube(t)
	local.json(exitOK, "labels", "import", "crops", sample+"fields.geojson", "--cube", "s2", "--classes", sample+"classes.json")
	local.json(exitOK, "labels", "import", "crops", sample+"labels_cropland.tif", "--cube", "s2")
	assert.Equal(t, local.json(exitOK, "dataset", "commit", recipe)["digest"], version["digest"])
	assert.Equal(t, local.json(exitOK, "stream", "crops@v1", "--batch-size", "4")["sha256"], streamed["sha256"])

	// A catalog is an index: another machine, with no state of it, finds the same.
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	assert.Equal(t, version["digest"], s.json(exitOK, "dataset", "show", "crops@v1")["digest"])
	s.json(exitOK, "store", "reindex")
	assert.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])

	officialCommits(t, server, "job", "some/where/cubes/s2")
	assert.Equal(t, streamed["sha256"], s.json(exitOK, "stream", "crops@v1", "--batch-size", "4")["sha256"])
	s.json(exitOK, "cube", "tag", "s2", "after")
	assert.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
}

// officialCommits opens a cube with the official library, reads a pixel, and commits on top.
func officialCommits(t *testing.T, server *s3test.Server, bucket, prefix string) {
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Log("no TERRAPIN_PYTHON: the official library commits nothing on top")
		return
	}
	cmd := exec.Command(python, "testdata/s3_commit.py", server.Endpoint, bucket, prefix)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "committed")
}

// startBucketServer serves a bucket.
func (s bucketShell) serve(args ...string) started {
	s.t.Helper()
	cmd := program(append([]string{"serve", "--data", s.data, "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, cmd.Start())
	s.t.Cleanup(func() { _ = cmd.Process.Kill() })
	served := started{cmd: cmd}
	require.NoError(s.t, json.NewDecoder(out).Decode(&served.urls))
	return served
}

// A server holds its bucket, also against commands whose state lies elsewhere; killed, it holds nothing.
func TestServerHoldsItsBucket(t *testing.T) {
	s := newBucketShell(t, s3test.MinIO(t), "held")
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	server := s.serve()
	for _, state := range []string{s.home, t.TempDir()} { // by the flock, by the lease
		t.Setenv("XDG_STATE_HOME", state)
		e := s.refused("serve", "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0")
		assert.Contains(t, e["message"], server.urls.HTTP)
	}
	assert.Len(t, s.json(exitOK, "ingest", "s2", scenes(t)[0], "--datetime-pattern", "s2_%Y%m%d")["accepted"], 1, "sent to the server")

	require.NoError(t, server.cmd.Process.Kill())
	_ = server.cmd.Wait() // killed
	began := time.Now()
	again := s.serve()
	assert.Less(t, time.Since(began), 30*time.Second, "nobody waits for the lease of a killed server")
	assert.Len(t, s.json(exitOK, "ingest", "s2", scenes(t)[0], scenes(t)[1], "--datetime-pattern", "s2_%Y%m%d")["accepted"], 1)
	require.NoError(t, again.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, again.cmd.Wait())
	s.json(exitOK, "cube", "tag", "s2", "x")
}

// A holder on another machine is named; work is sent to it only where its address leads there.
func TestLeaseOfAnotherMachine(t *testing.T) {
	server := s3test.MinIO(t)
	s := newBucketShell(t, server, "elsewhere")
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	at, err := place{data: s.data, env: os.Getenv}.open(t.Context())
	require.NoError(t, err)
	write := func(urls string, expires time.Time) {
		raw := `{"owner": "o", "host": "far", "node": "another", "pid": 7, "urls": ` + urls + `, "expires": ` + strconv.Quote(expires.UTC().Format(time.RFC3339)) + `}`
		_, err := at.root.Write(t.Context(), lockName, []byte(raw), store.Condition{})
		require.NoError(t, err)
	}
	write(`{"http": "http://127.0.0.1:8080"}`, time.Now().Add(time.Hour))
	e := s.refused("cube", "tag", "s2", "x")
	assert.Contains(t, e["message"], "process 7 on far")
	assert.Contains(t, e["cure"], "run the command there")
	write(`null`, time.Now().Add(time.Hour))
	e = s.refused("cube", "tag", "s2", "x")
	assert.Contains(t, e["message"], "in use by another terrapin command (process 7 on far)")
	assert.Contains(t, e["cure"], "runs out")
	write(`null`, time.Now().Add(-time.Minute))
	s.json(exitOK, "cube", "tag", "s2", "x")
}

// A bucket that breaks its promises is refused by every verb that commits, and named by the doctor.
// deaf stands before a server and acknowledges every conditional write over an object, also those that the
// server refuses: the gateway that loses updates.
func deaf(t *testing.T, server *s3test.Server) *s3test.Server {
	to, err := url.Parse(server.Endpoint)
	require.NoError(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // the signature covers it
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Header.Get("If-Match") != "" && r.StatusCode == http.StatusPreconditionFailed {
				r.StatusCode = http.StatusOK
				r.Header.Set("ETag", r.Request.Header.Get("If-Match"))
				r.Header.Set("Content-Length", "0")
				r.ContentLength, r.Body = 0, http.NoBody
			}
			return nil
		},
	})
	t.Cleanup(proxy.Close)
	return &s3test.Server{Endpoint: proxy.URL, AccessKey: server.AccessKey, SecretKey: server.SecretKey}
}

func TestUnsafeBucketIsRefused(t *testing.T) {
	s := newBucketShell(t, deaf(t, s3test.MinIO(t)), "unsafe")
	doc := s.json(exitRefused, "store", "doctor")
	assert.Equal(t, false, doc["ok"])
	problem := doc["problems"].([]any)[0].(map[string]any)
	for _, key := range []string{"object", "reason", "cure"} {
		assert.NotEmpty(t, problem[key])
	}
	e := s.refused("cube", "create", "s2", "--like", scenes(t)[0])
	assert.Equal(t, "precondition", e["kind"])
	assert.Contains(t, e["message"], problem["reason"])
	assert.Contains(t, e["cure"], "store doctor")
}

func TestDoctorOfGoodPlaces(t *testing.T) {
	on := newBucketShell(t, s3test.MinIO(t), "good")
	doc := on.json(exitOK, "store", "doctor") // before there is anything
	assert.Equal(t, true, doc["ok"])
	on.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	doc = on.json(exitOK, "store", "doctor")
	assert.Equal(t, []any{}, doc["problems"])
	assert.Equal(t, []any{}, doc["warnings"])
	assert.Contains(t, doc["facts"].(map[string]any)["repo_bytes"], "s2")
	assert.Equal(t, true, on.json(exitOK, "store", "fsck")["ok"])

	s := withCube(t)
	assert.Equal(t, true, s.json(exitOK, "store", "doctor")["ok"])
	assert.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
}

func TestBadPlaces(t *testing.T) {
	server := s3test.MinIO(t)
	s := newBucketShell(t, server, "places")
	bucket := s.data
	for _, c := range []struct {
		name, data, kind, says string
		env                    [2]string
	}{
		{"no such bucket", "s3://absent?endpoint=" + server.Endpoint, "precondition", "no bucket", [2]string{}},
		{"nothing below", bucket, "not_found", "no data in s3://places/some/where", [2]string{}},
		{"wrong secret", bucket, "precondition", "credentials", [2]string{"AWS_SECRET_ACCESS_KEY", "hunter2hunter2"}},
		{"no credentials", bucket, "precondition", "no credentials", [2]string{"AWS_ACCESS_KEY_ID", ""}},
		{"no endpoint there", "s3://places?endpoint=http://127.0.0.1:1", "unavailable", "127.0.0.1:1", [2]string{}},
		{"a secret in the URL", "s3://key:hunter2@places", "invalid", "password", [2]string{}},
		{"half a URL", "s3:places", "invalid", "S3 URL", [2]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.env[0] != "" {
				t.Setenv(c.env[0], c.env[1])
			}
			on := bucketShell{t: t, data: c.data, home: s.home}
			for _, args := range [][]string{{"cube", "ls"}, {"cube", "tag", "s2", "x"}, {"store", "fsck"}} {
				var out, errs bytes.Buffer
				code := run(t.Context(), append([]string{"--data", on.data, "--json"}, args...), streams{in: strings.NewReader(""), out: &out, err: &errs, env: os.Getenv})
				assert.Equal(t, exitRefused, code)
				var doc struct {
					Error struct{ Kind, Message, Cure string }
				}
				require.NoError(t, json.Unmarshal(out.Bytes(), &doc), out.String())
				assert.Equal(t, c.kind, doc.Error.Kind, doc.Error.Message)
				assert.Contains(t, doc.Error.Message, c.says)
				assert.NotEmpty(t, doc.Error.Cure)
				assert.NotContains(t, out.String()+errs.String(), "hunter2")
			}
		})
	}
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	other := bucketShell{t: t, data: strings.Replace(bucket, "some/where", "other", 1)}
	state := t.TempDir()
	other.json(exitOK, "--state", state, "cube", "create", "s2", "--like", scenes(t)[0])
	e := s.refused("--state", state, "cube", "tag", "s2", "x")
	assert.Contains(t, e["message"], "holds the catalog of")
	e = s.refused("--state", withCube(t).dir, "cube", "tag", "s2", "x")
	assert.Contains(t, e["message"], "holds the catalog of")
}
