package layout

import (
	"encoding/json"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// The formats of a cube. A release that does not know a format refuses it by number.
const (
	formatPlain = 1 // one cell, one group, no flags
	formatCells = 2 // anything else
	formatCodec = 3 // laid out as one of those, with pixels in a codec of its own
)

// specDoc is a spec as it stands in the repository.
type specDoc struct {
	Format     int          `json:"format"`
	Name       string       `json:"name"`
	Cells      []string     `json:"cells,omitempty"` // of a plain cube
	Grid       cube.Grid    `json:"grid"`
	WKT        string       `json:"wkt,omitempty"`
	Geographic bool         `json:"geographic"`
	Bands      []cube.Band  `json:"bands"`
	DType      cube.DType   `json:"dtype"`
	Nodata     *cube.Number `json:"nodata"`
	Chunk      int          `json:"chunk"`
	Further    []groupDoc   `json:"further,omitempty"`
	CellSize   int          `json:"cell_size,omitempty"`
	Flags      []Flag       `json:"flags,omitempty"`
	Codec      Codec        `json:"codec,omitempty"` // format 3
	Latency    string       `json:"latency"`
	Actor      string       `json:"actor,omitempty"`
	Created    time.Time    `json:"created"`
}

// groupDoc is a further group as it stands in the repository.
type groupDoc struct {
	Name   string       `json:"name"`
	Grid   cube.Grid    `json:"grid"`
	Bands  []cube.Band  `json:"bands"`
	DType  cube.DType   `json:"dtype"`
	Nodata *cube.Number `json:"nodata"`
	Chunk  int          `json:"chunk"`
}

// MarshalJSON writes the spec as it stands in the repository.
func (s Spec) MarshalJSON() ([]byte, error) { return json.Marshal(s.doc()) }

// format is the least that says all there is to say.
func (s Spec) format() int {
	switch {
	case s.Codec != "":
		return formatCodec
	case s.plain():
		return formatPlain
	}
	return formatCells
}

func (s Spec) doc() specDoc {
	d := specDoc{
		Format: s.format(), Name: s.Name, Grid: s.Grid, WKT: s.WKT, Geographic: s.Geographic,
		Bands: s.Bands, DType: s.DType, Nodata: cube.NumberOf(s.Nodata), Chunk: s.ChunkSize(), CellSize: s.CellSize, Flags: s.Flags,
		Codec: s.Codec, Latency: s.Latency.String(), Actor: s.Actor, Created: s.Created,
	}
	groups := s.Groups()
	if s.plain() {
		d.Cells = []string{s.tile(place{}, 0, groups[0]).path}
	}
	for _, g := range groups[1:] {
		d.Further = append(d.Further, groupDoc{Name: g.Name, Grid: g.Grid, Bands: g.Bands, DType: g.DType, Nodata: cube.NumberOf(g.Nodata), Chunk: g.Chunk})
	}
	return d
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (s *Spec) UnmarshalJSON(text []byte) error {
	var d specDoc
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	if d.Format < formatPlain || d.Format > formatCodec {
		return fault.New(fault.Unsupported, "cube format %d", d.Format).WithCure("use a newer release")
	}
	latency, err := time.ParseDuration(d.Latency)
	if err != nil {
		return err
	}
	*s = Spec{
		Name: d.Name, Grid: d.Grid, WKT: d.WKT, Geographic: d.Geographic, Bands: d.Bands, DType: d.DType,
		Nodata: (*float64)(d.Nodata), Chunk: d.Chunk, CellSize: d.CellSize, Flags: d.Flags, Codec: d.Codec, Latency: latency, Actor: d.Actor, Created: d.Created,
	}
	for _, g := range d.Further {
		s.Further = append(s.Further, Group{Name: g.Name, Grid: g.Grid, Bands: g.Bands, DType: g.DType, Nodata: (*float64)(g.Nodata), Chunk: g.Chunk})
	}
	if made := s.format(); made != d.Format {
		return fault.New(fault.Corrupt, "the description of format %d is not that of a cube of this format", d.Format)
	}
	return s.Check()
}
