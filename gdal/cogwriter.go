package gdal

import (
	"context"
	"os"

	"github.com/airbusgeo/godal"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// scratchFrom is the size in bytes from which a raster being written waits in a file, not in memory.
const scratchFrom = 256 << 20

// COGWriter writes a cloud-optimised GeoTIFF part by part, since its overviews need the whole of it. It
// must not be used by two goroutines at once.
type COGWriter struct {
	path, scratch string
	cog           COG
	raw           godal.DataType
	ds            *godal.Dataset
	mask          *godal.Band
	log           *messages
}

// NewCOGWriter begins a file with an internal mask, as WriteCOG describes it; Data and Mask of c are
// not read. What is written waits in memory, or where it is large in a file beside path. Pixels that
// are never written are 0 and masked.
func NewCOGWriter(path string, c COG) (w *COGWriter, err error) {
	defer guard(path, &err)
	if err := c.checkFrame(); err != nil {
		return nil, err
	}
	scratch := ""
	if int64(c.Grid.Width)*int64(c.Grid.Height)*int64(len(c.Bands)*c.DType.Size()+1) > scratchFrom {
		scratch = path + ".scratch"
	}
	return newCOGWriter(path, scratch, c, true)
}

func newCOGWriter(path, scratch string, c COG, masked bool) (*COGWriter, error) {
	start()
	w := &COGWriter{path: path, scratch: scratch, cog: c, raw: rawType(c.DType), log: &messages{file: path}}
	if err := w.create(masked); err != nil {
		w.Abort()
		return nil, w.failed(err)
	}
	return w, nil
}

func (w *COGWriter) create(masked bool) (err error) {
	errs := godal.ErrLogger(w.log.logger())
	g := w.cog.Grid
	driver, options := godal.Memory, []godal.DatasetCreateOption{errs}
	if w.scratch != "" {
		driver = godal.GTiff
		options = append(options, godal.CreationOption("TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "BIGTIFF=YES", "SPARSE_OK=TRUE"))
	}
	if w.ds, err = godal.Create(driver, w.scratch, len(w.cog.Bands), w.raw, g.Width, g.Height, options...); err != nil {
		return err
	}
	if wkt := WKT(g.CRS); wkt == "" {
		return fault.New(fault.Invalid, "GDAL does not know the CRS %s", g.CRS)
	} else if err := w.ds.SetProjection(wkt, errs); err != nil {
		return err
	}
	t := g.Transform
	if err := w.ds.SetGeoTransform([6]float64{t[2], t[0], t[1], t[5], t[3], t[4]}, errs); err != nil {
		return err
	}
	for i, band := range w.ds.Bands() {
		if err := w.describe(band, w.cog.Bands[i]); err != nil {
			return err
		}
	}
	for key, value := range w.cog.Metadata {
		if err := w.ds.SetMetadata(key, value, errs); err != nil {
			return err
		}
	}
	if !masked {
		return nil
	}
	const perDataset = 2
	mask, err := w.ds.CreateMaskBand(perDataset, errs, godal.ConfigOption("GDAL_TIFF_INTERNAL_MASK=YES"))
	if err != nil {
		return err
	}
	w.mask = &mask
	return nil
}

func (w *COGWriter) describe(band godal.Band, name string) error {
	errs := godal.ErrLogger(w.log.logger())
	if err := band.SetDescription(name, errs); err != nil {
		return err
	}
	if w.cog.Scale != 0 {
		if err := band.SetScaleOffset(w.cog.Scale, w.cog.Offset, errs); err != nil {
			return err
		}
	}
	if w.cog.Nodata == nil {
		return nil
	}
	return band.SetNoData(*w.cog.Nodata, errs)
}

// Write stores a part of the grid: data [band, row, col], little-endian, and mask [row, col], 0 = no
// value there. The buffers are the caller's again when it returns.
func (w *COGWriter) Write(part cube.Window, data, mask []byte) (err error) {
	defer guard(w.path, &err)
	size := part.Height * part.Width * w.cog.DType.Size()
	if part.Intersect(w.cog.Grid.All()) != part || len(data) != size*len(w.cog.Bands) || w.mask != nil && len(mask) != part.Height*part.Width {
		return fault.New(fault.Internal, "write %+v of %s: %d bytes, a mask of %d", part, w.path, len(data), len(mask))
	}
	errs := godal.ErrLogger(w.log.logger())
	for i, band := range w.ds.Bands() {
		plane := aligned(data[i*size:(i+1)*size], w.cog.DType.Size())
		copy(plane, data[i*size:(i+1)*size])
		if err := band.Write(part.Col, part.Row, typed(plane, w.raw), part.Width, part.Height, errs); err != nil {
			return w.failed(err)
		}
	}
	if w.mask == nil {
		return nil
	}
	bytes := make([]byte, len(mask))
	for i, v := range mask {
		if v != 0 {
			bytes[i] = 255
		}
	}
	if err := w.mask.Write(part.Col, part.Row, bytes, part.Width, part.Height, errs); err != nil {
		return w.failed(err)
	}
	return nil
}

// Finish writes the file and ends the writer. The file is complete when nil is returned; after an error
// there is none.
func (w *COGWriter) Finish(ctx context.Context) (err error) {
	defer guard(w.path, &err)
	defer w.Abort()
	if err := ctx.Err(); err != nil {
		return err
	}
	errs := godal.ErrLogger(w.log.logger())
	out, err := w.ds.Translate(w.path, nil, godal.CreationOption(
		"COMPRESS=DEFLATE", "LEVEL=6", "PREDICTOR=YES", "BLOCKSIZE=512", "RESAMPLING=NEAREST", "OVERVIEWS=AUTO", "BIGTIFF=IF_SAFER"),
		godal.DriverName("COG"), errs)
	if err == nil {
		err = out.Close(errs)
	}
	if err != nil {
		_ = os.Remove(w.path) // half a file; the error below is what matters
		return w.failed(err)
	}
	return nil
}

// Abort ends the writer without a file; after Finish it does nothing.
func (w *COGWriter) Abort() {
	if w.ds != nil {
		_ = w.ds.Close(godal.ErrLogger(w.log.logger())) // scratch: whether it could be flushed does not matter
		w.ds = nil
	}
	if w.scratch != "" {
		_ = os.Remove(w.scratch) // one that stays is written anew
	}
}

func (w *COGWriter) failed(err error) error {
	return fault.New(fault.Internal, "write %s: %w", w.path, err).WithCure("check the free space and the permissions of its folder")
}
