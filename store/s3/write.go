package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// limits are the sizes that decide how an object is sent.
type limits struct {
	// single is the most an unconditional write sends in one PUT, and the most that is held in memory of
	// a body whose size is not known.
	single int64
	// part is the least size of a part of what is larger.
	part int64
	// conditional is the most one PUT may carry at all, and so the most a conditional write may.
	conditional int64
}

var defaultLimits = limits{single: 64 << 20, part: 32 << 20, conditional: 5 << 30}

const (
	maxParts    = 10_000
	partsAtOnce = 3
	// conflictTries is how often a conditional PUT is sent again after the store said that another one
	// was under way (409), which decides nothing.
	conflictTries = 8
)

// Put writes an object. A conditional write is one PUT whatever its size, since a multipart upload is
// checked when it begins and overwrites all the same when it ends; only unconditional ones may be split.
func (d *Driver) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	if err := ctx.Err(); err != nil {
		return store.Info{}, err
	}
	content, size, more, err := d.measure(body)
	if err != nil {
		return store.Info{}, err
	}
	conditional := c.IfAbsent || c.IfMatch != ""
	if conditional && more {
		spool, err := spoolFile(io.MultiReader(io.NewSectionReader(content, 0, size), body), d.limits.conditional)
		if err != nil {
			return store.Info{}, err
		}
		defer spool.Close()
		if content, size, _, err = d.measure(spool); err != nil {
			return store.Info{}, err
		}
	}
	whole := func() io.Reader { return io.NewSectionReader(content, 0, size) }
	switch {
	case conditional && size > d.limits.conditional:
		return store.Info{}, tooLarge(d.limits.conditional)
	case more && !conditional:
		return d.putParts(ctx, key, io.MultiReader(whole(), body), d.limits.part, c)
	case size > d.limits.single && !conditional:
		return d.putParts(ctx, key, whole(), max(d.limits.part, size/(maxParts-1)), c)
	}
	return d.putOne(ctx, key, content, size, c)
}

func tooLarge(limit int64) error {
	return fault.New(fault.TooLarge, "a conditional write of more than %d bytes cannot be one PUT", limit).
		WithCure("write the data under a key of its own first, and a small object that names it last")
}

// measure finds the size of a body and its content, which can be sent again. Of a body that cannot say, it
// reads up to the limit of one PUT; more says that there was more than that.
func (d *Driver) measure(body io.Reader) (content io.ReaderAt, size int64, more bool, err error) {
	if r, ok := body.(interface {
		io.ReaderAt
		io.Seeker
	}); ok {
		from, err := r.Seek(0, io.SeekCurrent)
		if err == nil {
			var end int64
			if end, err = r.Seek(0, io.SeekEnd); err == nil {
				return io.NewSectionReader(r, from, end-from), end - from, false, nil
			}
		}
	}
	data, err := io.ReadAll(io.LimitReader(body, d.limits.single+1))
	if err != nil {
		return nil, 0, false, err
	}
	return bytes.NewReader(data), int64(len(data)), int64(len(data)) > d.limits.single, nil
}

