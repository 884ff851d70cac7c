package zarr

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// fillBits is one element of the fill value. NaN is the canonical one, as the format says, unless
// FillBits names another.
func (a Array) fillBits() []byte {
	if a.FillBits != nil {
		return a.FillBits
	}
	return a.elementBits(a.Fill)
}

// elementBits is an element of a value; a complex one has no imaginary part.
func (a Array) elementBits(v float64) []byte {
	b := make([]byte, max(8, a.ElementSize()))
	switch {
	case a.DType == Float16:
		binary.LittleEndian.PutUint16(b, halfBits(v))
	case math.IsNaN(v) && (a.DType == cube.Float32 || a.DType == Complex64):
		binary.LittleEndian.PutUint32(b, 0x7fc00000)
	case math.IsNaN(v) && (a.DType == cube.Float64 || a.DType == Complex128):
		binary.LittleEndian.PutUint64(b, 0x7ff8000000000000)
	case a.DType == Complex64:
		cube.Float32.Put(b, v)
	case a.DType == Complex128:
		cube.Float64.Put(b, v)
	case a.DType == Bool:
		b[0] = byte(v)
	case rawBytes(a.DType) > 0:
	default:
		a.DType.Put(b, v)
	}
	return b[:a.ElementSize()]
}

// FillChunk sets every value of buf to the fill value.
func (a Array) FillChunk(buf []byte) {
	if a.ElementSize() > 0 {
		fill(buf, a.fillBits())
	}
}

// IsFill reports whether every value of a chunk is the fill value, bit for bit.
func (a Array) IsFill(chunk []byte) bool {
	bits := a.fillBits()
	n := len(bits)
	if len(chunk) < n || !bytes.Equal(chunk[:n], bits) {
		return len(chunk) == 0
	}
	return bytes.Equal(chunk[n:], chunk[:len(chunk)-n]) // every element equals the one before it
}

func (a Array) fillJSON() json.RawMessage {
	bits := a.fillBits()
	switch {
	case a.DType == String:
		text, err := json.Marshal(a.FillText)
		if err != nil {
			panic(err) // strings always marshal
		}
		return text
	case a.DType == Bool:
		return json.RawMessage(strconv.FormatBool(bits[0] != 0))
	case a.DType == Complex64:
		return json.RawMessage("[" + floatJSON(cube.Float32, bits[:4]) + "," + floatJSON(cube.Float32, bits[4:]) + "]")
	case a.DType == Complex128:
		return json.RawMessage("[" + floatJSON(cube.Float64, bits[:8]) + "," + floatJSON(cube.Float64, bits[8:]) + "]")
	case rawBytes(a.DType) > 0:
		return json.RawMessage(`"` + base64.StdEncoding.EncodeToString(bits) + `"`)
	case a.FillBits == nil && a.DType.Float() && !math.IsNaN(a.Fill) && !math.IsInf(a.Fill, 0):
		return json.RawMessage(shortest(a.Fill))
	case a.DType.Float() || a.DType == Float16:
		return json.RawMessage(floatJSON(a.DType, bits))
	case a.FillBits != nil && a.DType == cube.Int64:
		return json.RawMessage(strconv.FormatInt(int64(binary.LittleEndian.Uint64(bits)), 10))
	case a.FillBits != nil && a.DType == cube.Uint64:
		return json.RawMessage(strconv.FormatUint(binary.LittleEndian.Uint64(bits), 10))
	}
	i, _ := new(big.Float).SetFloat64(a.DType.Get(bits)).Int(nil) // all digits, never an exponent
	return json.RawMessage(i.String())
}

