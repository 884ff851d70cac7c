package ingest

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// pattern is a strptime pattern that is searched in a file's name. It knows %Y %m %d %H %M %S %f %j %y
// %b and %%; everything else stands for itself. Times are UTC.
type pattern struct {
	text string
	re   *regexp.Regexp
	// directives holds the letter of each group of re, in order.
	directives []byte
	// edges: whether the pattern begins and ends with digits.
	digitFirst, digitLast bool
}

var directives = map[byte]string{
	'Y': `(\d{4})`, 'm': `(\d{2})`, 'd': `(\d{2})`, 'H': `(\d{2})`, 'M': `(\d{2})`, 'S': `(\d{2})`,
	'f': `(\d{1,6})`, 'j': `(\d{3})`, 'y': `(\d{2})`, 'b': `((?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))`,
}

// Years outside of these are digits that happen to stand in a name; the first photograph from the air
// is of 1858.
const firstYear, lastYear = 1850, 2149

const months = "janfebmaraprmayjunjulaugsepoctnovdec"

func parsePattern(text string) (*pattern, error) {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "datetime pattern %q: "+format, append([]any{text}, args...)...).
			WithCure("use %%Y %%m %%d %%H %%M %%S %%f %%j %%y %%b and %%%%, as in 's2_%%Y%%m%%d'")
	}
	p := &pattern{text: text}
	var re strings.Builder
	has := map[byte]bool{}
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			re.WriteString(regexp.QuoteMeta(text[i : i+1]))
			p.digitLast = text[i] >= '0' && text[i] <= '9'
			p.digitFirst = p.digitFirst || i == 0 && p.digitLast
			continue
		}
		i++
		if i == len(text) {
			return nil, bad("a lone %% at the end")
		}
		if text[i] == '%' {
			re.WriteString("%")
			p.digitLast = false
			continue
		}
		expr, ok := directives[text[i]]
		switch {
		case !ok:
			return nil, bad("%%%c is not known", text[i])
		case has[text[i]]:
			return nil, bad("%%%c stands twice", text[i])
		}
		has[text[i]] = true
		re.WriteString(expr)
		p.directives = append(p.directives, text[i])
		p.digitLast = text[i] != 'b'
		p.digitFirst = p.digitFirst || i == 1 && p.digitLast
	}
	switch {
	case !has['Y'] && !has['y']:
		return nil, bad("it has no year")
	case has['Y'] && has['y'], has['j'] && (has['m'] || has['b'] || has['d']), has['m'] && has['b']:
		return nil, bad("it gives the same thing in two ways")
	case has['d'] && !has['m'] && !has['b']:
		return nil, bad("it has a day without a month")
	}
	compiled, err := regexp.Compile(re.String())
	if err != nil {
		return nil, bad("%w", err)
	}
	p.re = compiled
	return p, nil
}

// find searches a name. A match that is not part of a longer number is preferred, then the first that
// is a date of the calendar; the error names what the best match says.
func (p *pattern) find(name string) (time.Time, error) {
	var first error
	for _, whole := range []bool{true, false} {
		for at := 0; at < len(name); at++ {
			m := p.re.FindStringSubmatchIndex(name[at:])
			if m == nil {
				break
			}
			start, end := at+m[0], at+m[1]
			if whole && p.insideNumber(name, start, end) {
				at = start
				continue
			}
			t, err := p.build(name[at:], m)
			if err == nil {
				return t, nil
			}
			if first == nil {
				first = fault.New(fault.Invalid, "the name %q has %q where the pattern %q looks for a date: %w", name, name[start:end], p.text, err).
					WithCure("correct the name or the pattern")
			}
			at = start
		}
	}
	if first != nil {
		return time.Time{}, first
	}
	return time.Time{}, fault.New(fault.NotFound, "the datetime pattern %q is not found in the name %q", p.text, name).
		WithCure("give a --datetime-pattern that fits the name, such as 's2_%%Y%%m%%d'")
}

func (p *pattern) insideNumber(name string, start, end int) bool {
	digit := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= '0' && name[i] <= '9' }
	return p.digitFirst && digit(start-1) || p.digitLast && digit(end)
}

// build makes a time of a match's groups, checking each against the calendar.
func (p *pattern) build(s string, m []int) (time.Time, error) {
	v := map[byte]int{'m': 1, 'd': 1}
	for i, d := range p.directives {
		group := s[m[2*i+2]:m[2*i+3]]
		switch d {
		case 'b':
			v['m'] = strings.Index(months, strings.ToLower(group))/3 + 1
			continue
		case 'f':
			group += "000000"[len(group):]
		}
		n, err := strconv.Atoi(group)
		if err != nil {
			return time.Time{}, err
		}
		if d == 'y' {
			n += 1900
			if n < 1969 {
				n += 100
			}
			d = 'Y'
		}
		v[d] = n
	}
	limits := []struct {
		d      byte
		lo, hi int
		what   string
	}{{'Y', firstYear, lastYear, "imagery of the year"}, {'m', 1, 12, "month"}, {'H', 0, 23, "hour"}, {'M', 0, 59, "minute"}, {'S', 0, 59, "second"}}
	for _, l := range limits {
		if v[l.d] < l.lo || v[l.d] > l.hi {
			return time.Time{}, fault.New(fault.Invalid, "there is no %s %d", l.what, v[l.d])
		}
	}
	day := v['d']
	if j, ok := v['j']; ok {
		day = j
	}
	t := time.Date(v['Y'], time.Month(v['m']), day, v['H'], v['M'], v['S'], v['f']*1000, time.UTC)
	if _, byDay := v['j']; byDay && (day < 1 || t.Year() != v['Y']) {
		return time.Time{}, fault.New(fault.Invalid, "%d has no day %d", v['Y'], day)
	} else if !byDay && (day < 1 || t.Month() != time.Month(v['m'])) {
		return time.Time{}, fault.New(fault.Invalid, "month %d of %d has no day %d", v['m'], v['Y'], day)
	}
	return t, nil
}
