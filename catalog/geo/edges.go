package geo

import (
	"slices"

	"github.com/paulmach/orb"
)

// edge is a piece of a line or of an outline, from one corner to the next.
type edge struct {
	a, b orb.Point
	part int  // the line or ring it is of
	left bool // an outline has its area to the left
}

func lineEdges(lines []orb.LineString) (out []edge) {
	for i, l := range lines {
		out = appendEdges(out, l, i, false)
	}
	return out
}

func areaEdges(areas []orb.Polygon) (out []edge) {
	part := 0
	for _, area := range areas {
		for i, ring := range area {
			out = appendEdges(out, ring, part, counterclockwise(ring) == (i == 0))
			part++
		}
	}
	return out
}

func appendEdges(out []edge, points []orb.Point, part int, left bool) []edge {
	for i := 1; i < len(points); i++ {
		if points[i-1] != points[i] {
			out = append(out, edge{points[i-1], points[i], part, left})
		}
	}
	return out
}

// counterclockwise looks at the turn in the ring's lowest corner, of these the most eastern.
func counterclockwise(ring orb.Ring) bool {
	n := len(ring) - 1
	low := 0
	for i := range n {
		if ring[i][1] < ring[low][1] || ring[i][1] == ring[low][1] && ring[i][0] > ring[low][0] {
			low = i
		}
	}
	before, after := low, low
	for ring[before] == ring[low] {
		if before = (before + n - 1) % n; before == low {
			return true
		}
	}
	for ring[after] == ring[low] {
		after = (after + 1) % n
	}
	return turn(ring[before], ring[low], ring[after]) > 0
}

// meeting is where the edges of two shapes meet.
type meeting struct {
	// nodes are corners of either that lie on the other, with the edges there.
	nodes map[orb.Point]*node
	// crossings are of two edges that go through each other between their corners.
	crossings []crossed
	// overlaps are pairs of edges that share more than a point, which; of outlines, whether their areas are on the same side.
	overlaps            []overlap
	sameSide, otherSide bool
	// atA and atB are the nodes on edges.
	atA, atB map[int][]orb.Point
	// onA and onB are the pieces of edges that the other's overlap.
	onA, onB map[int][][2]orb.Point
	// metA and metB are the parts that meet anything.
	metA, metB map[int]bool
}

type node struct{ a, b []int }

type crossed struct{ a, b int }

type overlap struct {
	a, b  int
	piece [2]orb.Point
}

// cross looks at all pairs of edges whose bounds meet.
func cross(a, b []edge, stopped func() bool) *meeting {
	x := &meeting{
		nodes: map[orb.Point]*node{}, onA: map[int][][2]orb.Point{}, onB: map[int][][2]orb.Point{},
		metA: map[int]bool{}, metB: map[int]bool{}, atA: map[int][]orb.Point{}, atB: map[int][]orb.Point{},
	}
	aroundA, aroundB := boundOf(a), boundOf(b)
	near := make([]int, 0, len(b))
	for j, f := range b {
		if segmentBound(f.a, f.b).Intersects(aroundA) {
			near = append(near, j)
		}
	}
	tree := newBoxTree(len(near), func(k int) orb.Bound { return segmentBound(b[near[k]].a, b[near[k]].b) })
	for i, e := range a {
		box := segmentBound(e.a, e.b)
		if !box.Intersects(aroundB) {
			continue
		}
		if tree.any(box, func(k int) bool {
			x.pair(i, near[k], &e, &b[near[k]])
			return false
		}) || stopped() {
			break
		}
	}
	x.settle(a, b, stopped)
	return x
}

func boundOf(edges []edge) orb.Bound {
	var out orb.Bound
	for i, e := range edges {
		if b := segmentBound(e.a, e.b); i == 0 {
			out = b
		} else {
			out = out.Union(b)
		}
	}
	return out
}

// settle gives nodes the edges that go through them together: two that overlap there, and two that cross just there.
func (x *meeting) settle(a, b []edge, stopped func() bool) {
	for _, o := range x.overlaps {
		if stopped() {
			return
		}
		for _, p := range slices.Concat(x.atA[o.a], x.atB[o.b]) {
			if onSegment(p, o.piece[0], o.piece[1]) {
				x.node(p, o.a, o.b)
			}
		}
	}
	x.crossings = slices.DeleteFunc(x.crossings, func(c crossed) bool {
		if stopped() {
			return true
		}
		for _, p := range slices.Concat(x.atA[c.a], x.atB[c.b]) {
			if onSegment(p, a[c.a].a, a[c.a].b) && onSegment(p, b[c.b].a, b[c.b].b) {
				x.node(p, c.a, c.b)
				return true
			}
		}
		return false
	})
}

