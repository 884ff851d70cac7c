package compact

// span is some dates of one place, counted among those that it has chunks of.
type span struct{ from, to int }

// windows decides which dates of one place are laid together. runs are the lengths of the stretches that
// lie together already, in order of time.
//
// A run of three quarters of a window is good and stays. What lies between good runs is cut into windows
// of about the wanted length; where it is too short for one, the next good run is taken in, so that no
// short run remains between others. At the end, dates wait until they fill a window, unless all is
// set. So a late scene costs one window, and what this returns is, once done, not wanted again.
func windows(runs []int, dates int, all bool) (out []span, waiting int) {
	good := func(n int) bool { return 4*n >= 3*dates }
	at := 0
	for i := 0; i < len(runs); {
		if good(runs[i]) {
			at += runs[i]
			i++
			continue
		}
		from, first := at, i
		for ; i < len(runs) && !good(runs[i]); i++ {
			at += runs[i]
		}
		last := i == len(runs)
		if !last && !good(at-from) {
			at += runs[i]
			i++
		}
		n := at - from
		switch {
		case last && !all:
			for ; at-from >= dates; from += dates {
				out = append(out, span{from, from + dates})
			}
			waiting = at - from
		case i-first > 1:
			pieces := max(1, (2*n+dates)/(2*dates))
			if pieces > 1 && !good(n/pieces) {
				pieces--
			}
			for k := range pieces {
				out = append(out, span{from + n*k/pieces, from + n*(k+1)/pieces})
			}
		}
	}
	return out, waiting
}

// hilbert is the place of (row, col) along the Hilbert curve that fills a square of side cells, a power of two.
func hilbert(side, row, col uint32) uint32 {
	var d uint32
	for s := side / 2; s > 0; s /= 2 {
		var rx, ry uint32
		if col&s > 0 {
			rx = 1
		}
		if row&s > 0 {
			ry = 1
		}
		d += s * s * ((3 * rx) ^ ry)
		if ry == 0 {
			if rx == 1 {
				row, col = s-1-row&(s-1), s-1-col&(s-1)
			}
			row, col = col, row
		}
	}
	return d
}
