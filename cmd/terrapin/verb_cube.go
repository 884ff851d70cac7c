package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
	"github.com/terrapin-eo/terrapin/ingest"
)

func (c *cli) cubeCommand() *cobra.Command {
	group := &cobra.Command{Use: "cube", Short: "a cube's grid, bands, cells and snapshots"}
	group.AddCommand(c.cubeCreateCommand(), c.cubeListCommand(), c.cubeShowCommand(), c.cubeLogCommand(), c.cubeTagCommand(), c.cubeExportCommand(), c.cubeCompactCommand())
	return group
}

// cubeCreateArgs are the flags of `cube create`. Grid is filled by the client from --like.
type cubeCreateArgs struct {
	Cube   string   `json:"cube"`
	CRS    string   `json:"crs,omitempty"`
	Bounds string   `json:"bounds,omitempty"`
	Res    float64  `json:"res,omitempty"`
	Bands  []string `json:"bands,omitempty"`
	DType  string   `json:"dtype,omitempty"`
	// Nodata is a number as text, so that "nan" has a form in JSON.
	Nodata  string     `json:"nodata,omitempty"`
	Chunk   int        `json:"chunk,omitempty"`
	Latency string     `json:"latency,omitempty"`
	Grid    *cube.Grid `json:"grid,omitempty"`
	// Cell is the edge of a cell in pixels of the first resolution; 0 is one cell.
	Cell int `json:"cell,omitempty"`
	// Groups are further resolutions, such as "20m=B05,B06".
	Groups []string `json:"groups,omitempty"`
	Flags  []string `json:"flags,omitempty"`
	Codec  string   `json:"codec,omitempty"`
}

func badResolution(res float64) error {
	return fault.New(fault.Invalid, "--res %g is not a pixel size", res).WithCure("give the pixel size in units of the CRS, such as --res 10")
}

