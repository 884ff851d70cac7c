package icechunk

import (
	"context"
	"maps"
	"slices"
)

// rewrite is the plan for the manifests of one array: which windows of the first axis change and
// what they then hold. Windows that do not change keep the manifest they have.
type rewrite struct {
	tx      *Tx
	node    *txNode
	rows    uint32              // chunks along the first axis in one window
	dirty   map[uint32]bool     // windows to write anew
	changed map[string]struct{} // chunks set, moved or dropped, for the transaction log
}

func (tx *Tx) planRewrite(ctx context.Context, n *txNode) (*rewrite, error) {
	w := &rewrite{tx: tx, node: n, rows: tx.repo.windowRows(n.Array), dirty: map[uint32]bool{}, changed: map[string]struct{}{}}
	if n.old != nil && (len(n.moves) > 0 || shrunk(n.old.Array, n.Array)) {
		if err := w.planMoves(ctx); err != nil {
			return nil, err
		}
	}
	for key, ref := range n.sets {
		index := unpackIndex(key)
		if err := n.Array.check(n.Path, index); err != nil {
			return nil, err
		}
		if n.old != nil && len(n.moves) == 0 && n.old.Array.holds(index) {
			have, ok, err := tx.base.find(ctx, *n.old, index)
			if err != nil {
				return nil, err
			}
			if ok && have.equal(ref) {
				continue
			}
		}
		w.touch(index)
	}
	return w, nil
}

// windowRows is how many steps of the first axis a manifest covers, so that a full window stays
// within the configured number of references.
func (r *Repo) windowRows(a *ArrayInfo) uint32 {
	if len(a.NumChunks) == 0 {
		return 1
	}
	per := uint64(1)
	for _, n := range a.NumChunks[1:] {
		per = min(per*uint64(max(n, 1)), uint64(r.cfg.ManifestRefs))
	}
	return uint32(max(uint64(r.cfg.ManifestRefs)/per, 1))
}

func shrunk(old, now *ArrayInfo) bool {
	for i, n := range old.NumChunks {
		if now.NumChunks[i] < n {
			return true
		}
	}
	return false
}

// strays reports whether manifests may hold chunks outside the array, left there by a writer that
// shrank it. They must go before the array grows over them again.
func strays(old *snapshotNode) bool {
	return slices.ContainsFunc(old.manifests, func(m manifestRef) bool { return m.leaves(old.Array) })
}

// leaves reports whether the extents reach outside the chunk grid.
func (m manifestRef) leaves(a *ArrayInfo) bool {
	for i, e := range m.extents {
		if e.to > a.NumChunks[i] {
			return true
		}
	}
	return false
}

// cleans reports whether stray chunks have to go although no other chunk changes: a new shape could
// bring them back.
func (w *rewrite) cleans() bool {
	n := w.node
	return n.old != nil && strays(n.old) && !n.Array.equal(n.old.Array)
}

func (w *rewrite) window(index []uint32) uint32 {
	if len(index) == 0 {
		return 0
	}
	return index[0] / w.rows
}

func (w *rewrite) touch(index []uint32) {
	w.dirty[w.window(index)] = true
	w.changed[packIndex(index)] = struct{}{}
}

// planMoves marks where references leave and where they arrive.
func (w *rewrite) planMoves(ctx context.Context) error {
	n := w.node
	for c, err := range w.tx.base.refs(ctx, *n.old, n.old.manifests) {
		if err != nil {
			return err
		}
		if !n.old.Array.holds(c.Index) {
			continue
		}
		to, err := w.target(c.Index)
		if err != nil {
			return err
		}
		if to != nil && slices.Equal(to, c.Index) {
			continue
		}
		w.touch(c.Index)
		if to != nil {
			w.touch(to)
		}
	}
	return nil
}

// target is where a base reference goes: nil when it is moved out or left outside a smaller shape.
func (w *rewrite) target(index []uint32) ([]uint32, error) {
	if !w.node.old.Array.holds(index) {
		return nil, nil
	}
	to := w.node.moved(index)
	if to == nil || w.node.Array.holds(to) {
		return to, nil
	}
	if slices.Equal(to, index) {
		return nil, nil
	}
	return nil, badMove(w.node.Path, to)
}

// spread adds every window that shares a manifest with a dirty one, and splits the manifests into
// those kept and those replaced. A manifest that may hold stray chunks is always replaced.
func (w *rewrite) spread() (kept, replaced []manifestRef) {
	if w.node.old == nil {
		return nil, nil
	}
	grid := w.node.old.Array
	kept = w.node.old.manifests
	for again := true; again; {
		again = false
		var rest []manifestRef
		for _, m := range kept {
			from, to := w.windows(m, grid)
			if !m.leaves(grid) && !w.meets(from, to) {
				rest = append(rest, m)
				continue
			}
			replaced, again = append(replaced, m), true
			for k := from; k <= to; k++ {
				w.dirty[k] = true
			}
		}
		kept = rest
	}
	return kept, replaced
}

