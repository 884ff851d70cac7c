package gdal

import (
	"context"
	"os"

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
	start()
	if err := c.check(); err != nil {
		return err
	}
	log := &messages{file: path}
	memory, err := c.inMemory(log)
	if err != nil {
		return fault.New(fault.Internal, "write %s: %w", path, err)
	}
	defer memory.Close()
	if err := ctx.Err(); err != nil {
		return err
	}
	out, err := memory.Translate(path, nil, godal.CreationOption(
		"COMPRESS=DEFLATE", "LEVEL=6", "PREDICTOR=YES", "BLOCKSIZE=512", "RESAMPLING=NEAREST", "OVERVIEWS=AUTO", "BIGTIFF=IF_SAFER"),
		godal.DriverName("COG"), godal.ErrLogger(log.logger()))
	if err == nil {
		err = out.Close(godal.ErrLogger(log.logger()))
	}
	if err != nil {
		_ = os.Remove(path) // half a file; the error below is what matters
		return fault.New(fault.Internal, "write %s: %w", path, err).WithCure("check the free space and the permissions of its folder")
	}
	return nil
}

func (c COG) check() error {
	if err := c.Grid.Check(); err != nil {
		return err
	}
	pixels := c.Grid.Width * c.Grid.Height
	switch {
	case rawType(c.DType) == godal.Unknown:
		return fault.New(fault.Unsupported, "GeoTIFF of %s cannot be written", c.DType).WithCure("use float64, or a narrower integer type")
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

// inMemory builds the raster as a memory data set, which the COG driver copies from.
func (c COG) inMemory(log *messages) (*godal.Dataset, error) {
	errs := godal.ErrLogger(log.logger())
	g := c.Grid
	raw := rawType(c.DType)
	ds, err := godal.Create(godal.Memory, "", len(c.Bands), raw, g.Width, g.Height, errs)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*godal.Dataset, error) {
		ds.Close()
		return nil, err
	}
	if wkt := WKT(g.CRS); wkt == "" {
		return fail(fault.New(fault.Invalid, "GDAL does not know the CRS %s", g.CRS))
	} else if err := ds.SetProjection(wkt, errs); err != nil {
		return fail(err)
	}
	t := g.Transform
	if err := ds.SetGeoTransform([6]float64{t[2], t[0], t[1], t[5], t[3], t[4]}, errs); err != nil {
		return fail(err)
	}
	size := g.Width * g.Height * c.DType.Size()
	for i, band := range ds.Bands() {
		data := aligned(c.Data[i*size:(i+1)*size], c.DType.Size())
		copy(data, c.Data[i*size:(i+1)*size])
		if err := band.Write(0, 0, typed(data, raw), g.Width, g.Height, errs); err != nil {
			return fail(err)
		}
		if err := band.SetDescription(c.Bands[i], errs); err != nil {
			return fail(err)
		}
		if c.Nodata != nil {
			if err := band.SetNoData(*c.Nodata, errs); err != nil {
				return fail(err)
			}
		}
	}
	for key, value := range c.Metadata {
		if err := ds.SetMetadata(key, value, errs); err != nil {
			return fail(err)
		}
	}
	if c.Mask == nil {
		return ds, nil
	}
	const perDataset = 2
	mask, err := ds.CreateMaskBand(perDataset, errs)
	if err != nil {
		return fail(err)
	}
	bytes := make([]byte, len(c.Mask))
	for i, v := range c.Mask {
		if v != 0 {
			bytes[i] = 255
		}
	}
	if err := mask.Write(0, 0, bytes, g.Width, g.Height, errs); err != nil {
		return fail(err)
	}
	return ds, nil
}
