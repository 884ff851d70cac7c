package labels

import (
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// resolved is what an import adds to a ledger.
type resolved struct {
	features []feature
	rejected []Rejection
	classes  classMap
}

// resolve gives every candidate its class value, and refuses those whose class or pixels do not go
// together with the ledger.
func resolve(l ledger, known classMap, in []candidate) resolved {
	out := resolved{classes: known}
	if known == nil {
		out.classes = firstMap(l, in)
	}
	keep := l.without(in)
	var ref *feature // the raster that settles type and ignore value
	for i, f := range keep {
		if f.Mask != nil {
			ref = &keep[i]
			break
		}
	}
	masks := map[int]bool{}
	for i, c := range in {
		if c.Mask == nil {
			continue
		}
		if err := checkMask(c, ref, keep, out.classes); err != nil {
			out.rejected = append(out.rejected, reject(c.Source, "", err))
			continue
		}
		masks[i] = true
		if ref == nil {
			ref = &in[i].feature
		}
	}
	ignore := float64(unlabelled)
	if ref != nil {
		ignore = ref.Mask.Ignore
	}
	for i, c := range in {
		if c.Mask != nil {
			if masks[i] {
				out.features = append(out.features, c.feature)
			}
			continue
		}
		f, err := c.classified(out.classes, ignore)
		if err != nil {
			out.rejected = append(out.rejected, reject(c.Source, c.ID, err))
			continue
		}
		out.features = append(out.features, f)
	}
	return out
}

// firstMap numbers the names of a first import. A set that has bare numbers gets no map by itself:
// nobody could say which name belongs to which of them.
func firstMap(l ledger, in []candidate) classMap {
	if len(l.Features) > 0 {
		return nil
	}
	var names []string
	for _, c := range in {
		if !c.named {
			return nil
		}
		names = append(names, c.name)
	}
	return numbered(names)
}

// without lists the features that an import does not replace.
func (l ledger) without(in []candidate) []feature {
	type name struct{ source, id string }
	gone := map[name]bool{}
	for _, c := range in {
		gone[name{c.Source, c.ID}] = true
	}
	var keep []feature
	for _, f := range l.Features {
		if !gone[name{f.Source, f.ID}] {
			keep = append(keep, f)
		}
	}
	return keep
}

// checkMask holds a raster to the set's other rasters, polygons and classes.
func checkMask(c candidate, ref *feature, keep []feature, known classMap) error {
	if ref != nil {
		if err := c.Mask.agree(ref.Mask, ref.Source, c.Source); err != nil {
			return err
		}
	}
	if strange := c.Mask.unknown(known); known != nil && len(strange) > 0 {
		return fault.New(fault.Invalid, "the raster holds unknown classes %s; the set knows %s", listOf(strange), known).
			WithCure("name them with --classes FILE, or declare the value that means unlabelled: gdal_translate -a_nodata VALUE %s OUT.tif", c.Source)
	}
	for _, f := range keep {
		if f.Mask == nil && float64(f.Value) == c.Mask.Ignore {
			return fault.New(fault.Conflict, "its nodata value %v is the class of feature %s of %s", c.Mask.Ignore, f.ID, f.Source).
				WithCure("give the raster another nodata value: gdalwarp -dstnodata VALUE %s OUT.tif", c.Source)
		}
	}
	return nil
}

// classified gives a polygon its class value.
func (c candidate) classified(known classMap, ignore float64) (feature, error) {
	f := c.feature
	switch {
	case c.named && known == nil:
		return f, fault.New(fault.Invalid, "its class is the name %q, but the set's classes are numbers without names", c.name).
			WithCure("say which number each name stands for: --classes FILE")
	case c.named:
		v, ok := known[c.name]
		if !ok {
			return f, fault.New(fault.Invalid, "unknown class %q; the set knows %s", c.name, known).
				WithCure("correct the name%s, or add the class with --classes FILE", nearest(c.name, known))
		}
		f.Value = v
	case known != nil && !known.has(c.number):
		return f, fault.New(fault.Invalid, "unknown class %d; the set knows %s", c.number, known).
			WithCure("correct the value, or add the class with --classes FILE")
	default:
		f.Value = c.number
	}
	if float64(f.Value) == ignore {
		return f, fault.New(fault.Invalid, "its class value %d is the set's value for unlabelled pixels", f.Value).
			WithCure("give the class another value, for instance with --classes FILE")
	}
	return f, nil
}

// nearest suggests a known name that differs in case or blanks only.
func nearest(name string, known classMap) string {
	fold := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }
	for _, n := range known.names() {
		if fold(n) == fold(name) {
			return " (did you mean " + n + "?)"
		}
	}
	return ""
}
