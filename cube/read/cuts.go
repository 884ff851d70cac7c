package read

import (
	"time"

	"github.com/terrapin-eo/terrapin/cube/zarr"
)

// cutOut decodes a chunk straight into the windows that want it, where that can be.
func (b *batch) cutOut(a *arrived) (done bool) {
	if !b.cuttable(a) {
		return false
	}
	b.working(func() { b.cutUp(a) })
	return true
}

// cuttable chunks are not worth keeping, nobody waits for them, their array can be decoded piece by piece, and they are known to be the right
// ones: the digest of one that is met first is that of all of it.
func (b *batch) cuttable(a *arrived) bool {
	array := b.array(a.job)
	if !array.cuts || array.joined || b.reader.cache.worth(a.key, a.key.bands.count(array.planes)*array.planeBytes) || b.reader.cache.waiters(a.key, a.load) > 0 {
		return false
	}
	return b.reader.cfg.Unverified || a.sure && b.reader.known.has(b.reader.bytesOf(*a))
}

// cutUp decodes a cuttable chunk; the caller is one of the workers.
func (b *batch) cutUp(a *arrived) {
	if err := b.decodeCuts(a); err != nil {
		b.failUnit(a.job, err)
		b.reader.cache.finish(a.key, a.load, nil, err)
	} else {
		b.reader.cache.finish(a.key, a.load, nil, errTaken)
	}
}

// leastPast bytes of a batch are more than the processor's caches keep until it is sent.
const leastPast = 16 << 20

func (b *batch) decodeCuts(a *arrived) (err error) {
	defer recovered(&err)
	array, begin := b.array(a.job), time.Now()
	err = array.DecodeCuts(a.data, b.cutsOf(a.job, array), b.bytes >= leastPast)
	b.count.misses.Add(1)
	b.count.decoding.Add(int64(time.Since(begin)))
	b.span("decode", begin, array.bytes)
	return err
}

// cutsOf are the shares of the windows that want a chunk, plane by plane.
func (b *batch) cutsOf(j job, array *array) []zarr.Cut {
	unit := b.units[j.unit]
	cuts := make([]zarr.Cut, 0, int(unit.to-unit.from)*array.planes)
	for _, p := range b.parts[unit.from:unit.to] {
		w := &b.windows[p.window]
		if w.failed.Load() {
			continue
		}
		at := b.places[p.place].chunkWindow(p)
		in := w.at.Intersect(at).Intersect(b.places[p.place].Window)
		for i, band := range w.bands {
			cuts = append(cuts, zarr.Cut{
				Plane: band, Row: in.Row - at.Row, Col: in.Col - at.Col, Height: in.Height, Width: in.Width,
				Dst: w.plane(int(j.layer), int(p.slot), i)[offset(in, w.at)*array.size:], Stride: w.at.Width * array.size,
			})
		}
	}
	return cuts
}
