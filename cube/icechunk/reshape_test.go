package icechunk

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// TestLateInsertion moves references and rewrites no chunk, wherever the new step lands.
func TestLateInsertion(t *testing.T) {
	for at := range 7 {
		t.Run(fmt.Sprintf("at %d", at), func(t *testing.T) {
			b := newBucket()
			r := create(t, b, Config{InlineMax: -1, ManifestRefs: 4})
			first := writeGrid(t, r, grid{6, 4})
			objects := count(t, b, "chunks/")
			tx := begin(t, r)
			g := grid{7, 4}
			require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
			require.NoError(t, tx.Remap("/grid", func(i []uint32) []uint32 {
				if int(i[0]) >= at {
					i[0]++
				}
				return i
			}))
			setStep(t, r, tx, g, at, 500)
			id := commit(t, tx, "late")
			require.Equal(t, rowsOf(4, slices.Insert([]int32{0, 10, 20, 30, 40, 50}, at, 500)...), mustValues(t, r, id, "/grid"))
			require.Equal(t, rowsOf(4, 0, 10, 20, 30, 40, 50), mustValues(t, r, first, "/grid"))
			require.Equal(t, objects+1, count(t, b, "chunks/"))
			kept := 0
			for i, m := range manifestsOf(t, r, id, "/grid") {
				if old := manifestsOf(t, r, first, "/grid"); i < len(old) && m.id == old[i].id {
					kept++
				}
			}
			require.Equal(t, at/2, kept, "windows before the new step stay")
			changes, err := r.Changes(t.Context(), id)
			require.NoError(t, err)
			s, _ := r.Snapshot(t.Context(), id)
			n, _ := s.Node("/grid")
			require.Len(t, changes.Chunks[n.ID], 2*(7-at))
		})
	}
}

func count(t *testing.T, b *store.Bucket, prefix string) (n int) {
	t.Helper()
	for _, err := range b.List(t.Context(), prefix) {
		require.NoError(t, err)
		n++
	}
	return n
}

// TestWhatASmallerShapeCutsStaysCut: neither a Remap nor a larger shape later in the transaction brings
// chunks back that a smaller shape dropped, be they of the base or of the transaction.
func TestWhatASmallerShapeCutsStaysCut(t *testing.T) {
	for name, after := range map[string]func(tx *Tx) error{
		"moved back": func(tx *Tx) error {
			return tx.Remap("/grid", func(i []uint32) []uint32 { return []uint32{(i[0] + 2) % 4, i[1]} })
		},
		"grown again": func(tx *Tx) error { return tx.PutArray("/grid", grid{4, 4}.meta(), grid{4, 4}.info()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := create(t, newBucket(), Config{})
			writeGrid(t, r, grid{4, 4}) // rows 0, 10, 20, 30
			tx := begin(t, r)
			setStep(t, r, tx, grid{4, 4}, 3, 99)
			require.NoError(t, tx.PutArray("/grid", grid{2, 4}.meta(), grid{2, 4}.info()))
			require.NoError(t, tx.PutArray("/grid", grid{4, 4}.meta(), grid{4, 4}.info()))
			require.NoError(t, after(tx))
			id := commit(t, tx, "cut")
			s, err := r.Snapshot(t.Context(), id)
			require.NoError(t, err)
			var rows []uint32
			for c, err := range s.Refs(t.Context(), "/grid") {
				require.NoError(t, err)
				rows = append(rows, c.Index[0])
			}
			want := []uint32{0, 0, 1, 1}
			if name == "moved back" {
				want = []uint32{2, 2, 3, 3}
			}
			require.Equal(t, want, rows)
		})
	}
}

func TestRemapComposesDropsAndRefusesCollisions(t *testing.T) {
	r := create(t, newBucket(), Config{ManifestRefs: 4})
	writeGrid(t, r, grid{4, 4})
	up := func(i []uint32) []uint32 { i[0]++; return i }
	dropLow := func(i []uint32) []uint32 {
		if i[0] <= 2 {
			return nil
		}
		return i
	}
	tx := begin(t, r)
	setStep(t, r, tx, grid{4, 4}, 2, 900) // moved along with the rest
	g := grid{6, 4}
	require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
	require.NoError(t, tx.Remap("/grid", up))
	require.NoError(t, tx.Remap("/grid", dropLow))
	require.NoError(t, tx.Remap("/grid", up))
	id := commit(t, tx, "moves")
	require.Equal(t, rowsOf(4, -1, -1, -1, -1, 900, 30), mustValues(t, r, id, "/grid"))

	for name, move := range map[string]func([]uint32) []uint32{
		"onto one another": func(i []uint32) []uint32 { return []uint32{0, i[1]} },
		"out of the grid":  func(i []uint32) []uint32 { return []uint32{i[0] + 90, i[1]} },
		"other rank":       func(i []uint32) []uint32 { return i[:1] },
	} {
		tx := begin(t, r)
		require.NoError(t, tx.Remap("/grid", move))
		_, err := tx.Commit(t.Context(), name, nil)
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", name, err)
		require.NotEmpty(t, fault.CureOf(err))
	}
	require.Equal(t, id, tip(t, r))
}

func TestShrinkDropsForGood(t *testing.T) {
	r := create(t, newBucket(), Config{ManifestRefs: 4})
	writeGrid(t, r, grid{5, 4})
	for _, g := range []grid{{2, 4}, {5, 4}} {
		tx := begin(t, r)
		require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
		commit(t, tx, "resize")
	}
	require.Equal(t, rowsOf(4, 0, 10, -1, -1, -1), mustValues(t, r, tip(t, r), "/grid"))
}

// TestStrayChunksStayAway: a writer that shrinks an array and leaves its manifests as they are.
func TestStrayChunksStayAway(t *testing.T) {
	r := create(t, newBucket(), Config{})
	s, err := r.Snapshot(t.Context(), writeGrid(t, r, grid{5, 4}))
	require.NoError(t, err)
	careless := *s.info
	careless.id, careless.nodes = newID(), slices.Clone(s.info.nodes)
	small := grid{2, 4}.info()
	careless.nodes[1].Array = &small
	_, err = r.putObject(t.Context(), snapshotFile, careless.id, careless.encode())
	require.NoError(t, err)
	base, err := r.Snapshot(t.Context(), careless.id)
	require.NoError(t, err)
	require.Equal(t, rowsOf(4, 0, 10), mustValues(t, r, careless.id, "/grid"))
	for name, change := range map[string]func(*Tx) error{
		"grow": func(*Tx) error { return nil },
		"grow and move": func(tx *Tx) error {
			return tx.Remap("/grid", func(i []uint32) []uint32 { return i })
		},
		"grow and set": func(tx *Tx) error { return tx.SetRef("/grid", []uint32{0, 0}, Ref{Inline: chunk(0, 1)}) },
	} {
		tx := begin(t, r)
		tx.base = base
		g := grid{5, 4}
		require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()), name)
		require.NoError(t, change(tx), name)
		snap, pending, err := tx.plan(t.Context(), &transactionLog{id: newID()})
		require.NoError(t, err, name)
		written, err := r.putManifests(t.Context(), pending)
		require.NoError(t, err, name)
		require.NoError(t, snap.listManifests(base.info.manifests, written), name)
		_, err = r.putObject(t.Context(), snapshotFile, snap.id, snap.encode())
		require.NoError(t, err, name)
		require.Equal(t, rowsOf(4, 0, 10, -1, -1, -1), mustValues(t, r, snap.id, "/grid"), name)
	}
}