func shortest(v float64) string {
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// floatJSON spells one floating-point number; a NaN of other than the canonical bits by its bits.
func floatJSON(d cube.DType, bits []byte) string {
	word, canonical := floatWord(d, bits)
	v := floatValue(d, word)
	switch {
	case math.IsNaN(v) && word == canonical:
		return `"NaN"`
	case math.IsNaN(v):
		return fmt.Sprintf(`"0x%0*x"`, 2*len(bits), word)
	case math.IsInf(v, 1):
		return `"Infinity"`
	case math.IsInf(v, -1):
		return `"-Infinity"`
	}
	return shortest(v)
}

// floatWord is a number's bits and those of the canonical NaN of its type.
func floatWord(d cube.DType, bits []byte) (word, canonical uint64) {
	switch d {
	case Float16:
		return uint64(binary.LittleEndian.Uint16(bits)), 0x7e00
	case cube.Float32:
		return uint64(binary.LittleEndian.Uint32(bits)), 0x7fc00000
	}
	return binary.LittleEndian.Uint64(bits), 0x7ff8000000000000
}

func floatValue(d cube.DType, word uint64) float64 {
	switch d {
	case Float16:
		return halfFloat(uint16(word))
	case cube.Float32:
		return float64(math.Float32frombits(uint32(word)))
	}
	return math.Float64frombits(word)
}

// setFill reads the fill value in any of the spellings of the format.
func (a *Array) setFill(raw json.RawMessage) error {
	bad := fault.New(fault.Corrupt, "zarr.json: fill value %.100s of %s", raw, a.DType)
	var ok bool
	switch d := a.DType; {
	case d == String:
		var text *string
		ok = json.Unmarshal(raw, &text) == nil && text != nil
		if ok {
			a.FillText = *text
		}
	case d == Bool:
		var b *bool
		if ok = json.Unmarshal(raw, &b) == nil && b != nil; ok && *b {
			a.Fill = 1
		}
	case d == Complex64 || d == Complex128:
		var pair []json.RawMessage
		part := map[cube.DType]cube.DType{Complex64: cube.Float32, Complex128: cube.Float64}[d]
		if json.Unmarshal(raw, &pair) == nil && len(pair) == 2 {
			re, fine := parseFloat(pair[0], part)
			im, fineToo := parseFloat(pair[1], part)
			ok = fine && fineToo
			a.exactFill(append(re, im...))
		}
	case rawBytes(d) > 0:
		var element []byte // a list of numbers, as the format has it, or base64, as zarr-python does
		ok = json.Unmarshal(raw, &element) == nil && len(element) == rawBytes(d)
		a.exactFill(element)
	case d == Float16 || d.Float():
		var element []byte
		if element, ok = parseFloat(raw, d); ok {
			a.exactFill(element)
			var v float64 // float32 numbers are kept as they are spelled
			if d == cube.Float32 && a.FillBits == nil && json.Unmarshal(raw, &v) == nil {
				a.Fill = v
			}
		}
	default:
		return a.setIntegerFill(raw, bad)
	}
	if !ok {
		return bad
	}
	return nil
}

// exactFill keeps the bits of a fill value where the float64 would lose some.
func (a *Array) exactFill(element []byte) {
	switch {
	case len(element) != a.ElementSize():
		return
	case a.DType == Complex64:
		a.Fill = cube.Float32.Get(element)
	case a.DType == Complex128:
		a.Fill = cube.Float64.Get(element)
	case a.DType == Float16:
		a.Fill = halfFloat(binary.LittleEndian.Uint16(element))
	case rawBytes(a.DType) == 0:
		a.Fill = a.DType.Get(element)
	}
	if !bytes.Equal(a.elementBits(a.Fill), element) {
		a.FillBits = element
	}
}

func (a *Array) setIntegerFill(raw json.RawMessage, bad error) error {
	var n json.Number
	if len(raw) == 0 || raw[0] == '"' || json.Unmarshal(raw, &n) != nil || n == "" {
		return bad
	}
	exact, ok := new(big.Float).SetPrec(128).SetString(string(n))
	if !ok || len(n) > 64 || exact.IsInf() || exact.MantExp(nil) > 128 {
		return bad
	}
	a.Fill, _ = exact.Float64()
	whole, accuracy := exact.Int(nil)
	element := make([]byte, 8)
	switch {
	case accuracy != big.Exact:
		return fault.New(fault.Invalid, "zarr array: fill value %s does not fit %s", raw, a.DType)
	case a.DType == cube.Int64 && whole.IsInt64():
		binary.LittleEndian.PutUint64(element, uint64(whole.Int64()))
	case a.DType == cube.Uint64 && whole.IsUint64():
		binary.LittleEndian.PutUint64(element, whole.Uint64())
	case a.DType == cube.Int64 || a.DType == cube.Uint64 || !a.DType.Holds(a.Fill):
		return fault.New(fault.Invalid, "zarr array: fill value %s does not fit %s", raw, a.DType)
	default:
		return nil
	}
	a.exactFill(element)
	return nil
}

// parseFloat returns the bits of a number, of "NaN", "Infinity", "-Infinity" or of "0x…".
func parseFloat(raw json.RawMessage, d cube.DType) ([]byte, bool) {
	of := Array{DType: d}
	var s string
	if json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"' {
		switch s {
		case "NaN":
			return of.elementBits(math.NaN()), true
		case "Infinity":
			return of.elementBits(math.Inf(1)), true
		case "-Infinity":
			return of.elementBits(math.Inf(-1)), true
		}
		word, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 8*of.ElementSize())
		if err != nil || len(s) != 2+2*of.ElementSize() || s[:2] != "0x" {
			return nil, false
		}
		return binary.LittleEndian.AppendUint64(nil, word)[:of.ElementSize()], true
	}
	var v *float64
	if json.Unmarshal(raw, &v) != nil || v == nil {
		return nil, false
	}
	if d == cube.Float32 && math.Abs(*v) > math.MaxFloat32 && float32(*v) != float32(math.MaxFloat32) && float32(*v) != -math.MaxFloat32 {
		return nil, false
	}
	return of.elementBits(*v), true
}
