package gdal

import (
	"unsafe"

	"github.com/airbusgeo/godal"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// Read fills buf with a window of some bands (counted from 0), band after band, rows from the top, in
// the bands' own type, little-endian. Values are never converted: a band whose type is not dtype is
// refused. A block that does not decode is an error of kind fault.Corrupt.
func (r *Raster) Read(w cube.Window, bands []int, dtype cube.DType, buf []byte) (err error) {
	defer guard(r.path, &err)
	if err := r.checkRead(w, bands, dtype, buf); err != nil {
		return err
	}
	for _, b := range bands {
		if got := r.Bands[b].DType; got != dtype {
			return fault.New(fault.Invalid, "%s: band %d is %s, not %s", r.path, b+1, r.Bands[b].TypeName, dtype).
				WithCure("convert it: gdal_translate -ot %s %s OUT.tif", TypeName(dtype), Quote(r.path))
		}
	}
	reading <- struct{}{}
	defer func() { <-reading }()
	raw := aligned(buf, dtype.Size())
	err = r.judge(w, func(logger godal.ErrorHandler) error {
		return r.ds.Read(w.Col, w.Row, typed(raw, r.Bands[bands[0]].raw), w.Width, w.Height,
			godal.Bands(bands...), godal.BandInterleaved(), godal.ErrLogger(logger))
	})
	if err != nil {
		return err
	}
	if &raw[0] != &buf[0] {
		copy(buf, raw)
	}
	return nil
}

// ReadMask fills buf, one byte for each pixel, with the explicit mask of a band: 0 = masked out. A
// block that does not decode is an error of kind fault.Corrupt.
func (r *Raster) ReadMask(w cube.Window, band int, buf []byte) (err error) {
	defer guard(r.path, &err)
	if err := r.checkRead(w, []int{band}, cube.Uint8, buf); err != nil {
		return err
	}
	reading <- struct{}{}
	defer func() { <-reading }()
	mask := r.ds.Bands()[band].MaskBand()
	return r.judge(w, func(logger godal.ErrorHandler) error {
		return mask.Read(w.Col, w.Row, buf, w.Width, w.Height, godal.ErrLogger(logger))
	})
}

// judge reads a window, listening to this one reading alone: it fails where GDAL fails, and where a
// warning admits that pixels are lost. What was said goes to the raster's remarks as well.
func (r *Raster) judge(w cube.Window, read func(godal.ErrorHandler) error) error {
	said := &messages{file: r.log.file}
	err := read(said.logger())
	for _, text := range said.warnings {
		r.log.warn(text)
	}
	if err == nil {
		err = said.loss()
	}
	if err != nil {
		return r.damaged(w, err)
	}
	return nil
}

func (r *Raster) checkRead(w cube.Window, bands []int, dtype cube.DType, buf []byte) error {
	if r.ds == nil {
		return fault.New(fault.Internal, "%s is read after it was closed", r.path)
	}
	if w.Empty() || len(bands) == 0 || w.Intersect(r.grid.All()) != w {
		return fault.New(fault.Internal, "%s: window %+v of bands %v is not inside the raster", r.path, w, bands)
	}
	for _, b := range bands {
		if b < 0 || b >= len(r.Bands) {
			return fault.New(fault.Internal, "%s has no band %d", r.path, b+1)
		}
	}
	if want := w.Width * w.Height * len(bands) * dtype.Size(); len(buf) != want {
		return fault.New(fault.Internal, "%s: a buffer of %d bytes for %d", r.path, len(buf), want)
	}
	return nil
}

func (r *Raster) damaged(w cube.Window, err error) error {
	return fault.New(fault.Corrupt, "%s is damaged between rows %d and %d: %s", r.path, w.Row, w.Row+w.Height-1, oneLine(err)).
		WithCure("copy or download it again, and check it with gdalinfo -checksum")
}

// aligned returns buf, or a copy's place where buf does not start on a multiple of the value's size.
func aligned(buf []byte, size int) []byte {
	if uintptr(unsafe.Pointer(&buf[0]))%uintptr(size) == 0 {
		return buf
	}
	words := make([]uint64, (len(buf)+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(buf))
}

// typed views aligned bytes as a slice of the type the binding infers the pixel type from.
func typed(b []byte, t godal.DataType) any {
	p := unsafe.Pointer(&b[0])
	switch t {
	case godal.Int8:
		return unsafe.Slice((*int8)(p), len(b))
	case godal.Int16:
		return unsafe.Slice((*int16)(p), len(b)/2)
	case godal.UInt16:
		return unsafe.Slice((*uint16)(p), len(b)/2)
	case godal.Int32:
		return unsafe.Slice((*int32)(p), len(b)/4)
	case godal.UInt32:
		return unsafe.Slice((*uint32)(p), len(b)/4)
	case godal.Float32:
		return unsafe.Slice((*float32)(p), len(b)/4)
	case godal.Float64:
		return unsafe.Slice((*float64)(p), len(b)/8)
	}
	return b
}

// TypeName is GDAL's name of a data type, for the -ot switch of its programs.
func TypeName(d cube.DType) string {
	names := map[cube.DType]string{
		cube.Int8: "Int8", cube.Uint8: "Byte", cube.Int16: "Int16", cube.Uint16: "UInt16", cube.Int32: "Int32", cube.Uint32: "UInt32",
		cube.Int64: "Int64", cube.Uint64: "UInt64", cube.Float32: "Float32", cube.Float64: "Float64",
	}
	return names[d]
}
