package stream

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

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
	tally
	reader  *read.Reader
	view    *layout.View
	region  layout.Region
	version *datasets.Version
	samples datasets.Samples
	order   order.Sequence
	label   *labels.Revision // nil without labels
	layers  []layer          // the version's own resolution first
	spare   *heap            // for stored numbers that are longer than what leaves
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
	t.Dataset, t.Digest = v.Ref(), v.Digest
	if err := t.settle(v); err != nil {
		return nil, t, err
	}
	s := &sampleSource{reader: e.cfg.Reader, version: v, spare: e.heap, pinned: map[cube.SliceID]datasets.PinnedSlice{}}
	vals, err := t.valuesOf(v)
	if err != nil {
		return nil, t, err
	}
	for _, p := range v.Slices {
		s.pinned[p.ID] = p
	}
	if s.samples, err = v.Split(t.Split); err != nil {
		return nil, t, err
	}
	c, err := e.cfg.Cubes(ctx, v.Cube)
	if err != nil {
		return nil, t, err
	}
	if s.view, err = c.At(ctx, v.Snapshot); err != nil {
		return nil, t, err
	}
	if s.layers, err = layersOf(v, s.view, vals); err != nil {
		return nil, t, err
	}
	s.region = s.layers[0].region
	algorithm := ""
	if s.order, algorithm, err = e.sequence(ctx, v, s.samples.Len(), s.region, t); err != nil {
		return nil, t, err
	}
	if t.Order != "" && t.Order != algorithm {
		if all := append(order.DrawnAlgorithms(), order.Algorithm); !slices.Contains(all, t.Order) {
			return nil, t, fault.New(fault.Invalid, "ticket: key \"order\": there is no order %.100q", t.Order).
				WithCure("leave the key out, or use %q; there are %s", algorithm, strings.Join(all, ", "))
		}
		return nil, t, fault.New(fault.Conflict, "ticket: key \"order\": this epoch of %s is ordered by %q, not %q", v.Ref(), algorithm, t.Order).
			WithCure("leave the key out, or use %q", algorithm)
	}
	t.Order, t.Shuffle = algorithm, Fixed(t.Shuffle.of(v))
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
	return nil
}

func (s *sampleSource) shape() Shape {
	v := s.version
	own := s.layers[0].image()
	shape := Shape{Slots: v.Slots, Bands: own.Bands, Height: own.Height, Width: own.Width, DType: own.DType}
	for _, l := range s.layers[1:] {
		shape.Further = append(shape.Further, l.image())
	}
	if v.Labels != nil {
		shape.Label = v.Labels.DType
	}
	return shape
}

// readMany reads the stored numbers of many windows.
type readMany func(ctx context.Context, v *layout.View, qs []read.Request, image, valid [][]byte) (read.Report, error)

func (s *sampleSource) fill(ctx context.Context, first uint64, dst []row) error {
	return s.fillBy(ctx, first, dst, s.reader.ReadMany)
}

