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
	if len(dst) == 0 {
		return Info{}, fault.New(fault.Internal, "read %s: no bytes wanted", b.name(key))
	}
	rc, info, err := b.Open(ctx, key, Range{Offset: offset, Length: int64(len(dst))})
	if errors.Is(err, ErrRange) {
		return Info{}, fault.New(fault.Corrupt, "read %s: shorter than what points to it says: %w", b.name(key), err)
	}
	if err != nil {
		return Info{}, err
	}
	defer rc.Close()
	n, err := io.ReadFull(rc, dst)
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case ended && info.Size < offset+int64(len(dst)):
		return Info{}, fault.New(fault.Corrupt, "read %s: %d bytes at %d wanted, %d there", b.name(key), len(dst), offset, n)
	case ended:
		return Info{}, fault.New(fault.Unavailable, "read %s: the answer broke off after %d of %d bytes", b.name(key), n, len(dst))
	case ctx.Err() != nil:
		return Info{}, ctx.Err()
	case err != nil:
		return Info{}, fault.New(fault.Unavailable, "read %s: %w", b.name(key), err)
	}
	var more [1]byte
	if n, _ := rc.Read(more[:]); n > 0 {
		return Info{}, fault.New(fault.Corrupt, "read %s: more than the %d bytes wanted at %d came", b.name(key), len(dst), offset)
	}
	return info, nil
}
