package read

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// job is one chunk of one layer that a batch needs.
type job struct {
	unit  int32
	layer int8
	// absent chunks are fill; inline ones need no range.
	absent, inline bool
	key            key
	// place is the fingerprint of the chunk's place and reference; sure, that what is there was verified.
	place uint64
	sure  bool
}

func (j job) end() uint64 { return j.key.offset + j.key.length }

// virtual chunks lie outside of the repository, each read alone.
func (j job) virtual() bool { return j.key.text != "" && !j.inline }

// jobs are what a batch has to do, sorted out.
type jobs struct {
	ready  []job // need no range: those that are kept first, before others push them out
	small  []job // absent or inline
	misses []job // by object and offset
	spans  []span
	waits  []wait
	text   string // the inline content met last
}

// span is a range of an object and the chunks in it.
type span struct {
	jobs         []job
	offset, size uint64
}

// wait is a chunk that someone else loads; without a load it is to be looked for again.
type wait struct {
	job
	load *load
}

func (j *jobs) clear() {
	clear(j.ready)
	clear(j.small)
	clear(j.misses)
	clear(j.spans)
	clear(j.waits)
	j.small = j.small[:0]
	j.ready, j.misses, j.spans, j.waits, j.text = j.ready[:0], j.misses[:0], j.spans[:0], j.waits[:0], ""
}

// sift turns what was looked up into jobs. Where nothing can be read the windows fail at once.
func (b *batch) sift() {
	for u := range b.units {
		for l := range b.layers {
			b.sort(int32(u), l, &b.found[l][u])
		}
	}
	b.ready = append(b.ready, b.small...)
	b.doubt()
	slices.SortFunc(b.misses, func(x, y job) int {
		return cmp.Or(
			strings.Compare(string(x.key.object[:]), string(y.key.object[:])), strings.Compare(x.key.text, y.key.text),
			cmp.Compare(x.key.offset, y.key.offset), cmp.Compare(x.unit, y.unit), cmp.Compare(x.layer, y.layer))
	})
	b.spans = coalesce(b.spans, b.misses, b.reader.cfg.GapBytes, b.reader.cfg.RangeBytes)
}

func (b *batch) sort(u int32, l int, f *icechunk.Found) {
	j := job{unit: u, layer: int8(l), absent: !f.OK, inline: f.Ref.Inline != nil}
	a := b.array(j)
	var err error
	if f.Err != nil {
		err = around{f.Err}
	} else if f.OK && !j.inline {
		err = plausible(f.Ref, a)
	}
	switch {
	case err != nil:
		b.failUnit(j, err)
		return
	case !b.wanted(u):
		return
	case j.absent:
		b.small = append(b.small, b.placed(j))
		return
	case j.inline:
		if string(f.Ref.Inline) != b.text {
			b.text = string(f.Ref.Inline)
		}
		j.key = key{array: a.id, text: b.text}
		b.small = append(b.small, b.placed(j))
		return
	case f.Ref.Location != "":
		j.key = key{array: a.id, offset: f.Ref.Offset, length: f.Ref.Length, text: version(f.Ref)}
	default:
		j.key = key{array: a.id, object: f.Ref.Object, offset: f.Ref.Offset, length: f.Ref.Length}
	}
	j = b.placed(j)
	kept := b.reader.cache.has(j.key)
	if bands := b.bands(u, a.planes); !kept && bands != 0 {
		j.key.bands, j.key.at = bands, j.place
		kept = b.reader.cache.has(j.key)
	}
	if kept {
		b.ready = append(b.ready, j)
	} else {
		b.misses = append(b.misses, j)
	}
}

// plausible refuses a reference that no writer makes, before memory is asked for.
func plausible(ref icechunk.Ref, a *array) error {
	if ref.Length == 0 || ref.Length > uint64(2*a.bytes+1<<20) || ref.Offset > math.MaxInt64-ref.Length {
		return fault.New(fault.Corrupt, "impossible range of %d bytes at %d for a chunk of %d", ref.Length, ref.Offset, a.bytes)
	}
	return nil
}

// version tells virtual chunks apart whose file changed.
func version(ref icechunk.Ref) string {
	return ref.Location + "\x00" + ref.ETag + "\x00" + string(binaryTime(ref.LastModified))
}

func binaryTime(t uint32) []byte { return []byte{byte(t), byte(t >> 8), byte(t >> 16), byte(t >> 24)} }

// coalesce merges chunks of one object that are fewer than gap bytes apart into ranges of at most most
// bytes (a larger chunk is a range of its own). The jobs are in order of object and offset.
func coalesce(spans []span, jobs []job, gap, most int64) []span {
	for i := 0; i < len(jobs); {
		from, end := jobs[i].key.offset, jobs[i].end()
		to := i + 1
		for ; to < len(jobs) && !jobs[i].virtual(); to++ {
			next := jobs[to]
			if next.key.object != jobs[i].key.object || next.virtual() {
				break
			}
			apart := int64(next.key.offset) - int64(end)
			if apart > 0 && apart >= gap || int64(max(end, next.end())-from) > most {
				break
			}
			end = max(end, next.end())
		}
		spans = append(spans, span{jobs: jobs[i:to], offset: from, size: end - from})
		i = to
	}
	return spans
}
