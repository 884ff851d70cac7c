package cube

import (
	"encoding/binary"
	"math"

	"github.com/terrapin-eo/terrapin/fault"
)

// DType is a Zarr v3 numeric data type name. Values are little-endian wherever they are bytes.
type DType string

// The data types a cube may hold.
const (
	Int8    DType = "int8"
	Uint8   DType = "uint8"
	Int16   DType = "int16"
	Uint16  DType = "uint16"
	Int32   DType = "int32"
	Uint32  DType = "uint32"
	Int64   DType = "int64"
	Uint64  DType = "uint64"
	Float32 DType = "float32"
	Float64 DType = "float64"
)

// DTypes lists every data type.
func DTypes() []DType {
	return []DType{Int8, Uint8, Int16, Uint16, Int32, Uint32, Int64, Uint64, Float32, Float64}
}

// ParseDType accepts the names above and refuses everything else.
func ParseDType(s string) (DType, error) {
	for _, d := range DTypes() {
		if string(d) == s {
			return d, nil
		}
	}
	return "", fault.New(fault.Invalid, "unknown data type %q", s).WithCure("use one of %v", DTypes())
}

// Size is the number of bytes of one value.
func (d DType) Size() int {
	switch d {
	case Int8, Uint8:
		return 1
	case Int16, Uint16:
		return 2
	case Int32, Uint32, Float32:
		return 4
	}
	return 8
}

// Float reports whether the type is a floating-point one.
func (d DType) Float() bool { return d == Float32 || d == Float64 }

// Holds reports whether a value is exactly representable in the type. NaN and the infinities fit
// floating-point types only; any finite number that float32 can round to fits float32.
func (d DType) Holds(v float64) bool {
	if d.Float() {
		return d == Float64 || math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) <= math.MaxFloat32
	}
	if v != math.Trunc(v) {
		return false // NaN included
	}
	lo, hi := d.limits()
	return v >= lo && v <= hi
}

func (d DType) limits() (lo, hi float64) {
	switch d {
	case Int8:
		return math.MinInt8, math.MaxInt8
	case Uint8:
		return 0, math.MaxUint8
	case Int16:
		return math.MinInt16, math.MaxInt16
	case Uint16:
		return 0, math.MaxUint16
	case Int32:
		return math.MinInt32, math.MaxInt32
	case Uint32:
		return 0, math.MaxUint32
	case Int64:
		return math.MinInt64, math.MaxInt64
	}
	return 0, math.MaxUint64
}

// Put writes a value at the front of buf in the type's little-endian form.
func (d DType) Put(buf []byte, v float64) {
	switch d {
	case Int8:
		buf[0] = byte(int8(v))
	case Uint8:
		buf[0] = byte(v)
	case Int16:
		binary.LittleEndian.PutUint16(buf, uint16(int16(v)))
	case Uint16:
		binary.LittleEndian.PutUint16(buf, uint16(v))
	case Int32:
		binary.LittleEndian.PutUint32(buf, uint32(int32(v)))
	case Uint32:
		binary.LittleEndian.PutUint32(buf, uint32(v))
	case Int64:
		binary.LittleEndian.PutUint64(buf, uint64(int64(v)))
	case Uint64:
		binary.LittleEndian.PutUint64(buf, uint64(v))
	case Float32:
		binary.LittleEndian.PutUint32(buf, math.Float32bits(float32(v)))
	default:
		binary.LittleEndian.PutUint64(buf, math.Float64bits(v))
	}
}

// Get reads the value at the front of buf as a float64 (64-bit integers lose bits beyond 2^53).
func (d DType) Get(buf []byte) float64 {
	switch d {
	case Int8:
		return float64(int8(buf[0]))
	case Uint8:
		return float64(buf[0])
	case Int16:
		return float64(int16(binary.LittleEndian.Uint16(buf)))
	case Uint16:
		return float64(binary.LittleEndian.Uint16(buf))
	case Int32:
		return float64(int32(binary.LittleEndian.Uint32(buf)))
	case Uint32:
		return float64(binary.LittleEndian.Uint32(buf))
	case Int64:
		return float64(int64(binary.LittleEndian.Uint64(buf)))
	case Uint64:
		return float64(binary.LittleEndian.Uint64(buf))
	case Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(buf)))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(buf))
}
