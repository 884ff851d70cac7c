package sqlite

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// The table of boxes is an R*Tree of SQLite's, which for each box that is inserted reads nodes, and writes one or two. Where many
// boxes come together they are put into the nodes here: each is read and written once. The nodes have SQLite's documented
// format (a depth and a number of cells in 2 bytes each, then cells: the number of a row or node in 8 bytes and the coordinates
// in 4 each, all big endian), as have the tables that say in which node a row or a node is.

const (
	boxDims   = 3
	cellBytes = 8 + 2*4*boxDims
	mostCells = 51 // in a node, as SQLite has it
	// manyBoxes are put here; fewer go by SQLite itself.
	manyBoxes = 50
)

type boxNode struct {
	number  int64
	up      *boxNode // nil of the root
	cells   []boxCell
	changed bool
}

// choose is the cell of the node to put a box in: the smallest that holds it, else that which grows least.
func (n *boxNode) choose(b *bound) int {
	best, found := 0, false
	least, grown := 0.0, 0.0
	for i := range n.cells {
		c := &n.cells[i].bound
		size := c.size()
		if c.holds(b) {
			if !found || size < least {
				best, found, least = i, true, size
			}
			continue
		}
		if found {
			continue
		}
		whole := c.with(b)
		if growth := whole.size() - size; i == 0 || growth < grown || growth == grown && size < least {
			best, grown, least = i, growth, size
		}
	}
	return best
}

// boxTree is the tree at work. It is read anew for each set of boxes.
type boxTree struct {
	*transaction
	root *boxNode
	// depth is how many levels there are below the root.
	depth int
	nodes map[int64]*boxNode
	// last is the greatest number of a node, size the bytes and most the cells of one.
	last       int64
	size, most int
	// rows and parents are in which node they now are, as far as that changed.
	rows, parents map[int64]int64
}

func (t *transaction) boxTree() (*boxTree, error) {
	b := &boxTree{transaction: t, nodes: map[int64]*boxNode{}, rows: map[int64]int64{}, parents: map[int64]int64{}}
	if _, err := t.one(t.ctx, `SELECT max(nodeno) FROM box_node`, nil, &b.last); err != nil {
		return nil, err
	}
	var err error
	b.root, err = b.node(1, nil)
	return b, err
}

// node reads a node unless it was.
func (b *boxTree) node(number int64, up *boxNode) (*boxNode, error) {
	if n := b.nodes[number]; n != nil {
		return n, nil
	}
	var data any
	if _, err := b.one(b.ctx, `SELECT data FROM box_node WHERE nodeno = ?`, []any{number}, &data); err != nil {
		return nil, err
	}
	raw, _ := data.([]byte)
	count := 0
	if len(raw) >= 4 {
		count = int(binary.BigEndian.Uint16(raw[2:]))
	}
	deep := number == 1 && len(raw) >= 4 && binary.BigEndian.Uint16(raw) > 0
	if len(raw) < 4+cellBytes*max(count, 6) || count == 0 && (number != 1 || deep) {
		return nil, fault.New(fault.Corrupt, "node %d of the boxes has %d bytes for %d cells", number, len(raw), count).
			WithCure("restore the file from a backup, or move it away and run `terrapin store reindex`")
	}
	if number == 1 {
		b.depth, b.size = int(binary.BigEndian.Uint16(raw)), len(raw)
		b.most = min(mostCells, (len(raw)-4)/cellBytes)
	}
	n := &boxNode{number: number, up: up, cells: make([]boxCell, count, b.most+1)}
	for i := range n.cells {
		c, at := &n.cells[i], raw[4+cellBytes*i:]
		c.id = int64(binary.BigEndian.Uint64(at))
		for k := range boxDims {
			c.low[k] = math.Float32frombits(binary.BigEndian.Uint32(at[8+8*k:]))
			c.high[k] = math.Float32frombits(binary.BigEndian.Uint32(at[12+8*k:]))
		}
	}
	b.nodes[number] = n
	return n, nil
}

// fresh is a new node.
func (b *boxTree) fresh(up *boxNode, cells []boxCell) *boxNode {
	b.last++
	n := &boxNode{number: b.last, up: up, cells: append(make([]boxCell, 0, b.most+1), cells...), changed: true}
	b.nodes[n.number] = n
	return n
}