// spoolFile holds a body on disk that is too large for memory and must be one PUT. The file has no name.
func spoolFile(body io.Reader, limit int64) (*os.File, error) {
	f, err := os.CreateTemp("", "terrapin-put-")
	if err != nil {
		return nil, fault.New(fault.Unavailable, "hold a large object: %w", err).WithCure("free space in %s", os.TempDir())
	}
	os.Remove(f.Name())
	n, err := io.Copy(f, io.LimitReader(body, limit+1))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil && n > limit {
		err = tooLarge(limit)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func options(c store.Condition) minio.PutObjectOptions {
	o := minio.PutObjectOptions{DisableMultipart: true}
	if c.WriteID != "" {
		o.UserMetadata = map[string]string{writeIDKey: c.WriteID}
	}
	if c.IfAbsent {
		o.SetMatchETagExcept("*")
	}
	if c.IfMatch != "" {
		o.SetMatchETag(c.IfMatch)
	}
	return o
}

// putOne sends one PUT. That the store answers 404 to a match with an absent object is a conflict too.
func (d *Driver) putOne(ctx context.Context, key string, content io.ReaderAt, size int64, c store.Condition) (store.Info, error) {
	var got minio.UploadInfo
	err := d.send(ctx, content, size, func(body io.Reader) (err error) {
		got, err = d.core.PutObject(ctx, d.at.Bucket, key, body, size, "", "", options(c))
		return err
	})
	if errors.Is(err, store.ErrNotFound) && c.IfMatch != "" {
		err = store.ErrConflict
	}
	if err != nil {
		return store.Info{}, err
	}
	return store.Info{Key: key, Size: size, ETag: got.ETag, Modified: d.clock.now(), WriteID: c.WriteID}, nil
}

// onlyReader hides all but Read.
type onlyReader struct{ io.Reader }

// send does one request with a body, and again while its failure may pass. Every attempt reads through a
// reader of its own: an answer may come while the attempt before still sends, so that one reader that is
// wound back, as the library does with what can seek, would be read by two.
func (d *Driver) send(ctx context.Context, content io.ReaderAt, size int64, request func(body io.Reader) error) error {
	conflicts := 0
	for try := 1; ; try++ {
		err := request(onlyReader{io.NewSectionReader(content, 0, size)})
		if err == nil {
			return nil
		}
		busy := minio.ToErrorResponse(err).Code == codeConditionalConflict
		err = d.explain(ctx, err)
		again := fault.Is(err, fault.Unavailable) && try < attempts
		if busy {
			conflicts++
			again = conflicts < conflictTries
		}
		if !again {
			return err
		}
		if err := pause(ctx, min(100*time.Millisecond<<try, time.Second)); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, limit time.Duration) error {
	t := time.NewTimer(rand.N(limit))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// putParts sends an object in parts, which stand under its key only when the last request succeeds.
func (d *Driver) putParts(ctx context.Context, key string, body io.Reader, part int64, c store.Condition) (store.Info, error) {
	id, err := d.core.NewMultipartUpload(ctx, d.at.Bucket, key, options(c))
	if err != nil {
		return store.Info{}, d.explain(ctx, err)
	}
	parts, size, err := d.sendParts(ctx, key, id, body, part)
	if err == nil {
		var got minio.UploadInfo
		if got, err = d.core.CompleteMultipartUpload(ctx, d.at.Bucket, key, id, parts, minio.PutObjectOptions{}); err == nil {
			return store.Info{Key: key, Size: size, ETag: got.ETag, Modified: d.clock.now(), WriteID: c.WriteID}, nil
		}
		err = d.explain(ctx, err)
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if abortErr := d.core.AbortMultipartUpload(cleanup, d.at.Bucket, key, id); abortErr != nil {
		err = fault.New(fault.KindOf(err), "%w (and its parts could not be removed: %v)", err, d.explain(cleanup, abortErr)).
			WithCure("let the bucket expire unfinished multipart uploads by a lifecycle rule")
	}
	return store.Info{}, err
}

func (d *Driver) sendParts(ctx context.Context, key, id string, body io.Reader, part int64) ([]minio.CompletePart, int64, error) {
	var mu sync.Mutex
	var parts []minio.CompletePart
	var size int64
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	var readErr error
	for number := 1; ; number++ {
		data, err := io.ReadAll(io.LimitReader(body, part))
		if err != nil || (len(data) == 0 && number > 1) || gctx.Err() != nil {
			readErr = err
			break
		}
		if number > maxParts {
			readErr = fault.New(fault.TooLarge, "an object of more than %d bytes whose size is not known before", part*maxParts)
			break
		}
		size += int64(len(data))
		group.Go(func() error {
			var sent minio.ObjectPart
			size := int64(len(data))
			err := d.send(gctx, bytes.NewReader(data), size, func(body io.Reader) (err error) {
				sent, err = d.core.PutObjectPart(gctx, d.at.Bucket, key, id, number, body, size, minio.PutObjectPartOptions{})
				return err
			})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			parts = append(parts, minio.CompletePart{PartNumber: number, ETag: sent.ETag})
			return nil
		})
		if int64(len(data)) < part {
			break
		}
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	slices.SortFunc(parts, func(a, b minio.CompletePart) int { return a.PartNumber - b.PartNumber })
	return parts, size, readErr
}
