package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
)

// foreign has another program commit to cube s2: the chunks of image and valid that lie in packs become virtual,
// at copies of the packs in a folder outside. It returns the container of that folder.
func (s shell) foreign() (prefix string) {
	s.t.Helper()
	outside := s.t.TempDir()
	prefix = "file://" + outside + "/"
	packs := filepath.Join(s.dir, "cubes/s2/chunks")
	require.NoError(s.t, os.CopyFS(outside, os.DirFS(packs)))
	cube, err := s.open().cube(s.t.Context(), "s2")
	require.NoError(s.t, err)
	repo := cube.Repo()
	require.NoError(s.t, repo.SetContainers(s.t.Context(), []icechunk.Container{{Prefix: prefix, Store: icechunk.FileStore(outside)}}))
	tx, err := repo.Begin(s.t.Context(), "main")
	require.NoError(s.t, err)
	moved := 0
	for _, n := range tx.Base().Nodes() {
		if !strings.HasSuffix(n.Path, "/image") && !strings.HasSuffix(n.Path, "/valid") {
			continue
		}
		for c, err := range tx.Base().Refs(s.t.Context(), n.Path) {
			require.NoError(s.t, err)
			if c.Ref.Inline != nil {
				continue
			}
			moved++
			require.NoError(s.t, tx.SetRef(n.Path, c.Index, icechunk.Ref{Location: prefix + c.Ref.Object.String(), Offset: c.Ref.Offset, Length: c.Ref.Length}))
		}
	}
	require.Positive(s.t, moved)
	_, err = tx.Commit(s.t.Context(), "virtual", nil)
	require.NoError(s.t, err)
	return prefix
}

// A cube with virtual chunks of another program is read by whoever was granted their place, and by nobody else:
// exports, checks and the Zarr view name the grant that is missing.
func TestVirtualChunksNeedAGrant(t *testing.T) {
	s := withCube(t)
	before := filepath.Join(t.TempDir(), "before")
	s.json(exitOK, "cube", "export", "s2", before, "--format", "zarr")
	prefix := s.foreign()
	grant := []string{"--virtual", prefix}

	doc := s.json(exitRefused, "cube", "export", "s2", filepath.Join(t.TempDir(), "refused"), "--format", "zarr")
	require.Contains(t, doc["error"].(map[string]any)["cure"], "--virtual "+prefix)
	after := filepath.Join(t.TempDir(), "after")
	s.json(exitOK, append([]string{"cube", "export", "s2", after, "--format", "zarr"}, grant...)...)
	was, is := tree(t, before), tree(t, after)
	for _, own := range []string{"zarr.json", ".terrapin-export.jsonl"} { // name the snapshot
		delete(was, own)
		delete(is, own)
	}
	require.Equal(t, was, is)

	doc = s.json(exitRefused, "store", "fsck", "--full")
	require.NotEmpty(t, doc["problems"])
	for _, p := range doc["problems"].([]any) {
		require.Contains(t, p.(map[string]any)["cure"], "--virtual "+prefix)
		require.Contains(t, p.(map[string]any)["reason"], prefix)
	}
	require.Equal(t, true, s.json(exitOK, append([]string{"store", "fsck", "--full"}, grant...)...)["ok"])

	key := ""
	for name := range is {
		if strings.HasPrefix(name, "image/c/0/") {
			key = name
		}
	}
	require.NotEmpty(t, key)
	for _, c := range []struct {
		grant []string
		want  int
	}{{nil, http.StatusNotImplemented}, {grant, http.StatusOK}} {
		server := startServer(t, s.dir, c.grant...)
		res, err := http.Get(server.urls.HTTP + "/zarr/s2/main/r0c0/" + s.group() + "/" + key)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, c.want, res.StatusCode, string(body))
		refused := s.json(exitRefused, append([]string{"store", "fsck"}, grant...)...)
		require.Contains(t, refused["error"].(map[string]any)["cure"], "terrapin serve")
		require.NoError(t, server.cmd.Process.Kill())
		_ = server.cmd.Wait()
	}
}

// group is the name of the first resolution of cube s2.
func (s shell) group() string {
	s.t.Helper()
	cube, err := s.open().cube(s.t.Context(), "s2")
	require.NoError(s.t, err)
	return cube.Spec().Groups()[0].Name
}

func TestBadGrants(t *testing.T) {
	s := withCube(t)
	for _, bad := range []string{"/data", "file:///", "file://host/x/", "file:///a/../b/", "https:///x", "https://u:p@host/", "https://host/?a=b", "ftp://host/", "s3://", "s3://b/?secret=x"} {
		_, stderr, code := s.run("cube", "show", "s2", "--virtual", bad)
		require.NotEqual(t, exitOK, code, bad)
		require.NotContains(t, stderr, "u:p@")
	}
	for _, good := range []string{"file:///data/x", "https://host/", "http://host:80/a/b/", "s3://bucket/a/?endpoint=http://h:1"} {
		s.json(exitOK, "cube", "show", "s2", "--virtual", good)
	}
}
