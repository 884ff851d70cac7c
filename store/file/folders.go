package file

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/terrapin-eo/terrapin/store"
)

var _ store.FolderLister = (*Driver)(nil)

// Folders reads one directory; a folder counts if an object lies somewhere below it.
func (d *Driver) Folders(ctx context.Context, prefix string) ([]string, error) {
	dir := strings.TrimSuffix(prefix, "/")
	if dir == "" {
		dir = "."
	}
	if !fs.ValidPath(dir) {
		return nil, nil
	}
	entries, err := fs.ReadDir(d.root.FS(), dir)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain("read folder "+dir, err)
	}
	var names []string
	for _, e := range entries {
		key := path.Join(dir, e.Name())
		if !e.IsDir() || key == tempDir {
			continue
		}
		holds := false
		ok := d.walk(ctx, key, key+"/", func(_ store.Info, walkErr error) bool {
			holds, err = walkErr == nil, walkErr
			return false
		})
		if err != nil {
			return nil, err
		}
		if !ok && holds {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
