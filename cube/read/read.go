// Package read turns wanted windows of a cube into arrays:
//
//	windows ─► chunks, each once ─► kept? ──yes──────────────────────────► gather ─► caller's memory
//	           (over the batch)      │ no                                    ▲
//	                                 └► ranges: by object and offset, ──► decode, kept for all
//	                                    neighbours merged, bytes in flight bounded
//
// Ranges that are in the machine's memory are read by who decodes them; only the others are waited for by goroutines of their own.
// It owns no format and decides no order. Decoded chunks are kept within a budget of memory that all
// callers share, and a chunk that several want at once is read by one of them. The invariant: what
// cannot be read is an error that names the chunk and the object, for the windows that need it and for
// no others, and never a fill value; only what is absent by the cube's own account is fill and not valid.
// Every chunk is what the cube recorded for its place by SHA-256, so that a wrong reference is an error too.
package read

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"golang.org/x/sync/semaphore"
)

// Config sets a reader's limits. The zero value is useful.
type Config struct {
	// CacheBytes is the budget of decoded chunks kept in memory; 0 means 512 MiB, negative keeps none.
	CacheBytes int64
	// Workers bounds how many chunks are decoded or copied from at once; 0 means one per processor.
	Workers int
	// Ranges bounds how many ranges are read at once; 0 means 32.
	Ranges int
	// FlightBytes bounds the encoded bytes of ranges that are being read or wait to be decoded; 0 means
	// 256 MiB. One range larger than that goes alone.
	FlightBytes int64
	// GapBytes: two chunks of an object fewer bytes apart are read as one range; 0 means 256 KiB,
	// negative merges only what touches.
	GapBytes int64
	// RangeBytes is the most that is merged into one range; 0 means 16 MiB.
	RangeBytes int64
	// Unverified leaves out what tells a chunk from another that decodes as well: comparing its SHA-256
	// with the recorded one when it is met first, and its bytes with those seen then when it is read again.
	Unverified bool
}

func (c Config) withDefaults() Config {
	if c.CacheBytes == 0 {
		c.CacheBytes = 512 << 20
	}
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Ranges <= 0 {
		c.Ranges = 32
	}
	if c.FlightBytes <= 0 {
		c.FlightBytes = 256 << 20
	}
	if c.GapBytes == 0 {
		c.GapBytes = 256 << 10
	}
	if c.RangeBytes <= 0 {
		c.RangeBytes = 16 << 20
	}
	return c
}

// Reader reads windows. It is safe for concurrent use; its cache and limits are shared by all callers.
type Reader struct {
	cfg       Config
	cache     *cache
	workers   chan struct{}
	ranges    chan struct{}
	flight    *semaphore.Weighted
	atlas     atlas
	known     fingerprints
	total     counters
	batches   sync.Pool // of *batch
	leastLoan int
	lent      atomic.Int64 // chunks
}

// New makes a reader.
func New(cfg Config) *Reader {
	cfg = cfg.withDefaults()
	return &Reader{
		cfg: cfg, cache: newCache(cfg.CacheBytes),
		workers: make(chan struct{}, cfg.Workers), ranges: make(chan struct{}, cfg.Ranges), flight: semaphore.NewWeighted(cfg.FlightBytes),
		known: newFingerprints(), leastLoan: leastLoan,
	}
}

// Request names what to read: slices by id, in the order wanted, and bands by their index.
type Request struct {
	// Cell is the path of the cell whose pixels Window counts.
	Cell   string
	Slices []cube.SliceID // "" is padding: fill value, not valid
	// Window may reach over the cell's edge into its neighbours, and over the edge of the cube.
	Window cube.Window
	Bands  []int // nil is all of them
}

// Read fills image [slice, band, row, col] in the cube's data type and valid [slice, row, col]: 1 where
// every requested band is observed. Outside of the cube, for padding, and where a cell that the window
// touches does not have the slice, image is nodata (else 0) and valid 0. After an error the buffers
// hold nothing of meaning.
func (r *Reader) Read(ctx context.Context, v *layout.View, q Request, image, valid []byte) error {
	b := r.newBatch(v, pixels)
	defer b.recycle()
	b.add(q, image, valid)
	return b.run(ctx)
}

// ReadMany is Read for many windows, each chunk of which is read and decoded once for all: request i
// fills image[i] and valid[i]. A window that cannot be read does not keep the others from being read;
// Report.Errs says which. The error returned is the first of them, or what stopped the whole.
func (r *Reader) ReadMany(ctx context.Context, v *layout.View, qs []Request, image, valid [][]byte) (Report, error) {
	return r.readMany(ctx, v, qs, image, valid, nil)
}

func (r *Reader) readMany(ctx context.Context, v *layout.View, qs []Request, image, valid [][]byte, loans *Loans) (Report, error) {
	if len(image) != len(qs) || len(valid) != len(qs) {
		return Report{}, fault.New(fault.Internal, "read %d windows into %d and %d buffers", len(qs), len(image), len(valid))
	}
	b := r.newBatch(v, pixels)
	defer b.recycle()
	b.loans = loans
	for i, q := range qs {
		b.add(q, image[i], valid[i])
	}
	err := b.run(ctx)
	return b.report(), err
}

// ReadFlags fills flags [slice, row, col] with little-endian uint16, each the bits of the flags that are
// set; 0 outside of the cube, for padding, and where a cell does not have the slice. Bands of the
// request do not count; Cell is one of the cube's first resolution.
func (r *Reader) ReadFlags(ctx context.Context, v *layout.View, q Request, into []byte) error {
	b := r.newBatch(v, flags)
	defer b.recycle()
	q.Bands = nil
	b.add(q, into)
	return b.run(ctx)
}
