package stream

import (
	"context"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels"
)

// sampleSource reads the samples of a split in the order of an epoch.
type sampleSource struct {
	reader  *read.Reader
	view    *layout.View
	version *datasets.Version
	samples datasets.Samples
	order   order.Order
	label   *labels.Revision // nil without labels
	values  values
	pinned  map[cube.SliceID]datasets.PinnedSlice
}

func (e *Engine) openSamples(ctx context.Context, t SampleTicket) (*sampleSource, SampleTicket, error) {
	v, err := e.versions.get(ctx, t.Dataset)
	if err != nil {
		return nil, t, err
	}
	if err := checkVersion(v, t); err != nil {
		return nil, t, err
	}
	t.Dataset, t.Digest, t.Order = v.Ref(), v.Digest, v.Order
	s := &sampleSource{reader: e.cfg.Reader, version: v, values: valuesOf(v), pinned: map[cube.SliceID]datasets.PinnedSlice{}}
	for _, p := range v.Slices {
		s.pinned[p.ID] = p
	}
	if s.samples, err = v.Split(t.Split); err != nil {
		return nil, t, err
	}
	s.order = order.New(v.Digest, t.Split, uint64(s.samples.Len()), t.Seed, t.Epoch, t.Shuffle)
	c, err := e.cfg.Cubes(ctx, v.Cube)
	if err != nil {
		return nil, t, err
	}
	if s.view, err = c.At(ctx, v.Snapshot); err != nil {
		return nil, t, err
	}
	if v.Labels != nil {
		s.label, err = labels.Open(ctx, e.cfg.Root, v.Labels.Set, v.Labels.Revision)
	}
	return s, t, err
}

// checkVersion refuses a ticket that was made for something else than the version it names.
func checkVersion(v *datasets.Version, t SampleTicket) error {
	if t.Digest != "" && t.Digest != v.Digest {
		return fault.New(fault.Conflict, "ticket: key \"digest\": %s is not that of %s, which is %s", t.Digest, v.Ref(), v.Digest).
			WithCure("resume with the dataset version that the state was saved from")
	}
	if t.Order != "" && t.Order != v.Order {
		return fault.New(fault.Unsupported, "ticket: key \"order\": %s is ordered by %q, not %q", v.Ref(), v.Order, t.Order).
			WithCure("leave the key out, or use %q", v.Order)
	}
	if v.Order != order.Algorithm {
		return fault.New(fault.Unsupported, "%s is ordered by %q, which this release does not know", v.Ref(), v.Order).
			WithCure("use a release that does; this one knows %q", order.Algorithm)
	}
	return nil
}

// valuesOf says how a version's stored numbers leave. A standard deviation of 0 divides by 1.
func valuesOf(v *datasets.Version) values {
	out := values{stored: v.DType, physical: v.Values == datasets.Physical, normalise: v.Normalise}
	for _, s := range v.Stats {
		std := float32(s.Std)
		if std == 0 {
			std = 1
		}
		out.mean, out.std = append(out.mean, float32(s.Mean)), append(out.std, std)
	}
	return out
}

func (s *sampleSource) shape() Shape {
	v := s.version
	shape := Shape{Slots: v.Slots, Bands: len(v.Bands), Height: v.Size, Width: v.Size, DType: s.values.dtype()}
	if v.Labels != nil {
		shape.Label = v.Labels.DType
	}
	return shape
}

func (s *sampleSource) fill(ctx context.Context, pos uint64, dst row) error {
	sample := s.samples.At(int(s.order.At(uint64(pos))))
	*dst.id = sample.ID
	contracts := make([]cube.Contract, len(sample.Slots))
	for i, id := range sample.Slots {
		dst.times[i], contracts[i] = NoTime, cube.DefaultContract()
		if id != "" {
			dst.times[i], contracts[i] = s.pinned[id].Time.UnixMicro(), s.pinned[id].Contract
		}
	}
	if err := s.image(ctx, sample, contracts, dst); err != nil {
		return fault.New(fault.KindOf(err), "read sample %s (position %d): %w", sample.ID, pos, err)
	}
	if s.label == nil {
		return nil
	}
	if err := s.label.Read(ctx, sample.Window, dst.label); err != nil {
		return fault.New(fault.KindOf(err), "read the label of sample %s (position %d): %w", sample.ID, pos, err)
	}
	return nil
}

// image reads the stored numbers, straight into the batch where they leave as they are.
func (s *sampleSource) image(ctx context.Context, sample datasets.Sample, contracts []cube.Contract, dst row) error {
	q := read.Request{Cell: sample.Cell, Slices: sample.Slots, Window: sample.Window, Bands: s.version.BandIndex}
	if !s.values.float32s() {
		return s.reader.Read(ctx, s.view, q, dst.image, dst.valid)
	}
	stored := make([]byte, len(dst.image)/4*s.version.DType.Size())
	if err := s.reader.Read(ctx, s.view, q, stored, dst.valid); err != nil {
		return err
	}
	s.values.convert(dst.image, stored, dst.valid, contracts, len(s.version.Bands), s.version.Size*s.version.Size)
	return nil
}

// pad looks like a sample of which nothing was observed.
func (s *sampleSource) pad(dst row) {
	fill := 0.0
	if s.version.Nodata != nil && !s.values.normalise {
		fill = *s.version.Nodata
	}
	fillValues(dst.image, s.values.dtype(), fill)
	for i := range dst.times {
		dst.times[i] = NoTime
	}
	if s.version.Labels != nil {
		fillValues(dst.label, s.version.Labels.DType, s.version.Labels.Ignore)
	}
}
