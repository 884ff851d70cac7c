package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
)

// sample is one window and its first date; the others follow.
type sample struct {
	Row  int `json:"row"`
	Col  int `json:"col"`
	Date int `json:"date"`
}

// test is one way of reading: windows drawn once and read over and over.
type test struct {
	Name    string   `json:"name"`
	Times   int      `json:"times"`
	Aligned bool     `json:"aligned"`
	Warm    bool     `json:"warm"`
	Bands   []int    `json:"bands,omitempty"`
	Samples []sample `json:"samples"`
	region  cube.Window
}

type result struct {
	test
	// Rate and Limit are samples per second, the median of the rounds; Ratio is the median of theirs.
	Rate  float64 `json:"rate"`
	Limit float64 `json:"limit"`
	Ratio float64 `json:"ratio"`
	Note  string  `json:"note"`
	// Cost is that of one pass over the samples.
	Cost read.Cost `json:"cost"`
}

// cases draws the windows. Those of warm cases lie in a region whose decoded chunks are all kept.
func cases(o options, cell layout.Cell) []test {
	var out []test
	all := cell.Grid.All()
	dates := len(cell.Slices)
	side := int(math.Sqrt(float64(o.WarmMB)*1e6/float64(dates*o.Bands*2))) / edge * edge
	side = min(max(side, 2*edge), all.Width)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, warm := range []bool{false, true} {
		for _, aligned := range []bool{true, false} {
			for _, times := range []int{1, 8} {
				t := test{Times: min(times, dates), Aligned: aligned, Warm: warm, region: all}
				for b := range o.Wanted {
					t.Bands = append(t.Bands, b)
				}
				t.Name = fmt.Sprintf("%s %s T=%d", map[bool]string{false: "cold", true: "warm"}[warm], map[bool]string{false: "unaligned", true: "aligned"}[aligned], times)
				if warm {
					t.region = cube.Window{Height: side, Width: side}
				}
				batches := 4
				if times == 1 {
					batches = 16
				}
				for range batches * o.Batch {
					s := sample{Row: rng.IntN(t.region.Height - o.Size + 1), Col: rng.IntN(t.region.Width - o.Size + 1), Date: rng.IntN(dates - t.Times + 1)}
					if aligned {
						s.Row, s.Col = s.Row/edge*edge, s.Col/edge*edge
					}
					t.Samples = append(t.Samples, s)
				}
				out = append(out, t)
			}
		}
	}
	return out
}

// engine reads batch i, by itself or on all workers.
type engine func(ctx context.Context, i int) error

