package gdal

import (
	"context"

	"github.com/airbusgeo/godal"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// COG is a raster to be written.
type COG struct {
	Grid  cube.Grid
	DType cube.DType
	// Bands are the names, one for each band of Data.
	Bands  []string
	Nodata *float64
	// Scale and Offset are those of every band; Scale 0 means that none are said.
	Scale, Offset float64
	// Data holds band after band, rows from the top, little-endian.
	Data []byte
	// Mask holds one byte for each pixel, 0 = no value there; nil means that every pixel has one.
	Mask []byte
	// Metadata are items of the default domain, such as "TERRAPIN_RUN".
	Metadata map[string]string
}

// WriteCOG writes a cloud-optimised GeoTIFF: tiles of 512 pixels, DEFLATE (which every reader
// decodes), overviews by nearest neighbour (so that classes stay classes), and Mask as an internal
// mask. The file is complete when nil is returned; after an error there is none.
func WriteCOG(ctx context.Context, path string, c COG) (err error) {
	defer guard(path, &err)
	if err := c.check(); err != nil {
		return err
	}
	w, err := newCOGWriter(path, "", c, c.Mask != nil)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := w.Write(c.Grid.All(), c.Data, c.Mask); err != nil {
		return err
	}
	return w.Finish(ctx)
}

// checkFrame refuses what no file can be made for.
func (c COG) checkFrame() error {
	if rawType(c.DType) == godal.Unknown {
		return fault.New(fault.Unsupported, "GeoTIFF of %s cannot be written", c.DType).WithCure("use float64, or a narrower integer type")
	}
	return c.Grid.Check()
}

func (c COG) check() error {
	if err := c.checkFrame(); err != nil {
		return err
	}
	pixels := c.Grid.Width * c.Grid.Height
	switch {
	case len(c.Bands) == 0 || len(c.Data) != pixels*len(c.Bands)*c.DType.Size():
		return fault.New(fault.Internal, "%d bytes for %d bands of %d %s pixels", len(c.Data), len(c.Bands), pixels, c.DType)
	case c.Mask != nil && len(c.Mask) != pixels:
		return fault.New(fault.Internal, "a mask of %d bytes for %d pixels", len(c.Mask), pixels)
	}
	return nil
}

// rawType is the binding's type of a data type. Int8 needs GDAL 3.7, 64-bit integers are not bound.
func rawType(d cube.DType) godal.DataType {
	for raw, dtype := range dtypes {
		if dtype == d && d != cube.Int8 {
			return raw
		}
	}
	return godal.Unknown
}
