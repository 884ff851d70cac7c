package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
)

// The extent of EPSG:6933, from pole to pole (cylindrical equal-area, standard parallel 30° N, WGS 84), in metres.
const (
	globeWidth = 34735060.89
	globeHalf  = 7342230.14
)

// block is one field of the global equal-area grid that splits are made of. Row 0 begins at the
// equator, column 0 at the prime meridian.
type block struct{ row, col int32 }

func (b block) String() string { return fmt.Sprintf("r%dc%d", b.row, b.col) }

// blocks assigns positions to blocks and blocks to splits.
type blocks struct {
	metres float64
	salt   string
	edges  [3]float64 // upper ends of the splits' shares of [0, 1)
}

func newBlocks(r SplitRule) blocks {
	train, validate := r.Fractions[0], r.Fractions[0]+r.Fractions[1]
	return blocks{metres: r.BlockMetres, salt: r.Salt, edges: [3]float64{train, validate, 1}}
}

// columns is the number of columns of a row: the whole number that makes its blocks nearest to
// squares on the ground at the latitude of the row's middle. On the equal-area sphere a degree of
// longitude shrinks, and a metre of northing of the projection grows, by the cosine of the latitude;
// 0.75 is the squared cosine of the standard parallel.
func (b blocks) columns(row int32) int32 {
	sine := min(1, math.Abs((float64(row)+0.5)*b.metres/globeHalf))
	cosine2 := 1 - float64(sine*sine)
	return int32(max(1, math.Round(globeWidth*cosine2/(b.metres*0.75))))
}

// at returns the block of a position in EPSG:6933.
func (b blocks) at(x, y float64) block {
	row := int32(math.Floor(y / b.metres))
	n := b.columns(row)
	turns := x / globeWidth
	turns -= math.Floor(turns) // columns count eastwards from the prime meridian, all the way round
	return block{row, min(int32(turns*float64(n)), n-1)}
}

// split returns the index in Splits of a block: a hash of salt and block alone, so that samples
// added later move no block.
func (b blocks) split(k block) uint8 {
	sum := sha256.Sum256([]byte(fmt.Sprintf("split by block\x00%s\x00%g\x00%s", b.salt, b.metres, k)))
	u := float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
	for i, edge := range b.edges {
		if u < edge {
			return uint8(i)
		}
	}
	for i := len(b.edges) - 1; i > 0; i-- { // fractions that add up to a little less than 1
		if b.edges[i] > b.edges[i-1] {
			return uint8(i)
		}
	}
	return 0
}

// ground maps the middle of a window of a grid to EPSG:6933.
func ground(g cube.Grid) (func(w cube.Window) (x, y float64, err error), error) {
	to, err := crs.Transform(g.CRS, "EPSG:6933")
	if err != nil {
		return nil, err
	}
	return func(w cube.Window) (float64, float64, error) {
		x, y := g.Transform.Apply(float64(w.Col)+float64(w.Width)/2, float64(w.Row)+float64(w.Height)/2)
		return to(x, y)
	}, nil
}
