package truth

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

// sampled is how many slices of a cube have one of their chunks read in a check that is not full.
const sampled = 16

// cube checks a repository: every snapshot that a branch or tag names, every object that those refer
// to, and the digests of pixels.
func (c *checker) cube(ctx context.Context, name string) error {
	object := "cubes/" + name
	cb, err := layout.OpenWith(ctx, c.root.Sub(object), icechunk.Config{Fetch: c.opt.Virtual})
	if errors.Is(err, layout.ErrUnfinished) && c.marks[object] == "" {
		c.there[object] = false
		c.report.Notes = append(c.report.Notes, Note{Object: object, Note: "an unfinished `cube create`; run it again"})
		return nil
	}
	if err != nil {
		return c.report.failed(object, restore, err)
	}
	repo := cb.Repo()
	named, err := repo.Branches(ctx)
	if err != nil {
		return c.report.failed(object, restore, err)
	}
	tags, err := repo.Tags(ctx)
	if err != nil {
		return c.report.failed(object, restore, err)
	}
	c.tags[name] = tags
	before, err := c.history(ctx, repo, object, named["main"])
	if err != nil {
		return err
	}
	seen, ends := map[icechunk.ID]bool{}, map[icechunk.ID]uint64{}
	for _, at := range slices.Concat(slices.Collect(maps.Values(named)), slices.Collect(maps.Values(tags)), before) {
		if seen[at] {
			continue
		}
		seen[at] = true
		if err := c.snapshot(ctx, repo, object, at, ends); err != nil {
			return err
		}
	}
	if err := c.refs(ctx, repo, object, named, tags); err != nil {
		return err
	}
	if err := c.chunks(ctx, object, ends); err != nil {
		return err
	}
	if c.opt.Full {
		err := repo.Check(ctx, func(key string, err error) error {
			return c.report.failed(object+"/"+key, restore, err)
		})
		if err != nil {
			return err
		}
	}
	view, err := cb.At(ctx, "")
	if err != nil {
		return c.report.failed(object, restore, err)
	}
	collection, err := cubeDocument(view)
	if err != nil {
		return c.report.failed(object, restore, err)
	}
	var items []json.RawMessage
	for _, s := range view.Slices() {
		item, err := sceneDocument(view, s)
		if err != nil {
			return c.report.failed(object, restore, err)
		}
		items = append(items, item)
	}
	c.expect(object, []json.RawMessage{collection}, items)
	if err := c.axes(ctx, object, view); err != nil {
		return err
	}
	if err := c.pixels(ctx, object, view); err != nil || !c.opt.Full {
		return err
	}
	return c.pinnedPixels(ctx, object, cb, named, tags)
}

// pinnedPixels checks what other branches and tags lead to; chunks that were checked are not read again.
func (c *checker) pinnedPixels(ctx context.Context, object string, cb *layout.Cube, branches, tags map[string]icechunk.ID) error {
	done := map[icechunk.ID]bool{branches["main"]: true, icechunk.InitialID: true}
	for _, refs := range []map[string]icechunk.ID{branches, tags} {
		for _, name := range slices.Sorted(maps.Keys(refs)) {
			at := refs[name]
			if done[at] {
				continue
			}
			done[at] = true
			view, err := cb.At(ctx, at.String())
			if err != nil {
				if err := c.report.failed(object+" at "+name, restore, err); err != nil {
					return err
				}
				continue
			}
			if err := c.axes(ctx, object, view); err != nil {
				return err
			}
			if err := c.pixels(ctx, object, view); err != nil {
				return err
			}
		}
	}
	return nil
}

