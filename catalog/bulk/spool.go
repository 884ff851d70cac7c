package bulk

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"iter"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/terrapin-eo/terrapin/fault"
)

// spoolMemory is how much of a spool stays in memory before it goes to a file.
const spoolMemory = 4 << 20

// spool keeps documents, compressed, to be read again in their order.
type spool struct {
	dir    string
	first  bytes.Buffer
	file   *os.File
	packed *zstd.Encoder
}

// Write takes what was compressed.
func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.first.Len()+len(p) <= spoolMemory {
		return s.first.Write(p)
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "terrapin-items-")
		if err != nil {
			return 0, err
		}
		if err := os.Remove(f.Name()); err != nil { // its space is free again when it is closed, whatever happens
			return 0, err
		}
		s.file = f
	}
	return s.file.Write(p)
}

func (s *spool) fail(err error) error {
	return fault.New(fault.Unavailable, "keep the items for a while: %w", err).WithCure("make room for temporary files, or name another place by TMPDIR")
}

func (s *spool) add(doc json.RawMessage) error {
	if s.packed == nil {
		var err error
		if s.packed, err = zstd.NewWriter(s, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1)); err != nil {
			return s.fail(err)
		}
	}
	head := binary.AppendUvarint(nil, uint64(len(doc)))
	for _, part := range [][]byte{head, doc} {
		if _, err := s.packed.Write(part); err != nil {
			return s.fail(err)
		}
	}
	return nil
}

// all gives every document; nothing is added after it.
func (s *spool) all() iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		if s.packed == nil {
			return
		}
		if err := s.packed.Close(); err != nil {
			yield(nil, s.fail(err))
			return
		}
		parts := []io.Reader{&s.first}
		if s.file != nil {
			if _, err := s.file.Seek(0, io.SeekStart); err != nil {
				yield(nil, s.fail(err))
				return
			}
			parts = append(parts, bufio.NewReaderSize(s.file, 1<<20))
		}
		plain, err := zstd.NewReader(io.MultiReader(parts...), zstd.WithDecoderConcurrency(1))
		if err != nil {
			yield(nil, s.fail(err))
			return
		}
		defer plain.Close()
		for in := bufio.NewReaderSize(plain, 1<<20); ; {
			n, err := binary.ReadUvarint(in)
			if err == io.EOF {
				return
			}
			doc := make([]byte, n)
			if err == nil {
				_, err = io.ReadFull(in, doc)
			}
			if err != nil {
				yield(nil, s.fail(err))
				return
			}
			if !yield(doc, nil) {
				return
			}
		}
	}
}

func (s *spool) remove() {
	if s.file != nil {
		_ = s.file.Close() // it has no name any more
	}
}
