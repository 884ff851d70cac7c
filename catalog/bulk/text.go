package bulk

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/terrapin-eo/terrapin/fault"
)

// file is what sources that are files have in common.
type file struct {
	name, path string
	size       int64
	changed    time.Time
	base       *url.URL
	read       atomic.Int64
}

func (f *file) Name() string { return f.name }

func (f *file) Identity() string {
	return fmt.Sprintf("%s, %d bytes of %s", f.base, f.size, f.changed.UTC().Format(time.RFC3339Nano))
}

func (f *file) Size() int64 { return f.size }

func (f *file) Read() int64 { return f.read.Load() }

// textFile is a file of JSON text: newline-JSON, lists, item collections, single documents.
type textFile struct{ *file }

// Documents reads the file through once; what comes before the position is read and left.
func (t *textFile) Documents(ctx context.Context, from Position) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		in, err := os.Open(t.path)
		if err != nil {
			yield(Document{}, fault.New(fault.NotFound, "%w", err))
			return
		}
		defer in.Close()
		text, err := decompressed(&counted{in, &t.read})
		if err != nil {
			yield(Document{}, t.broken(err))
			return
		}
		defer text.Close()
		for doc, err := range Text(ctx, text) {
			if err != nil {
				err = t.broken(err)
			}
			if doc.Base = t.base; err == nil && doc.Number <= from.Number {
				continue
			}
			if !yield(doc, err) || err != nil {
				return
			}
		}
	}
}

func (t *textFile) broken(err error) error {
	if fault.Is(err, fault.Canceled) {
		return err
	}
	return fault.New(fault.Corrupt, "read %s: %w", t.name, err).WithCure("the file breaks off or is damaged: fetch it again, then go on with the same command")
}

// counted counts the bytes that are read.
type counted struct {
	in io.Reader
	n  *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// decompressed sees through gzip and zstd by their first bytes.
func decompressed(in io.Reader) (io.ReadCloser, error) {
	head := bufio.NewReaderSize(in, 1<<20)
	magic, err := head.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(head)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(head, zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(head), nil
}