// axes checks the arrays and coordinates of cells, and records of slices against their digests.
func (c *checker) axes(ctx context.Context, object string, view *layout.View) error {
	for _, cell := range view.Cells() {
		if err := view.CheckArrays(ctx, cell.Path); err != nil {
			if err := c.report.failed(object+"/"+cell.Path, restore, err); err != nil {
				return err
			}
		}
		if err := view.CheckAxis(ctx, cell.Path); err != nil {
			if err := c.report.failed(object+"/"+cell.Path+"/time", restore, err); err != nil {
				return err
			}
		}
	}
	step := 1
	if !c.opt.Full {
		step = max(1, len(view.Slices())/sampled)
	}
	for i := 0; i < len(view.Slices()); i += step {
		if err := view.CheckSlice(ctx, view.Slices()[i]); err != nil {
			if err := c.report.failed(object+"/records", restore, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// refs names the branches and tags that lead to what does not read.
func (c *checker) refs(ctx context.Context, repo *icechunk.Repo, object string, branches, tags map[string]icechunk.ID) error {
	for what, list := range map[string]map[string]icechunk.ID{"branch": branches, "tag": tags} {
		for _, name := range slices.Sorted(maps.Keys(list)) {
			if _, err := repo.Snapshot(ctx, list[name]); err != nil {
				err = fault.New(fault.KindOf(err), "%s %s leads to snapshot %s: %w", what, name, list[name], err)
				if err := c.report.failed(object, restore, err); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// history checks that the snapshots of the branch main and the logs of what each changed are there, and
// returns the snapshots where a full check is to read them.
func (c *checker) history(ctx context.Context, repo *icechunk.Repo, object string, head icechunk.ID) ([]icechunk.ID, error) {
	log, err := repo.Log(ctx, head)
	if err != nil {
		return nil, c.report.failed(object, restore, err)
	}
	mark := c.marks[object]
	if mark == "" || mark != head.String() && slices.ContainsFunc(log, func(s icechunk.SnapshotInfo) bool { return s.ID.String() == mark }) {
		c.ahead[object] = true
	}
	var read []icechunk.ID
	for _, s := range log {
		keys := []string{object + "/snapshots/" + s.ID.String()}
		if s.Parent != nil {
			keys = append(keys, object+"/transactions/"+s.ID.String())
		}
		whole := true
		for _, key := range keys {
			if _, err := c.root.Stat(ctx, key); err != nil {
				whole = false
				if err := c.report.failed(key, restore, err); err != nil {
					return nil, err
				}
			}
		}
		if whole && c.opt.Full {
			read = append(read, s.ID)
		}
	}
	return read, nil
}

// snapshot reads every manifest of a snapshot and notes how long each chunk object has to be.
func (c *checker) snapshot(ctx context.Context, repo *icechunk.Repo, object string, at icechunk.ID, ends map[icechunk.ID]uint64) error {
	s, err := repo.Snapshot(ctx, at)
	if err != nil {
		return c.report.failed(object+"/snapshots/"+at.String(), restore, err)
	}
	for _, n := range s.Nodes() {
		if n.Array == nil {
			continue
		}
		for chunk, err := range s.Refs(ctx, n.Path) {
			if err != nil {
				if err := c.report.failed(object+"/snapshots/"+at.String()+n.Path, restore, err); err != nil {
					return err
				}
				break
			}
			if r := chunk.Ref; !r.Object.IsZero() {
				ends[r.Object] = max(ends[r.Object], r.Offset+r.Length)
			}
		}
	}
	return nil
}

// chunks checks that every object that is referred to is there and long enough.
func (c *checker) chunks(ctx context.Context, object string, ends map[icechunk.ID]uint64) error {
	for id, end := range ends {
		key := object + "/chunks/" + id.String()
		switch info, err := c.root.Stat(ctx, key); {
		case err != nil:
			if err := c.report.failed(key, restore, err); err != nil {
				return err
			}
		case uint64(info.Size) < end:
			c.report.problem(key, restore, "it has %d bytes, and references reach to byte %d", info.Size, end)
		}
	}
	unreferenced := 0
	for info, err := range c.root.List(ctx, object+"/chunks/") {
		if err != nil {
			return err
		}
		id, err := icechunk.ParseID(info.Key[len(object+"/chunks/"):])
		if _, ok := ends[id]; err != nil || !ok {
			unreferenced++
		}
	}
	if unreferenced > 0 {
		c.report.Notes = append(c.report.Notes, Note{Object: object, Note: "some chunk objects belong to no branch or tag: left by an interrupted ingest or an older snapshot"})
	}
	return nil
}

// pixels reads chunks and compares their digests with the recorded ones.
func (c *checker) pixels(ctx context.Context, object string, view *layout.View) error {
	for _, cell := range view.Cells() {
		step := 1
		if !c.opt.Full {
			step = max(1, len(cell.Slices)/sampled)
		}
		for i := 0; i < len(cell.Slices); i += step {
			n := cell.ChunkRows * cell.ChunkCols
			for k := range n {
				if !c.opt.Full && k != i%n {
					continue
				}
				if err := c.chunk(ctx, object, view, cell, i, k/cell.ChunkCols, k%cell.ChunkCols); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *checker) chunk(ctx context.Context, object string, view *layout.View, cell layout.Cell, slice, cy, cx int) error {
	group, err := view.Frame(cell.Group)
	if err != nil {
		return err
	}
	edge, layers := group.ChunkSize(), []string{layout.Image, layout.Valid}
	if view.Array(cell.Path, layout.Flags).Shape != nil {
		layers = append(layers, layout.Flags)
	}
	w := cube.Window{Row: cy * edge, Col: cx * edge, Height: edge, Width: edge}.Intersect(cell.Grid.All())
	where := object + "/" + cell.Path
	for _, name := range layers {
		digests, err := view.ChunkDigests(ctx, cell.Path, name, cell.Slices[slice].ID)
		if err != nil {
			return c.report.failed(where, restore, err)
		}
		recorded := hex.EncodeToString(digests[cy*cell.ChunkCols+cx])
		array := view.Array(cell.Path, name)
		size := array.DType.Size()
		data := make([]byte, array.ChunkBytes())
		ref, there, err := view.Ref(ctx, cell.Path, name, slice, cy, cx)
		known := checked{ref.Object, ref.Offset, ref.Length, string(ref.Inline) + ref.Location, recorded, w.Height, w.Width}
		if err == nil && c.checked[known] {
			continue
		}
		if err == nil && there {
			var stored []byte
			if stored, err = view.Cube().Repo().ReadChunk(ctx, ref); err == nil {
				err = array.Decode(data, stored)
			}
		} else if err == nil {
			for at := 0; at < len(data); at += size {
				array.DType.Put(data[at:], array.Fill)
			}
		}
		if fault.Is(err, fault.NotFound) {
			continue // the missing object is a problem of its own
		}
		if err != nil {
			err = fault.New(fault.KindOf(err), "chunk (%d, %d) of slice %s (%s): %w", cy, cx, cell.Slices[slice].ID, place(ref, there), err)
			if err := c.report.failed(where+"/"+name, restore, err); err != nil {
				return err
			}
			continue
		}
		digest := layout.DigestChunk(data, len(data)/(edge*edge*size), edge, w.Height, w.Width, size)
		if got := hex.EncodeToString(digest[:]); got != recorded {
			c.report.problem(where+"/"+name, restore, "chunk (%d, %d) of slice %s at %s (%s) has SHA-256 %s, and %s is recorded", cy, cx,
				cell.Slices[slice].ID, cell.Slices[slice].Time, place(ref, there), got, recorded)
			continue
		}
		c.checked[known] = true
	}
	return nil
}

// checked is a chunk that was found to be what is recorded.
type checked struct {
	object         icechunk.ID
	offset, length uint64
	text, recorded string
	height, width  int
}

// place says where a chunk lies.
func place(ref icechunk.Ref, there bool) string {
	switch {
	case !there:
		return "absent"
	case ref.Inline != nil:
		return "inline in the manifest"
	case ref.Location != "":
		return ref.Location
	}
	return fmt.Sprintf("chunks/%s, bytes %d+%d", ref.Object, ref.Offset, ref.Length)
}
