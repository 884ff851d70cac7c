package read

import (
	"time"

	"github.com/terrapin-eo/terrapin/cube/zarr"
)

// cutOut decodes a chunk that is not worth keeping, and that nobody waits for, straight into the windows that want it, if its array can and it is
// known to be the right one: the digest of one that is met first is that of all of it.
func (b *batch) cutOut(a *arrived) (done bool) {
	array := b.array(a.job)
	if !array.cuts || array.joined || b.reader.cache.worth(a.key, a.key.bands.count(array.planes)*array.planeBytes) || b.reader.cache.waiters(a.key, a.load) > 0 {
		return false
	}
	if !b.reader.cfg.Unverified && !(a.sure && b.reader.known.has(b.reader.bytesOf(*a))) {
		return false
	}
	err := b.decodeCuts(*a, array)
	if err != nil {
		b.failUnit(a.job, err)
		b.reader.cache.finish(a.key, a.load, nil, err)
	} else {
		b.reader.cache.finish(a.key, a.load, nil, errTaken)
	}
	return true
}

func (b *batch) decodeCuts(a arrived, array *array) (err error) {
	defer recovered(&err)
	b.working(func() {
		begin := time.Now()
		err = array.DecodeCuts(a.data, b.cutsOf(a.job, array))
		b.count.misses.Add(1)
		b.count.decoding.Add(int64(time.Since(begin)))
		b.span("decode", begin, array.bytes)
	})
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
