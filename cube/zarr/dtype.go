package zarr

import (
	"math"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// Data types of Zarr that no cube holds, but arrays from elsewhere do. Elements are little-endian
// where they are bytes; a complex number is its real and its imaginary part.
const (
	// String is the data type of arrays of UTF-8 strings; their chunks go through EncodeStrings and
	// DecodeStrings instead of Encode and Decode.
	String     cube.DType = "string"
	Bool       cube.DType = "bool"
	Float16    cube.DType = "float16"
	Complex64  cube.DType = "complex64"
	Complex128 cube.DType = "complex128"
)

// mostRawBits keeps the size of an element of a raw type (r8, r16, …) sensible.
const mostRawBits = 8 << 16

// rawBytes is the size of an element of a raw type, 0 for any other.
func rawBytes(d cube.DType) int {
	digits, raw := strings.CutPrefix(string(d), "r")
	if !raw {
		return 0
	}
	bits, err := strconv.Atoi(digits)
	if err != nil || bits < 8 || bits%8 != 0 || bits > mostRawBits || digits[0] < '1' {
		return 0
	}
	return bits / 8
}

// checkDType refuses data types that this package does not know.
func checkDType(d cube.DType) error {
	switch d {
	case String, Bool, Float16, Complex64, Complex128:
		return nil
	}
	if rawBytes(d) > 0 {
		return nil
	}
	_, err := cube.ParseDType(string(d))
	return err
}

// ElementSize is the size of one element in bytes, 0 for strings.
func (a Array) ElementSize() int {
	switch a.DType {
	case String:
		return 0
	case Bool:
		return 1
	case Float16:
		return 2
	case Complex64:
		return 8
	case Complex128:
		return 16
	}
	if n := rawBytes(a.DType); n > 0 {
		return n
	}
	return a.DType.Size()
}

// wordSize is the size of what the bytes codec turns round: an element, half of a complex one.
func (a Array) wordSize() int {
	switch a.DType {
	case Complex64, Complex128:
		return a.ElementSize() / 2
	}
	if rawBytes(a.DType) > 0 {
		return 1
	}
	return a.ElementSize()
}

// checkFill refuses a fill value that the type does not hold.
func (a Array) checkFill() error {
	holds := true
	switch {
	case a.FillBits != nil:
		holds = len(a.FillBits) == a.ElementSize() && (a.DType != Bool || a.FillBits[0] <= 1)
	case a.DType == String, a.DType == Complex128:
	case a.DType == Bool:
		holds = a.Fill == 0 || a.Fill == 1
	case a.DType == Complex64:
		holds = cube.Float32.Holds(a.Fill)
	case a.DType == Float16:
		holds = math.IsNaN(a.Fill) || math.IsInf(a.Fill, 0) || math.Abs(a.Fill) < 65520
	case rawBytes(a.DType) > 0:
		holds = a.Fill == 0
	default:
		holds = a.DType.Holds(a.Fill)
	}
	if !holds {
		return fault.New(fault.Invalid, "zarr array: fill value %g does not fit %s", a.Fill, a.DType)
	}
	return nil
}

// halfBits rounds to the nearest float16, ties to even.
func halfBits(v float64) uint16 {
	sign := uint16(math.Float64bits(v) >> 48 & 0x8000)
	v = math.Abs(v)
	switch {
	case math.IsNaN(v):
		return 0x7e00
	case v >= 65520:
		return sign | 0x7c00
	case v < 1.0/(1<<14): // subnormal: multiples of 2^-24
		return sign | uint16(math.RoundToEven(v*(1<<24)))
	}
	fraction, exponent := math.Frexp(v) // in [0.5, 1)
	return sign | uint16(int(math.RoundToEven(fraction*2048))-1024+(exponent+14)<<10)
}

// halfFloat is the value of a float16.
func halfFloat(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	v := math.Ldexp(1024+fraction, exponent-25)
	switch {
	case exponent == 31 && fraction != 0:
		return math.NaN()
	case exponent == 31:
		v = math.Inf(1)
	case exponent == 0:
		v = math.Ldexp(fraction, -24)
	}
	if bits&0x8000 != 0 {
		return -v
	}
	return v
}
