package datasets

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"runtime/debug"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// fileSum is a file of a version: its size, and its SHA-256 in hex.
type fileSum struct {
	size int64
	sum  string
}

// claim writes an object that is not there, while write makes it, and accepts one with the very same bytes. Where another
// content is there already, errTaken comes back.
func claim(ctx context.Context, b *store.Bucket, key string, write func(io.Writer) error) (fileSum, error) {
	r, w := io.Pipe()
	var made fileSum
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { w.CloseWithError(failed) }()
		defer func() {
			if p := recover(); p != nil { // nobody else would on this goroutine
				failed = fault.New(fault.Internal, "write %s: panic: %v\n%s", key, p, debug.Stack())
			}
		}()
		made, failed = sealed(w, write)
	}()
	_, err := b.WriteFrom(ctx, key, r, store.Condition{IfAbsent: true})
	r.CloseWithError(errUnread)
	<-done
	switch {
	case errors.Is(err, store.ErrConflict):
		return same(ctx, b, key, write)
	case failed != nil && !errors.Is(failed, errUnread):
		return fileSum{}, failed
	}
	return made, err
}

// errUnread ends the making of an object that a store does not want to the end.
var errUnread = fault.New(fault.Conflict, "not read to the end")

// same makes an object once more and compares it with the one that is there.
func same(ctx context.Context, b *store.Bucket, key string, write func(io.Writer) error) (fileSum, error) {
	made, err := sealed(io.Discard, write)
	if err != nil {
		return fileSum{}, err
	}
	there, err := checksum(ctx, b, key)
	if err == nil && there != made.sum {
		err = errTaken
	}
	return made, err
}

// sealed hands on what write makes, and sums it up.
func sealed(w io.Writer, write func(io.Writer) error) (fileSum, error) {
	var out fileSum
	sum := sha256.New()
	all := bufio.NewWriterSize(io.MultiWriter(w, sum, (*counted)(&out.size)), 1<<20)
	err := write(all)
	if err == nil {
		err = all.Flush()
	}
	out.sum = hex.EncodeToString(sum.Sum(nil))
	return out, err
}

// counted counts the bytes written.
type counted int64

func (c *counted) Write(p []byte) (int, error) {
	*c += counted(len(p))
	return len(p), nil
}

// checksum is the SHA-256 of an object, in hex.
func checksum(ctx context.Context, b *store.Bucket, key string) (string, error) {
	r, _, err := b.Open(ctx, key, store.Range{})
	if err != nil {
		return "", err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", fault.New(fault.KindOf(err), "read %s: %w", key, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// verbatim writes some bytes.
func verbatim(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	}
}
