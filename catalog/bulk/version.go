package bulk

import (
	"strconv"
	"strings"
)

// version is a version of STAC: three numbers and what makes it a candidate, as "rc.1".
type version struct {
	major, minor, patch int
	candidate           string
}

// parseVersion reads "1.0.0" or "1.0.0-rc.1".
func parseVersion(s string) (version, bool) {
	v := version{}
	numbers, candidate, isCandidate := strings.Cut(s, "-")
	parts := strings.Split(numbers, ".")
	if len(parts) != 3 || isCandidate == (candidate == "") {
		return v, false
	}
	for i, into := range []*int{&v.major, &v.minor, &v.patch} {
		n, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil {
			return version{}, false
		}
		*into = int(n)
	}
	v.candidate = candidate
	return v, true
}

// before reports whether a version came before another; candidates come before what they are candidates of.
func (v version) before(o version) bool {
	for _, pair := range [][2]int{{v.major, o.major}, {v.minor, o.minor}, {v.patch, o.patch}} {
		if pair[0] != pair[1] {
			return pair[0] < pair[1]
		}
	}
	if v.candidate == "" || o.candidate == "" {
		return v.candidate != "" && o.candidate == ""
	}
	return v.candidate < o.candidate
}
