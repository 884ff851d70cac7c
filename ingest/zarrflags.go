package ingest

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// findZarrFlags looks for the cube's flags in an array of CF masks beside the pixels.
func (r *run) findZarrFlags(s *zarrStore) (*flagRule, error) {
	if len(r.flags) == 0 || r.noFlags {
		return nil, nil
	}
	refuse := func(why string) error {
		return fault.New(fault.Unsupported, "the cube has the flags %s, and in %s %s", r.flags.list(r.flags.all()), s.path, why).
			WithCure("say --flags-from none, and every pixel of %s is without; or bring an array flags (time, y, x) of uint8 or uint16 with flag_masks and flag_meanings", s.path)
	}
	a, ok := s.arrays[layout.Flags]
	switch axes := axesOf(a); {
	case len(r.rules) > 0:
		return nil, refuse("they are not read from a band")
	case !ok:
		return nil, refuse("there is no array flags that can be read")
	case a.Attrs["flag_values"] != nil:
		return nil, refuse("the array flags holds values, not a bit for each flag")
	case axes != "time y x" && axes != "y x" || a.DType != cube.Uint8 && a.DType != cube.Uint16 || !s.besidePixels(a):
		return nil, refuse("the array flags is not shaped as the pixels, or holds no bits")
	}
	rule := &flagRule{from: layout.Flags}
	names, masks := strings.Fields(text(a.Attrs["flag_meanings"])), numbers(a.Attrs["flag_masks"])
	for name, mask := range r.flags {
		i := slices.Index(names, name)
		if i < 0 || i >= len(masks) || masks[i] == 0 {
			return nil, refuse("the array flags has no " + name)
		}
		rule.tests = append(rule.tests, flagTest{bits: masks[i], equal: masks[i], flags: mask})
	}
	rule.prepare(a.DType.Size())
	return rule, nil
}

// besidePixels reports whether an array has the time, y and x of the pixels.
func (s *zarrStore) besidePixels(a zarr.Array) bool {
	pixels := s.sample()
	for i, d := range a.Dims {
		at := dimension(pixels, axes[strings.ToLower(d)])
		if at < 0 || a.Shape[i] != pixels.Shape[at] {
			return false
		}
	}
	return len(a.Dims) == 3 || s.times == nil
}

func text(attr any) string {
	t, _ := attr.(string)
	return t
}

// numbers reads a list of masks; a single one may stand alone. What is no mask is 0.
func numbers(attr any) []uint64 {
	list, ok := attr.([]any)
	if !ok {
		list = []any{attr}
	}
	masks := make([]uint64, len(list))
	for i, v := range list {
		if f, ok := v.(float64); ok && f >= 1 && f <= 1<<16-1 {
			masks[i] = uint64(f)
		}
	}
	return masks
}

// readZarrFlags fills flags with a part of the layer's grid.
func (c *copier) readZarrFlags(part cube.Window) error {
	step, pixels := c.sc.zarr, part.Height*part.Width
	a := step.store.arrays[layout.Flags]
	c.flags, c.mask = grow(c.flags, 2*pixels), grow(c.mask, pixels)
	c.scratch = grow(c.scratch, pixels*a.DType.Size())
	clear(c.mask)
	local := cube.Window{Row: part.Row - c.layer.window.Row, Col: part.Col - c.layer.window.Col, Height: part.Height, Width: part.Width}
	if err := step.store.plane(layout.Flags, step.at, -1, local, c.scratch, c.mask); err != nil {
		return err
	}
	for i := range pixels {
		value := uint16(c.scratch[i*a.DType.Size()])
		if a.DType == cube.Uint16 {
			value = binary.LittleEndian.Uint16(c.scratch[2*i:])
		}
		binary.LittleEndian.PutUint16(c.flags[2*i:], c.sc.zarrFlags.table[value])
	}
	return nil
}
