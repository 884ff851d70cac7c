package geo

// Test answers one of the spatial predicates, named in lower case such as "s_intersects".
func (s *Shape) Test(op string, o *Shape) bool {
	switch op {
	case "s_intersects":
		return s.Intersects(o)
	case "s_disjoint":
		return !s.Intersects(o)
	}
	return false
}
