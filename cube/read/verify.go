package read

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

// A chunk is verified by the SHA-256 of all its values when it is met first. That costs about as much as
// decoding it, so what was verified is remembered, by two fingerprints of 64 bits under a random seed:
// that of the bytes read, which have to be the same again, and that of the place with the reference.

// fingerprints is a set that forgets: 2^20 of them in 8 MiB, four to a bucket. What it forgets is
// verified again.
type fingerprints struct {
	seed  maphash.Seed
	slots []atomic.Uint64
}

const (
	fingerprintSlots = 1 << 20
	bucketSlots      = 4
)

func newFingerprints() fingerprints {
	return fingerprints{seed: maphash.MakeSeed(), slots: make([]atomic.Uint64, fingerprintSlots)}
}

// pieceBytes are fingerprinted at once.
const pieceBytes = 128 << 10

// print is the fingerprint of bytes up to the end of a piece, from that of all before it. A string is hashed in one go, a
// slice 128 bytes at a time.
func (f *fingerprints) print(before uint64, piece []byte) uint64 {
	return maphash.Comparable(f.seed, struct {
		before uint64
		piece  string
	}{before, unsafe.String(unsafe.SliceData(piece), len(piece))})
}

func (f *fingerprints) bucket(v uint64) []atomic.Uint64 {
	i := v % (fingerprintSlots / bucketSlots) * bucketSlots
	return f.slots[i : i+bucketSlots]
}

func (f *fingerprints) has(v uint64) bool {
	b := f.bucket(v)
	return b[0].Load() == v || b[1].Load() == v || b[2].Load() == v || b[3].Load() == v
}

func (f *fingerprints) add(v uint64) {
	if f.has(v) {
		return
	}
	b := f.bucket(v)
	for i := range b {
		if b[i].CompareAndSwap(0, v) {
			return
		}
	}
	b[v>>62].Store(v)
}

// bytesOf is the fingerprint of a chunk's encoded bytes, as what its array decodes.
func (r *Reader) bytesOf(a arrived) uint64 {
	if r.cfg.Unverified {
		return 0
	}
	print := a.print
	for at := 0; at < len(a.data) && a.print == 0; at += pieceBytes {
		print = r.known.print(print, a.data[at:min(at+pieceBytes, len(a.data))])
	}
	return maphash.Comparable(r.known.seed, [2]uint64{uint64(a.key.array), print}) | 1
}

// placed gives a job the fingerprint of its place and reference.
func (b *batch) placed(j job) job {
	if b.reader.cfg.Unverified {
		j.sure = true
		return j
	}
	p := b.parts[b.units[j.unit].from]
	at := &b.places[p.place]
	j.place = maphash.Comparable(b.reader.known.seed, struct {
		cube, cell string
		slice      cube.SliceID
		cy, cx     int32
		array      uint32
		key        key
	}{b.view.Cube().URL(), at.Path, at.Slices[p.slice].ID, p.cy, p.cx, b.array(j).id, j.key}) | 1
	j.sure = b.reader.known.has(j.place)
	return j
}

// record names the digests of one layer of a slice in a cell.
type record struct {
	place, slice int32
	layer        int8
}

func (b *batch) recordOf(j job) record {
	p := b.parts[b.units[j.unit].from]
	return record{p.place, p.slice, j.layer}
}

// doubt notes which digests will be needed.
func (b *batch) doubt() {
	for _, list := range [][]job{b.ready, b.misses} {
		for _, j := range list {
			k := b.recordOf(j)
			if _, known := b.recorded[k]; !j.sure && !known && !b.dry {
				b.recorded[k] = nil
			}
		}
	}
}

// recall begins to load the digests that will be needed, beside the chunks; the function returned waits.
func (b *batch) recall(ctx context.Context) (wait func()) {
	var loading sync.WaitGroup
	if len(b.recorded) == 0 {
		return loading.Wait
	}
	list := make(chan func() ([]byte, error), len(b.recorded))
	for k := range b.recorded {
		b.recorded[k] = sync.OnceValues(func() ([]byte, error) { return b.digests(ctx, k) })
		list <- b.recorded[k]
	}
	close(list)
	for range min(len(b.recorded), b.reader.cfg.Ranges) {
		loading.Go(func() {
			for load := range list {
				_, _ = load() // whoever needs it gets the error
			}
		})
	}
	return loading.Wait
}

