package cql2

import "time"

// ParseDate reads YYYY-MM-DD.
func ParseDate(s string) (time.Time, bool) {
	if len(s) != len(time.DateOnly) || !shaped(s, "dddd-dd-dd") {
		return time.Time{}, false
	}
	t, err := time.Parse(time.DateOnly, s)
	return t, err == nil
}

// ParseTime reads an RFC 3339 date-time, to the microsecond, as UTC. T and Z may be in lower case, the fraction may have any number of
// digits, and a leap second counts as the second after. The year, in UTC, is 0 to 9999.
func ParseTime(s string) (time.Time, bool) {
	const head = "2006-01-02T15:04:05"
	if len(s) <= len(head) || !shaped(s[:len(head)], "dddd-dd-ddTdd:dd:dd") {
		return time.Time{}, false
	}
	zone := s[len(head):]
	micro := time.Duration(0)
	if zone[0] == '.' {
		n := 1
		for scale := 100 * time.Millisecond; n < len(zone) && zone[n] >= '0' && zone[n] <= '9'; n++ {
			micro += time.Duration(zone[n]-'0') * scale
			scale /= 10
		}
		if n == 1 {
			return time.Time{}, false
		}
		zone = zone[n:]
	}
	var ahead time.Duration
	switch {
	case zone == "Z" || zone == "z":
	case len(zone) == len("+00:00") && (zone[0] == '+' || zone[0] == '-') && shaped(zone[1:], "dd:dd"):
		h, m := pair(zone[1:]), pair(zone[4:])
		if h > 23 || m > 59 {
			return time.Time{}, false
		}
		if ahead = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute; zone[0] == '-' {
			ahead = -ahead
		}
	default:
		return time.Time{}, false
	}
	year, month, day := 100*pair(s)+pair(s[2:]), time.Month(pair(s[5:])), pair(s[8:])
	hour, minute, second := pair(s[11:]), pair(s[14:]), pair(s[17:])
	if hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	t := time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	if y, m, d := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Date(); y != year || m != month || d != day {
		return time.Time{}, false
	}
	t = t.Add(micro - ahead).Truncate(time.Microsecond)
	return t, t.Year() >= 0 && t.Year() <= 9999
}

// shaped reports whether a text has digits where the pattern has d, T or t where it has T, and else the pattern's characters.
func shaped(s, pattern string) bool {
	for i := range len(pattern) {
		switch c := s[i]; pattern[i] {
		case 'd':
			if c < '0' || c > '9' {
				return false
			}
		case 'T':
			if c != 'T' && c != 't' {
				return false
			}
		default:
			if c != pattern[i] {
				return false
			}
		}
	}
	return true
}

func pair(s string) int { return 10*int(s[0]-'0') + int(s[1]-'0') }
