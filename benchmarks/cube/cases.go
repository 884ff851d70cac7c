package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
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
	Samples []sample `json:"samples"`
	region  cube.Window
}

// draw draws the windows. Those of warm cases lie in a region whose decoded chunks are all kept.
func (b *bench) draw() []*test {
	var out []*test
	all := b.cell.Grid.All()
	dates := len(b.cell.Slices)
	side := int(math.Sqrt(float64(b.WarmMB)*1e6/float64(dates*b.Bands*2))) / edge * edge
	side = min(max(side, 2*edge), all.Width)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, warm := range []bool{false, true} {
		for _, aligned := range []bool{true, false} {
			for _, times := range []int{1, 8} {
				t := &test{Times: min(times, dates), Aligned: aligned, Warm: warm, region: all}
				t.Name = fmt.Sprintf("%s %s T=%d", map[bool]string{false: "cold", true: "warm"}[warm], map[bool]string{false: "unaligned", true: "aligned"}[aligned], times)
				if warm {
					t.region = cube.Window{Height: side, Width: side}
				}
				batches := 4
				if times == 1 {
					batches = 16
				}
				for range batches * b.Batch {
					s := sample{Row: rng.IntN(t.region.Height - b.Size + 1), Col: rng.IntN(t.region.Width - b.Size + 1), Date: rng.IntN(dates - t.Times + 1)}
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

func (b *bench) test(name string) (*test, error) {
	for _, t := range b.tests {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("no case %q", name)
}

// measure has one engine read batches until the time is up.
func (b *bench) measure(ctx context.Context, r request) (spent, error) {
	t, err := b.test(r.Case)
	if err != nil {
		return spent{}, err
	}
	name := fmt.Sprint(r.Case, r.Engine, r.Threads)
	e := b.engines[name]
	if e == nil {
		switch r.Engine {
		case "ours", "single":
			e, err = b.ours(ctx, t, r.Threads, r.Engine == "single")
		case "decoder":
			e, err = b.decoder(ctx, t, r.Threads)
		case "gather":
			e, err = b.gather(ctx, t, r.Threads)
		default:
			err = fmt.Errorf("no engine %q", r.Engine)
		}
		if err != nil {
			return spent{}, err
		}
		b.engines[name] = e
	}
	batches := len(t.Samples) / b.Batch
	n, stop, start := 0, meter(), time.Now()
	for ; time.Since(start).Seconds() < r.Seconds; n++ {
		if err := e(ctx, n%batches); err != nil {
			return spent{}, err
		}
	}
	return stop(n*b.Batch, n*b.Batch*t.Times*b.Bands*b.Size*b.Size*2), nil
}

func (b *bench) request(t *test, s sample) read.Request {
	q := read.Request{Cell: b.cell.Path, Window: cube.Window{Row: s.Row, Col: s.Col, Height: b.Size, Width: b.Size}}
	for i := range t.Times {
		q.Slices = append(q.Slices, b.cell.Slices[s.Date+i].ID)
	}
	return q
}

// buffers are what windows of a test are read into.
func (b *bench) buffers(t *test) (image, valid [][]byte) {
	for range b.Batch {
		image = append(image, make([]byte, t.Times*b.Bands*b.Size*b.Size*2))
		valid = append(valid, make([]byte, t.Times*b.Size*b.Size))
	}
	return image, valid
}

// ours is read.ReadMany, or read.Read for one window after another, into buffers that are used again. The
// first pass fills the cache and is not measured.
func (b *bench) ours(ctx context.Context, t *test, threads int, single bool) (engine, error) {
	cfg := read.Config{Workers: threads, CacheBytes: -1}
	if t.Warm {
		cfg.CacheBytes = 4 << 30
	}
	r := read.New(cfg)
	var requests []read.Request
	for _, s := range t.Samples {
		requests = append(requests, b.request(t, s))
	}
	image, valid := b.buffers(t)
	e := func(ctx context.Context, i int) error {
		_, err := r.ReadMany(ctx, b.view, requests[i*b.Batch:(i+1)*b.Batch], image, valid)
		return err
	}
	for i := range len(t.Samples) / b.Batch {
		if err := e(ctx, i); err != nil {
			return nil, err
		}
	}
	if !single {
		return e, nil
	}
	return func(ctx context.Context, i int) error {
		for k := range b.Batch {
			if err := r.Read(ctx, b.view, requests[i*b.Batch+k], image[k], valid[k]); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// parallel runs n pieces of work on all workers.
func parallel(workers, n int, do func(worker, i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for k := range workers {
		wg.Go(func() {
			for i := k; i < n && errs[k] == nil; i += workers {
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

// encoded is one chunk of pixels or of validity as it lies in the cube.
type encoded struct {
	at    [4]int // layer, date, row, column
	valid bool
	data  []byte
}

// touched are the chunks that a batch needs, each once.
func (b *bench) touched(t *test, i int) [][4]int {
	var out [][4]int
	seen := map[[4]int]bool{}
	for _, s := range t.Samples[i*b.Batch : (i+1)*b.Batch] {
		for date := s.Date; date < s.Date+t.Times; date++ {
			for cy := s.Row / edge; cy <= (s.Row+b.Size-1)/edge; cy++ {
				for cx := s.Col / edge; cx <= (s.Col+b.Size-1)/edge; cx++ {
					for l := range 2 {
						if at := [4]int{l, date, cy, cx}; !seen[at] {
							seen[at] = true
							out = append(out, at)
						}
					}
				}
			}
		}
	}
	return out
}

// stored is a chunk's encoded bytes, nil where it is absent; inline says that they lie in the manifest.
func (b *bench) stored(ctx context.Context, at [4]int) (data []byte, inline bool, err error) {
	name := []string{layout.Image, layout.Valid}[at[0]]
	ref, ok, err := b.view.Ref(ctx, b.cell.Path, name, at[1], at[2], at[3])
	if err != nil || !ok {
		return nil, false, err
	}
	data, err = b.view.Cube().Repo().ReadChunk(ctx, ref)
	return data, ref.Inline != nil, err
}

// decoder decodes each chunk that a batch touches once, from memory into a buffer used again. Chunks of
// validity that lie in the manifest are alike all over and not counted.
func (b *bench) decoder(ctx context.Context, t *test, threads int) (engine, error) {
	image, valid := b.view.Array(b.cell.Path, layout.Image), b.view.Array(b.cell.Path, layout.Valid)
	known := map[[4]int]encoded{}
	batches := make([][]encoded, len(t.Samples)/b.Batch)
	for i := range batches {
		for _, at := range b.touched(t, i) {
			c, ok := known[at]
			if !ok {
				data, inline, err := b.stored(ctx, at)
				if err != nil {
					return nil, err
				}
				if c = (encoded{at, at[0] == 1, data}); inline {
					c.data = nil
				}
				known[at] = c
			}
			if c.data != nil {
				batches[i] = append(batches[i], c)
			}
		}
	}
	buffers := make([][]byte, threads)
	for i := range buffers {
		buffers[i] = make([]byte, image.ChunkBytes())
	}
	return func(_ context.Context, i int) error {
		return parallel(threads, len(batches[i]), func(worker, k int) error {
			c := batches[i][k]
			if c.valid {
				return valid.Decode(buffers[worker][:valid.ChunkBytes()], c.data)
			}
			return image.Decode(buffers[worker], c.data)
		})
	}, nil
}

// gather copies the windows from the region held decoded in memory: whole chips where windows are
// aligned, else rows.
func (b *bench) gather(ctx context.Context, t *test, threads int) (engine, error) {
	cell := b.cell
	dates, side, bands := len(cell.Slices), t.region.Width, b.Bands
	image, valid := make([]byte, dates*bands*side*side*2), make([]byte, dates*side*side)
	q := read.Request{Cell: cell.Path, Window: t.region}
	for _, s := range cell.Slices {
		q.Slices = append(q.Slices, s.ID)
	}
	if err := read.New(read.Config{CacheBytes: -1}).Read(ctx, b.view, q, image, valid); err != nil {
		return nil, err
	}
	size := b.Size
	outImage, outValid := b.buffers(t)
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
		return parallel(threads, b.Batch, func(_, k int) error {
			s := t.Samples[i*b.Batch+k]
			for d := range t.Times {
				for band := range bands {
					n := size * size * 2
					plane(outImage[k][(d*bands+band)*n:], image[((s.Date+d)*bands+band)*side*side*2:], 2, s)
				}
				plane(outValid[k][d*size*size:], valid[(s.Date+d)*side*side:], 1, s)
			}
			return nil
		})
	}, nil
}
