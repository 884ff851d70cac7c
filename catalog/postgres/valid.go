package postgres

import (
	"encoding/binary"
	"math"
)

// surelyValid reports whether a shape in well-known binary, as geo writes it, is one that PostGIS takes as it is: points, lines, and
// areas whose outlines turn one way only and go round once, which cannot meet themselves, and apart from each other.
// Nearly every footprint is; others have to be looked at.
func surelyValid(wkb []byte) bool {
	const polygon, several = 3, 6
	switch kind := binary.LittleEndian.Uint32(wkb[1:]); kind {
	case 1, 2, 4, 5:
		return true
	case polygon:
		_, _, ok := convex(wkb[5:])
		return ok
	case several:
		n, rest := binary.LittleEndian.Uint32(wkb[5:]), wkb[9:]
		var boxes [][4]float64
		for range n {
			box, after, ok := convex(rest[5:])
			if !ok {
				return false
			}
			for _, b := range boxes {
				if box[0] <= b[2] && b[0] <= box[2] && box[1] <= b[3] && b[1] <= box[3] {
					return false
				}
			}
			if boxes = append(boxes, box); len(boxes) > 64 {
				return false
			}
			rest = after
		}
		return true
	}
	return false
}

// convex looks at a polygon behind its type; it gives the box around it and what comes after.
func convex(wkb []byte) (box [4]float64, rest []byte, ok bool) {
	rings, n := binary.LittleEndian.Uint32(wkb), int(binary.LittleEndian.Uint32(wkb[4:]))
	if rings != 1 || n > 1000 {
		return box, nil, false
	}
	at := func(i int) (x, y float64) {
		p := wkb[8+16*(i%(n-1)):]
		return math.Float64frombits(binary.LittleEndian.Uint64(p)), math.Float64frombits(binary.LittleEndian.Uint64(p[8:]))
	}
	box = [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	way, turned := 0.0, 0.0
	for i := range n - 1 {
		ax, ay := at(i)
		bx, by := at(i + 1)
		cx, cy := at(i + 2)
		box = [4]float64{min(box[0], ax), min(box[1], ay), max(box[2], ax), max(box[3], ay)}
		ux, uy, vx, vy := bx-ax, by-ay, cx-bx, cy-by
		// Far more than the sines of such angles are rounded by.
		sine := (ux*vy - uy*vx) / (math.Hypot(ux, uy) * math.Hypot(vx, vy))
		if math.IsNaN(sine) || math.Abs(sine) < 1e-6 || sine*way < 0 {
			return box, nil, false
		}
		way = sine
		turned += math.Abs(math.Atan2(ux*vy-uy*vx, ux*vx+uy*vy))
	}
	return box, wkb[8+16*n:], turned < 3*math.Pi
}
