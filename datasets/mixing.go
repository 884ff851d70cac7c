package datasets

import (
	"fmt"
	"math"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/datasets/order"
)

// mostAmplified is how many pixels may be decoded for each pixel of a sample before another order, or another chunk size, is
// better: a sample covers a quarter of the chunks that it reads.
const mostAmplified = 4

// GroupBytes is what the samples that begin in one chunk are counted with when a window of bytes is filled: a chunk of
// image and validity, of every band of a sample in every time slot.
func GroupBytes(slots, bands int, g layout.Group) uint64 {
	edge := uint64(g.ChunkSize())
	return uint64(slots) * uint64(bands) * edge * edge * uint64(g.DType.Size()+1)
}

// defaultShuffle is what a version is mixed by where a ticket leaves it open. It follows from windows, chunks and slots
// alone. Where half a window holds every group, mixing by windows is uniform mixing, and is called so.
func (p *plan) defaultShuffle() order.Shuffle {
	if p.amplification() <= mostAmplified {
		return order.Uniform
	}
	groups, _, _ := p.decoded(p.samples)
	if inHalf := order.DefaultWindow / (2 * GroupBytes(p.line.slots, len(p.bands), p.region.Group)); uint64(groups) <= max(1, inHalf) {
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
	inside := 2 * max(1, order.DefaultWindow/max(1, 2*GroupBytes(p.line.slots, len(p.bands), p.region.Group)))
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
	type chunk struct{ row, col int }
	edge, g := p.region.Group.ChunkSize(), p.region.Grid
	reach := map[chunk]chunk{} // of a group: its last chunk row and column
	touchedChunks := map[chunk]bool{}
	wanted := 0.0
	for _, s := range samples {
		w := s.window
		first := chunk{w.Row / edge, w.Col / edge}
		last := chunk{(w.Row + w.Height - 1) / edge, (w.Col + w.Width - 1) / edge}
		r := reach[first]
		reach[first] = chunk{max(r.row, last.row), max(r.col, last.col)}
		for row := first.row; row <= last.row; row++ {
			for col := first.col; col <= last.col; col++ {
				touchedChunks[chunk{row, col}] = true
			}
		}
		wanted += float64(w.Height) * float64(w.Width)
	}
	pixels := func(first, last chunk) float64 {
		height := min(g.Height, (last.row+1)*edge) - first.row*edge
		width := min(g.Width, (last.col+1)*edge) - first.col*edge
		return float64(height) * float64(width)
	}
	for first, last := range reach {
		apart += pixels(first, last)
	}
	for c := range touchedChunks {
		together += pixels(c, c)
	}
	return len(reach), apart / wanted, together / wanted
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
