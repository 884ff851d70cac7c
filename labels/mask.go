package labels

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
)

// unlabelled is the ignore value where no raster declares one.
const unlabelled = 255

// readMask reads a class raster onto a grid: one band of whole numbers whose pixels are the grid's.
// It is read to the last block, a strip at a time.
func readMask(path, source string, g cube.Grid) (feature, error) {
	r, err := gdal.Open(path)
	if err != nil {
		return feature{}, err
	}
	defer r.Close()
	dtype, err := maskType(r, source)
	if err != nil {
		return feature{}, err
	}
	at, err := maskWindow(r, source, g)
	if err != nil {
		return feature{}, err
	}
	m := &mask{Window: at.Intersect(g.All()), DType: dtype, Ignore: unlabelled}
	declared := false
	if nd := r.Bands[0].Nodata; nd != nil && dtype.Holds(*nd) {
		m.Ignore, declared = *nd, true
	}
	if err := m.read(r, source, at); err != nil {
		return feature{}, err
	}
	m.Values = m.distinct()
	if !declared && dtype.Holds(unlabelled) && slices.Contains(rawValues(m.pixels, dtype), unlabelled) && !r.Bands[0].Mask {
		return feature{}, fault.New(fault.Invalid, "the raster declares no nodata value and holds the value %d, which stands for unlabelled then", unlabelled).
			WithCure("declare the value that means unlabelled: gdal_translate -a_nodata VALUE %s OUT.tif", source)
	}
	if len(m.Values) == 0 {
		return feature{}, fault.New(fault.Invalid, "every pixel on the cube is unlabelled (%v)", m.Ignore).
			WithCure("check the raster's nodata value and its place: gdalinfo -stats %s", source)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %v\n", dtype, m.Ignore)
	sum.Write(m.pixels)
	m.Digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	ring, err := crs.FootprintWGS84(g, m.Window)
	if err != nil {
		return feature{}, err
	}
	return feature{Source: source, ID: "raster", Mask: m, Shape: shape{{ring}}}, nil
}

// stripBytes bounds what is decoded at once of a class raster, of which a row is the least.
const stripBytes = 16 << 20

// read reads the whole raster in strips and keeps what lies on the grid.
func (m *mask) read(r *gdal.Raster, source string, at cube.Window) error {
	size := m.DType.Size()
	width, height := r.Size()
	rows := 1
	for rows < height && 2*rows*width*size <= stripBytes { // doubled, so that strips end where tiles do
		rows *= 2
	}
	rows = min(rows, height)
	pixels, seen := make([]byte, rows*width*size), []byte(nil)
	if r.Bands[0].Mask {
		seen = make([]byte, rows*width)
	}
	m.pixels = make([]byte, m.Window.Height*m.Window.Width*size)
	for row := 0; row < height; row += rows {
		strip := cube.Window{Row: row, Height: min(rows, height-row), Width: width}
		n := strip.Height * width
		if err := r.Read(strip, []int{0}, m.DType, pixels[:n*size]); err != nil {
			return err
		}
		if seen != nil {
			if err := r.ReadMask(strip, 0, seen[:n]); err != nil {
				return err
			}
			if err := m.hide(pixels[:n*size], seen[:n], source); err != nil {
				return err
			}
		}
		placed := cube.Window{Row: at.Row + row, Col: at.Col, Height: strip.Height, Width: width}
		cube.CopyWindow(m.pixels, m.Window, pixels[:n*size], placed, size)
	}
	return nil
}

// maskType refuses what cannot be one raster of classes.
func maskType(r *gdal.Raster, source string) (cube.DType, error) {
	if n := len(r.Bands); n != 1 {
		return "", fault.New(fault.Invalid, "it has %d bands; a raster of classes has one", n).
			WithCure("pick the band: gdal_translate -b 1 %s OUT.tif", source)
	}
	b := r.Bands[0]
	switch b.DType {
	case cube.Uint8, cube.Int8, cube.Uint16, cube.Int16, cube.Uint32, cube.Int32:
		return b.DType, nil
	}
	return "", fault.New(fault.Invalid, "its values are %s; classes are whole numbers of up to 32 bits", b.TypeName).
		WithCure("convert it: gdal_translate -ot Byte -a_nodata 255 %s OUT.tif (or -ot Int32 for larger values)", source)
}

// maskWindow says where the raster lies on the grid.
func maskWindow(r *gdal.Raster, source string, g cube.Grid) (cube.Window, error) {
	x0, y0, x1, y1 := g.Bounds()
	nodata := ""
	if b := r.Bands[0]; b.Nodata == nil { // else gdalwarp fills with zeros, which would be a class
		nodata = fmt.Sprintf(" -dstnodata %d", unlabelled)
		if !b.DType.Holds(unlabelled) {
			nodata = fmt.Sprintf(" -dstnodata %d", math.MinInt8)
		}
	}
	warp := fmt.Sprintf("gdalwarp -t_srs %s -te %s %s %s %s -ts %d %d -r near%s %s OUT.tif",
		g.CRS, decimal(x0), decimal(y0), decimal(x1), decimal(y1), g.Width, g.Height, nodata, source)
	own, err := r.Grid()
	if err != nil {
		return cube.Window{}, err
	}
	w, err := g.Place(own)
	if err == nil {
		return w, nil
	}
	if own.CRS == g.CRS {
		if a, b, c, d := own.Bounds(); c <= x0 || a >= x1 || d <= y0 || b >= y1 {
			return cube.Window{}, fault.New(fault.Invalid, "the raster lies wholly outside of the cube: it covers %s, %s to %s, %s, the cube %s, %s to %s, %s",
				decimal(a), decimal(b), decimal(c), decimal(d), decimal(x0), decimal(y0), decimal(x1), decimal(y1)).
				WithCure("import it into a set on the cube of its own area")
		}
	}
	return cube.Window{}, fault.New(fault.Invalid, "the raster does not lie on the cube's pixels: %w", err).WithCure("%s", warp)
}

// hide turns the pixels that an explicit mask leaves out into the ignore value.
func (m *mask) hide(pixels, seen []byte, source string) error {
	size := m.DType.Size()
	if !m.DType.Holds(m.Ignore) {
		return fault.New(fault.Invalid, "the raster has a mask, and %v, which stands for unlabelled, does not fit %s", m.Ignore, m.DType).
			WithCure("gdal_translate -ot Int16 -a_nodata 255 %s OUT.tif", source)
	}
	for i, s := range seen {
		if s == 0 {
			m.DType.Put(pixels[i*size:], m.Ignore)
		}
	}
	return nil
}

// distinct lists the classes among the pixels.
func (m *mask) distinct() []int64 {
	return slices.DeleteFunc(rawValues(m.pixels, m.DType), func(v int64) bool { return float64(v) == m.Ignore })
}

// rawValues lists the values among pixels, ascending.
func rawValues(pixels []byte, d cube.DType) []int64 {
	seen := map[int64]bool{}
	size, last := d.Size(), int64(-1<<62)
	for i := 0; i < len(pixels); i += size {
		if v := integer(d, pixels[i:]); v != last {
			seen[v], last = true, v
		}
	}
	out := make([]int64, 0, len(seen))
	for v := range seen {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

func integer(d cube.DType, b []byte) int64 {
	switch d {
	case cube.Uint8:
		return int64(b[0])
	case cube.Int8:
		return int64(int8(b[0]))
	case cube.Uint16:
		return int64(binary.LittleEndian.Uint16(b))
	case cube.Int16:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case cube.Uint32:
		return int64(binary.LittleEndian.Uint32(b))
	}
	return int64(int32(binary.LittleEndian.Uint32(b)))
}

// agree refuses a raster whose type or ignore value is not that of the set's other rasters.
func (m *mask) agree(other *mask, otherSource, source string) error {
	if m.DType == other.DType && m.Ignore == other.Ignore {
		return nil
	}
	return fault.New(fault.Invalid, "it is %s with nodata %v, but the set's raster %s is %s with nodata %v",
		m.DType, m.Ignore, otherSource, other.DType, other.Ignore).
		WithCure("convert it: gdal_translate -ot %s -a_nodata %v %s OUT.tif, and see that no class has that value",
			gdal.TypeName(other.DType), other.Ignore, source)
}

// unknown lists the classes of a raster that a class map does not name.
func (m *mask) unknown(known classMap) []string {
	var list []string
	for _, v := range m.Values {
		if !known.has(v) {
			list = append(list, fmt.Sprint(v))
		}
	}
	return list
}

func isTIFF(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	s := string(head[:4])
	return s == "II*\x00" || s == "MM\x00*" || s == "II+\x00" || s == "MM\x00+"
}

func isJSON(head []byte) bool {
	return strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(string(head), "\xef\xbb\xbf"), " \t\r\n"), "{")
}
