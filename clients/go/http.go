package terrapin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/terrapin-eo/terrapin/fault"
)

// overHTTP begins a stream over HTTP.
func (c *Client) overHTTP(ctx context.Context, ticket any) (source, error) {
	ctx, cancel := context.WithCancel(ctx)
	batches, _ := c.places()
	answer, err := c.send(ctx, http.MethodPost, batches, ticket)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &httpStream{ctx: ctx, cancel: cancel, body: answer.Body}
	if s.hello, err = s.begin(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// httpStream is a stream of frames.
type httpStream struct {
	ctx    context.Context
	cancel context.CancelFunc
	body   io.ReadCloser
	hello  *hello
	head   [headerBytes]byte
	counts [chunksBytes]byte // as they come
	wanted Chunks            // of the last batch that came whole
}

func (s *httpStream) begin() (*hello, error) {
	h, err := s.header()
	if err != nil {
		return nil, err
	}
	if h.kind != helloKind || h.length > maxHello {
		return nil, fault.New(fault.Corrupt, "the stream does not begin with a hello").WithCure("is this a Terrapin server?")
	}
	text := make([]byte, h.length)
	if err := s.read(text); err != nil {
		return nil, err
	}
	return parseHello(text)
}

func (s *httpStream) says() *hello { return s.hello }

// read fills memory.
func (s *httpStream) read(into []byte) error {
	_, err := io.ReadFull(s.body, into)
	if err != nil {
		return broken(s.ctx, "the stream broke off", err)
	}
	return nil
}

// header reads a header; that of a failure is the failure.
func (s *httpStream) header() (header, error) {
	if err := s.read(s.head[:]); err != nil {
		return header{}, err
	}
	h, err := parseHeader(&s.head)
	if err == nil && h.kind == failedKind {
		return h, failed(h, s.read)
	}
	return h, err
}

// failed reads why a server ended a stream.
func failed(h header, read func([]byte) error) error {
	if h.length > 1<<20 {
		return fault.New(fault.Corrupt, "the server ended the stream with %d bytes of reasons", h.length)
	}
	text := make([]byte, h.length)
	if err := read(text); err != nil {
		return err
	}
	var f failure
	if json.Unmarshal(text, &f) != nil || f.Kind == "" {
		return fault.New(fault.Corrupt, "the server ended the stream and does not say why: %.200q", text)
	}
	return f.error()
}

// full is part of source: batches have memory of their own.
func (s *httpStream) full() error { return nil }

// next is part of source: the block is read straight into the batch's own memory.
func (s *httpStream) next(b *Batch) (header, error) {
	h, err := s.header()
	if err != nil {
		return h, err
	}
	if h.kind == endKind {
		return h, io.EOF
	}
	if h.kind != batchKind || int64(h.rows) > int64(s.hello.Rows) || int(h.length) != s.hello.blockBytes(int(h.rows))+chunksBytes {
		return h, fault.New(fault.Corrupt, "the server sends what the stream cannot have: kind %d, %d rows in %d bytes", h.kind, h.rows, h.length)
	}
	size := int(h.length) - chunksBytes
	if len(b.own) < size {
		b.own = memory(s.hello.blockBytes(s.hello.Rows))
	}
	b.Rows, b.columns, b.block = int(h.rows), s.hello.Columns, b.own[:size]
	if err := s.read(b.block); err != nil {
		return h, err
	}
	if err := s.read(s.counts[:]); err != nil {
		return h, err
	}
	s.wanted = parseChunks(&s.counts)
	return h, nil
}

// chunks is part of source.
func (s *httpStream) chunks() Chunks { return s.wanted }

func (s *httpStream) close() {
	s.cancel()
	_ = s.body.Close() // nothing more is wanted
}

func (s *httpStream) retire() bool {
	s.close()
	return true
}

func (s *httpStream) forget() {}
