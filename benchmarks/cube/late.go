package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/store"
)

// counted counts the bytes that are written, those of packs apart.
type counted struct {
	store.Driver
	packs, rest atomic.Int64
}

func (d *counted) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	info, err := d.Driver.Put(ctx, key, body, c)
	if strings.Contains(key, "/chunks/") {
		d.packs.Add(info.Size)
	} else {
		d.rest.Add(info.Size)
	}
	return info, err
}

// lateness is what a late scene wrote, in bytes, and what became of the scenes around it.
type lateness struct {
	Scenes     int     `json:"scenes"` // before it came
	Own        int64   `json:"own"`    // encoded chunks of the scene
	Packs      int64   `json:"packs"`
	Rest       int64   `json:"rest"` // manifests, snapshot and the like
	References int     `json:"references"`
	Rewritten  int     `json:"rewritten"` // references of other scenes to other bytes than before
	Seconds    float64 `json:"seconds"`
}

const lateEdge = 11 // of a scene in chunks

// late fills a cube with scenes of every second day and then inserts one into their middle.
func (b *bench) late(ctx context.Context, r request) (lateness, error) {
	out := lateness{Scenes: r.Scenes}
	count := &counted{}
	c, err := newCube(ctx, r.Path, layout.Spec{Name: "late", Grid: square(lateEdge * edge), Bands: []cube.Band{{Name: "B02"}}, DType: cube.Uint16}, count)
	if err != nil {
		return out, err
	}
	for day := range r.Scenes {
		if err := noise(ctx, c, 2*day); err != nil {
			return out, err
		}
	}
	before, err := references(ctx, c)
	if err != nil {
		return out, err
	}
	packs, rest, start := count.packs.Load(), count.rest.Load(), time.Now()
	if err := noise(ctx, c, r.Scenes|1); err != nil {
		return out, err
	}
	out.Packs, out.Rest, out.Seconds = count.packs.Load()-packs, count.rest.Load()-rest, time.Since(start).Seconds()
	after, err := references(ctx, c)
	if err != nil {
		return out, err
	}
	if len(after) != len(before)+1 {
		return out, fmt.Errorf("%d scenes after one more than %d", len(after), len(before))
	}
	for id, refs := range after {
		old, ok := before[id]
		for i, ref := range refs {
			switch {
			case !ok:
				out.Own += int64(ref.Length)
			case ref.Object != old[i].Object || ref.Offset != old[i].Offset || ref.Length != old[i].Length || !slices.Equal(ref.Inline, old[i].Inline):
				out.Rewritten++
			default:
				out.References++
			}
		}
	}
	return out, nil
}

// noise commits a scene of pixels that do not compress away.
func noise(ctx context.Context, c *layout.Cube, day int) error {
	staged, err := stageNoise(ctx, c, c.Spec().Grid.All(), day)
	if err != nil {
		return err
	}
	_, err = c.Commit(ctx, []*layout.Staged{staged}, "one scene")
	return err
}

// references are those of each scene of the first cell.
func references(ctx context.Context, c *layout.Cube) (map[cube.SliceID][]icechunk.Ref, error) {
	v, err := c.At(ctx, "")
	if err != nil {
		return nil, err
	}
	cell := v.Cells()[0]
	out := map[cube.SliceID][]icechunk.Ref{}
	for at, s := range cell.Slices {
		for _, name := range []string{layout.Image, layout.Valid} {
			for cy := range cell.ChunkRows {
				for cx := range cell.ChunkCols {
					ref, _, err := v.Ref(ctx, cell.Path, name, at, cy, cx)
					if err != nil {
						return nil, err
					}
					out[s.ID] = append(out[s.ID], ref)
				}
			}
		}
	}
	return out, nil
}
