package layout

import (
	"time"

	"github.com/terrapin-eo/terrapin/cube"
)

// Description is the document of `cube show`.
type Description struct {
	Cube     string `json:"cube"`
	Location string `json:"location"`
	Snapshot string `json:"snapshot"`
	// Codec is how pixels are stored.
	Codec string `json:"codec"`
	// Bands are those of the first group.
	Bands []string `json:"bands"`
	// Groups, CellSize and Flags stand here where the cube has several resolutions, cells or flags.
	Groups   []GroupDescription `json:"groups,omitempty"`
	CellSize int                `json:"cell_size,omitempty"`
	Flags    []Flag             `json:"flags,omitempty"`
	Cells    []CellDescription  `json:"cells"`
	// While there is one cell its keys stand at the top level too.
	*CellDescription
}

// GroupDescription describes one resolution over the whole frame.
type GroupDescription struct {
	Name      string      `json:"name"`
	CRS       string      `json:"crs"`
	Transform cube.Affine `json:"transform"`
	Width     int         `json:"width"`
	Height    int         `json:"height"`
	Bands     []string    `json:"bands"`
	DType     cube.DType  `json:"dtype"`
	Chunk     int         `json:"chunk"`
}

// CellDescription describes one cell.
type CellDescription struct {
	Path      string             `json:"path"`
	CRS       string             `json:"crs"`
	Transform cube.Affine        `json:"transform"`
	Width     int                `json:"width"`
	Height    int                `json:"height"`
	Times     []string           `json:"times"`
	Slices    []cube.SliceID     `json:"slices"`
	Arrays    []ArrayDescription `json:"arrays"`
}

// ArrayDescription describes one array of a cell.
type ArrayDescription struct {
	Path   string     `json:"path"`
	Dims   []string   `json:"dims"`
	Shape  []int      `json:"shape"`
	Chunks []int      `json:"chunks"`
	DType  cube.DType `json:"dtype"`
	Nodata any        `json:"nodata,omitempty"`
}

// Describe tells what is in the cube, read from the repository.
func (v *View) Describe() Description {
	s := v.Spec()
	d := Description{Cube: s.Name, Location: v.cube.url, Snapshot: v.Snapshot(), Codec: s.Codec.String(), Bands: s.BandNames(), Cells: []CellDescription{}}
	if !s.plain() {
		d.CellSize, d.Flags = s.CellSize, s.Flags
		for _, g := range s.Groups() {
			d.Groups = append(d.Groups, GroupDescription{
				Name: g.Name, CRS: g.Grid.CRS, Transform: g.Grid.Transform, Width: g.Grid.Width, Height: g.Grid.Height,
				Bands: g.BandNames(), DType: g.DType, Chunk: g.ChunkSize(),
			})
		}
	}
	for _, c := range v.Cells() {
		cell := CellDescription{
			Path: c.Path, CRS: c.Grid.CRS, Transform: c.Grid.Transform, Width: c.Grid.Width, Height: c.Grid.Height,
			Times: []string{}, Slices: []cube.SliceID{},
		}
		for _, sl := range c.Slices {
			cell.Times = append(cell.Times, sl.Time.Format(time.RFC3339Nano))
			cell.Slices = append(cell.Slices, sl.ID)
		}
		for _, name := range []string{Image, Valid, Flags} {
			a := v.Array(c.Path, name)
			if a.Shape == nil {
				continue
			}
			cell.Arrays = append(cell.Arrays, ArrayDescription{
				Path: c.Path + "/" + name, Dims: a.Dims, Shape: a.Shape, Chunks: a.Chunks, DType: a.DType, Nodata: a.Attrs["nodata"],
			})
		}
		d.Cells = append(d.Cells, cell)
	}
	if len(d.Cells) == 1 {
		d.CellDescription = &d.Cells[0]
	}
	return d
}
