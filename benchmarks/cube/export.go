package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
)

// export writes a plain Zarr v3 group that holds the chunks windows touch, in the very bytes they have
// in the cube, one file each: readers without Icechunk read these.
func (b *bench) export(ctx context.Context, dir string) (map[string]int, error) {
	root := []byte(`{"zarr_format":3,"node_type":"group","attributes":{}}`)
	if err := put(filepath.Join(dir, "zarr.json"), root); err != nil {
		return nil, err
	}
	files, bytes, done := 0, 0, map[[4]int]bool{}
	for l, name := range []string{layout.Image, layout.Valid} {
		a := b.view.Array(b.cell.Path, name)
		text, err := a.JSON()
		if err != nil {
			return nil, err
		}
		if err := put(filepath.Join(dir, name, "zarr.json"), text); err != nil {
			return nil, err
		}
		for _, t := range b.tests {
			for i := range len(t.Samples) / b.Batch {
				for _, at := range b.touched(t, i) {
					if at[0] != l || done[at] {
						continue
					}
					done[at] = true
					data, _, err := b.stored(ctx, at)
					if err != nil {
						return nil, err
					}
					if data == nil {
						continue
					}
					if err := put(filepath.Join(dir, name, filepath.FromSlash(a.ChunkKey(at[1], 0, at[2], at[3]))), data); err != nil {
						return nil, err
					}
					files, bytes = files+1, bytes+len(data)
				}
			}
		}
	}
	return map[string]int{"files": files, "bytes": bytes}, nil
}

func put(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// pixels writes the first batch of a case as we read it, image after image and then validity, and says
// which chunks the batches touch, so that others decode the same.
func (b *bench) pixels(ctx context.Context, r request) (map[string]any, error) {
	t, err := b.test(r.Case)
	if err != nil {
		return nil, err
	}
	image, valid := b.buffers(t)
	var requests []read.Request
	for _, s := range t.Samples[:b.Batch] {
		requests = append(requests, b.request(t, s))
	}
	if _, err := read.New(read.Config{CacheBytes: -1}).ReadMany(ctx, b.view, requests, image, valid); err != nil {
		return nil, err
	}
	var all []byte
	for _, part := range append(image, valid...) {
		all = append(all, part...)
	}
	var batches [][]string
	inline := map[[4]int]bool{}
	for i := range len(t.Samples) / b.Batch {
		names := []string{}
		for _, at := range b.touched(t, i) {
			if _, known := inline[at]; !known && at[0] == 1 {
				_, in, err := b.stored(ctx, at)
				if err != nil {
					return nil, err
				}
				inline[at] = in
			}
			if !inline[at] {
				names = append(names, fmt.Sprintf("%s/c/%d/0/%d/%d", []string{layout.Image, layout.Valid}[at[0]], at[1], at[2], at[3]))
			}
		}
		batches = append(batches, names)
	}
	return map[string]any{"chunks": batches}, os.WriteFile(r.Path, all, 0o644)
}