// windows returns the first and the last window a manifest has a part in.
func (w *rewrite) windows(m manifestRef, grid *ArrayInfo) (from, to uint32) {
	if len(m.extents) == 0 {
		return 0, 0
	}
	e := m.extents[0]
	last := max(min(e.to, grid.NumChunks[0]), 1) - 1
	from = min(e.from, last)
	return from / w.rows, last / w.rows
}

func (w *rewrite) meets(from, to uint32) bool {
	for k := range w.dirty {
		if k >= from && k <= to {
			return true
		}
	}
	return false
}

// pendingManifest is a manifest to be written.
type pendingManifest struct {
	id   ID
	refs int
	flat []byte
}

// run gathers the content of the dirty windows and returns the array's new list of manifests with
// those to be written.
func (w *rewrite) run(ctx context.Context) ([]manifestRef, []pendingManifest, error) {
	if len(w.dirty) == 0 && !w.cleans() {
		return w.node.manifests, nil, nil
	}
	kept, replaced := w.spread()
	old, err := w.moved(ctx, replaced)
	if err != nil {
		return nil, nil, err
	}
	own := map[uint32][]ChunkAt{}
	for _, key := range slices.Sorted(maps.Keys(w.node.sets)) {
		index := unpackIndex(key)
		if k := w.window(index); w.dirty[k] {
			own[k] = append(own[k], ChunkAt{index, w.node.sets[key]})
		}
	}
	windows := maps.Clone(own)
	for k := range old {
		windows[k] = nil
	}
	var pending []pendingManifest
	refs := slices.Clone(kept)
	for _, k := range slices.Sorted(maps.Keys(windows)) {
		m, p := w.encode(over(old[k], own[k]))
		refs, pending = append(refs, m), append(pending, p)
	}
	slices.SortStableFunc(refs, func(a, b manifestRef) int {
		if len(a.extents) == 0 {
			return 0
		}
		return int(int64(a.extents[0].from) - int64(b.extents[0].from))
	})
	return refs, pending, nil
}

func byIndex(a, b ChunkAt) int { return slices.Compare(a.Index, b.Index) }

// moved gathers what some manifests of the base hold, each reference where it goes, by window and in
// order.
func (w *rewrite) moved(ctx context.Context, replaced []manifestRef) (map[uint32][]ChunkAt, error) {
	windows := map[uint32][]ChunkAt{}
	if w.node.old == nil {
		return windows, nil
	}
	for c, err := range w.tx.base.refs(ctx, *w.node.old, replaced) {
		if err != nil {
			return nil, err
		}
		to, err := w.target(c.Index)
		if err != nil {
			return nil, err
		}
		if to != nil {
			k := w.window(to)
			windows[k] = append(windows[k], ChunkAt{to, c.Ref})
		}
	}
	for _, list := range windows {
		if !slices.IsSortedFunc(list, byIndex) {
			slices.SortStableFunc(list, byIndex)
		}
		for i := 1; i < len(list); i++ {
			if byIndex(list[i-1], list[i]) == 0 {
				return nil, badMove(w.node.Path, list[i].Index)
			}
		}
	}
	return windows, nil
}

// over merges two ordered lists; where both have an index, the second one counts.
func over(old, own []ChunkAt) []ChunkAt {
	if len(own) == 0 {
		return old
	}
	out := make([]ChunkAt, 0, len(old)+len(own))
	for _, c := range own {
		n, taken := slices.BinarySearchFunc(old, c, byIndex)
		out = append(append(out, old[:n]...), c)
		if old = old[n:]; taken {
			old = old[1:]
		}
	}
	return append(out, old...)
}

// encode makes the manifest of one window; its extents are the box around its references.
func (w *rewrite) encode(chunks []ChunkAt) (manifestRef, pendingManifest) {
	m := manifestRef{id: newID(), extents: make([]extent, len(w.node.Array.Shape))}
	for n, c := range chunks {
		for i, at := range c.Index {
			e := &m.extents[i]
			if n == 0 {
				*e = extent{at, at + 1}
			}
			e.from, e.to = min(e.from, at), max(e.to, at+1)
		}
	}
	return m, pendingManifest{m.id, len(chunks), encodeManifest(m.id, w.node.ID, chunks)}
}

// log lists the changed chunks in order.
func (w *rewrite) log() updatedChunks {
	u := updatedChunks{node: w.node.ID}
	for _, key := range slices.Sorted(maps.Keys(w.changed)) {
		u.indexes = append(u.indexes, unpackIndex(key))
	}
	return u
}
