// Package s3 keeps objects in a bucket of an S3-compatible store. It owns the requests: one response
// gives body and ETag, conditional writes are single PUTs of any size, retries and timeouts are bounded,
// and no credential reaches a log, a URL or an error. It refuses to make a bucket. The invariant: an
// acknowledged conditional write was decided by the store itself, never by a check made beforehand.
package s3

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

const (
	// attempts is how often one request is sent before its error is reported; the pauses between are
	// random and at most a second each.
	attempts = 6
	// writeIDKey names the user metadata that carries store.Condition.WriteID, as the official Icechunk
	// library names it. It has no underscore, which some proxies drop.
	writeIDKey = "icechunkwriteid"
)

// Driver is a bucket as a store. It is safe for concurrent use.
type Driver struct {
	core   *minio.Core
	at     Location
	clock  *clock
	limits limits
	empty  bool
}

var (
	_ store.Driver       = (*Driver)(nil)
	_ store.FolderLister = (*Driver)(nil)
)

// New connects to a bucket and asks it one question, so that a wrong name, a wrong credential or an
// endpoint that does not answer is told at once. The prefix of the location is not applied: use
// store.Bucket.Sub.
func New(ctx context.Context, at Location) (*Driver, error) {
	clock := &clock{next: newTransport()}
	creds := credentials.New(&chain{profile: at.Profile})
	if at.Anonymous {
		creds = credentials.NewStatic("", "", "", credentials.SignatureAnonymous)
	}
	core, err := minio.NewCore(at.host(), &minio.Options{
		Creds: creds, Secure: at.secure(), Region: at.Region, BucketLookup: at.lookup(), Transport: clock, MaxRetries: attempts,
	})
	if err != nil {
		return nil, fault.New(fault.Invalid, "endpoint %s: %w", at.Endpoint, err).WithCure("write it like endpoint=https://host:port")
	}
	d := &Driver{core: core, at: at, clock: clock, limits: defaultLimits}
	below := at.Prefix
	if below != "" {
		below += "/"
	}
	d.empty = true
	for object := range core.ListObjectsIter(ctx, at.Bucket, minio.ListObjectsOptions{Prefix: below, Recursive: true, MaxKeys: 1}) {
		if object.Err != nil {
			return nil, d.explain(ctx, object.Err)
		}
		d.empty = false
		break
	}
	return d, ctx.Err()
}

// Empty reports whether there was nothing below the prefix when New asked.
func (d *Driver) Empty() bool { return d.empty }

// Skew is the store's clock minus this machine's, as the last answer told it (to the second).
func (d *Driver) Skew() time.Duration { return d.clock.skew() }

// Get opens a range of an object; its Info comes from the response that carries the body.
func (d *Driver) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	if r.Offset < 0 || r.Length < 0 {
		return nil, store.Info{}, fault.New(fault.Invalid, "bytes %d+%d: %w", r.Offset, r.Length, store.ErrRange)
	}
	body, info, err := d.open(ctx, key, r, "")
	if errors.Is(err, store.ErrRange) && r.Offset == 0 { // any range of an empty object is refused by HTTP
		if info, err = d.Stat(ctx, key); err == nil && info.Size == 0 {
			return io.NopCloser(strings.NewReader("")), info, nil
		}
	}
	if err != nil {
		return nil, store.Info{}, err
	}
	end := info.Size
	if r.Length > 0 {
		end = min(end, r.Offset+r.Length)
	}
	return &resumed{ctx: ctx, d: d, key: key, etag: info.ETag, body: body, at: r.Offset, end: end}, info, nil
}

// open sends one GET, of the object with a given ETag if etag is not empty.
func (d *Driver) open(ctx context.Context, key string, r store.Range, etag string) (io.ReadCloser, store.Info, error) {
	var o minio.GetObjectOptions
	switch {
	case r.Length > 0:
		o.Set("Range", "bytes="+strconv.FormatInt(r.Offset, 10)+"-"+strconv.FormatInt(r.Offset+r.Length-1, 10))
	case r.Offset > 0:
		o.Set("Range", "bytes="+strconv.FormatInt(r.Offset, 10)+"-")
	}
	if etag != "" {
		if err := o.SetMatchETag(etag); err != nil {
			return nil, store.Info{}, fault.New(fault.Internal, "ETag %q: %w", etag, err)
		}
	}
	body, got, header, err := d.core.GetObject(ctx, d.at.Bucket, key, o)
	if err != nil {
		return nil, store.Info{}, d.explain(ctx, err)
	}
	info := describe(key, got)
	if ranged := header.Get("Content-Range"); ranged != "" {
		_, total, _ := strings.Cut(ranged, "/")
		info.Size, err = strconv.ParseInt(total, 10, 64)
		if err != nil || !strings.HasPrefix(ranged, "bytes "+strconv.FormatInt(r.Offset, 10)+"-") { // pieces are used as they come
			body.Close()
			return nil, store.Info{}, fault.New(fault.Unsupported, "the store answers a range with Content-Range %q", ranged).
				WithCure("use a store that tells an object's size with a range; `terrapin store doctor` says what else is amiss")
		}
	} else if o.Header().Get("Range") != "" {
		body.Close()
		return nil, store.Info{}, fault.New(fault.Unsupported, "the store does not answer ranges").WithCure("use a store that does")
	}
	return body, info, nil
}

// Stat describes an object.
func (d *Driver) Stat(ctx context.Context, key string) (store.Info, error) {
	got, err := d.core.StatObject(ctx, d.at.Bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return store.Info{}, d.explain(ctx, err)
	}
	return describe(key, got), nil
}

// List yields the objects below a prefix a page at a time, and refuses a store whose order is not that
// of the keys' bytes.
func (d *Driver) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		last := ""
		for object := range d.core.ListObjectsIter(ctx, d.at.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			switch {
			case object.Err != nil:
				yield(store.Info{}, d.explain(ctx, object.Err))
				return
			case strings.HasSuffix(object.Key, "/"): // a folder that a console made: no object of ours
				continue
			case object.Key <= last && last != "":
				yield(store.Info{}, fault.New(fault.Unsupported, "the store lists %q after %q, out of byte order", object.Key, last).
					WithCure("use a general-purpose bucket, which lists in order"))
				return
			}
			last = object.Key
			if !yield(describe(object.Key, object), nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(store.Info{}, err)
		}
	}
}

// Folders lists one level of the hierarchy.
func (d *Driver) Folders(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	for object := range d.core.ListObjectsIter(ctx, d.at.Bucket, minio.ListObjectsOptions{Prefix: prefix}) {
		if object.Err != nil {
			return nil, d.explain(ctx, object.Err)
		}
		if name, folder := strings.CutSuffix(strings.TrimPrefix(object.Key, prefix), "/"); folder && name != "" {
			names = append(names, name)
		}
	}
	return names, ctx.Err()
}

// Delete removes an object; a missing one is no error.
func (d *Driver) Delete(ctx context.Context, key string) error {
	err := d.core.RemoveObject(ctx, d.at.Bucket, key, minio.RemoveObjectOptions{})
	if err == nil {
		return nil
	}
	if err = d.explain(ctx, err); errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func describe(key string, o minio.ObjectInfo) store.Info {
	info := store.Info{Key: key, Size: o.Size, ETag: o.ETag, Modified: o.LastModified.UTC()}
	for name, value := range o.UserMetadata {
		if http.CanonicalHeaderKey(name) == http.CanonicalHeaderKey(writeIDKey) {
			info.WriteID = value
		}
	}
	return info
}
