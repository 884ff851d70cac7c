package stream

import (
	"encoding/json"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/strict"
)

// Conversion is what a ticket wants done to the stored numbers; the zero value is what the version fixes.
type Conversion struct {
	// DType is "float32" for float32 whatever is done besides, or "".
	DType cube.DType `json:"dtype,omitempty"`
	// Values is "raw" or "physical", or "" for what the version fixes.
	Values datasets.Values `json:"values,omitempty"`
	// Normalise says whether the version's statistics are applied; nil is what the version fixes.
	Normalise *bool `json:"normalise,omitempty"`
}

func dtypeKey(dst *cube.DType) strict.Key {
	return strict.Choice("dtype", (*string)(dst), string(cube.Float32))
}

func valuesKey(dst *datasets.Values) strict.Key {
	return strict.Choice("values", (*string)(dst), string(datasets.Raw), string(datasets.Physical))
}

// keys are those of a ticket.
func (c *Conversion) keys() []strict.Key {
	return []strict.Key{
		dtypeKey(&c.DType), valuesKey(&c.Values),
		{Name: "normalise", Set: func(raw json.RawMessage) error {
			if string(raw) == "null" {
				return nil
			}
			c.Normalise = new(bool)
			return strict.Bool("normalise", c.Normalise).Set(raw)
		}},
	}
}

// valuesOf says how a version's stored numbers leave, in whichever resolution. What would mean nothing
// is refused: raw numbers of several radiometric contracts, and statistics of other values or of none.
func (c Conversion) valuesOf(v *datasets.Version) (values, error) {
	kind, normalise := v.Values, v.Normalise
	if c.Values != "" {
		kind = c.Values
	}
	if c.Normalise != nil {
		normalise = *c.Normalise
	}
	if kind == datasets.Raw && v.Values != datasets.Raw {
		if err := v.CheckRaw(); err != nil {
			return values{}, inKey("values", err)
		}
	}
	out := values{floats: c.DType == cube.Float32, physical: kind == datasets.Physical, normalise: normalise}
	if !normalise {
		return out, nil
	}
	if kind != v.Values {
		return out, fault.New(fault.Invalid, "ticket: the statistics of %s are of %s values, and normalise none that are %s", v.Ref(), v.Values, kind).
			WithCure(`say "normalise": false, or leave the key "values" out`)
	}
	stats := v.Stats
	for _, g := range v.Groups {
		stats = append(stats[:len(stats):len(stats)], g.Stats...)
	}
	for _, s := range stats {
		if s.Count == 0 {
			return out, fault.New(fault.Invalid, "ticket: key \"normalise\": %s has no statistics of band %s: no pixel of its training split is valid", v.Ref(), s.Band).
				WithCure(`leave the key out, or commit a version without the band`)
		}
	}
	return out, nil
}
