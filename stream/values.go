package stream

import (
	"math"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets"
)

// values turns stored numbers into what a trainer gets. Every float32 operation stands in an explicit
// conversion: without it Go may fuse a multiplication and an addition on some processors, and the
// bits would no longer be NumPy's.
type values struct {
	stored cube.DType
	// floats: rows leave as float32 even where nothing else is done to them.
	floats    bool
	physical  bool
	normalise bool
	// mean and std by band, when normalise.
	mean, std []float32
}

// of is the same of another resolution. A standard deviation of 0 divides by 1.
func (v values) of(g datasets.Group) values {
	v.stored, v.mean, v.std = g.DType, nil, nil
	for _, s := range g.Stats {
		std := float32(s.Std)
		if std == 0 {
			std = 1
		}
		v.mean, v.std = append(v.mean, float32(s.Mean)), append(v.std, std)
	}
	return v
}

// float32s reports whether rows leave as float32; otherwise they are the stored numbers.
func (v values) float32s() bool { return v.floats || v.physical || v.normalise }

// dtype is the type in which rows leave.
func (v values) dtype() cube.DType {
	if v.float32s() {
		return cube.Float32
	}
	return v.stored
}

// kind is what is said of the numbers.
func (v values) kind() datasets.Values {
	if v.physical {
		return datasets.Physical
	}
	return datasets.Raw
}

// under is where the stored numbers of rows go whose float32 fill image: the end of the same memory, which convert
// then fills from its beginning without overtaking what it reads. Numbers longer than float32 get memory of their
// own from spare, which release gives back.
func (v values) under(image [][]byte, spare *heap) (stored [][]byte, release func()) {
	size := v.stored.Size()
	stored, release = make([][]byte, len(image)), func() {}
	var own []byte
	if size > 4 && len(image) > 0 {
		own, release = spare.borrow(len(image) * len(image[0]) / 4 * size)
	}
	for i, row := range image {
		n := len(row) / 4 * size
		if own != nil {
			stored[i], own = own[:n:n], own[n:]
		} else {
			stored[i] = row[len(row)-n:]
		}
	}
	return stored, release
}

// convert turns src [slot, band, y, x] in the stored type into dst of float32, one plane after another; src may be
// the end of dst. contracts holds one contract per slot; valid is [slot, y, x].
func (v values) convert(dst, src, valid []byte, contracts []cube.Contract, bands, pixels int) {
	if v.stored == cube.Float32 && !v.physical && !v.normalise {
		copy(dst, src)
		return
	}
	p := plane{physical: v.physical, normalise: v.normalise, dst: numbers[float32](dst)}
	for t, c := range contracts {
		p.scale, p.offset = float32(c.Scale), float32(c.Offset)
		p.seen = valid[t*pixels : (t+1)*pixels]
		for b := range bands {
			p.first = (t*bands + b) * pixels
			if v.normalise {
				p.mean, p.std = v.mean[b], v.std[b]
			}
			p.of(src, v.stored)
		}
	}
}

// plane is one slot and band of a row on its way: dst from first on, as many numbers as seen has.
type plane struct {
	dst                 []float32
	first               int
	seen                []byte // 0 where nothing was observed
	physical, normalise bool
	scale, offset       float32
	mean, std           float32
}

// of fills a plane with the numbers that stand at the same place of src.
func (p plane) of(src []byte, d cube.DType) {
	switch d {
	case cube.Int8:
		fill(p, numbers[int8](src))
	case cube.Uint8:
		fill(p, numbers[uint8](src))
	case cube.Int16:
		fill(p, numbers[int16](src))
	case cube.Uint16:
		fill(p, numbers[uint16](src))
	case cube.Int32:
		fill(p, numbers[int32](src))
	case cube.Uint32:
		fill(p, numbers[uint32](src))
	case cube.Int64:
		fill(p, numbers[int64](src))
	case cube.Uint64:
		fill(p, numbers[uint64](src))
	case cube.Float32:
		fill(p, numbers[float32](src))
	default:
		fill(p, numbers[float64](src))
	}
}

// number is what a cube stores.
type number interface {
	int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64 | float32 | float64
}

// fill rounds stored numbers to the nearest float32, ties to even, as NumPy's astype does, and does the rest in the
// same pass. No number is written before those that lie in its place were read.
func fill[T number](p plane, all []T) {
	n := len(p.seen)
	src := all[p.first : p.first+n]
	dst, seen := p.dst[p.first : p.first+n][:len(src)], p.seen[:len(src)]
	scale, offset, mean, std := p.scale, p.offset, p.mean, p.std
	switch {
	case p.physical && p.normalise:
		for i, x := range src {
			scaled := float32(float32(x) * scale)
			centred := float32(float32(scaled+offset) - mean)
			dst[i] = kept(float32(centred/std), seen[i])
		}
	case p.physical:
		for i, x := range src {
			scaled := float32(float32(x) * scale)
			dst[i] = float32(scaled + offset)
		}
	case p.normalise:
		for i, x := range src {
			centred := float32(float32(x) - mean)
			dst[i] = kept(float32(centred/std), seen[i])
		}
	default:
		for i, x := range src {
			dst[i] = float32(x)
		}
	}
}

// kept is x, or 0 where nothing was seen; it does not branch, as clouds are everywhere.
func kept(x float32, seen byte) float32 {
	mask := -((uint32(seen) + 0xFF) >> 8)
	return math.Float32frombits(math.Float32bits(x) & mask)
}
