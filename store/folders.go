package store

import (
	"context"
	"slices"
	"strings"
)

// FolderLister is an ability of drivers that can list one level of a hierarchy without walking
// everything below it.
type FolderLister interface {
	// Folders returns the distinct next path segments below prefix that have objects in them. prefix is
	// "" or ends in "/".
	Folders(ctx context.Context, prefix string) ([]string, error)
}

// Folders returns the names of the folders directly below another one, in byte order; "" is the top.
// Without a FolderLister it walks every object below.
func (b *Bucket) Folders(ctx context.Context, folder string) ([]string, error) {
	prefix := b.prefix
	if folder != "" {
		prefix += strings.Trim(folder, "/") + "/"
	}
	if l, ok := b.driver.(FolderLister); ok {
		names, err := l.Folders(ctx, prefix)
		if err != nil {
			return nil, wrap("list", b.name(folder), err)
		}
		slices.Sort(names) // "a-b/" comes before "a/", "a" before "a-b"
		return names, nil
	}
	var names []string
	for info, err := range b.driver.List(ctx, prefix) {
		if err != nil {
			return nil, wrap("list", b.name(folder), err)
		}
		name, _, nested := strings.Cut(strings.TrimPrefix(info.Key, prefix), "/")
		if nested && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