func (s *sampleSource) fillBy(ctx context.Context, first uint64, dst []row, many readMany) error {
	samples, contracts := make([]datasets.Sample, len(dst)), make([][]cube.Contract, len(dst))
	for i := range dst {
		var err error
		if samples[i], err = s.samples.At(int(s.order.At(first + uint64(i)))); err != nil {
			return fault.New(fault.KindOf(err), "position %d: %w", first+uint64(i), err)
		}
		contracts[i] = s.describe(samples[i], dst[i])
	}
	unlabelled := make([]error, len(dst)) // by damage
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return guarded(func() error { return s.images(gctx, first, samples, contracts, dst, many) })
	})
	if s.label != nil {
		g.Go(func() error {
			return inParallel(gctx, len(dst), func(ctx context.Context, i int) (err error) {
				unlabelled[i], err = s.labelOf(ctx, samples[i], first+uint64(i), dst[i])
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.void(unlabelled, dst)
	return nil
}

// room is part of expecter: while everything fits, nothing is dropped.
func (s *sampleSource) room() int64 {
	if !s.reader.Full() {
		return 0
	}
	return s.reader.CacheBytes()
}

// reached is part of expecter.
func (s *sampleSource) reached(time uint64) uint64 { return s.reader.Reached(time) }

// expect is part of expecter.
func (s *sampleSource) expect(ctx context.Context, first uint64, n int, time uint64) (told, error) {
	requests, err := s.upcoming(first, n)
	if err != nil {
		return told{}, err
	}
	e, err := s.reader.Expect(ctx, s.view, requests, time)
	if err != nil {
		return told{}, err
	}
	return told{e.Bytes(), e.Done}, nil
}

// upcoming are what is read of n positions from first on.
func (s *sampleSource) upcoming(first uint64, n int) ([]read.Request, error) {
	samples := make([]datasets.Sample, n)
	for i := range samples {
		var err error
		if samples[i], err = s.samples.At(int(s.order.At(first + uint64(i)))); err != nil {
			return nil, err
		}
	}
	return s.requests(samples)
}

// requests are what is read of some samples, resolution by resolution.
func (s *sampleSource) requests(samples []datasets.Sample) ([]read.Request, error) {
	out := make([]read.Request, 0, len(s.layers)*len(samples))
	for _, sample := range samples {
		out = append(out, read.Request{Cell: sample.Cell, Slices: sample.Slots, Window: sample.Window, Bands: s.version.BandIndex})
	}
	for k := range s.layers[1:] {
		for _, sample := range samples {
			w, err := s.region.From(sample.Cell, sample.Window)
			if err != nil {
				return nil, err
			}
			out = append(out, s.layers[k+1].request(sample.Slots, w))
		}
	}
	return out, nil
}

// describe fills in what is known of a sample without reading, and returns the contracts of its slots.
func (s *sampleSource) describe(sample datasets.Sample, dst row) []cube.Contract {
	*dst.id = sample.ID
	contracts := make([]cube.Contract, len(sample.Slots))
	for i, id := range sample.Slots {
		dst.times[i], contracts[i] = NoTime, cube.DefaultContract()
		if id != "" {
			dst.times[i], contracts[i] = s.pinned[id].Time.UnixMicro(), s.pinned[id].Contract
		}
	}
	return contracts
}

// images reads the stored numbers of all rows and resolutions together, straight into the batch where they leave as
// they are.
func (s *sampleSource) images(ctx context.Context, first uint64, samples []datasets.Sample, contracts [][]cube.Contract, dst []row, many readMany) error {
	requests, err := s.requests(samples)
	if err != nil {
		return err
	}
	var image, valid [][]byte
	for k, l := range s.layers {
		own, seen := imagesOf(dst, k)
		if l.values.float32s() {
			stored, release := l.values.under(own, s.spare)
			defer release()
			own = stored
		}
		image, valid = append(image, own...), append(valid, seen...)
	}
	report, err := many(ctx, s.view, requests, image, valid)
	s.add(report.Cost)
	for k, why := range report.Errs {
		if why == nil {
			continue
		}
		i := k % len(dst)
		err = fault.New(fault.KindOf(why), "read sample %s (position %d): %w", samples[i].ID, first+uint64(i), why)
		if !read.Damaged(why) || !dst[i].lose(err) {
			return err
		}
		err = nil
	}
	if err != nil || !s.layers[0].values.float32s() {
		return err
	}
	return inParallel(ctx, len(image), func(_ context.Context, k int) error {
		l, i := s.layers[k/len(dst)], k%len(dst)
		if dst[i].isLost() {
			return nil
		}
		l.values.convert(dst[i].pixels(k/len(dst)).Image, image[k], valid[k], contracts[i], len(l.group.Bands), l.size*l.size)
		return nil
	})
}

// imagesOf is where the pixels and the validity of rows go, in one resolution.
func imagesOf(rows []row, layer int) (image, valid [][]byte) {
	image, valid = make([][]byte, len(rows)), make([][]byte, len(rows))
	for i, r := range rows {
		p := r.pixels(layer)
		image[i], valid[i] = p.Image, p.Valid
	}
	return image, valid
}
