package stream

import (
	"context"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/datasets/selection"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/quality"
)

// Mixing is how well the order of a ticket's epoch mixes.
type Mixing struct {
	quality.Measures
	// Uniform are the measures of a uniform order of the same samples.
	Uniform quality.Measures `json:"uniform"`
}

// maxMeasured is how many samples an order may have to be measured: it takes some hundred bytes for each.
const maxMeasured = 1 << 22

// Mixing measures the order of a ticket's epoch, over the batches of all its ranks. No pixel is read.
func (e *Engine) Mixing(ctx context.Context, t SampleTicket) (Mixing, error) {
	src, _, err := e.openSamples(ctx, t)
	if err != nil {
		return Mixing{}, err
	}
	if n := src.order.Len(); n > maxMeasured {
		return Mixing{}, fault.New(fault.TooLarge, "the order of %d samples is not measured, %d are the most", n, maxMeasured).
			WithCure("measure a smaller split, or a filter's")
	}
	t.Epoch++ // and 0 after the last
	after, _, err := e.openSamples(ctx, t)
	if err != nil {
		return Mixing{}, err
	}
	shared, err := src.shared(ctx, t.Split)
	if err != nil {
		return Mixing{}, err
	}
	epoch, next := listed(src.order), listed(after.order)
	m := Mixing{Measures: quality.Of(shared, epoch, next, t.BatchSize)}
	slices.Sort(epoch)
	m.Uniform = quality.Of(shared, uniformly(epoch, 0), uniformly(epoch, 1), t.BatchSize)
	return m, nil
}

// listed are the samples of an order by position.
func listed(s order.Sequence) []uint32 {
	out := make([]uint32, s.Len())
	for i := range out {
		out[i] = uint32(s.At(uint64(i)))
	}
	return out
}

// uniformly are samples in the uniform order that others are held against.
func uniformly(samples []uint32, epoch uint64) []uint32 {
	o := order.New("uniform", "", uint64(len(samples)), 0, epoch, true)
	out := make([]uint32, len(samples))
	for i := range out {
		out[i] = samples[o.At(uint64(i))]
	}
	return out
}

// shared is what the samples of the source's split have in common.
func (s *sampleSource) shared(ctx context.Context, split string) (out quality.Samples, err error) {
	n := s.samples.Len()
	out.Scenes = make([]uint32, n)
	if out.Chunk, err = selection.Chunks(s.samples, s.region.Group.ChunkSize()); err != nil {
		return out, err
	}
	if out.Block, err = selection.Chunks(s.samples, quality.BlockEdge*s.region.Group.ChunkSize()); err != nil {
		return out, err
	}
	scenes, lists := map[cube.SliceID]uint32{}, map[string]uint32{}
	for i := range n {
		if i%4096 == 0 && ctx.Err() != nil {
			return out, ctx.Err()
		}
		sample, err := s.samples.At(i)
		if err != nil {
			return out, err
		}
		name := listName(sample.Slots)
		list, known := lists[name]
		if !known {
			list = uint32(len(out.SceneLists))
			lists[name] = list
			out.SceneLists = append(out.SceneLists, numbered(sample.Slots, scenes))
		}
		out.Scenes[i] = list
	}
	out.Class, err = selection.Classes(ctx, s.version, split)
	return out, err
}

func listName(slots []cube.SliceID) string {
	names := make([]string, len(slots))
	for i, id := range slots {
		names[i] = string(id)
	}
	return strings.Join(names, " ")
}

// numbered gives the scenes of a list numbers, each once.
func numbered(slots []cube.SliceID, known map[cube.SliceID]uint32) (out []uint32) {
	for _, id := range slots {
		if id == "" {
			continue
		}
		number, there := known[id]
		if !there {
			number = uint32(len(known))
			known[id] = number
		}
		out = append(out, number)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
