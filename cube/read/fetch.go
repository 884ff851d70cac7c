package read

import (
	"context"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// chunk returns the decoded values of one chunk, or nil if it is absent. They are shared and must not
// be changed. Which bytes are fetched together is decided below this function and nowhere else.
func (r *Reader) chunk(ctx context.Context, p part, name string, a zarr.Array) ([]byte, error) {
	ref, ok, err := p.view.Ref(ctx, p.cell.Path, name, p.slice, p.cy, p.cx)
	if err != nil {
		return nil, p.explain(name, ref, err)
	}
	if !ok {
		return nil, nil
	}
	repo := p.view.Cube().Repo()
	key := key{cube: p.view.Cube().URL(), array: name, object: ref.Object, offset: ref.Offset, length: ref.Length, inline: string(ref.Inline), location: ref.Location}
	data, err := r.cache.get(ctx, key, func() ([]byte, error) {
		select {
		case r.workers <- struct{}{}:
			defer func() { <-r.workers }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		encoded, err := repo.ReadChunk(ctx, ref)
		if err != nil {
			return nil, err
		}
		data := make([]byte, a.ChunkBytes())
		return data, a.Decode(data, encoded)
	})
	if err != nil {
		return nil, p.explain(name, ref, err)
	}
	if len(data) != a.ChunkBytes() {
		return nil, p.explain(name, ref, fault.New(fault.Corrupt, "%d bytes, wanted %d", len(data), a.ChunkBytes()))
	}
	return data, nil
}

// explain names the chunk and the object that could not be read.
func (p part) explain(name string, ref icechunk.Ref, err error) error {
	where := "inline in the manifest"
	switch {
	case ref.Location != "":
		where = ref.Location
	case len(ref.Inline) == 0:
		where = "object chunks/" + ref.Object.String()
	}
	kind := fault.KindOf(err)
	if kind == fault.NotFound { // the cube says that it is there
		kind = fault.Corrupt
	}
	return fault.New(kind, "read chunk [%d 0 %d %d] of %s/%s in %s (%s, bytes %d+%d): %w",
		p.slice, p.cy, p.cx, p.cell.Path, name, p.view.Cube().URL(), where, ref.Offset, ref.Length, err)
}
