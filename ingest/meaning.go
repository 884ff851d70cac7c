package ingest

import (
	"encoding/json"
	"math"
	"strings"
)

// meaning is what the classification extension says of the values of an asset or a band.
type meaning struct {
	Classes   looseList[valueClass] `json:"classification:classes"`
	BitFields looseList[bitField]   `json:"classification:bitfields"`
}

type valueClass struct {
	Value float64 `json:"value"`
	Name  string  `json:"name"`
}

type bitField struct {
	Name    string       `json:"name"`
	Offset  int          `json:"offset"`
	Length  int          `json:"length"`
	Classes []valueClass `json:"classes"`
}

// looseList is a list that stays empty where the document holds something else: what an item says of
// assets that are no concern of the cube must not get it refused.
type looseList[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *looseList[T]) UnmarshalJSON(text []byte) error {
	var list []T
	if json.Unmarshal(text, &list) == nil {
		*l = list
	}
	return nil
}

// classes are the values of a band of an asset that have a name.
func (a *asset) classes(band int) []class {
	said := []meaning{a.meaning}
	for _, bands := range [][]*assetBand{a.Bands, a.EOBands, a.RasterBands} {
		if band < len(bands) && bands[band] != nil {
			said = append(said, bands[band].meaning)
		}
	}
	var out []class
	for _, m := range said {
		for _, c := range m.Classes {
			if v, ok := whole(c.Value, 32); ok {
				out = append(out, class{c.Name, allBits, v})
			}
		}
		for _, f := range m.BitFields {
			out = append(out, f.classes()...)
		}
	}
	return out
}

// classes are the named values of a field of bits; a single bit that is set is also what its field is
// called, unless it is there to deny it.
func (f bitField) classes() []class {
	if f.Offset < 0 || f.Length < 1 || f.Offset+f.Length > 32 {
		return nil
	}
	var out []class
	bits, denied := uint64(1<<f.Length-1)<<f.Offset, false
	for _, c := range f.Classes {
		if v, ok := whole(c.Value, f.Length); ok {
			out = append(out, class{c.Name, bits, v << f.Offset})
			denied = denied || v == 1 && (strings.HasPrefix(plain(c.Name), "not_") || strings.HasPrefix(plain(c.Name), "no_"))
		}
	}
	if f.Length == 1 && !denied {
		out = append(out, class{f.Name, bits, bits})
	}
	return out
}

// whole is a number as one of so many bits.
func whole(v float64, bits int) (uint64, bool) {
	if v != math.Trunc(v) || v < 0 || v >= math.Ldexp(1, bits) {
		return 0, false
	}
	return uint64(v), true
}
