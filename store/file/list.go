package file

import (
	"context"
	"io/fs"
	"iter"
	"path"
	"sort"
	"strings"

	"github.com/terrapin-eo/terrapin/store"
)

// List walks the directory so that whole keys come in byte order: a folder sorts as its name with
// the slash, since "a-b" comes before "a/b".
func (d *Driver) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		dir := "."
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			dir = prefix[:i]
		}
		if dir != "." && !fs.ValidPath(dir) {
			return
		}
		d.walk(ctx, dir, prefix, yield)
	}
}

// walk yields what lies below dir and begins with prefix; false means stop.
func (d *Driver) walk(ctx context.Context, dir, prefix string, yield func(store.Info, error) bool) bool {
	entries, err := fs.ReadDir(d.root.FS(), dir)
	if missing(err) {
		return true
	}
	if err != nil {
		yield(store.Info{}, explain("read folder "+dir, err))
		return false
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
		if e.IsDir() {
			names[i] += "/"
		}
	}
	sort.Strings(names)
	for _, name := range names {
		key := path.Join(dir, name)
		if key == tempDir {
			continue
		}
		if strings.HasSuffix(name, "/") {
			if k := key + "/"; strings.HasPrefix(k, prefix) || strings.HasPrefix(prefix, k) {
				if !d.walk(ctx, key, prefix, yield) {
					return false
				}
			}
			continue
		}
		if strings.HasPrefix(key, prefix) && !d.yieldObject(ctx, key, yield) {
			return false
		}
	}
	return true
}

// yieldObject yields what is there to be read, without opening it: what cannot be opened is found by who wants it.
func (d *Driver) yieldObject(ctx context.Context, key string, yield func(store.Info, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(store.Info{}, err)
		return false
	}
	found, err := d.root.Stat(key)
	switch {
	case missing(err) || outside(err) || err == nil && !found.Mode().IsRegular():
		return true // deleted since its folder was read, a link that leads nowhere, a device: no object
	case err != nil:
		yield(store.Info{}, explain("open", err))
		return false
	}
	return yield(infoOf(key, found), nil)
}
