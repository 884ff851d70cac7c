package zarr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// chunk serves the stored bytes of the chunk that a key below an array names.
func (p *place) chunk(w http.ResponseWriter, r *http.Request, array icechunk.Node, key []string) error {
	err := p.stored(w, r, array, key)
	var gone *absent
	if err == nil || errors.As(err, &gone) || r.Method == http.MethodHead || !strings.HasPrefix(r.UserAgent(), "GDAL/") {
		return err
	}
	// GDAL 3.12 takes every failed answer for an absent chunk and shows fill. Bytes that no codec takes
	// make it say that it could not read.
	p.Log.ErrorContext(r.Context(), "chunk cannot be read", "path", r.URL.Path, "err", err)
	disown(w.Header())
	w.Header().Set("Cache-Control", "no-store")
	if _, err := io.WriteString(w, "error"); err != nil {
		p.Log.Debug("answer not taken", "err", err)
	}
	return nil
}

func (p *place) stored(w http.ResponseWriter, r *http.Request, array icechunk.Node, key []string) error {
	index, ok := chunkIndex(array, key)
	if !ok {
		return p.missing(r)
	}
	ref, ok, err := p.snapshot.Ref(r.Context(), array.Path, index)
	if err != nil {
		return present(err)
	}
	if !ok {
		return &absent{fault.New(fault.NotFound, "chunk %v of %s is absent: it is all fill value", index, array.Path)}
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	if ref.Inline == nil && ref.Location == "" {
		// A chunk object is written once, so its place names its bytes.
		h.Set("ETag", fmt.Sprintf(`"%s-%d-%d"`, ref.Object, ref.Offset, ref.Length))
		return serveContent(w, r, &packed{ctx: r.Context(), repo: p.repo, ref: ref, block: blockOf(r)})
	}
	data, err := p.repo.ReadChunk(r.Context(), ref)
	if err != nil {
		return present(fault.New(fault.KindOf(err), "chunk %v of %s: %w", index, array.Path, err))
	}
	if ref.Location != "" && ref.ETag == "" && ref.LastModified == 0 {
		h.Set("Cache-Control", revalidate) // nothing tells whether the foreign object is still the one meant
	}
	h.Set("ETag", digestTag(data))
	return serveContent(w, r, bytes.NewReader(data))
}

// present keeps an error about a chunk that exists from saying that it does not, and one about a foreign
// object that the server may not read from reading as a failed condition of the request (412).
func present(err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return fault.New(fault.Corrupt, "%w", err)
	case fault.Precondition:
		return fault.New(fault.Unsupported, "%w", err)
	}
	return err
}

// chunkIndex reads a chunk's key as its array encodes keys; only the one spelling that writers use counts.
func chunkIndex(array icechunk.Node, key []string) ([]uint32, bool) {
	var doc struct {
		Keys keyEncoding `json:"chunk_key_encoding"`
	}
	if json.Unmarshal(array.Meta, &doc) != nil && doc.Keys.Name == "" {
		return nil, false
	}
	separator := doc.Keys.separator()
	if separator == "." {
		if len(key) != 1 {
			return nil, false
		}
		key = strings.Split(key[0], ".")
	}
	dims := len(array.Array.NumChunks)
	switch {
	case doc.Keys.Name != "v2":
		if len(key) == 0 || key[0] != "c" {
			return nil, false
		}
		key = key[1:]
	case dims == 0: // a scalar in the v2 encoding
		return []uint32{}, len(key) == 1 && key[0] == "0"
	}
	if len(key) != dims {
		return nil, false
	}
	index := make([]uint32, dims)
	for i, part := range key {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || strconv.FormatUint(n, 10) != part || uint32(n) >= array.Array.NumChunks[i] {
			return nil, false
		}
		index[i] = uint32(n)
	}
	return index, true
}

// keyEncoding is how an array names its chunks.
type keyEncoding struct {
	Name   string `json:"name"`
	Config struct {
		Separator string `json:"separator"`
	} `json:"configuration"`
}

// UnmarshalJSON accepts the short form too, which is the name alone.
func (k *keyEncoding) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &k.Name)
	}
	type plain keyEncoding
	return json.Unmarshal(text, (*plain)(k))
}

func (k keyEncoding) separator() string {
	switch {
	case k.Config.Separator != "":
		return k.Config.Separator
	case k.Name == "v2":
		return "."
	}
	return "/"
}

// maxBlock bounds the bytes that one answer holds in memory: shards can be large.
const maxBlock = 4 << 20

// blockOf is how many bytes to read at once for a request: a short range alone, not what follows it.
func blockOf(r *http.Request) int64 {
	first, last, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	from, err := strconv.ParseInt(first, 10, 64)
	to, errTo := strconv.ParseInt(last, 10, 64)
	if !ok || err != nil || errTo != nil || to < from || to-from >= maxBlock {
		return maxBlock
	}
	return to - from + 1
}

// packed reads a chunk from its pack, a block at a time, from wherever it was sought to.
type packed struct {
	ctx   context.Context
	repo  *icechunk.Repo
	ref   icechunk.Ref
	block int64

	at   int64
	read []byte // what was read and not yet given, from at on
}

func (s *packed) size() int64 { return int64(s.ref.Length) }

func (s *packed) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.size()
	}
	if offset < 0 {
		return 0, errors.New("sought before the beginning")
	}
	if offset != s.at {
		s.at, s.read = offset, nil
	}
	return offset, nil
}

func (s *packed) Read(p []byte) (int, error) {
	if s.at >= s.size() {
		return 0, io.EOF
	}
	if len(s.read) == 0 {
		n := min(s.block, s.size()-s.at)
		data, err := s.repo.ReadObject(s.ctx, s.ref.Object, s.ref.Offset+uint64(s.at), uint64(n))
		if err != nil {
			return 0, present(err)
		}
		s.read = data
	}
	n := copy(p, s.read)
	s.read = s.read[n:]
	s.at += int64(n)
	return n, nil
}
