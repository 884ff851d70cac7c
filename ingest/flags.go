package ingest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// flagTest sets flags where some bits of a mask's value have a certain form.
type flagTest struct {
	bits, equal uint64
	flags       uint16
}

// flagRule is how the values of one mask band become the cube's flags.
type flagRule struct {
	// from names the band or asset.
	from  string
	tests []flagTest
	// table answers for values of up to 16 bits, once it is made.
	table []uint16
}

// of is the flags of one value.
func (r *flagRule) of(value uint64) uint16 {
	var flags uint16
	for _, t := range r.tests {
		if value&t.bits == t.equal {
			flags |= t.flags
		}
	}
	return flags
}

// sets is every flag that some value sets.
func (r *flagRule) sets() uint16 {
	var flags uint16
	for _, t := range r.tests {
		flags |= t.flags
	}
	return flags
}

// prepare makes the table for values of a size in bytes; larger ones are tested one by one.
func (r *flagRule) prepare(size int) {
	if size > 2 || r.table != nil {
		return
	}
	r.table = make([]uint16, 1<<(8*size))
	for v := range r.table {
		r.table[v] = r.of(uint64(v))
	}
}

// class is one value, or one value of a field of bits, that its maker gave a name. Where a field has no
// names for its values, Name is the field's and every value but 0 bears it.
type class struct {
	name        string
	bits, equal uint64
}

const allBits = ^uint64(0)

// scl are the classes of Sentinel-2's scene classification layer, as ESA's product specification has them.
var scl = []class{
	{"no_data", allBits, 0}, {"saturated_or_defective", allBits, 1}, {"dark_area_pixels", allBits, 2},
	{"cloud_shadows", allBits, 3}, {"vegetation", allBits, 4}, {"not_vegetated", allBits, 5}, {"water", allBits, 6},
	{"unclassified", allBits, 7}, {"cloud_medium_probability", allBits, 8}, {"cloud_high_probability", allBits, 9},
	{"thin_cirrus", allBits, 10}, {"snow", allBits, 11},
}

// qaPixel are the single bits of Landsat's QA_PIXEL, Collection 2, as USGS's product guide has them.
var qaPixel = []class{
	{"fill", 1, 1}, {"dilated_cloud", 2, 2}, {"cirrus", 4, 4}, {"cloud", 8, 8}, {"cloud_shadow", 16, 16},
	{"snow", 32, 32}, {"clear", 64, 64}, {"water", 128, 128},
}

// family is a kind of flag: the names it goes by in cubes, and those of the classes that products give
// what it means. Any other flag is known by its own name alone.
type family struct{ flags, classes []string }

var families = []family{
	{[]string{"cloud", "clouds"}, []string{"cloud", "clouds", "cloud_medium_probability", "cloud_high_probability", "thin_cirrus"}},
	{[]string{"cirrus", "thin_cirrus"}, []string{"cirrus", "thin_cirrus"}},
	{[]string{"cloud_shadow", "shadow"}, []string{"cloud_shadow", "cloud_shadows", "shadow", "shadows"}},
	{[]string{"snow", "snow_ice", "snow_or_ice"}, []string{"snow", "snow_ice", "snow_or_ice", "ice"}},
	{[]string{"saturated"}, []string{"saturated", "saturated_or_defective", "saturated_defective"}},
	{[]string{"dark"}, []string{"dark", "dark_area", "dark_area_pixels", "dark_features"}},
}

// plain is a name as it is compared.
func plain(name string) string {
	return strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(name)))
}

// means reports whether a class of a product is what a flag says.
func means(flag, class string) bool {
	flag, class = plain(flag), plain(class)
	if flag == class {
		return true
	}
	return slices.ContainsFunc(families, func(f family) bool {
		return slices.Contains(f.flags, flag) && slices.Contains(f.classes, class)
	})
}

// matched is the rule by which named classes set the flags that mean them.
func (m flagNames) matched(from string, classes []class) *flagRule {
	r := &flagRule{from: from}
	for _, c := range classes {
		var flags uint16
		for name, mask := range m {
			if means(name, c.name) {
				flags |= mask
			}
		}
		if flags != 0 {
			r.tests = append(r.tests, flagTest{bits: c.bits, equal: c.equal, flags: flags})
		}
	}
	return r
}

// flagNames are the cube's flags: their masks by name.
type flagNames map[string]uint16

