package read_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
)

// spot is a chunk of a layer.
type spot struct {
	cell, layer   string
	slice, cy, cx int
}

func (s spot) index() []uint32 {
	if s.layer == layout.Flags {
		return []uint32{uint32(s.slice), uint32(s.cy), uint32(s.cx)}
	}
	return []uint32{uint32(s.slice), 0, uint32(s.cy), uint32(s.cx)}
}

// point commits other references for chunks, as another program could; an absent one is deleted.
func (w *tiled) point(t *testing.T, to map[spot]icechunk.Ref) {
	t.Helper()
	repo := w.view.Cube().Repo()
	tx, err := repo.Begin(t.Context(), "main")
	require.NoError(t, err)
	for at, ref := range to {
		path := "/" + at.cell + "/" + at.layer
		if ref.Inline == nil && ref.Length == 0 {
			require.NoError(t, tx.Remap(path, func(index []uint32) []uint32 {
				if slices.Equal(index, at.index()) {
					return nil
				}
				return index
			}))
			continue
		}
		require.NoError(t, tx.SetRef(path, at.index(), ref))
	}
	id, err := tx.Commit(t.Context(), "not ours", nil)
	require.NoError(t, err)
	w.view, err = w.view.Cube().At(t.Context(), id.String())
	require.NoError(t, err)
}

func (w *tiled) ref(t *testing.T, s spot) icechunk.Ref {
	t.Helper()
	ref, _, err := w.view.Ref(t.Context(), s.cell, s.layer, s.slice, s.cy, s.cx)
	require.NoError(t, err)
	return ref
}

// A reference that leads to another chunk of the same kind decodes as well as the right one. It is an error
// that names the chunk, whether it was swapped with another, given a second time, taken away or put
// where nothing was; whatever the budget, in a cold reader and in one that had the right pixels.
func TestAWrongReferenceIsAnError(t *testing.T) {
	const cell = "r0c0/10m"
	image, other, third := spot{cell, layout.Image, 0, 0, 1}, spot{cell, layout.Image, 0, 2, 2}, spot{cell, layout.Image, 0, 1, 0}
	valid, otherValid := spot{cell, layout.Valid, 0, 0, 1}, spot{cell, layout.Valid, 0, 2, 2}
	for name, change := range map[string]func(w *tiled) map[spot]icechunk.Ref{
		"swapped": func(w *tiled) map[spot]icechunk.Ref {
			return map[spot]icechunk.Ref{image: w.ref(t, other), other: w.ref(t, image)}
		},
		"given twice": func(w *tiled) map[spot]icechunk.Ref { return map[spot]icechunk.Ref{image: w.ref(t, third)} },
		"taken away":  func(*tiled) map[spot]icechunk.Ref { return map[spot]icechunk.Ref{image: {}} },
		"inline":      func(w *tiled) map[spot]icechunk.Ref { return map[spot]icechunk.Ref{valid: w.ref(t, otherValid)} },
		"of validity": func(*tiled) map[spot]icechunk.Ref { return map[spot]icechunk.Ref{valid: {}} },
		"another slice": func(w *tiled) map[spot]icechunk.Ref {
			s := image
			s.slice = 1
			return map[spot]icechunk.Ref{image: w.ref(t, s)}
		},
	} {
		for i, cfg := range tight {
			t.Run(fmt.Sprint(name, i), func(t *testing.T) {
				w := newTiled(t, nil)
				changes := change(&w)
				warm, old := read.New(cfg), w.view
				c, err := w.view.Cell(cell)
				require.NoError(t, err)
				all := read.Request{Cell: cell, Slices: []cube.SliceID{c.Slices[0].ID, c.Slices[1].ID}, Window: cube.Window{Height: 64, Width: 64}}
				into, ok := w.buffers(all, 0)
				require.NoError(t, warm.Read(t.Context(), w.view, all, into, ok))
				w.point(t, changes)
				for _, r := range []*read.Reader{warm, read.New(cfg)} {
					for _, bands := range [][]int{nil, {1}, {2, 0}} {
						for cy := range 4 {
							for cx := range 4 {
								q := read.Request{Cell: cell, Slices: all.Slices[:1], Bands: bands, Window: cube.Window{Row: 16 * cy, Col: 16 * cx, Height: 16, Width: 16}}
								into, ok := w.buffers(q, 0)
								err := r.Read(t.Context(), w.view, q, into, ok)
								hit := false
								for at := range changes {
									hit = hit || at.cy == cy && at.cx == cx
								}
								if !hit {
									require.True(t, w.check(t, q, 0, into, ok, err))
									continue
								}
								require.Equal(t, fault.Corrupt, fault.KindOf(err), "%v", err)
								assert.ErrorContains(t, err, fmt.Sprintf("chunk [0 0 %d %d] of %s/", cy, cx, cell))
								assert.NotEmpty(t, fault.CureOf(err))
							}
						}
					}
					into, ok := w.buffers(all, 0)
					require.NoError(t, r.Read(t.Context(), old, all, into, ok), "the version before is as it was")
					require.True(t, w.check(t, all, 0, into, ok, nil))
					require.Empty(t, r.Idle())
				}
			})
		}
	}
}

// Bytes that change after they were verified are met again with the next read from the store, in all bands
// and in some; decoded or stored as they are.
func TestWhatWasVerifiedIsComparedAgain(t *testing.T) {
	for _, codec := range []layout.Codec{"", layout.Uncompressed} {
		t.Run(codec.String(), func(t *testing.T) { verifiedIsComparedAgain(t, newTiledIn(t, nil, codec)) })
	}
}

func verifiedIsComparedAgain(t *testing.T, w tiled) {
	r := read.New(read.Config{CacheBytes: -1})
	q := read.Request{Cell: "r0c0/10m", Slices: w.ids[:1], Window: cube.Window{Row: 16, Col: 16, Height: 16, Width: 16}}
	index, _, ok := w.view.Slice(q.Cell, w.ids[0])
	require.True(t, ok)
	ref := w.ref(t, spot{q.Cell, layout.Image, index, 1, 1})
	bad := &flaky{Driver: w.driver.Driver, rng: rand.New(rand.NewPCG(3, 3)), object: ref.Object.String(), at: int64(ref.Offset + ref.Length - 3), bits: true}
	w.driver.Driver = bad
	for _, bands := range [][]int{nil, {1}, {0, 2}} {
		q.Bands = bands
		for _, rate := range []float64{0, 0, 1, 0} {
			bad.rate = rate
			image, valid := w.buffers(q, 0)
			err := r.Read(t.Context(), w.view, q, image, valid)
			if rate == 0 {
				require.True(t, w.check(t, q, 0, image, valid, err))
				continue
			}
			require.Equal(t, fault.Corrupt, fault.KindOf(err), "%v", err)
		}
	}
}
