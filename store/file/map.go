package file

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/store"
)

var _ store.Mapper = (*Driver)(nil)

// Map maps an object into memory. What replaces the object later does not change the mapping.
func (d *Driver) Map(ctx context.Context, key string) (*store.Mapping, store.Info, error) {
	f, info, err := d.openObject(ctx, key)
	if err != nil {
		return nil, store.Info{}, err
	}
	defer f.Close()
	if info.Size == 0 {
		return store.Held(nil), info, nil
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, store.Info{}, explain("map", err)
	}
	return store.Mapped(data, func(data []byte) { _ = unix.Munmap(data) }), info, nil
}
