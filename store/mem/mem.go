// Package mem keeps objects in memory, for tests and for throw-away repositories. It owns nothing
// beyond its map. The invariant: it answers exactly as the other back ends do (storetest).
package mem

import (
	"bytes"
	"context"
	"io"
	"iter"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Driver is a map as a store. It is safe for concurrent use.
type Driver struct {
	mu      sync.RWMutex
	objects map[string]object
	writes  uint64
}

type object struct {
	data []byte // never changed
	info store.Info
}

var _ store.Driver = (*Driver)(nil)

// New makes an empty store.
func New() *Driver { return &Driver{objects: map[string]object{}} }

// Get opens a range of an object.
func (d *Driver) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	o, err := d.find(ctx, key)
	if err != nil {
		return nil, store.Info{}, err
	}
	size := o.info.Size
	if r.Offset < 0 || r.Length < 0 || (r.Offset > 0 && r.Offset >= size) {
		return nil, store.Info{}, fault.New(fault.Invalid, "bytes %d+%d of %d: %w", r.Offset, r.Length, size, store.ErrRange)
	}
	end := size
	if r.Length > 0 {
		end = min(end, r.Offset+r.Length)
	}
	return io.NopCloser(bytes.NewReader(o.data[r.Offset:end])), o.info, nil
}

// Put writes an object if the condition holds.
func (d *Driver) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return store.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Info{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	old, there := d.objects[key]
	if (c.IfAbsent && there) || (c.IfMatch != "" && old.info.ETag != c.IfMatch) {
		return store.Info{}, store.ErrConflict
	}
	d.writes++
	info := store.Info{Key: key, Size: int64(len(data)), ETag: strconv.FormatUint(d.writes, 16), Modified: time.Now().UTC(), WriteID: c.WriteID}
	d.objects[key] = object{data: data, info: info}
	return info, nil
}

// Stat describes an object.
func (d *Driver) Stat(ctx context.Context, key string) (store.Info, error) {
	o, err := d.find(ctx, key)
	return o.info, err
}

// List yields the objects that were there when it began, in byte order.
func (d *Driver) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		d.mu.RLock()
		var found []store.Info
		for key, o := range d.objects {
			if strings.HasPrefix(key, prefix) {
				found = append(found, o.info)
			}
		}
		d.mu.RUnlock()
		sort.Slice(found, func(i, j int) bool { return found[i].Key < found[j].Key })
		for _, info := range found {
			if err := ctx.Err(); err != nil {
				yield(store.Info{}, err)
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Delete removes an object; a missing one is no error.
func (d *Driver) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.objects, key)
	return nil
}

func (d *Driver) find(ctx context.Context, key string) (object, error) {
	if err := ctx.Err(); err != nil {
		return object{}, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	o, ok := d.objects[key]
	if !ok {
		return object{}, store.ErrNotFound
	}
	return o, nil
}