func (c *cli) cubeCreateCommand() *cobra.Command {
	var a cubeCreateArgs
	var like string
	cmd := &cobra.Command{
		Use:   "create NAME (--like RASTER | --crs EPSG:32631 --bounds x0,y0,x1,y1 --res 10 --bands B02,…)",
		Short: "make an empty cube",
		Long: `Makes an empty cube: one grid in one CRS, its bands, data type and nodata value.

--like takes CRS, transform, size, data type, nodata and band names from a raster; where its bands have
no names, --bands gives them. Otherwise --crs, --bounds, --res and --bands describe the grid.

--group 20m=B05,B06,B07 adds bands of another resolution, a whole multiple (or part) of the first, over the
same bounds; it may be given several times, as for Sentinel-2's 10, 20 and 60 m. --cell N cuts the cube
into cells of N × N pixels of the first resolution, which come into being as scenes touch them: for
cubes far larger than what is filled at first. Windows may reach over the edges of cells. --flags names
what may be said of each pixel, such as cloud,cloud_shadow,snow,saturated; see terrapin ingest --flags-from.

--codec says how pixels are stored: bytes as they are, or compressed by zstd, gzip, blosc-lz4 or blosc-zstd (which
shuffles bytes), with a level after a colon if you like: zstd:1 to 22, gzip:1 to 9, blosc-zstd:1 to 9. With bytes nothing is
decoded when batches are read, for one and a half to three times the space; validity and flags stay compressed.

With --json: {"cube", "location", "snapshot", "bands", …}, as cube show.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Cube = args[0]
			if (like == "") == (a.CRS == "") {
				return usagef("cube create needs either --like RASTER or --crs, --bounds and --res")
			}
			if like != "" {
				if err := a.takeFrom(like); err != nil {
					return err
				}
			}
			if math.IsNaN(a.Res) || math.IsInf(a.Res, 0) { // which JSON cannot carry to the verb
				return badResolution(a.Res)
			}
			return c.invoke(cmd.Context(), cubeCreateVerb, a, nil, c.printCube)
		},
	}
	f := cmd.Flags()
	f.StringVar(&like, "like", "", "raster to take CRS, grid, data type, nodata and band names from")
	f.StringVar(&a.CRS, "crs", "", "coordinate reference system, such as EPSG:32631")
	f.StringVar(&a.Bounds, "bounds", "", "x0,y0,x1,y1 in the CRS")
	f.Float64Var(&a.Res, "res", 0, "pixel size in units of the CRS")
	f.StringSliceVar(&a.Bands, "bands", nil, "band names in order, comma-separated")
	f.StringVar(&a.DType, "dtype", "", "data type (default uint16, or that of --like)")
	f.StringVar(&a.Nodata, "nodata", "", "value of pixels without a measurement, a number or nan")
	f.IntVar(&a.Chunk, "chunk", 256, "edge of a chunk in pixels")
	f.IntVar(&a.Cell, "cell", 0, "edge of a cell in pixels of the first resolution, such as 10240 (default: one cell)")
	f.StringArrayVar(&a.Groups, "group", nil, "bands of another resolution, such as 20m=B05,B06,B07; may be repeated")
	f.StringSliceVar(&a.Flags, "flags", nil, "flags of each pixel, such as cloud,cloud_shadow,snow,saturated")
	f.StringVar(&a.Codec, "codec", layout.DefaultCodec, "how pixels are stored: bytes, zstd, gzip, blosc-lz4 or blosc-zstd, with a level as in zstd:9")
	f.StringVar(&a.Latency, "latency", "", "time from acquisition to availability where a scene does not say, such as 5h")
	return cmd
}

// takeFrom fills what a raster knows; flags that were given win.
func (a *cubeCreateArgs) takeFrom(raster string) error {
	spec, err := ingest.LikeRaster(raster, a.Bands)
	if err != nil {
		return err
	}
	a.Grid = &spec.Grid
	a.Bands = nil
	for _, b := range spec.Bands {
		a.Bands = append(a.Bands, b.Name)
	}
	if a.DType == "" {
		a.DType = string(spec.DType)
	}
	if a.Nodata == "" && spec.Nodata != nil {
		a.Nodata = strconv.FormatFloat(*spec.Nodata, 'g', -1, 64)
	}
	return nil
}

// spec checks the arguments and makes them a cube's description.
func (a cubeCreateArgs) spec(actor string) (layout.Spec, error) {
	s := layout.Spec{Name: a.Cube, Chunk: a.Chunk, Actor: actor, Created: time.Now().UTC(), DType: cube.Uint16}
	if err := cube.CheckCubeName(a.Cube); err != nil {
		return s, err
	}
	if s.Chunk < 0 || s.Chunk > 8192 {
		return s, fault.New(fault.Invalid, "--chunk %d is not an edge of a chunk", a.Chunk).WithCure("use 16 to 8192 pixels; 256 is the default")
	}
	if err := a.setGrid(&s); err != nil {
		return s, err
	}
	if err := s.Grid.Check(); err != nil {
		return s, err
	}
	if s.WKT = gdal.WKT(s.Grid.CRS); s.WKT == "" {
		return s, fault.New(fault.Invalid, "CRS %q is not known", s.Grid.CRS).WithCure("give an authority code such as EPSG:32631")
	}
	if !crs.Supported(s.Grid.CRS) {
		return s, fault.New(fault.Unsupported, "CRS %s is not one that cubes can have yet", s.Grid.CRS).
			WithCure("use WGS 84 (EPSG:4326), a UTM zone, EPSG:3857, EPSG:6933 or EPSG:3035, and gdalwarp the scenes to it")
	}
	s.Geographic = crs.Geographic(s.Grid.CRS)
	var err error
	if a.DType != "" {
		if s.DType, err = cube.ParseDType(a.DType); err != nil {
			return s, err
		}
	}
	if err := a.setNodata(&s); err != nil {
		return s, err
	}
	if a.Latency != "" {
		if s.Latency, err = time.ParseDuration(a.Latency); err != nil || s.Latency < 0 {
			return s, fault.New(fault.Invalid, "--latency %q is not a duration", a.Latency).WithCure("write it like 5h or 90m")
		}
	}
	for _, set := range []func(*layout.Spec) error{a.setBands, a.setGroups, a.setFlags} {
		if err := set(&s); err != nil {
			return s, err
		}
	}
	if a.Codec != "" {
		if s.Codec, err = layout.ParseCodec(a.Codec); err != nil {
			return s, fault.New(fault.Invalid, "--codec: %w", err).WithCure("%s", fault.CureOf(err))
		}
	}
	s.CellSize = a.Cell
	if a.Cell < 0 {
		return s, fault.New(fault.Invalid, "--cell %d is no edge of a cell", a.Cell).WithCure("give it in pixels of the first resolution, such as 10240, or leave it out")
	}
	return s, nil
}

func (a cubeCreateArgs) setGrid(s *layout.Spec) error {
	if a.Grid != nil {
		s.Grid = *a.Grid
		return nil
	}
	parts := strings.Split(a.Bounds, ",")
	var b [4]float64
	for i := range b {
		var err error
		if len(parts) == 4 {
			b[i], err = strconv.ParseFloat(strings.TrimSpace(parts[i]), 64)
		}
		if len(parts) != 4 || err != nil || math.IsNaN(b[i]) || math.IsInf(b[i], 0) {
			return fault.New(fault.Invalid, "--bounds %q is not four numbers", a.Bounds).WithCure("write --bounds x0,y0,x1,y1 in the CRS")
		}
	}
	if !(a.Res > 0) || math.IsInf(a.Res, 0) {
		return badResolution(a.Res)
	}
	w, h := (b[2]-b[0])/a.Res, (b[3]-b[1])/a.Res
	if w > 1e7 || h > 1e7 {
		return fault.New(fault.TooLarge, "--bounds are %.4g × %.4g pixels of %g; an edge has at most 10000000", w, h, a.Res).
			WithCure("make several cubes, or larger pixels")
	}
	if w < 0.5 || h < 0.5 || math.Abs(w-math.Round(w)) > 1e-6 || math.Abs(h-math.Round(h)) > 1e-6 {
		return fault.New(fault.Invalid, "--bounds are %g × %g pixels of %g", w, h, a.Res).
			WithCure("choose bounds with x0 < x1 and y0 < y1 that are a whole number of pixels apart")
	}
	s.Grid = cube.Grid{CRS: strings.ToUpper(a.CRS), Transform: cube.Affine{a.Res, 0, b[0], 0, -a.Res, b[3]}, Width: int(math.Round(w)), Height: int(math.Round(h))}
	return nil
}

func (a cubeCreateArgs) setNodata(s *layout.Spec) error {
	if a.Nodata == "" {
		return nil
	}
	v, err := strconv.ParseFloat(a.Nodata, 64)
	if err != nil || !s.DType.Holds(v) {
		return fault.New(fault.Invalid, "--nodata %q is not a value of %s", a.Nodata, s.DType).WithCure("give a number the data type can hold, or nan for floating point")
	}
	s.Nodata = &v
	return nil
}

func (a cubeCreateArgs) setBands(s *layout.Spec) error {
	var err error
	if s.Bands, err = namedBands("--bands", a.Bands); err == nil && len(s.Bands) == 0 {
		err = fault.New(fault.Invalid, "the cube has no bands").WithCure("name them in order with --bands B02,B03,…")
	}
	return err
}

// namedBands makes bands of names, each of which is there once.
func namedBands(flag string, names []string) ([]cube.Band, error) {
	seen := map[string]bool{}
	var bands []cube.Band
	for _, name := range names {
		name = strings.TrimSpace(name)
		if name == "" || seen[name] {
			return nil, fault.New(fault.Invalid, "%s has an empty or repeated name in %q", flag, strings.Join(names, ",")).WithCure("give every band one name of its own")
		}
		seen[name] = true
		bands = append(bands, cube.Band{Name: name})
	}
	return bands, nil
}

// setGroups adds the further resolutions.
func (a cubeCreateArgs) setGroups(s *layout.Spec) error {
	for _, text := range a.Groups {
		resolution, list, ok := strings.Cut(text, "=")
		if !ok || resolution == "" || list == "" {
			return fault.New(fault.Invalid, "--group %q is no RESOLUTION=BANDS", text).WithCure("write it like --group 20m=B05,B06,B07")
		}
		bands, err := namedBands("--group "+resolution, strings.Split(list, ","))
		if err != nil {
			return err
		}
		g, err := s.NewGroup(resolution, bands)
		if err != nil {
			return fault.New(fault.KindOf(err), "--group %s: %w", text, err).WithCure("%s", a.widened(s.Grid, resolution, err))
		}
		s.Further = append(s.Further, g)
	}
	return nil
}

// widened is the cure for bounds that are no whole number of a group's pixels: those that are.
func (a cubeCreateArgs) widened(g cube.Grid, resolution string, err error) string {
	size, bad := strconv.ParseFloat(strings.TrimRight(resolution, "degm"), 64)
	x0, y0, x1, y1 := g.Bounds()
	w, h := math.Ceil((x1-x0)/size-1e-9)*size, math.Ceil((y1-y0)/size-1e-9)*size
	if bad != nil || a.Bounds == "" || w-(x1-x0) < 1e-9*size && h-(y1-y0) < 1e-9*size {
		return fault.CureOf(err)
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	return fmt.Sprintf("choose bounds that are, such as --bounds %s,%s,%s,%s", number(x0), number(y1-h), number(x0+w), number(y1))
}

// setFlags gives every flag a bit, in the order of their names' places.
func (a cubeCreateArgs) setFlags(s *layout.Spec) error {
	if len(a.Flags) > 16 {
		return fault.New(fault.Invalid, "--flags names %d flags; a pixel has room for 16", len(a.Flags)).WithCure("keep those that matter most")
	}
	for i, name := range a.Flags {
		s.Flags = append(s.Flags, layout.Flag{Name: strings.TrimSpace(name), Mask: 1 << i})
	}
	return nil
}

var cubeCreateVerb = verb{name: "cube.create", access: commits, founds: true, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a cubeCreateArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	spec, err := a.spec(c.actor)
	if err != nil {
		return nil, 0, err
	}
	made, err := layout.Create(ctx, w.bucket(spec.Name), spec)
	if fault.Is(err, fault.Conflict) {
		return nil, 0, fault.New(fault.Conflict, "cube %q exists already: %w", spec.Name, err).
			WithCure("ingest into it, or choose another name")
	}
	if err != nil {
		return nil, 0, err
	}
	view, err := made.At(ctx, "")
	if err != nil {
		return nil, 0, err
	}
	return view.Describe(), exitOK, nil
}}
