package stream

import (
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets"
)

// layer is what is read of every sample in one resolution.
type layer struct {
	// group is the resolution; that of the first layer is the version's own.
	group  datasets.Group
	region layout.Region
	size   int // height and width of a sample
	values values
}

// layersOf are the resolutions of a version, its own first.
func layersOf(v *datasets.Version, view *layout.View, vals values) ([]layer, error) {
	own := datasets.Group{Cell: v.Cell, Grid: v.Grid, DType: v.DType, Nodata: v.Nodata, Bands: v.Bands, BandIndex: v.BandIndex, Scale: 1, Stats: v.Stats}
	var out []layer
	for _, g := range append([]datasets.Group{own}, v.Groups...) {
		r, err := view.Region(g.Cell)
		if err != nil {
			return nil, err
		}
		out = append(out, layer{group: g, region: r, size: v.Size / g.Scale, values: vals.of(g)})
	}
	return out, nil
}

// image is the shape of what leaves.
func (l *layer) image() Image {
	return Image{Name: l.group.Name, Bands: len(l.group.Bands), Height: l.size, Width: l.size, DType: l.values.dtype()}
}

// request is what is read of a window of the version's frame.
func (l *layer) request(slices []cube.SliceID, w cube.Window) read.Request {
	at := l.region.Spot(l.group.Window(w))
	return read.Request{Cell: at.Cell, Slices: slices, Window: at.Window, Bands: l.group.BandIndex}
}

// blank makes an image in which nothing was observed, whose validity is 0 already.
func (l *layer) blank(image []byte) {
	fill := 0.0
	if l.group.Nodata != nil && !l.values.normalise {
		fill = *l.group.Nodata
	}
	fillValues(image, l.values.dtype(), fill)
}

// groupFacts say what the images of a further resolution are.
type groupFacts struct {
	// Name is that of the resolution; Image and Valid are its columns.
	Name  string `json:"name"`
	Image string `json:"image"`
	Valid string `json:"valid"`
	// Cell and Grid are as those of the stream; Scale is how many pixels of its grid lie along the edge of one.
	Cell      string       `json:"cell"`
	Grid      cube.Grid    `json:"grid"`
	Scale     int          `json:"scale"`
	Size      int          `json:"size"`
	Bands     []string     `json:"bands"`
	DType     cube.DType   `json:"dtype"`
	CubeDType cube.DType   `json:"cube_dtype"`
	Nodata    *cube.Number `json:"nodata"`
	// Statistics are of Bands.
	Statistics []statFacts `json:"statistics"`
}

func (l *layer) facts() groupFacts {
	g := l.group
	image, valid := l.image().columns()
	return groupFacts{
		Name: g.Name, Image: image, Valid: valid, Cell: g.Cell, Grid: g.Grid, Scale: g.Scale, Size: l.size, Bands: g.Bands,
		DType: l.values.dtype(), CubeDType: g.DType, Nodata: cube.NumberOf(g.Nodata), Statistics: statisticsOf(g.Stats),
	}
}

func statisticsOf(stats []datasets.BandStats) []statFacts {
	out := make([]statFacts, 0, len(stats))
	for _, b := range stats {
		out = append(out, statFacts{b.Band, b.Count, cube.Number(b.Mean), cube.Number(b.Std), cube.Number(b.Min), cube.Number(b.Max)})
	}
	return out
}
