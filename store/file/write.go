package file

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"time"

	"github.com/terrapin-eo/terrapin/store"
	"golang.org/x/sys/unix"
)

// Put writes an object: temporary file, fsync, then one rename (or link, where no object may be
// there yet), then fsync of the directory.
func (d *Driver) Put(ctx context.Context, key string, r io.Reader, c store.Condition) (store.Info, error) {
	if err := check(ctx, key); err != nil {
		return store.Info{}, err
	}
	if d.readOnly != nil {
		return store.Info{}, explain("write into "+d.dir, d.readOnly)
	}
	name := randomName()
	info, err := d.writeTemp(ctx, name, key, r)
	if err != nil {
		d.root.Remove(name)
		return store.Info{}, err
	}
	if err := d.makeDir(path.Dir(key)); err != nil {
		d.root.Remove(name)
		return store.Info{}, err
	}
	if err := d.place(name, key, c); err != nil {
		d.root.Remove(name)
		return store.Info{}, err
	}
	if err := d.syncDir(path.Dir(key)); err != nil {
		return store.Info{}, err
	}
	return info, nil
}

// writeTemp writes and syncs the temporary file. Its time is set to the nanosecond, because the
// kernel's own stamps may repeat within a tick, and an ETag must never.
func (d *Driver) writeTemp(ctx context.Context, name, key string, r io.Reader) (store.Info, error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return store.Info{}, explain("create", err)
	}
	defer f.Close()
	if _, err := io.Copy(f, &patient{ctx: ctx, r: r}); err != nil {
		return store.Info{}, explain("write", err)
	}
	now := time.Now()
	if err := d.root.Chtimes(name, now, now); err != nil {
		return store.Info{}, explain("write", err)
	}
	if err := f.Sync(); err != nil {
		return store.Info{}, explain("write", err)
	}
	info, err := describe(key, f)
	if err != nil {
		return store.Info{}, err
	}
	if err := f.Close(); err != nil {
		return store.Info{}, explain("write", err)
	}
	return info, nil
}

// patient stops reading when the context ends.
type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// place gives the temporary file its key if the condition holds.
func (d *Driver) place(name, key string, c store.Condition) error {
	if c.IfAbsent {
		err := d.root.Link(name, key)
		switch {
		case err == nil:
			d.root.Remove(name)
			return nil
		case errors.Is(err, os.ErrExist):
			return store.ErrConflict
		case !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EMLINK):
			return explain("link", err)
		} // a file system without hard links: compare and rename below
	}
	unlock, err := d.exclusive()
	if err != nil {
		return err
	}
	defer unlock()
	if c.IfAbsent || c.IfMatch != "" {
		if err := d.compare(key, c); err != nil {
			return err
		}
	}
	if err := d.root.Rename(name, key); err != nil {
		return explain("rename", err)
	}
	return nil
}

// compare checks a condition; the lock is held.
func (d *Driver) compare(key string, c store.Condition) error {
	info, err := d.Stat(context.Background(), key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		if c.IfMatch != "" {
			return store.ErrConflict
		}
		return nil
	case err != nil:
		return err
	case c.IfAbsent || info.ETag != c.IfMatch:
		return store.ErrConflict
	}
	return nil
}

// makeDir makes a directory and syncs every one above it, so that the new entries survive a crash.
func (d *Driver) makeDir(dir string) error {
	if dir == "." {
		return nil
	}
	if _, known := d.dirs.Load(dir); known {
		if _, err := d.root.Stat(dir); err == nil {
			return nil
		}
	}
	if err := d.root.MkdirAll(dir, 0o755); err != nil {
		return explain("make folder", err)
	}
	for at := dir; at != "."; {
		at = path.Dir(at)
		if err := d.syncDir(at); err != nil {
			return err
		}
	}
	d.dirs.Store(dir, nil)
	return nil
}

func (d *Driver) syncDir(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return explain("open folder", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) { // some file systems cannot sync a directory
		return explain("sync folder", err)
	}
	return nil
}
