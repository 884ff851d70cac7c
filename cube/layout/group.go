package layout

import (
	"math"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// maxFlags is how many flags a uint16 has room for.
const maxFlags = 16

// Group is one resolution of a cube: its grid over the whole frame, and what its arrays hold.
type Group struct {
	// Name is that of the resolution, such as "20m"; Spec.Groups fills it in.
	Name  string
	Grid  cube.Grid
	Bands []cube.Band
	DType cube.DType
	// Nodata is the value of pixels without a measurement, NaN included; nil if the sources declare none.
	Nodata *float64
	// Chunk is the edge of a chunk in pixels; 0 means DefaultChunk.
	Chunk int
}

// Flag is one bit of the flags array, such as "cloud".
type Flag struct {
	Name string `json:"name"`
	Mask uint16 `json:"mask"`
}

// Fill is the value of pixels that no source covers: Nodata, else 0.
func (g Group) Fill() float64 {
	if g.Nodata == nil {
		return 0
	}
	return *g.Nodata
}

// BandNames lists the names in the order of the band axis.
func (g Group) BandNames() []string {
	names := make([]string, len(g.Bands))
	for i, b := range g.Bands {
		names[i] = b.Name
	}
	return names
}

// ChunkSize is the edge of a chunk in pixels.
func (g Group) ChunkSize() int {
	if g.Chunk == 0 {
		return DefaultChunk
	}
	return g.Chunk
}

// ImageChunkBytes is the size of the image that Stage.Write takes.
func (g Group) ImageChunkBytes() int { return g.ValidChunkBytes() * g.DType.Size() }

// ValidChunkBytes is the size of the validity that Stage.Write takes: a byte for each value of a chunk.
func (g Group) ValidChunkBytes() int { return len(g.Bands) * g.ChunkSize() * g.ChunkSize() }

// Groups lists the resolutions, the first group first.
func (s Spec) Groups() []Group {
	groups := make([]Group, 0, 1+len(s.Further))
	groups = append(groups, s.first())
	groups = append(groups, s.Further...)
	for i := range groups {
		groups[i].Name, groups[i].Chunk = groups[i].Grid.ResolutionName(s.Geographic), groups[i].ChunkSize()
	}
	return groups
}

// Group finds a resolution by its name.
func (s Spec) Group(name string) (Group, error) {
	var names []string
	for _, g := range s.Groups() {
		if g.Name == name {
			return g, nil
		}
		names = append(names, g.Name)
	}
	return Group{}, fault.New(fault.NotFound, "cube %q has no resolution %q", s.Name, name).WithCure("it has %s", strings.Join(names, ", "))
}

// NewGroup makes a further group of the cube's frame at a resolution such as "20m", with the data type,
// nodata and chunk of the first.
func (s Spec) NewGroup(resolution string, bands []cube.Band) (Group, error) {
	unit := "m"
	if s.Geographic {
		unit = "deg"
	}
	number, ok := strings.CutSuffix(resolution, unit)
	size, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(size > 0) || math.IsInf(size, 0) {
		return Group{}, fault.New(fault.Invalid, "bad resolution %q", resolution).WithCure("write the pixel size with the unit of the grid, as %s has it", s.Grid.ResolutionName(s.Geographic))
	}
	g := Group{Name: resolution, Grid: s.Grid, Bands: bands, DType: s.DType, Nodata: s.Nodata, Chunk: s.Chunk}
	t := s.Grid.Transform
	g.Grid.Transform[0], g.Grid.Transform[4] = size, -size*(t[4]/-t[0])
	sc, ok := scaleOf(s.Grid, g.Grid)
	if !ok {
		return Group{}, notWhole(s, g)
	}
	g.Grid.Width, g.Grid.Height = s.Grid.Width*sc.down/sc.up, s.Grid.Height*sc.down/sc.up
	return g, s.checkFrame(g)
}

// scale is a group's pixel size in pixels of the first group: up/down, one of which is 1.
type scale struct{ up, down int }

// scaleOf compares two pixel sizes; false means that neither is a multiple of the other.
func scaleOf(first, g cube.Grid) (scale, bool) {
	rx, ry := g.Transform[0]/first.Transform[0], g.Transform[4]/first.Transform[4]
	whole := func(x, y float64) (int, bool) {
		n := math.Round(x)
		return int(n), n >= 1 && n < 1<<16 && math.Abs(x-n) < 1e-9*n && math.Abs(y-n) < 1e-9*n
	}
	if n, ok := whole(rx, ry); ok {
		return scale{n, 1}, true
	}
	n, ok := whole(1/rx, 1/ry)
	return scale{1, n}, ok
}

// Over counts the pixels of a finer group of the same cube along the edge of one pixel of g; false where the pixels of
// g are not whole pixels of it, and as many for all of the frame.
func (g Group) Over(fine Group) (int, bool) {
	sc, ok := scaleOf(fine.Grid, g.Grid)
	a, b := fine.Grid.Transform, g.Grid.Transform
	off := max(math.Abs(a[2]-b[2])/a[0], math.Abs(a[5]-b[5])/-a[4])
	return sc.up, ok && sc.down == 1 && off <= 1e-6 && g.Grid.Width*sc.up == fine.Grid.Width && g.Grid.Height*sc.up == fine.Grid.Height
}

// window is the part of the group that a window of the first group touches.
func (c scale) window(w cube.Window) cube.Window {
	lo := func(v int) int { return v * c.down / c.up }
	hi := func(v int) int { return (v*c.down + c.up - 1) / c.up }
	row, col := lo(w.Row), lo(w.Col)
	return cube.Window{Row: row, Col: col, Height: hi(w.Row+w.Height) - row, Width: hi(w.Col+w.Width) - col}
}

func notWhole(s Spec, g Group) error {
	return fault.New(fault.Invalid, "pixels of %g are no whole multiple or part of the first group's %g", g.Grid.Transform[0], s.Grid.Transform[0]).
		WithCure("choose a resolution that is, such as twice the first")
}

// checkFrame refuses a further group that is not the first group's frame at another resolution.
func (s Spec) checkFrame(g Group) error {
	if g.Grid.CRS != s.Grid.CRS {
		return fault.New(fault.Invalid, "its CRS %s is not the first group's %s", g.Grid.CRS, s.Grid.CRS).WithCure("make a cube of its own for another CRS")
	}
	sc, ok := scaleOf(s.Grid, g.Grid)
	if !ok {
		return notWhole(s, g)
	}
	if sc.up == 1 && sc.down == 1 {
		return fault.New(fault.Invalid, "it has the resolution of the first group").WithCure("put its bands into the first group")
	}
	if s.Grid.Width%sc.up != 0 || s.Grid.Height%sc.up != 0 {
		whole := func(n int) int { return chunks(n, sc.up) * sc.up }
		return fault.New(fault.Invalid, "%d×%d pixels of the first group are no whole number of its pixels, which are %d times as large", s.Grid.Width, s.Grid.Height, sc.up).
			WithCure("make the first grid %d×%d pixels", whole(s.Grid.Width), whole(s.Grid.Height))
	}
	a, b := s.Grid.Transform, g.Grid.Transform
	off := max(math.Abs(a[2]-b[2])/a[0], math.Abs(a[5]-b[5])/-a[4])
	if g.Grid.Width*sc.up != s.Grid.Width*sc.down || g.Grid.Height*sc.up != s.Grid.Height*sc.down || off > 1e-6 {
		return fault.New(fault.Invalid, "its bounds are not the first group's").WithCure("all resolutions of a cube share their bounds")
	}
	return nil
}

// checkGroups refuses what cannot be groups of one cube.
func (s Spec) checkGroups() error {
	bands, names := map[string]string{}, map[string]bool{}
	for i, g := range s.Groups() {
		if i > 0 {
			if err := g.Grid.Check(); err != nil {
				return fault.New(fault.KindOf(err), "group %s: %w", g.Name, err)
			}
			if err := s.checkFrame(g); err != nil {
				return fault.New(fault.KindOf(err), "group %s: %w", g.Name, err)
			}
			if name := s.Further[i-1].Name; name != "" && name != g.Name {
				return fault.New(fault.Invalid, "group %q has pixels of %s", name, g.Name).WithCure("name it %s, or leave the name out", g.Name)
			}
		}
		if names[g.Name] {
			return fault.New(fault.Invalid, "two groups have the resolution %s", g.Name).WithCure("put their bands into one group")
		}
		names[g.Name] = true
		if err := g.check(); err != nil {
			return err
		}
		for _, b := range g.Bands {
			if other, ok := bands[b.Name]; ok {
				return fault.New(fault.Invalid, "groups %s and %s both have a band %q", other, g.Name, b.Name).WithCure("leave it in one of them")
			}
			bands[b.Name] = g.Name
		}
	}
	return nil
}

// check refuses arrays that cannot be.
func (g Group) check() error {
	if _, err := cube.ParseDType(string(g.DType)); err != nil {
		return err
	}
	if g.Nodata != nil && !g.DType.Holds(*g.Nodata) {
		return fault.New(fault.Invalid, "nodata %g does not fit %s", *g.Nodata, g.DType).WithCure("choose another nodata value or data type")
	}
	if g.Chunk < 0 || g.Chunk > 8192 {
		return fault.New(fault.Invalid, "chunks of %d pixels", g.Chunk).WithCure("choose an edge from 1 to 8192, usually 256")
	}
	return g.checkBands()
}

func (g Group) checkBands() error {
	if len(g.Bands) == 0 {
		return fault.New(fault.Invalid, "group %s of the cube has no bands", g.Name).WithCure("name them, such as B02,B03,B04")
	}
	seen := map[string]bool{}
	for i, b := range g.Bands {
		switch {
		case b.Name == "":
			return fault.New(fault.Invalid, "band %d has no name", i+1).WithCure("name the bands, such as B02,B03,B04")
		case seen[b.Name]:
			return fault.New(fault.Invalid, "two bands are named %q", b.Name)
		}
		seen[b.Name] = true
	}
	if n := int64(g.ValidChunkBytes()) * int64(g.DType.Size()); n > 1<<30 {
		return fault.New(fault.TooLarge, "a chunk of %d bands × %d² pixels of %s has %d MiB", len(g.Bands), g.ChunkSize(), g.DType, n>>20).
			WithCure("choose a smaller chunk, so that one has a few MiB")
	}
	return nil
}

// checkFlags refuses masks that are not single bits of their own, and names that CF cannot list.
func (s Spec) checkFlags() error {
	if len(s.Flags) > maxFlags {
		return fault.New(fault.Invalid, "%d flags; %d fit", len(s.Flags), maxFlags).WithCure("keep the %d that matter most", maxFlags)
	}
	var used uint16
	names := map[string]bool{}
	for _, f := range s.Flags {
		switch {
		case f.Name == "" || strings.ContainsFunc(f.Name, func(r rune) bool { return r <= ' ' || r > '~' }):
			return fault.New(fault.Invalid, "bad flag name %q", f.Name).WithCure("use printable ASCII without blanks, such as cloud_shadow")
		case names[f.Name]:
			return fault.New(fault.Invalid, "two flags are named %q", f.Name).WithCure("name each flag once")
		case f.Mask == 0 || f.Mask&(f.Mask-1) != 0:
			return fault.New(fault.Invalid, "mask %d of flag %s is not one bit", f.Mask, f.Name).WithCure("use 1, 2, 4, 8, …, 32768")
		case used&f.Mask != 0:
			return fault.New(fault.Invalid, "mask %d of flag %s is taken", f.Mask, f.Name).WithCure("give each flag a bit of its own")
		}
		used |= f.Mask
		names[f.Name] = true
	}
	return nil
}
