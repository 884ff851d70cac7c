package file

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/store"
)

var _ store.NearDriver = (*Driver)(nil)

// Near opens an object of which the page cache may have something.
func (d *Driver) Near(key string) store.Near {
	f, _, err := d.openObject(context.Background(), key)
	if err != nil {
		return nil
	}
	return near{f}
}

type near struct{ file *os.File }

func (n near) Close() error { return n.file.Close() }

func (n near) ReadNow(offset int64, dst []byte) bool {
	for len(dst) > 0 {
		got, err := unix.Preadv2(int(n.file.Fd()), [][]byte{dst}, offset, unix.RWF_NOWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || got == 0: // not there, cut off, or a file system that cannot tell
			return false
		default:
			dst, offset = dst[got:], offset+int64(got)
		}
	}
	return true
}
