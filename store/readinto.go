package store

import (
	"context"
	"errors"
	"io"

	"github.com/terrapin-eo/terrapin/fault"
)

// ReadInto fills dst with the bytes of an object from offset on, without a buffer of its own. An object
// that ends before is Corrupt, for whoever asks knows that they should be there; a body that breaks off
// is Unavailable. After an error dst holds nothing of meaning.
func (b *Bucket) ReadInto(ctx context.Context, key string, offset int64, dst []byte) (Info, error) {
	s, err := b.Stream(ctx, key, offset, int64(len(dst)))
	if err != nil {
		return Info{}, err
	}
	defer s.Close()
	return s.info, s.ReadInto(ctx, offset, dst)
}

// Stream is one range of an object that is read piece by piece, in order, so that the first piece can be
// worked on while the next ones are on their way. One goroutine uses it; Close ends it.
type Stream struct {
	body    io.ReadCloser
	info    Info
	name    string
	at, end int64
}

// Stream opens length bytes of an object from offset on. Errors are those of ReadInto.
func (b *Bucket) Stream(ctx context.Context, key string, offset, length int64) (*Stream, error) {
	if length <= 0 {
		return nil, fault.New(fault.Internal, "read %s: no bytes wanted", b.name(key))
	}
	rc, info, err := b.Open(ctx, key, Range{Offset: offset, Length: length})
	if errors.Is(err, ErrRange) {
		return nil, fault.New(fault.Corrupt, "read %s: shorter than what points to it says: %w", b.name(key), err)
	}
	if err != nil {
		return nil, err
	}
	return &Stream{body: rc, info: info, name: b.name(key), at: offset, end: offset + length}, nil
}

// Close ends the stream, read to its end or not.
func (s *Stream) Close() error { return s.body.Close() }

// ReadInto is Bucket.ReadInto for a piece that lies in the range and behind all pieces read before. What
// lies between is left out. After an error the stream is of no further use.
func (s *Stream) ReadInto(ctx context.Context, offset int64, dst []byte) error {
	end := offset + int64(len(dst))
	if offset < s.at || end > s.end {
		return fault.New(fault.Internal, "read %s: %d bytes at %d are not among those from %d to %d", s.name, len(dst), offset, s.at, s.end)
	}
	err := s.skip(offset)
	n := 0
	if err == nil {
		n, err = io.ReadFull(s.body, dst)
	}
	s.at = offset + int64(n)
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case ended && s.info.Size < end:
		return fault.New(fault.Corrupt, "read %s: %d bytes at %d wanted, %d there", s.name, len(dst), offset, n)
	case ended:
		return fault.New(fault.Unavailable, "read %s: the answer broke off after %d of %d bytes", s.name, n, len(dst))
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fault.New(fault.Unavailable, "read %s: %w", s.name, err)
	}
	var more [1]byte
	if s.at < s.end {
		return nil
	}
	if n, _ := s.body.Read(more[:]); n > 0 {
		return fault.New(fault.Corrupt, "read %s: more than the %d bytes wanted at %d came", s.name, len(dst), offset)
	}
	return nil
}

// skip goes on to an offset: by a jump where the body is a file.
func (s *Stream) skip(offset int64) error {
	n := offset - s.at
	if n == 0 {
		return nil
	}
	if file, ok := s.body.(io.Seeker); ok {
		_, err := file.Seek(n, io.SeekCurrent)
		return err
	}
	_, err := io.CopyN(io.Discard, s.body, n)
	return err
}
