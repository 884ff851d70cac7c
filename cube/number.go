package cube

import (
	"encoding/json"
	"math"

	"github.com/terrapin-eo/terrapin/fault"
)

// Number is a float64 whose JSON is a string where JSON has no number for it: "NaN", "Infinity" or
// "-Infinity". Any other is written as encoding/json writes a float64.
type Number float64

// MarshalJSON writes the number or its name.
func (n Number) MarshalJSON() ([]byte, error) {
	switch v := float64(n); {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(v)
	}
}

// UnmarshalJSON is the inverse of MarshalJSON; null is no number.
func (n *Number) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case `"NaN"`:
		*n = Number(math.NaN())
	case `"Infinity"`:
		*n = Number(math.Inf(1))
	case `"-Infinity"`:
		*n = Number(math.Inf(-1))
	default:
		var v *float64
		if err := json.Unmarshal(text, &v); err != nil || v == nil {
			return fault.New(fault.Corrupt, "%s is no number", text)
		}
		*n = Number(*v)
	}
	return nil
}

// NumberOf is the number that v points to; nil stays nil.
func NumberOf(v *float64) *Number { return (*Number)(v) }
