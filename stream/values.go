package stream

import (
	"encoding/binary"
	"math"

	"github.com/terrapin-eo/terrapin/cube"
)

// values turns stored numbers into what a trainer gets. Every float32 operation stands in an explicit
// conversion: without it Go may fuse a multiplication and an addition on some processors, and the
// bits would no longer be NumPy's.
type values struct {
	stored    cube.DType
	physical  bool
	normalise bool
	// mean and std by band, when normalise.
	mean, std []float32
}

// float32s reports whether rows leave as float32; otherwise they are the stored numbers.
func (v values) float32s() bool { return v.physical || v.normalise }

// dtype is the type in which rows leave.
func (v values) dtype() cube.DType {
	if v.float32s() {
		return cube.Float32
	}
	return v.stored
}

// convert turns src [slot, band, y, x] in the stored type into dst of float32. contracts holds one
// contract per slot; valid is [slot, y, x].
func (v values) convert(dst, src, valid []byte, contracts []cube.Contract, bands, pixels int) {
	size := v.stored.Size()
	for t, c := range contracts {
		seen := valid[t*pixels : (t+1)*pixels]
		for b := range bands {
			k := t*bands + b
			plane := dst[k*pixels*4 : (k+1)*pixels*4]
			toFloat32(plane, src[k*pixels*size:(k+1)*pixels*size], v.stored)
			if v.physical {
				scalePlane(plane, float32(c.Scale), float32(c.Offset))
			}
			if v.normalise {
				normalisePlane(plane, seen, v.mean[b], v.std[b])
			}
		}
	}
}

func at(plane []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(plane[4*i:]))
}

func set(plane []byte, i int, x float32) {
	binary.LittleEndian.PutUint32(plane[4*i:], math.Float32bits(x))
}

func scalePlane(plane []byte, scale, offset float32) {
	for i := range len(plane) / 4 {
		product := float32(at(plane, i) * scale)
		set(plane, i, float32(product+offset))
	}
}

func normalisePlane(plane, seen []byte, mean, std float32) {
	for i := range len(plane) / 4 {
		if seen[i] == 0 {
			set(plane, i, 0)
			continue
		}
		centred := float32(at(plane, i) - mean)
		set(plane, i, float32(centred/std))
	}
}

// toFloat32 rounds stored numbers to the nearest float32, ties to even, as NumPy's astype does.
func toFloat32(dst, src []byte, d cube.DType) {
	le := binary.LittleEndian
	n := len(dst) / 4
	switch d {
	case cube.Int8:
		for i := range n {
			set(dst, i, float32(int8(src[i])))
		}
	case cube.Uint8:
		for i := range n {
			set(dst, i, float32(src[i]))
		}
	case cube.Int16:
		for i := range n {
			set(dst, i, float32(int16(le.Uint16(src[2*i:]))))
		}
	case cube.Uint16:
		for i := range n {
			set(dst, i, float32(le.Uint16(src[2*i:])))
		}
	case cube.Int32:
		for i := range n {
			set(dst, i, float32(int32(le.Uint32(src[4*i:]))))
		}
	case cube.Uint32:
		for i := range n {
			set(dst, i, float32(le.Uint32(src[4*i:])))
		}
	case cube.Int64:
		for i := range n {
			set(dst, i, float32(int64(le.Uint64(src[8*i:]))))
		}
	case cube.Uint64:
		for i := range n {
			set(dst, i, float32(le.Uint64(src[8*i:])))
		}
	case cube.Float32:
		copy(dst, src)
	default:
		for i := range n {
			set(dst, i, float32(math.Float64frombits(le.Uint64(src[8*i:]))))
		}
	}
}
