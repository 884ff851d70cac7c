package file

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/store"
)

var _ store.NearDriver = (*Driver)(nil)

// Near opens an object of which the page cache may have something; nil once the file system could not tell.
func (d *Driver) Near(key string) store.Near {
	if d.mute.Load() {
		return nil
	}
	f, _, err := d.openObject(context.Background(), key)
	if err != nil {
		return nil
	}
	return near{f, d}
}

type near struct {
	file   *os.File
	driver *Driver
}

func (n near) Close() error { return n.file.Close() }

func (n near) ReadNow(offset int64, dst []byte) bool {
	for len(dst) > 0 {
		got, err := unix.Preadv2(int(n.file.Fd()), [][]byte{dst}, offset, unix.RWF_NOWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS):
			n.driver.mute.Store(true)
			return false
		case err != nil || got == 0: // not there, or cut off
			return false
		default:
			dst, offset = dst[got:], offset+int64(got)
		}
	}
	return true
}
