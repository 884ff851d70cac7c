package icechunk_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// referee is the official library in a process of its own, asked line by line.
type referee struct {
	in  io.Writer
	out *bufio.Reader
}

func newReferee(t *testing.T, repo string) *referee {
	t.Helper()
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official icechunk to play against")
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/turns.py", repo)
	cmd.Stderr = t.Output()
	cmd.Env = append(os.Environ(), "ICECHUNK_LOG=error")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return &referee{in, bufio.NewReader(out)}
}

type request map[string]any

// ask sends a request; what the library refuses comes back as an error.
func (p *referee) ask(t *testing.T, req request, into any) error {
	t.Helper()
	line, err := json.Marshal(req)
	require.NoError(t, err)
	_, err = p.in.Write(append(line, '\n'))
	require.NoError(t, err)
	answer, err := p.out.ReadBytes('\n')
	require.NoError(t, err, "the official library ended at %s", line)
	var reply struct {
		OK    json.RawMessage
		Error string
	}
	require.NoError(t, json.Unmarshal(answer, &reply))
	if reply.Error != "" {
		return errors.New(reply.Error)
	}
	if into != nil {
		require.NoError(t, json.Unmarshal(reply.OK, into))
	}
	return nil
}

func (p *referee) must(t *testing.T, req request, into any) {
	t.Helper()
	require.NoError(t, p.ask(t, req, into), "%v", req)
}

// view is everything a reader can see of a repository.
type view struct {
	Branches   map[string]string          `json:"branches"`
	Tags       map[string]string          `json:"tags"`
	Logs       map[string][]logEntry      `json:"logs"`
	Snapshots  map[string]map[string]node `json:"snapshots"`
	Metadata   map[string]any             `json:"metadata"`
	Status     [2]string                  `json:"status"`
	Flags      map[string]bool            `json:"flags"`
	Containers map[string]string          `json:"containers"`
	Updates    []string                   `json:"updates"`
}

type logEntry struct {
	ID       string         `json:"id"`
	Parent   *string        `json:"parent"`
	Message  string         `json:"message"`
	Metadata map[string]any `json:"metadata"`
	At       float64        `json:"at"`
}

type node struct {
	Kind   string            `json:"kind"`
	Meta   any               `json:"meta"`
	Pixels string            `json:"pixels,omitempty"`
	Chunks map[string]string `json:"chunks,omitempty"`
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// look reads everything with a repository opened anew. decoded counts arrays whose pixels were read.
func look(ctx context.Context, b *store.Bucket, cfg icechunk.Config, decoded *int) (v view, err error) {
	r, err := icechunk.Open(ctx, b, cfg)
	if err != nil {
		return v, err
	}
	v = view{Branches: map[string]string{}, Tags: map[string]string{}, Logs: map[string][]logEntry{}, Snapshots: map[string]map[string]node{}, Flags: map[string]bool{}, Containers: map[string]string{}}
	branches, err := r.Branches(ctx)
	if err != nil {
		return v, err
	}
	tags, err := r.Tags(ctx)
	if err != nil {
		return v, err
	}
	for name, id := range branches {
		v.Branches[name] = id.String()
		err = errors.Join(err, v.history(ctx, r, name, id, decoded))
	}
	for name, id := range tags {
		v.Tags[name] = id.String()
		err = errors.Join(err, v.history(ctx, r, "tag "+name, id, decoded))
	}
	if err != nil {
		return v, err
	}
	return v, v.settings(ctx, r)
}

func (v *view) history(ctx context.Context, r *icechunk.Repo, name string, id icechunk.ID, decoded *int) error {
	log, err := r.Log(ctx, id)
	if err != nil {
		return err
	}
	for _, s := range log {
		e := logEntry{ID: s.ID.String(), Message: s.Message, Metadata: s.Metadata, At: float64(s.Time.UnixMicro()) / 1e6}
		if s.Parent != nil {
			parent := s.Parent.String()
			e.Parent = &parent
		}
		v.Logs[name] = append(v.Logs[name], e)
		if v.Snapshots[e.ID] == nil {
			if v.Snapshots[e.ID], err = lookAt(ctx, r, s.ID, decoded); err != nil {
				return fmt.Errorf("snapshot %s: %w", e.ID, err)
			}
		}
	}
	return nil
}

func (v *view) settings(ctx context.Context, r *icechunk.Repo) error {
	metadata, err1 := r.Metadata(ctx)
	status, err2 := r.Status(ctx)
	flags, err3 := r.Flags(ctx)
	containers, err4 := r.Containers(ctx)
	v.Metadata, v.Status = metadata, [2]string{map[bool]string{false: "Online", true: "ReadOnly"}[status.ReadOnly], status.Reason}
	for _, f := range flags {
		v.Flags[f.Name] = f.Enabled
	}
	for _, c := range containers {
		v.Containers[c.Prefix] = c.Name
	}
	for u, err := range r.Updates(ctx) {
		if err != nil {
			return err
		}
		v.Updates = append(v.Updates, u.Kind)
	}
	return errors.Join(err1, err2, err3, err4)
}

func lookAt(ctx context.Context, r *icechunk.Repo, id icechunk.ID, decoded *int) (map[string]node, error) {
	s, err := r.Snapshot(ctx, id)
	if err != nil {
		return nil, err
	}
	nodes := map[string]node{}
	for _, n := range s.Nodes() {
		out := node{Kind: "group"}
		if err := json.Unmarshal(n.Meta, &out.Meta); err != nil {
			return nil, err
		}
		if n.Array != nil {
			out.Kind, out.Chunks = "array", map[string]string{}
			raw := map[string][]byte{}
			for c, err := range s.Refs(ctx, n.Path) {
				if err != nil {
					return nil, err
				}
				data, err := r.ReadChunk(ctx, c.Ref)
				if err != nil {
					return nil, fmt.Errorf("%s %v: %w", n.Path, c.Index, err)
				}
				raw[commas(c.Index)], out.Chunks[commas(c.Index)] = data, digest(data)
			}
			if out.Pixels, err = pixels(n.Meta, raw); err != nil {
				return nil, fmt.Errorf("%s: %w", n.Path, err)
			}
			if out.Pixels != "" {
				*decoded++
			}
		}
		nodes[n.Path] = out
	}
	return nodes, nil
}

func commas[T any](index []T) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(index), "[]"), " ", ",")
}

// plain brings a view into the form it has after JSON, and leaves pixels out that only one side reads.
func (v view) plain(t *testing.T, other view) (out view) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &out))
	for id, nodes := range out.Snapshots {
		for path, n := range nodes {
			if n.Pixels == "" && n.Kind == "array" {
				n.Pixels = other.Snapshots[id][path].Pixels
				nodes[path] = n
			}
		}
	}
	return out
}

func gameBoard(t *testing.T) (*store.Bucket, string) {
	t.Helper()
	dir := t.TempDir()
	d, err := file.New(dir)
	require.NoError(t, err)
	return store.New(d, "file://"+dir).Sub("repo"), filepath.Join(dir, "repo")
}