// list writes the names of some flags, in the order of their masks.
func (m flagNames) list(flags uint16) string {
	var names []string
	for name, mask := range m {
		if mask&flags != 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return int(m[a]) - int(m[b]) })
	return strings.Join(names, ", ")
}

func (m flagNames) all() uint16 {
	var flags uint16
	for _, mask := range m {
		flags |= mask
	}
	return flags
}

// noFlags is the --flags-from that says that nothing is known.
const noFlags = "none"

// parseRules reads what --flags-from gives; none is set where it says that scenes have no flags.
func parseRules(given []string, names flagNames) (rules []*flagRule, none bool, err error) {
	if len(given) > 0 && len(names) == 0 {
		return nil, false, fault.New(fault.Invalid, "--flags-from %q, but the cube has no flags", given[0]).
			WithCure("leave it out, or make a cube with --flags cloud,cloud_shadow,…")
	}
	for _, text := range given {
		if text == noFlags {
			none = true
			continue
		}
		r, err := names.parse(text)
		if err != nil {
			return nil, false, err
		}
		rules = append(rules, r)
	}
	if none && len(rules) > 0 {
		return nil, false, fault.New(fault.Invalid, "--flags-from none beside --flags-from %s=…", rules[0].from).WithCure("leave one of them out")
	}
	return rules, none, nil
}

const ruleCure = "write BAND=scl, BAND=qa_pixel, BAND=bits:cloud=3,cloud_shadow=8-9:3, BAND=classes:cloud=8+9,snow=11, or none"

// parse reads one NAME=RULE.
func (m flagNames) parse(text string) (*flagRule, error) {
	from, how, ok := strings.Cut(text, "=")
	bad := func(what string, args ...any) error {
		return fault.New(fault.Invalid, "--flags-from %q: "+what, append([]any{text}, args...)...).WithCure(ruleCure)
	}
	if !ok || from == "" || how == "" {
		return nil, bad("it is no BAND=RULE")
	}
	kind, list, explicit := strings.Cut(how, ":")
	var r *flagRule
	switch {
	case how == "scl":
		r = m.matched(from, scl)
	case how == "qa_pixel":
		r = m.matched(from, qaPixel)
	case explicit && (kind == "bits" || kind == "classes"):
		r = &flagRule{from: from}
		for _, part := range strings.Split(list, ",") {
			name, values, ok := strings.Cut(part, "=")
			mask := m[name]
			if !ok || mask == 0 {
				return nil, bad("%q sets no flag of the cube, which has %s", part, m.list(m.all()))
			}
			tests, err := parseTests(kind, values, mask)
			if err != nil {
				return nil, bad("%w", err)
			}
			r.tests = append(r.tests, tests...)
		}
	default:
		return nil, bad("%q is no rule", how)
	}
	if r.sets() == 0 {
		return nil, fault.New(fault.Invalid, "--flags-from %q sets none of the cube's flags, which are %s", text, m.list(m.all())).
			WithCure("say which values set them: %s=classes:FLAG=VALUE+VALUE,… or %s=bits:FLAG=BIT,…", from, from)
	}
	return r, nil
}

// parseTests reads the values of one flag: class values joined by +, or bits: one, a range of which any
// counts, or a range with the number that it has to hold.
func parseTests(kind, text string, flags uint16) ([]flagTest, error) {
	var tests []flagTest
	for _, value := range strings.Split(text, "+") {
		if kind == "classes" {
			v, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return nil, fault.New(fault.Invalid, "%q is no class value", value)
			}
			tests = append(tests, flagTest{bits: allBits, equal: v, flags: flags})
			continue
		}
		field, number, exact := strings.Cut(value, ":")
		low, high, span := strings.Cut(field, "-")
		if !span {
			high = low
		}
		a, errA := strconv.ParseUint(low, 10, 6)
		b, errB := strconv.ParseUint(high, 10, 6)
		if errA != nil || errB != nil || b < a || b > 31 {
			return nil, fault.New(fault.Invalid, "%q is no bit from 0 to 31 and no range of them", field)
		}
		if exact {
			n, err := strconv.ParseUint(number, 10, 32)
			if err != nil || n >= 1<<(b-a+1) {
				return nil, fault.New(fault.Invalid, "%q does not fit the bits %s", number, field)
			}
			tests = append(tests, flagTest{bits: (1<<(b-a+1) - 1) << a, equal: n << a, flags: flags})
			continue
		}
		for bit := a; bit <= b; bit++ {
			tests = append(tests, flagTest{bits: 1 << bit, equal: 1 << bit, flags: flags})
		}
	}
	return tests, nil
}
