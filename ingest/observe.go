package ingest

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/terrapin-eo/terrapin/cube"
)

// observe writes 1 for every value that is neither nodata nor NaN, else 0. Nothing else is inferred
// from values. A nodata that the type cannot hold matches none.
func observe(valid, values []byte, d cube.DType, nodata *float64) {
	for i := range valid {
		valid[i] = 1
	}
	if d.Float() {
		observeFloat(valid, values, d, nodata)
		return
	}
	if nodata == nil || !d.Holds(*nodata) {
		return
	}
	var word [8]byte
	d.Put(word[:], *nodata)
	switch size := d.Size(); size {
	case 1:
		for i, v := range values {
			if v == word[0] {
				valid[i] = 0
			}
		}
	case 2:
		want := binary.LittleEndian.Uint16(word[:])
		for i := range valid {
			if binary.LittleEndian.Uint16(values[2*i:]) == want {
				valid[i] = 0
			}
		}
	default:
		for i := range valid {
			if bytes.Equal(values[i*size:(i+1)*size], word[:size]) {
				valid[i] = 0
			}
		}
	}
}

// observeFloat compares as numbers, so that -0 is 0; a nodata written in decimal is rounded to the type.
func observeFloat(valid, values []byte, d cube.DType, nodata *float64) {
	want := math.NaN() // equal to nothing; NaN itself never counts as observed
	if nodata != nil {
		want = *nodata
		if d == cube.Float32 {
			want = float64(float32(want))
		}
	}
	size := d.Size()
	for i := range valid {
		v := d.Get(values[i*size:])
		if v != v || v == want {
			valid[i] = 0
		}
	}
}