// measure runs ours and the limit in turns.
func (t test) measure(ctx context.Context, o options, v *layout.View) (result, error) {
	r := result{test: t}
	ours, cost, err := t.ours(ctx, o, v)
	if err != nil {
		return r, err
	}
	r.Cost = cost
	var limit engine
	if t.Warm {
		limit, err = t.gatherLimit(ctx, o, v)
		r.Note = "limit: rows copied from one array in memory"
	} else {
		limit, err = t.decodeLimit(ctx, o, v)
		r.Note = "limit: our decoder on bytes in memory, no gather"
	}
	if err != nil {
		return r, err
	}
	var rates, limits, ratios []float64
	for range o.Rounds {
		a, err := t.rate(ctx, o, ours)
		if err != nil {
			return r, err
		}
		b, err := t.rate(ctx, o, limit)
		if err != nil {
			return r, err
		}
		rates, limits, ratios = append(rates, a), append(limits, b), append(ratios, a/b)
	}
	r.Rate, r.Limit, r.Ratio = median(rates), median(limits), median(ratios)
	return r, nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func (t test) rate(ctx context.Context, o options, e engine) (float64, error) {
	batches := len(t.Samples) / o.Batch
	start, n := time.Now(), 0
	for ; time.Since(start).Seconds() < o.Seconds; n++ {
		if err := e(ctx, n%batches); err != nil {
			return 0, err
		}
	}
	return float64(n*o.Batch) / time.Since(start).Seconds(), nil
}

func (t test) request(cell layout.Cell, o options, s sample) read.Request {
	q := read.Request{Cell: cell.Path, Window: cube.Window{Row: s.Row, Col: s.Col, Height: o.Size, Width: o.Size}, Bands: t.Bands}
	for i := range t.Times {
		q.Slices = append(q.Slices, cell.Slices[s.Date+i].ID)
	}
	return q
}

// ours is read.ReadMany into buffers that are used again. The first pass fills the cache and is not timed.
func (t test) ours(ctx context.Context, o options, v *layout.View) (engine, read.Cost, error) {
	cfg := read.Config{Workers: o.Workers, CacheBytes: -1}
	if t.Warm {
		cfg.CacheBytes = 4 << 30
	}
	r := read.New(cfg)
	cell := v.Cells()[0]
	var requests []read.Request
	for _, s := range t.Samples {
		requests = append(requests, t.request(cell, o, s))
	}
	image, valid := make([][]byte, o.Batch), make([][]byte, o.Batch)
	for i := range image {
		image[i], valid[i] = make([]byte, t.Times*o.Wanted*o.Size*o.Size*2), make([]byte, t.Times*o.Size*o.Size)
	}
	e := func(ctx context.Context, i int) error {
		_, err := r.ReadMany(ctx, v, requests[i*o.Batch:(i+1)*o.Batch], image, valid)
		return err
	}
	for i := range len(t.Samples) / o.Batch {
		if err := e(ctx, i); err != nil {
			return nil, read.Cost{}, err
		}
	}
	return e, r.Stats().Cost, nil
}

// parallel runs n pieces of work on all workers.
func parallel(o options, n int, do func(worker, i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, o.Workers)
	for k := range o.Workers {
		wg.Go(func() {
			for i := k; i < n && errs[k] == nil; i += o.Workers {
				errs[k] = do(k, i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// decodeLimit decodes each chunk that a batch touches once, from memory into a buffer used again. Chunks
// of validity that lie in the manifest are alike all over and not counted.
func (t test) decodeLimit(ctx context.Context, o options, v *layout.View) (engine, error) {
	cell := v.Cells()[0]
	image, valid := v.Array(cell.Path, layout.Image), v.Array(cell.Path, layout.Valid)
	type encoded struct {
		valid bool
		data  []byte
	}
	encodedAt := map[[4]int][]byte{}
	batches := make([][]encoded, len(t.Samples)/o.Batch)
	for i := range batches {
		seen := map[[4]int]bool{}
		for _, s := range t.Samples[i*o.Batch : (i+1)*o.Batch] {
			for date := s.Date; date < s.Date+t.Times; date++ {
				for cy := s.Row / edge; cy <= (s.Row+o.Size-1)/edge; cy++ {
					for cx := s.Col / edge; cx <= (s.Col+o.Size-1)/edge; cx++ {
						for l, name := range []string{layout.Image, layout.Valid} {
							at := [4]int{l, date, cy, cx}
							if seen[at] {
								continue
							}
							seen[at] = true
							data, known := encodedAt[at]
							if !known {
								ref, ok, err := v.Ref(ctx, cell.Path, name, date, cy, cx)
								if err != nil {
									return nil, err
								}
								if ok && ref.Inline == nil {
									if data, err = v.Cube().Repo().ReadChunk(ctx, ref); err != nil {
										return nil, err
									}
								}
								encodedAt[at] = data
							}
							if data != nil {
								batches[i] = append(batches[i], encoded{l == 1, data})
							}
						}
					}
				}
			}
		}
	}
	buffers := make([][]byte, o.Workers)
	for i := range buffers {
		buffers[i] = make([]byte, image.ChunkBytes())
	}
	return func(_ context.Context, i int) error {
		return parallel(o, len(batches[i]), func(worker, k int) error {
			c := batches[i][k]
			if c.valid {
				return valid.Decode(buffers[worker][:valid.ChunkBytes()], c.data)
			}
			return image.Decode(buffers[worker], c.data)
		})
	}, nil
}

// gatherLimit copies the windows from the region held decoded in memory: whole chips where windows are
// aligned, else rows.
func (t test) gatherLimit(ctx context.Context, o options, v *layout.View) (engine, error) {
	cell := v.Cells()[0]
	dates, side, bands := len(cell.Slices), t.region.Width, o.Wanted
	image, valid := make([]byte, dates*bands*side*side*2), make([]byte, dates*side*side)
	q := read.Request{Cell: cell.Path, Window: t.region, Bands: t.Bands}
	for _, s := range cell.Slices {
		q.Slices = append(q.Slices, s.ID)
	}
	if err := read.New(read.Config{CacheBytes: -1}).Read(ctx, v, q, image, valid); err != nil {
		return nil, err
	}
	size := o.Size
	outImage, outValid := make([][]byte, o.Batch), make([][]byte, o.Batch)
	for i := range outImage {
		outImage[i], outValid[i] = make([]byte, t.Times*bands*size*size*2), make([]byte, t.Times*size*size)
	}
	plane := func(dst, src []byte, width int, s sample) {
		if t.Aligned && size == edge { // chips side by side: which bytes they are does not matter here
			n := size * size * width
			at := (s.Row/edge*(side/edge) + s.Col/edge) * n
			copy(dst[:n], src[at:at+n])
			return
		}
		for y := range size {
			from := ((s.Row+y)*side + s.Col) * width
			copy(dst[y*size*width:(y+1)*size*width], src[from:from+size*width])
		}
	}
	return func(_ context.Context, i int) error {
		return parallel(o, o.Batch, func(_, k int) error {
			s := t.Samples[i*o.Batch+k]
			for d := range t.Times {
				for b := range bands {
					n := size * size * 2
					plane(outImage[k][(d*bands+b)*n:], image[((s.Date+d)*bands+b)*side*side*2:], 2, s)
				}
				plane(outValid[k][d*size*size:], valid[(s.Date+d)*side*side:], 1, s)
			}
			return nil
		})
	}, nil
}
