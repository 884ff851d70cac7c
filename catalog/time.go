package catalog

import (
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/fault"
)

// ParseTime reads an RFC 3339 moment, to the microsecond. A leap second counts as the second after.
func ParseTime(s string) (time.Time, error) {
	t, ok := cql2.ParseTime(s)
	if !ok {
		return time.Time{}, fault.New(fault.Invalid, "time %q is not RFC 3339", s).WithCure("write it like 2021-03-01T10:50:31Z, with a time zone")
	}
	return t, nil
}

// ParseInterval reads a datetime parameter: one moment, or two with a slash between, of which one may
// be open (".." or nothing).
func ParseInterval(s string) (Interval, error) {
	first, second, both := strings.Cut(s, "/")
	var ends [2]*time.Time
	for i, text := range []string{first, second} {
		if both && (text == "" || text == "..") || !both && i == 1 {
			continue
		}
		t, err := ParseTime(text)
		if err != nil {
			return Interval{}, err
		}
		ends[i] = &t
	}
	if !both {
		return Interval{Start: ends[0], End: ends[0]}, nil
	}
	if ends[0] == nil && ends[1] == nil {
		return Interval{}, fault.New(fault.Invalid, "the interval %q is open at both ends", s).WithCure("leave datetime out to get every time")
	}
	in := Interval{Start: ends[0], End: ends[1]}
	return in, Query{Time: in}.Check()
}