func (x *meeting) pair(i, j int, e, f *edge) {
	t := [4]int{turn(e.a, e.b, f.a), turn(e.a, e.b, f.b), turn(f.a, f.b, e.a), turn(f.a, f.b, e.b)}
	if t[0]*t[1] > 0 || t[2]*t[3] > 0 {
		return
	}
	x.metA[e.part], x.metB[f.part] = true, true
	if t[0]*t[1] < 0 && t[2]*t[3] < 0 {
		x.crossings = append(x.crossings, crossed{i, j})
		return
	}
	var at []orb.Point
	for k, p := range [4]orb.Point{f.a, f.b, e.a, e.b} {
		on := e
		if k > 1 {
			on = f
		}
		if p = place(p); t[k] == 0 && segmentBound(on.a, on.b).Contains(p) && !slices.Contains(at, p) {
			at = append(at, p)
			x.node(p, i, j)
		}
	}
	if len(at) == 2 { // they lie in one line and share what is between
		same := (e.b[0]-e.a[0] > 0) == (f.b[0]-f.a[0] > 0)
		if e.a[0] == e.b[0] {
			same = (e.b[1]-e.a[1] > 0) == (f.b[1]-f.a[1] > 0)
		}
		if same == (e.left == f.left) {
			x.sameSide = true
		} else {
			x.otherSide = true
		}
		piece := [2]orb.Point{at[0], at[1]}
		x.overlaps = append(x.overlaps, overlap{i, j, piece})
		x.onA[i] = append(x.onA[i], piece)
		x.onB[j] = append(x.onB[j], piece)
	}
}

func (x *meeting) node(p orb.Point, i, j int) {
	n := x.nodes[p]
	if n == nil {
		n = &node{}
		x.nodes[p] = n
	}
	if !slices.Contains(n.a, i) {
		n.a = append(n.a, i)
		x.atA[i] = append(x.atA[i], p)
	}
	if !slices.Contains(n.b, j) {
		n.b = append(n.b, j)
		x.atB[j] = append(x.atB[j], p)
	}
}

// covered reports whether pieces cover all of each edge.
func covered(edges []edge, pieces map[int][][2]orb.Point) bool {
	for i, e := range edges {
		axis := 0
		if e.a[0] == e.b[0] {
			axis = 1
		}
		spans := make([][2]float64, 0, len(pieces[i]))
		for _, p := range pieces[i] {
			spans = append(spans, [2]float64{min(p[0][axis], p[1][axis]), max(p[0][axis], p[1][axis])})
		}
		slices.SortFunc(spans, func(a, b [2]float64) int { return sign(a[0] - b[0]) })
		reach := min(e.a[axis], e.b[axis])
		for _, s := range spans {
			if s[0] > reach {
				break
			}
			reach = max(reach, s[1])
		}
		if reach < max(e.a[axis], e.b[axis]) {
			return false
		}
	}
	return true
}

// rays are the corners that edges lead to from a point on them.
func rays(p orb.Point, list []int, edges []edge) (out []orb.Point) {
	for _, i := range list {
		for _, q := range [2]orb.Point{edges[i].a, edges[i].b} {
			if q != p {
				out = append(out, q)
			}
		}
	}
	return out
}

// sector tells where what leads from p to q begins: inside or outside the area whose outlines go through p, or along its border.
func sector(p, q orb.Point, list []int, edges []edge) int {
	first, open := -1, false // the ray that comes first clockwise from q, and whether the area is on its other side
	var ray orb.Point
	for _, i := range list {
		e := edges[i]
		for _, r := range [2]orb.Point{e.a, e.b} {
			if r == p {
				continue
			}
			rank := clockwise(p, q, r)
			if rank < 0 {
				return border
			}
			if first < 0 || rank < first || rank == first && turn(p, ray, r) > 0 {
				first, ray = rank, r
				open = (r == e.b) == e.left
			}
		}
	}
	if open {
		return inside
	}
	return outside
}

// clockwise ranks rays from p by how far one has to turn right from q to r: less than half round, half, or more; −1 for not at all.
func clockwise(p, q, r orb.Point) int {
	switch turn(p, q, r) {
	case -1:
		return 0
	case 1:
		return 2
	}
	if sign(q[0]-p[0]) == sign(r[0]-p[0]) && sign(q[1]-p[1]) == sign(r[1]-p[1]) {
		return -1
	}
	return 1
}