// insert puts a row's box in a leaf.
func (b *boxTree) insert(c boxCell) (err error) {
	n := b.root
	for range b.depth {
		if n, err = b.node(n.cells[n.choose(&c.bound)].id, n); err != nil {
			return err
		}
	}
	b.add(n, c, 0)
	return nil
}

// add puts a cell in a node so many levels above the leaves.
func (b *boxTree) add(n *boxNode, c boxCell, height int) {
	n.changed = true
	if len(n.cells) < b.most {
		n.cells = append(n.cells, c)
		b.own(n, c.id, height)
		widen(n, &c.bound)
		return
	}
	left, right := divide(append(n.cells, c), b.most/3)
	if n == b.root {
		l, r := b.fresh(n, left), b.fresh(n, right)
		for _, half := range []*boxNode{l, r} {
			for i := range half.cells {
				b.own(half, half.cells[i].id, height)
			}
		}
		n.cells = append(n.cells[:0], boxCell{l.number, around(l.cells)}, boxCell{r.number, around(r.cells)})
		b.own(n, l.number, height+1)
		b.own(n, r.number, height+1)
		b.depth++
		return
	}
	r := b.fresh(n.up, right)
	n.cells = append(make([]boxCell, 0, b.most+1), left...)
	for i := range r.cells {
		b.own(r, r.cells[i].id, height)
	}
	if slices.ContainsFunc(n.cells, func(own boxCell) bool { return own.id == c.id }) {
		b.own(n, c.id, height)
	}
	at := n.up.cell(n.number)
	at.bound = around(n.cells)
	n.up.changed = true
	widen(n.up, &at.bound)
	b.add(n.up, boxCell{r.number, around(r.cells)}, height+1)
}

// own notes in which node a cell is.
func (b *boxTree) own(n *boxNode, id int64, height int) {
	if height == 0 {
		b.rows[id] = n.number
		return
	}
	b.parents[id] = n.number
	if child := b.nodes[id]; child != nil {
		child.up = n
	}
}

// cell is that of a node below.
func (n *boxNode) cell(number int64) *boxCell {
	return &n.cells[slices.IndexFunc(n.cells, func(c boxCell) bool { return c.id == number })]
}

// widen sees to it that the nodes above a node hold what it holds.
func widen(n *boxNode, b *bound) {
	for ; n.up != nil; n = n.up {
		c := n.up.cell(n.number)
		if c.holds(b) {
			return
		}
		c.bound, n.up.changed = c.with(b), true
	}
}

// save writes what changed.
func (b *boxTree) save() error {
	for _, number := range slices.Sorted(maps.Keys(b.nodes)) {
		n := b.nodes[number]
		if !n.changed {
			continue
		}
		data := make([]byte, 4, b.size)
		if n == b.root {
			binary.BigEndian.PutUint16(data, uint16(b.depth))
		}
		binary.BigEndian.PutUint16(data[2:], uint16(len(n.cells)))
		for i := range n.cells {
			c := &n.cells[i]
			data = binary.BigEndian.AppendUint64(data, uint64(c.id))
			for k := range boxDims {
				data = binary.BigEndian.AppendUint32(data, math.Float32bits(c.low[k]))
				data = binary.BigEndian.AppendUint32(data, math.Float32bits(c.high[k]))
			}
		}
		if _, err := b.exec(b.ctx, `INSERT OR REPLACE INTO box_node (nodeno, data) VALUES (?, ?)`, number, data[:b.size]); err != nil {
			return err
		}
	}
	if err := b.pairs(`INSERT OR REPLACE INTO box_parent (nodeno, parentnode) VALUES `, b.parents); err != nil {
		return err
	}
	return b.pairs(`INSERT OR REPLACE INTO box_rowid (rowid, nodeno) VALUES `, b.rows)
}

// pairs writes pairs of numbers, many with each statement.
func (b *boxTree) pairs(insert string, all map[int64]int64) error {
	const most = 64
	var args []any
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(all)), most) {
		args = args[:0]
		for _, key := range chunk {
			args = append(args, key, all[key])
		}
		if _, err := b.exec(b.ctx, insert+strings.TrimSuffix(strings.Repeat("(?,?),", len(chunk)), ","), args...); err != nil {
			return fmt.Errorf("boxes: %w", err)
		}
	}
	return nil
}
