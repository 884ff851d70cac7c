package layout

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// Repoint is one stored chunk whose very bytes lie in another place too.
type Repoint struct {
	// Cell is the cell's path, Array one of Image, Valid and Flags.
	Cell, Array string
	Slice       cube.SliceID
	// Row and Col count the chunks of the cell.
	Row, Col int
	// From is where the cube has the chunk, To where it is to be read from now on.
	From, To icechunk.Ref
}

// Repointed is what a Repoint did.
type Repointed struct {
	// Snapshot is the new one, or the tip of the branch if nothing was committed.
	Snapshot string
	// Chunks now have the new place; those that somebody replaced meanwhile are left out.
	Chunks, Bytes int64
}

// Repoint lets references of the newest snapshot point to other copies of the same bytes, in one commit that
// changes nothing else. Whoever calls it has compared the bytes. Slices are found by their ids, so that scenes
// which came since the copies were made do no harm; a chunk that is no longer where From says keeps its
// place. The metadata of the snapshot is what is given, with the numbers of chunks and bytes.
func (c *Cube) Repoint(ctx context.Context, list []Repoint, message string, metadata map[string]any) (Repointed, error) {
	for range maxAttempts {
		done, err := c.tryRepoint(ctx, list, message, metadata)
		if err == nil {
			return done, nil
		}
		if !errors.Is(err, icechunk.ErrMoved) {
			return done, fault.New(fault.KindOf(err), "move chunks of cube %q: %w", c.spec.Name, err)
		}
	}
	return Repointed{}, fault.New(fault.Unavailable, "move chunks of cube %q: the branch moved %d times meanwhile", c.spec.Name, maxAttempts).
		WithCure("try again when fewer programs write to the cube")
}

func (c *Cube) tryRepoint(ctx context.Context, list []Repoint, message string, metadata map[string]any) (Repointed, error) {
	tx, err := c.repo.Begin(ctx, branch)
	if err != nil {
		return Repointed{}, err
	}
	base, err := c.view(ctx, tx.Base().ID())
	if err != nil {
		return Repointed{}, err
	}
	done := Repointed{Snapshot: base.Snapshot()}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Repoint) int { return cmp.Or(cmp.Compare(a.Cell, b.Cell), cmp.Compare(a.Array, b.Array)) })
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Cell == list[0].Cell && list[n].Array == list[0].Array {
			n++
		}
		if err := base.repoint(ctx, tx, list[:n], &done); err != nil {
			return Repointed{}, err
		}
		list = list[n:]
	}
	if done.Chunks == 0 {
		return done, nil
	}
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["chunks_moved"], metadata["bytes_moved"] = done.Chunks, done.Bytes
	id, err := tx.Commit(ctx, message, metadata)
	done.Snapshot = id.String()
	return done, err
}

// repoint sets the references of one array.
func (v *View) repoint(ctx context.Context, tx *icechunk.Tx, list []Repoint, done *Repointed) error {
	cell, array := list[0].Cell, list[0].Array
	if _, err := v.tile(cell); err != nil {
		return err
	}
	type placed struct {
		index []uint32
		Repoint
	}
	var at []placed
	for _, m := range list {
		if i, _, ok := v.Slice(cell, m.Slice); ok {
			at = append(at, placed{chunkIndex(array, i, m.Row, m.Col), m})
		}
	}
	slices.SortFunc(at, func(a, b placed) int { return slices.Compare(a.index, b.index) })
	var index []uint32
	for _, p := range at {
		index = append(index, p.index...)
	}
	found := make([]icechunk.Found, len(at))
	if err := v.LookUp(ctx, cell, array, index, found); err != nil {
		return err
	}
	for i, p := range at {
		f := found[i]
		if f.Err != nil {
			return f.Err
		}
		if !f.OK || f.Ref.Inline != nil || f.Ref.Location != "" || f.Ref.Object != p.From.Object || f.Ref.Offset != p.From.Offset || f.Ref.Length != p.From.Length {
			continue
		}
		if err := tx.SetRef("/"+cell+"/"+array, p.index, p.To); err != nil {
			return err
		}
		done.Chunks++
		done.Bytes += int64(p.From.Length)
	}
	return nil
}

// chunkIndex is a chunk's place in the grid of Image, Valid or Flags.
func chunkIndex(array string, slice, row, col int) []uint32 {
	if array == Flags {
		return []uint32{uint32(slice), uint32(row), uint32(col)}
	}
	return []uint32{uint32(slice), 0, uint32(row), uint32(col)}
}
