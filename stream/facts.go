package stream

import (
	"cmp"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
)

// gridFacts places what is sent on the ground.
type gridFacts struct {
	Cube     string `json:"cube"`
	Snapshot string `json:"snapshot"`
	// Cell is a cell's path, or the name of a resolution where the rows lie in several cells of it.
	Cell string    `json:"cell"`
	Grid cube.Grid `json:"grid"`
}

// imageFacts say what the numbers of the image are.
type imageFacts struct {
	Bands []string `json:"bands"`
	// DType is that of the image column, CubeDType the stored one.
	DType     cube.DType   `json:"dtype"`
	CubeDType cube.DType   `json:"cube_dtype"`
	Nodata    *cube.Number `json:"nodata"`
	// Contracts lists every slice that rows may use, in time order.
	Contracts []contractFacts `json:"contracts"`
	Slots     int             `json:"slots"`
	Size      int             `json:"size"`
}

type contractFacts struct {
	Slice    cube.SliceID `json:"slice"`
	Datetime string       `json:"datetime"`
	Item     string       `json:"item"`
	Scale    cube.Number  `json:"scale"`
	Offset   cube.Number  `json:"offset"`
	Baseline string       `json:"baseline"`
}

func contractOf(id cube.SliceID, at time.Time, item string, c cube.Contract) contractFacts {
	return contractFacts{Slice: id, Datetime: stamp(at), Item: item, Scale: cube.Number(c.Scale), Offset: cube.Number(c.Offset), Baseline: c.Baseline}
}

type runFacts struct {
	// Samples counts the split or the area; Rows and Steps are those of this stream.
	Samples uint64 `json:"samples"`
	Steps   uint64 `json:"steps"`
	Rows    uint64 `json:"rows"`
}

type statFacts struct {
	Band  string      `json:"band"`
	Count uint64      `json:"count"`
	Mean  cube.Number `json:"mean"`
	Std   cube.Number `json:"std"`
	Min   cube.Number `json:"min"`
	Max   cube.Number `json:"max"`
}

type sampleFacts struct {
	Dataset string `json:"dataset"`
	Digest  string `json:"digest"`
	gridFacts
	imageFacts
	Values     datasets.Values `json:"values"`
	Normalise  bool            `json:"normalise"`
	Statistics []statFacts     `json:"statistics"`
	// Groups are the further resolutions.
	Groups  []groupFacts     `json:"groups"`
	Labels  *labelFacts      `json:"labels"`
	Classes []datasets.Class `json:"classes"`
	Ignore  *cube.Number     `json:"ignore"`
	Order   string           `json:"order"`
	Split   string           `json:"split"`
	Seed    uint64           `json:"seed"`
	Epoch   uint64           `json:"epoch"`
	// Shuffle is false for the base order, true for uniform, else the shuffle's name.
	Shuffle any     `json:"shuffle"`
	Filter  *string `json:"filter"`
	Weights *string `json:"weights"`
	Augment *string `json:"augment"`
	// OnError is "refuse" or "mask".
	OnError string `json:"on_error"`
	// Chunk is the edge of a chunk in pixels, GroupBytes what one decodes to in all slots and resolutions.
	Chunk      int    `json:"chunk"`
	GroupBytes uint64 `json:"group_bytes"`
	BatchSize  int    `json:"batch_size"`
	Rank       int    `json:"rank"`
	WorldSize  int    `json:"world_size"`
	Start      uint64 `json:"start"`
	Tail       string `json:"tail"`
	runFacts
}

type labelFacts struct {
	Set      string     `json:"set"`
	Revision string     `json:"revision"`
	Digest   string     `json:"digest"`
	DType    cube.DType `json:"dtype"`
}

// mixed is a shuffle as facts say it.
func mixed(s order.Shuffle) any {
	switch s {
	case order.Base:
		return false
	case order.Uniform:
		return true
	}
	return s.String()
}

// given is a text, or nil for none.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (s *sampleSource) facts(t SampleTicket, info Info) sampleFacts {
	v := s.version
	f := sampleFacts{
		Dataset: v.Ref(), Digest: v.Digest,
		gridFacts: gridFacts{Cube: v.Cube, Snapshot: v.Snapshot, Cell: v.Cell, Grid: v.Grid},
		imageFacts: imageFacts{
			Bands: v.Bands, DType: info.Shape.DType, CubeDType: v.DType, Nodata: cube.NumberOf(v.Nodata),
			Contracts: make([]contractFacts, 0, len(v.Slices)), Slots: v.Slots, Size: v.Size,
		},
		Values: s.layers[0].values.kind(), Normalise: s.layers[0].values.normalise, Statistics: statisticsOf(v.Stats), Groups: []groupFacts{},
		Classes: []datasets.Class{},
		Order:   t.Order, Split: t.Split, Seed: t.Seed, Epoch: t.Epoch, Shuffle: mixed(t.Shuffle.of(v)),
		Filter: given(t.Filter.text), Weights: given(t.Weights.text), Augment: given(string(t.Augment)), OnError: cmp.Or(t.OnError, "refuse"),
		BatchSize: t.BatchSize, Rank: t.Rank, WorldSize: t.WorldSize, Start: t.Start, Tail: t.Tail,
		runFacts: runFacts{Samples: info.Samples, Steps: info.Steps, Rows: info.Rows},
	}
	at := storageOf(v, s.region.Group)
	f.Chunk, f.GroupBytes = at.Edge, at.Bytes
	for _, p := range v.Slices {
		f.Contracts = append(f.Contracts, contractOf(p.ID, p.Time, p.Item, p.Contract))
	}
	for _, l := range s.layers[1:] {
		f.Groups = append(f.Groups, l.facts())
	}
	if l := v.Labels; l != nil {
		f.Labels = &labelFacts{Set: l.Set, Revision: l.Revision, Digest: l.Digest, DType: l.DType}
		f.Classes, f.Ignore = l.Classes, cube.NumberOf(&l.Ignore)
	}
	return f
}

type windowFacts struct {
	gridFacts
	imageFacts
	Values    datasets.Values `json:"values"`
	Normalise bool            `json:"normalise"`
	// Dataset is the version whose Statistics were applied; nil where none were.
	Dataset    *string     `json:"dataset"`
	Statistics []statFacts `json:"statistics"`
	// Area is the part of the grid that the cores partition.
	Area    cube.Window `json:"area"`
	Overlap int         `json:"overlap"`
	Start   uint64      `json:"start"`
	runFacts
}

func (s *windowSource) facts(t WindowTicket, info Info) windowFacts {
	g := s.Region.Group
	f := windowFacts{
		gridFacts: gridFacts{Cube: s.View.Spec().Name, Snapshot: s.View.Snapshot(), Cell: s.Region.Name, Grid: s.Region.Grid},
		imageFacts: imageFacts{
			Bands: s.names, DType: info.Shape.DType, CubeDType: g.DType, Nodata: cube.NumberOf(g.Nodata),
			Slots: len(s.Slices), Size: t.Size,
		},
		Values: s.values.kind(), Normalise: s.values.normalise, Dataset: given(t.Normalise), Statistics: statisticsOf(s.stats),
		Area: s.tiling.area, Overlap: t.Overlap, Start: t.Start,
		runFacts: runFacts{Samples: info.Samples, Steps: info.Steps, Rows: info.Rows},
	}
	for _, sl := range s.Slices {
		f.Contracts = append(f.Contracts, contractOf(sl.ID, sl.Time, sl.Item, sl.Contract))
	}
	return f
}
