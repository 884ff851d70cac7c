// Package store is bytes by key: ranges and conditional writes over a directory or a bucket. It owns
// the contract every back end keeps (storetest holds the suite) and the checks made once for all of
// them; it knows nothing of rasters. The invariant: a reader sees an object whole or not at all, and
// a conditional write that was acknowledged is never lost.
package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Sentinels that callers branch on with errors.Is.
var (
	// ErrNotFound: no object under that key.
	ErrNotFound = fault.New(fault.NotFound, "object not found")
	// ErrConflict: a conditional write met another object than it expected.
	ErrConflict = fault.New(fault.Conflict, "object changed or already exists")
	// ErrRange: the range begins at or after the end of a non-empty object.
	ErrRange = fault.New(fault.Invalid, "range outside of the object")
)

// Info describes an object. ETag differs between contents; a back end may give the same one to the
// same content written twice.
type Info struct {
	Key  string
	Size int64
	ETag string
	// Modified is by the store's clock. That of a write may be a moment off.
	Modified time.Time
	// WriteID is the Condition.WriteID of the write that made the object, "" where there was none or where
	// the back end keeps none. List may leave it out.
	WriteID string
}

// Range selects bytes of an object. The zero value is the whole object; Length 0 means "to the end".
type Range struct {
	Offset int64
	Length int64
}

// Condition guards a write. The zero value writes whatever is there.
type Condition struct {
	// IfAbsent writes only where no object exists (If-None-Match: *).
	IfAbsent bool
	// IfMatch writes only over the object with this ETag (If-Match).
	IfMatch string
	// WriteID, if not "", is kept with the object by back ends that can, so that a writer whose answer was
	// lost knows its own write again. Conditional writes through a Bucket get one of their own without it.
	WriteID string
}

// Driver is what a back end implements. Keys are slash-separated, relative, already checked. Every
// write is durable when Put returns. Errors for missing objects, failed conditions and ranges that
// begin beyond the end wrap ErrNotFound, ErrConflict and ErrRange; a range that only ends beyond the
// end yields what is there.
type Driver interface {
	// Get opens a range; Info belongs to the very object the body is read from.
	Get(ctx context.Context, key string, r Range) (io.ReadCloser, Info, error)
	// Put writes an object atomically and returns its Info.
	Put(ctx context.Context, key string, body io.Reader, c Condition) (Info, error)
	// Stat describes an object without its body.
	Stat(ctx context.Context, key string) (Info, error)
	// List yields every object whose key begins with prefix, in byte order of the keys.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes an object; a missing one is no error.
	Delete(ctx context.Context, key string) error
}

// Bucket is what users hold: a driver below a prefix. It is safe for concurrent use.
type Bucket struct {
	driver Driver
	prefix string // "" or ends in "/"
	url    string
}

// New wraps a driver. url names the place for people, such as "file:///data" or "s3://b/p".
func New(d Driver, url string) *Bucket { return &Bucket{driver: d, url: strings.TrimSuffix(url, "/")} }

// Sub returns the bucket below a prefix.
func (b *Bucket) Sub(prefix string) *Bucket {
	p := strings.Trim(prefix, "/")
	return &Bucket{driver: b.driver, prefix: b.prefix + p + "/", url: b.url + "/" + p}
}

// URL names the place, without a slash at the end.
func (b *Bucket) URL() string { return b.url }

// Read returns the bytes of a range and the Info of that very object. An object that ends before a range
// of a given length is Corrupt, for whoever asks knows that it should be there; a body that breaks off is
// Unavailable.
func (b *Bucket) Read(ctx context.Context, key string, r Range) ([]byte, Info, error) {
	rc, info, err := b.Open(ctx, key, r)
	if r.Length > 0 && errors.Is(err, ErrRange) { // whoever asks for a length knows that it should be there
		return nil, Info{}, fault.New(fault.Corrupt, "read %s: shorter than what points to it says: %w", b.name(key), err)
	}
	if err != nil {
		return nil, Info{}, err
	}
	defer rc.Close()
	data, err := io.ReadAll(rc)
	if err != nil {
		return nil, Info{}, fault.New(fault.Unavailable, "read %s: %w", b.name(key), err)
	}
	want := r.Length
	if want == 0 {
		want = max(info.Size-r.Offset, 0)
	}
	switch n := int64(len(data)); {
	case n == want:
		return data, info, nil
	case r.Offset+want > info.Size || n > want:
		return nil, Info{}, fault.New(fault.Corrupt, "read %s: %d bytes at %d wanted, %d there", b.name(key), want, r.Offset, n)
	default:
		return nil, Info{}, fault.New(fault.Unavailable, "read %s: the answer broke off after %d of %d bytes", b.name(key), n, want)
	}
}

