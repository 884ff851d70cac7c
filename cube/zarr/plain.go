package zarr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// WritePlain writes data, the whole 2-D array in C order, as a plain Zarr v3 array below prefix. The
// metadata comes last, so an array that opens is whole. Chunks of nothing but fill are left out.
func WritePlain(ctx context.Context, b *store.Bucket, prefix string, a Array, data []byte) error {
	_, err := writePlain(ctx, b, prefix, a, data, false)
	return err
}

// WriteDense is WritePlain with every chunk stored, those of nothing but fill too, so that OpenDense
// can tell one that was lost. It returns the SHA-256, in hex, of each object by its key below prefix.
func WriteDense(ctx context.Context, b *store.Bucket, prefix string, a Array, data []byte) (map[string]string, error) {
	return writePlain(ctx, b, prefix, a, data, true)
}

// writers is how many chunks are written side by side: each waits for the disk.
const writers = 8

func writePlain(ctx context.Context, b *store.Bucket, prefix string, a Array, data []byte, dense bool) (map[string]string, error) {
	meta, err := a.JSON()
	if err != nil {
		return nil, err
	}
	if len(a.Shape) != 2 || len(data) != a.Shape[0]*a.Shape[1]*a.ElementSize() {
		return nil, fault.New(fault.Internal, "write array %s: %d bytes for shape %v of %s", prefix, len(data), a.Shape, a.DType)
	}
	p := Plain{bucket: b.Sub(prefix), array: a}
	files := map[string]string{"zarr.json": checksum(meta)}
	var mu sync.Mutex
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	n := a.NumChunks()
	for cy := range n[0] {
		for cx := range n[1] {
			group.Go(func() error {
				encoded, err := p.encode(data, cy, cx, dense)
				if err != nil || encoded == nil {
					return err
				}
				key := a.ChunkKey(cy, cx)
				if _, err := p.bucket.Write(gctx, key, encoded, store.Condition{}); err != nil {
					return err
				}
				sum := checksum(encoded)
				mu.Lock()
				defer mu.Unlock()
				files[key] = sum
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	_, err = p.bucket.Write(ctx, "zarr.json", meta, store.Condition{})
	return files, err
}

// encode cuts a chunk out of the whole array; nil is one of nothing but fill that may be left out.
func (p *Plain) encode(data []byte, cy, cx int, dense bool) ([]byte, error) {
	a := p.array
	chunk := make([]byte, a.ChunkBytes())
	a.FillChunk(chunk)
	cube.CopyWindow(chunk, p.chunkWindow(cy, cx), data, cube.Window{Height: a.Shape[0], Width: a.Shape[1]}, a.ElementSize())
	if !dense && a.IsFill(chunk) {
		return nil, nil
	}
	return a.Encode(chunk)
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Plain is a 2-D Zarr array kept directly in a bucket. An open one is taken never to change: it keeps
// a few decoded chunks, so that windows of one chunk decode it once.
type Plain struct {
	bucket *store.Bucket
	array  Array
	chunks *chunkCache
	dense  bool
}

// OpenDense opens an array that WriteDense wrote: an object of it that is absent is fault.Corrupt and
// named, never the fill value.
func OpenDense(ctx context.Context, b *store.Bucket, prefix string) (*Plain, error) {
	p, err := OpenPlain(ctx, b, prefix)
	if errors.Is(err, store.ErrNotFound) {
		return nil, lost(b.Sub(strings.Trim(prefix, "/")), "zarr.json")
	}
	if err != nil {
		return nil, err
	}
	p.dense = true
	return p, nil
}

// lost is the error of an object that was written and is gone.
func lost(b *store.Bucket, key string) error {
	return fault.New(fault.Corrupt, "%s/%s is missing", b.URL(), key).
		WithCure("restore it from a backup; `terrapin store fsck` names all that is missing")
}

// OpenPlain reads the metadata of the array below prefix.
func OpenPlain(ctx context.Context, b *store.Bucket, prefix string) (*Plain, error) {
	sub := b.Sub(strings.Trim(prefix, "/"))
	text, _, err := sub.Read(ctx, "zarr.json", store.Range{})
	if err != nil {
		return nil, err
	}
	a, err := ParseArray(text)
	if err == nil && (len(a.Shape) != 2 || a.DType == String) {
		err = fault.New(fault.Unsupported, "shape %v of %s, wanted a raster", a.Shape, a.DType)
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "open array %s: %w", sub.URL(), err)
	}
	return &Plain{bucket: sub, array: a, chunks: newChunkCache(plainCache)}, nil
}

// Array is the array's metadata.
func (p *Plain) Array() Array { return p.array }

func (p *Plain) chunkWindow(cy, cx int) cube.Window {
	h, w := p.array.Chunks[0], p.array.Chunks[1]
	return cube.Window{Row: cy * h, Col: cx * w, Height: h, Width: w}
}

// chunk returns a decoded chunk, which nobody may change.
func (p *Plain) chunk(ctx context.Context, cy, cx int) ([]byte, error) {
	at := [2]int{cy, cx}
	if data := p.chunks.get(at); data != nil {
		return data, nil
	}
	data := make([]byte, p.array.ChunkBytes())
	encoded, _, err := p.bucket.Read(ctx, p.array.ChunkKey(cy, cx), store.Range{})
	switch {
	case errors.Is(err, store.ErrNotFound) && p.dense:
		err = lost(p.bucket, p.array.ChunkKey(cy, cx))
	case errors.Is(err, store.ErrNotFound):
		p.array.FillChunk(data)
		err = nil
	case err == nil:
		err = p.array.Decode(data, encoded)
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "read chunk %d,%d of %s: %w", cy, cx, p.bucket.URL(), err)
	}
	p.chunks.put(at, data)
	return data, nil
}

// each calls visit for every chunk that a window touches, row by row.
func (p *Plain) each(ctx context.Context, w cube.Window, visit func(at cube.Window, chunk []byte) error) error {
	in := w.Intersect(cube.Window{Height: p.array.Shape[0], Width: p.array.Shape[1]})
	if in.Empty() {
		return nil
	}
	h, wd := p.array.Chunks[0], p.array.Chunks[1]
	for cy := in.Row / h; cy <= (in.Row+in.Height-1)/h; cy++ {
		for cx := in.Col / wd; cx <= (in.Col+in.Width-1)/wd; cx++ {
			chunk, err := p.chunk(ctx, cy, cx)
			if err != nil {
				return err
			}
			if err := visit(p.chunkWindow(cy, cx), chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// ReadWindow fills dst with a window in C order; pixels outside of the array become outside.
func (p *Plain) ReadWindow(ctx context.Context, w cube.Window, outside float64, dst []byte) error {
	size := p.array.ElementSize()
	if len(dst) != w.Height*w.Width*size {
		return fault.New(fault.Internal, "read window %+v: a buffer of %d bytes", w, len(dst))
	}
	Array{DType: p.array.DType, Fill: outside}.FillChunk(dst)
	bounds := cube.Window{Height: p.array.Shape[0], Width: p.array.Shape[1]}
	return p.each(ctx, w, func(at cube.Window, chunk []byte) error {
		cube.CopyPart(dst, w, chunk, at, at.Intersect(bounds), size)
		return nil
	})
}

// ChunkDigests returns the SHA-256, in hex, of every chunk a window touches, row by row: that of the
// decoded values cropped to the array, little-endian and in C order.
func (p *Plain) ChunkDigests(ctx context.Context, w cube.Window) ([]string, error) {
	size := p.array.ElementSize()
	bounds := cube.Window{Height: p.array.Shape[0], Width: p.array.Shape[1]}
	var digests []string
	err := p.each(ctx, w, func(at cube.Window, chunk []byte) error {
		part := at.Intersect(bounds)
		values := make([]byte, part.Height*part.Width*size)
		cube.CopyWindow(values, part, chunk, at, size)
		digests = append(digests, checksum(values))
		return nil
	})
	return digests, err
}