func (b *batch) digests(ctx context.Context, k record) ([]byte, error) {
	data, err := b.view.Digests(ctx, b.places[k.place].Path, b.layers[k.layer].name, int(k.slice))
	return data, unlessGone(ctx, err)
}

// sum is the SHA-256 of a chunk of which so many rows and columns lie inside of the array.
type sum struct {
	height, width int
	sha256        [sha256.Size]byte
}

// sum is that of a whole decoded chunk.
func (a *array) sum(data []byte, height, width int) *sum {
	return &sum{height, width, layout.DigestChunk(data, a.planes, a.edge, height, width, a.size)}
}

// absent is the sum of a chunk that is not stored.
func (a *array) absent(height, width int) *sum {
	if known, ok := a.fills.Load([2]int{height, width}); ok {
		return known.(*sum)
	}
	whole := borrow(a.bytes)
	defer whole.free()
	repeat(whole.bytes, a.fill[:a.size])
	made := a.sum(whole.bytes, height, width)
	a.fills.Store([2]int{height, width}, made)
	return made
}

// summed is the sum of a chunk of all bands, made from what is kept of it.
func (c *chunk) summed(a *array, height, width int) *sum {
	if s := c.sum.Load(); s != nil && s.height == height && s.width == width {
		return s
	}
	data := c.value[:a.size]
	if c.buf != nil {
		data = c.buf.bytes
	}
	if len(data) < a.bytes {
		whole := borrow(a.bytes)
		defer whole.free()
		repeat(whole.bytes, data)
		data = whole.bytes
	}
	s := a.sum(data, height, width)
	c.sum.Store(s)
	return s
}

// repeat fills memory with a pattern.
func repeat(dst, pattern []byte) {
	for n := copy(dst, pattern); n < len(dst); {
		n += copy(dst[n:], dst[:n])
	}
}

// extent is how many rows and columns of a chunk lie inside of its array.
func (b *batch) extent(j job) (height, width int) {
	p := b.parts[b.units[j.unit].from]
	at := &b.places[p.place]
	in := at.chunkWindow(p).Intersect(at.Window)
	return in.Height, in.Width
}

// verify demands that a chunk that is kept, or an absent one, is what was recorded for its place. Of a
// chunk of some bands that was done when it was decoded, for no other place.
func (b *batch) verify(ctx context.Context, j job, c *chunk) error {
	if j.sure || j.key.at != 0 {
		return nil
	}
	h, w := b.extent(j)
	if c == nil {
		return b.compare(ctx, j, b.array(j).absent(h, w))
	}
	return b.compare(ctx, j, c.summed(b.array(j), h, w))
}

// errOther: the chunk is not the one that was recorded.
var errOther = errors.New("it is another chunk, or damaged")

// compare demands the recorded digest, and remembers that it was met.
func (b *batch) compare(ctx context.Context, j job, got *sum) error {
	k := b.recordOf(j)
	load := b.recorded[k]
	if load == nil { // it was verified when the batch began, and forgotten since
		load = func() ([]byte, error) { return b.digests(ctx, k) }
	}
	all, err := load()
	if err != nil {
		return fault.New(fault.KindOf(err), "its digest: %w", around{err})
	}
	p := b.parts[b.units[j.unit].from]
	at := (int(p.cy)*b.places[p.place].ChunkCols + int(p.cx)) * sha256.Size
	if want := all[at : at+sha256.Size]; string(want) != string(got.sha256[:]) {
		return fault.New(fault.Corrupt, "%w: SHA-256 %x, recorded is %s", errOther, got.sha256, hex.EncodeToString(want)).
			WithCure("run `terrapin store fsck --full`, and bring what it names back from a backup")
	}
	b.reader.known.add(j.place)
	return nil
}

// forOthers turns an error that is one place's own into one after which others look for themselves.
func forOthers(err error) error {
	if errors.Is(err, errOther) {
		return errTaken
	}
	return err
}