// Open streams a range of an object.
func (b *Bucket) Open(ctx context.Context, key string, r Range) (io.ReadCloser, Info, error) {
	if err := checkKey(key); err != nil {
		return nil, Info{}, err
	}
	rc, info, err := b.driver.Get(ctx, b.prefix+key, r)
	if err != nil {
		return nil, Info{}, wrap("get", b.name(key), err)
	}
	info.Key = key
	return rc, info, nil
}

// Write stores bytes under a key if the condition holds.
func (b *Bucket) Write(ctx context.Context, key string, data []byte, c Condition) (Info, error) {
	return b.WriteFrom(ctx, key, bytes.NewReader(data), c)
}

// WriteFrom stores what a reader yields under a key if the condition holds. A conditional write whose
// answer was lost, or that was sent again after it had landed, succeeds where the back end keeps write ids.
func (b *Bucket) WriteFrom(ctx context.Context, key string, body io.Reader, c Condition) (Info, error) {
	if err := checkKey(key); err != nil {
		return Info{}, err
	}
	conditional := c.IfAbsent || c.IfMatch != ""
	if conditional && c.WriteID == "" {
		c.WriteID = rand.Text()
	}
	info, err := b.driver.Put(ctx, b.prefix+key, body, c)
	if err != nil && conditional {
		if landed, ok := b.landed(ctx, key, c.WriteID); ok {
			info, err = landed, nil
		}
	}
	if err != nil {
		return Info{}, wrap("put", b.name(key), err)
	}
	info.Key = key
	return info, nil
}

// landed reports whether the object under a key is that of a write id.
func (b *Bucket) landed(ctx context.Context, key, id string) (Info, bool) {
	if ctx.Err() != nil {
		return Info{}, false
	}
	info, err := b.driver.Stat(ctx, b.prefix+key)
	return info, err == nil && info.WriteID == id
}

// Stat describes an object.
func (b *Bucket) Stat(ctx context.Context, key string) (Info, error) {
	if err := checkKey(key); err != nil {
		return Info{}, err
	}
	info, err := b.driver.Stat(ctx, b.prefix+key)
	if err != nil {
		return Info{}, wrap("stat", b.name(key), err)
	}
	info.Key = key
	return info, nil
}

// List yields the objects whose key begins with prefix, in byte order; "" lists all.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for info, err := range b.driver.List(ctx, b.prefix+prefix) {
			if err != nil {
				yield(Info{}, wrap("list", b.name(prefix), err))
				return
			}
			info.Key = strings.TrimPrefix(info.Key, b.prefix)
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Delete removes an object; a missing one is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := b.driver.Delete(ctx, b.prefix+key); err != nil {
		return wrap("delete", b.name(key), err)
	}
	return nil
}

func (b *Bucket) name(key string) string { return b.url + "/" + key }

func wrap(op, name string, err error) error {
	return fault.New(fault.KindOf(err), "%s %s: %w", op, name, err)
}

// checkKey refuses keys that could leave the bucket or that some back end cannot hold.
func checkKey(key string) error {
	if key == "" || len(key) > 1000 || strings.HasPrefix(key, "/") || strings.HasSuffix(key, "/") {
		return fault.New(fault.Invalid, "bad object key %q", key)
	}
	for _, part := range strings.Split(key, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\\\x00") {
			return fault.New(fault.Invalid, "bad object key %q", key)
		}
	}
	return nil
}
