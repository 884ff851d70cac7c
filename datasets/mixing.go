package datasets

import (
	"fmt"
	"math"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets/order"
)

// mostAmplified is how many pixels may be decoded for each pixel of a sample before another order, or another chunk size, is
// better: a sample covers a quarter of the chunks that it reads.
const mostAmplified = 4

// GroupBytes is what the samples that begin in one chunk of an edge are counted with when a window of bytes is filled: a
// chunk of image and validity, of every band of a sample in every time slot, and of further resolutions what
// lies on the same ground.
func (v *Version) GroupBytes(edge int) uint64 {
	n := stored(v.Slots, edge, 1, len(v.Bands), v.DType)
	for _, g := range v.Groups {
		n += stored(v.Slots, edge, g.Scale, len(g.Bands), g.DType)
	}
	return n
}

func (p *plan) groupBytes() (n uint64) {
	for _, g := range p.groups {
		n += stored(p.line.slots, p.region.Group.ChunkSize(), g.scale, len(g.bands), g.dtype())
	}
	return n
}

// stored is the bytes of one resolution on the ground of a chunk of the finest.
func stored(slots, edge, scale, bands int, d cube.DType) uint64 {
	pixels := uint64((edge + scale - 1) / scale)
	return uint64(slots) * uint64(bands) * pixels * pixels * uint64(d.Size()+1)
}

// blocks are the groups of some samples in a window of bytes, whose list says which sample is where.
func (p *plan) blocks(samples []uint32, window uint64) (order.Listed, order.Groups) {
	cells := make([]string, len(p.homes.all))
	for i, h := range p.homes.all {
		cells[i] = h.cell
	}
	rankOf := order.Ranks(cells)
	places := func(yield func(order.Place) bool) {
		for _, index := range samples {
			s := &p.samples[index]
			w := p.homes.of(s).window(s)
			if !yield(order.Place{Index: index, Cell: rankOf[s.home], Row: uint32(w.Row), Col: uint32(w.Col)}) {
				return
			}
		}
	}
	return order.Blocks(places, order.Storage{Edge: p.region.Group.ChunkSize(), Window: p.recipe.Window.Size, Bytes: p.groupBytes()}, window)
}

// defaultShuffle is what a version is mixed by where a ticket leaves it open. It follows from windows, chunks and slots
// alone. Where half a window holds every group, mixing by windows is uniform mixing, and is called so.
func (p *plan) defaultShuffle() order.Shuffle {
	if p.amplification() <= mostAmplified {
		return order.Uniform
	}
	chunks := map[chunk]bool{}
	for i := range p.samples {
		first, _ := p.groups[0].span(p.samples[i].window())
		chunks[first] = true
	}
	if inHalf := order.DefaultWindow / (2 * p.groupBytes()); uint64(len(chunks)) <= max(1, inHalf) {
		return order.Uniform
	}
	return order.Window(order.DefaultWindow)
}

// OrderReport predicts what a shuffle of the training split costs and gives.
type OrderReport struct {
	// Shuffle is "uniform" or "window:BYTES"; Default is true for the one that the version fixes.
	Shuffle string `json:"shuffle"`
	Default bool   `json:"default"`
	// ReadAmplification is how many pixels are decoded for each pixel of a sample: under uniform if nothing is cached,
	// under a window if what the window holds is.
	ReadAmplification float64 `json:"read_amplification"`
	// Mixing is how many groups a batch of 32 has samples of, as a share of what it has under uniform.
	Mixing float64 `json:"mixing"`
	// Block is how many chunks lie along the edge of a group; 0 under uniform.
	Block int `json:"block,omitempty"`
}

// predictedBatch is the batch that Mixing is told of.
const predictedBatch = 32

// orders predicts the uniform shuffle and the default window.
func (p *plan) orders() []OrderReport {
	window := order.Window(order.DefaultWindow)
	train := p.split(0)
	if len(train) == 0 {
		train = p.all()
	}
	list, groups := p.blocks(train, order.DefaultWindow)
	apart, together := p.decoded(list, groups)
	n := uint64(len(train))
	half := groups.Half(n, order.DefaultWindow)
	if half == n {
		apart = together
	}
	mixing := distinct(float64(min(n, 2*half)), float64(n)/float64(groups.Len())) / distinct(float64(n), float64(n)/float64(groups.Len()))
	return []OrderReport{
		{Shuffle: order.Uniform.String(), Default: p.shuffle == order.Uniform, ReadAmplification: p.amplificationOf(train), Mixing: 1},
		{Shuffle: window.String(), Default: p.shuffle == window, ReadAmplification: apart, Mixing: mixing, Block: groups.Edge},
	}
}

// distinct is about how many groups a batch has samples of, in the mean, if it is drawn from n of them of which each
// group has so many.
func distinct(n, each float64) float64 {
	return n / each * (1 - math.Pow(1-min(1, predictedBatch/n), each))
}

// decoded counts the pixels decoded for each of the samples' if every group reads what its samples touch once, and if
// every chunk is read once.
func (p *plan) decoded(list order.Listed, groups order.Groups) (apart, together float64) {
	wanted := 0.0
	for i := range p.groups {
		g := &p.groups[i]
		bands := float64(len(g.bands))
		all, own := map[chunk]bool{}, map[chunk]bool{}
		for k := range groups.Len() {
			clear(own)
			for _, at := range list[groups.Starts[k]:groups.Starts[k+1]] {
				w := p.samples[at].window()
				first, last := g.span(w)
				for row := first.row; row <= last.row; row++ {
					for col := first.col; col <= last.col; col++ {
						own[chunk{row, col}] = true
					}
				}
				wanted += bands * float64(w.Height/g.scale*(w.Width/g.scale))
			}
			for c := range own {
				pixels := bands * g.pixels(c, c)
				apart += pixels
				if !all[c] {
					together += pixels
				}
				all[c] = true
			}
		}
	}
	return apart / wanted, together / wanted
}

// orderNotes say what a user may want to change.
func (p *plan) orderNotes(r Report) []string {
	if r.ReadAmplification <= mostAmplified {
		return nil
	}
	cure := ""
	if chunk := chunkFor(p.recipe.Window.Size); chunk < p.region.Group.ChunkSize() {
		cure = fmt.Sprintf("; a cube with --chunk %d would decode fewer", chunk)
	}
	return []string{fmt.Sprintf("uniform order decodes %.1f pixels for each pixel of a sample if nothing is cached%s; the default is %s", r.ReadAmplification, cure, p.shuffle)}
}
