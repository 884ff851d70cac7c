// Package file keeps objects as files below one directory. It owns the order of fsync, rename and
// link that makes a write durable and atomic, and refuses every path that would leave the directory,
// symbolic links included. The invariant: after a crash each key holds an old object or a new one,
// whole; what was begun lies in .tmp, which no key can name.
package file

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"golang.org/x/sys/unix"
)

const (
	tempDir  = ".tmp"
	lockName = tempDir + "/lock"
	// tempAge is how old an abandoned temporary file must be before a new driver removes it.
	tempAge = 24 * time.Hour
)

// Driver is a directory as a store. It is safe for concurrent use, also by several processes.
type Driver struct {
	root *os.Root
	dir  string

	// mu and the flock on lock together serialise "compare, then rename" in and between processes.
	mu   sync.Mutex
	lock *os.File
	// readOnly is why nothing can be written here, nil where it can; there is no lock then.
	readOnly error

	dirs sync.Map // directories known to exist durably
	// mute is set once the file system could not tell what is in memory.
	mute atomic.Bool
}

var _ store.Driver = (*Driver)(nil)

// New opens a directory, which is made if it is missing. One that this user may only read is opened for
// reading: every change is refused.
func New(dir string) (*Driver, error) {
	d, err := open(dir)
	if err != nil {
		return nil, explain("open directory "+dir, err)
	}
	d.sweep()
	return d, nil
}

func open(dir string) (*Driver, error) {
	if err := makeRoot(dir); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	var lock *os.File
	err = root.MkdirAll(tempDir, 0o755)
	if err == nil {
		lock, err = root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o644)
	}
	if err != nil && !forbidden(err) {
		root.Close()
		return nil, err
	}
	return &Driver{root: root, dir: dir, lock: lock, readOnly: err}, nil
}

// makeRoot makes the directory durably: a power cut after the first write must not take it away.
func makeRoot(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return err
	}
	for at := abs; at != "/"; {
		at = filepath.Dir(at)
		f, err := os.Open(at)
		if err != nil {
			return nil // not ours to read, so not made here
		}
		_ = f.Sync() // a file system that cannot sync a folder does without, as in syncDir
		f.Close()
	}
	return nil
}

// Close releases the directory. Readers that are open stay usable.
func (d *Driver) Close() error {
	if d.lock == nil {
		return d.root.Close()
	}
	return errors.Join(d.lock.Close(), d.root.Close())
}

// sweep removes what killed writers left long ago.
func (d *Driver) sweep() {
	entries, err := fs.ReadDir(d.root.FS(), tempDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && e.Name() != path.Base(lockName) && time.Since(info.ModTime()) > tempAge {
			d.root.Remove(tempDir + "/" + e.Name())
		}
	}
}

// Get opens a range of an object; Info is that of the open file, whatever replaces it meanwhile.
func (d *Driver) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	f, info, err := d.openObject(ctx, key)
	if err != nil {
		return nil, store.Info{}, err
	}
	if r.Offset < 0 || r.Length < 0 || (r.Offset > 0 && r.Offset >= info.Size) {
		f.Close()
		return nil, store.Info{}, fault.New(fault.Invalid, "bytes %d+%d of %d: %w", r.Offset, r.Length, info.Size, store.ErrRange)
	}
	length := info.Size - r.Offset
	if r.Length > 0 {
		length = min(length, r.Length)
	}
	return &body{SectionReader: io.NewSectionReader(f, r.Offset, length), file: f}, info, nil
}

type body struct {
	*io.SectionReader
	file *os.File
}

func (b *body) Close() error { return b.file.Close() }

func (d *Driver) openObject(ctx context.Context, key string) (*os.File, store.Info, error) {
	if err := check(ctx, key); err != nil {
		return nil, store.Info{}, err
	}
	f, err := d.root.OpenFile(key, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe would wait for its writer
	if err != nil {
		return nil, store.Info{}, explain("open", err)
	}
	info, err := describe(key, f)
	if err != nil {
		f.Close()
		return nil, store.Info{}, err
	}
	return f, info, nil
}

// Stat describes an object.
func (d *Driver) Stat(ctx context.Context, key string) (store.Info, error) {
	f, info, err := d.openObject(ctx, key)
	if err != nil {
		return store.Info{}, err
	}
	return info, f.Close()
}

// Delete removes an object durably; a missing one is no error.
func (d *Driver) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	unlock, err := d.exclusive()
	if err != nil {
		return err
	}
	defer unlock()
	info, err := d.root.Lstat(key)
	if missing(err) || (err == nil && info.IsDir()) {
		return nil
	}
	if err == nil {
		err = d.root.Remove(key)
	}
	if err != nil {
		return explain("remove", err)
	}
	return d.syncDir(path.Dir(key))
}

// exclusive takes the lock of all conditional changes.
func (d *Driver) exclusive() (unlock func(), err error) {
	if d.readOnly != nil {
		return nil, explain("write into "+d.dir, d.readOnly)
	}
	d.mu.Lock()
	for {
		err = unix.Flock(int(d.lock.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		d.mu.Unlock()
		return nil, explain("lock "+lockName, err)
	}
	return func() {
		unix.Flock(int(d.lock.Fd()), unix.LOCK_UN)
		d.mu.Unlock()
	}, nil
}

func describe(key string, f *os.File) (store.Info, error) {
	info, err := f.Stat()
	if err != nil {
		return store.Info{}, explain("stat", err)
	}
	if !info.Mode().IsRegular() {
		return store.Info{}, store.ErrNotFound
	}
	return infoOf(key, info), nil
}

func infoOf(key string, info fs.FileInfo) store.Info {
	var tag [24]byte
	for i, v := range []uint64{info.Sys().(*syscall.Stat_t).Ino, uint64(info.ModTime().UnixNano()), uint64(info.Size())} {
		for b := range 8 {
			tag[8*i+b] = byte(v >> (8 * b))
		}
	}
	return store.Info{Key: key, Size: info.Size(), ETag: hex.EncodeToString(tag[:]), Modified: info.ModTime().UTC()}
}

func check(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if key == tempDir || strings.HasPrefix(key, tempDir+"/") {
		return fault.New(fault.Invalid, "object key %q lies in the folder of unfinished writes", key)
	}
	return nil
}

func randomName() string {
	var b [12]byte
	rand.Read(b[:])
	return tempDir + "/" + hex.EncodeToString(b[:])
}
