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

// defaultShuffle is what a version is mixed by where a ticket leaves it open. It follows from windows, chunks and slots
// alone. Where half a window holds every group, mixing by windows is uniform mixing, and is called so.
func (p *plan) defaultShuffle() order.Shuffle {
	if p.amplification() <= mostAmplified {
		return order.Uniform
	}
	groups, _, _ := p.decoded(p.samples)
	if inHalf := order.DefaultWindow / (2 * p.groupBytes()); uint64(groups) <= max(1, inHalf) {
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
	// Mixing is how many chunks a batch of 32 has samples of, as a share of what it has under uniform.
	Mixing float64 `json:"mixing"`
}

// predictedBatch is the batch that Mixing is told of.
const predictedBatch = 32

// orders predicts the uniform shuffle and the default window.
func (p *plan) orders() []OrderReport {
	window := order.Window(order.DefaultWindow)
	train := p.split(0)
	if len(train) == 0 {
		train = p.samples
	}
	groups, apart, together := p.decoded(train)
	inside := 2 * max(1, order.DefaultWindow/max(1, 2*p.groupBytes()))
	reads := apart
	if inside >= uint64(groups) {
		reads = together
	}
	uniform, windowed := distinct(float64(groups)), distinct(float64(min(inside, uint64(groups))))
	return []OrderReport{
		{Shuffle: order.Uniform.String(), Default: p.shuffle == order.Uniform, ReadAmplification: p.amplificationOf(train), Mixing: 1},
		{Shuffle: window.String(), Default: p.shuffle == window, ReadAmplification: reads, Mixing: windowed / uniform},
	}
}

// distinct is how many of some groups a batch has samples of, in the mean.
func distinct(groups float64) float64 {
	return groups * (1 - math.Pow(1-1/groups, predictedBatch))
}

// decoded counts the groups of some samples, and the pixels decoded for each of theirs if every group reads what its
// samples touch, and if every chunk is read once.
func (p *plan) decoded(samples []sample) (groups int, apart, together float64) {
	wanted := 0.0
	for i := range p.groups {
		g := &p.groups[i]
		bands := float64(len(g.bands))
		reach := map[chunk][2]chunk{} // of a group: its first and last chunk row and column
		touchedChunks := map[chunk]bool{}
		for _, s := range samples {
			key, _ := p.groups[0].span(s.window)
			first, last := g.span(s.window)
			r, known := reach[key]
			if !known {
				r = [2]chunk{first, last}
			}
			reach[key] = [2]chunk{
				{min(r[0].row, first.row), min(r[0].col, first.col)}, {max(r[1].row, last.row), max(r[1].col, last.col)},
			}
			for row := first.row; row <= last.row; row++ {
				for col := first.col; col <= last.col; col++ {
					touchedChunks[chunk{row, col}] = true
				}
			}
			wanted += bands * float64(s.window.Height/g.scale*(s.window.Width/g.scale))
		}
		for _, r := range reach {
			apart += bands * g.pixels(r[0], r[1])
		}
		for c := range touchedChunks {
			together += bands * g.pixels(c, c)
		}
		groups = len(reach)
	}
	return groups, apart / wanted, together / wanted
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
