package geo

// Test answers one of the eight spatial predicates (OGC 06-103r4, 6.1.15), named in lower case such as
// "s_within": whether it is true of s and o in this order. Known is false for a name that is none of them, and for what the standard
// leaves open: any but s_intersects and s_disjoint of a collection with parts of several dimensions.
func (s *Shape) Test(op string, o *Shape) (answer, known bool) {
	switch op {
	case "s_intersects":
		return s.Intersects(o), true
	case "s_disjoint":
		return !s.Intersects(o), true
	}
	own, other := s.dimension(), o.dimension()
	if own < 0 || other < 0 {
		return false, false
	}
	switch op {
	case "s_equals":
		if own != other || s.whole != o.whole {
			return false, true
		}
		m := relate(s, o)
		return m[inside][inside] >= 0 && m[inside][outside] < 0 && m[border][outside] < 0 && m[outside][inside] < 0 && m[outside][border] < 0, true
	case "s_within":
		return s.within(o), true
	case "s_contains":
		return o.within(s), true
	case "s_touches", "s_crosses", "s_overlaps":
		if !s.whole.Intersects(o.whole) {
			return false, true
		}
		m := relate(s, o)
		switch op {
		case "s_touches":
			return m.touches(own, other), true
		case "s_crosses":
			return m.crosses(own, other), true
		}
		return m.overlaps(own, other), true
	}
	return false, false
}

func (s *Shape) within(o *Shape) bool {
	if s.dimension() > o.dimension() || s.whole.Min[0] < o.whole.Min[0] || s.whole.Min[1] < o.whole.Min[1] ||
		s.whole.Max[0] > o.whole.Max[0] || s.whole.Max[1] > o.whole.Max[1] {
		return false
	}
	m := relate(s, o)
	return m[inside][inside] >= 0 && m[inside][outside] < 0 && m[border][outside] < 0
}

func (m *matrix) touches(own, other int) bool {
	return own+other > 0 && m[inside][inside] < 0 && (m[inside][border] >= 0 || m[border][inside] >= 0 || m[border][border] >= 0)
}

func (m *matrix) crosses(own, other int) bool {
	switch {
	case own < other:
		return m[inside][inside] >= 0 && m[inside][outside] >= 0
	case own > other:
		return m[inside][inside] >= 0 && m[outside][inside] >= 0
	}
	return own == 1 && m[inside][inside] == 0
}

func (m *matrix) overlaps(own, other int) bool {
	return own == other && (own == 1 && m[inside][inside] == 1 || own != 1 && m[inside][inside] >= 0) &&
		m[inside][outside] >= 0 && m[outside][inside] >= 0
}
