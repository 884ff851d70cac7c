//go:build planted

package stream

import (
	"context"
	"fmt"
	"os"
)

// planted makes a run give something else than its order says, in builds with the tag "planted", which only tests make
// and run: they see to it that receipts tell. TERRAPIN_PLANT holds one fault in positions of the epoch, of n there are:
//
//	drop A N      from A on everything comes N positions early, and the last N twice
//	repeat A N    from A on everything comes N positions late
//	swap A B N    the N positions from A and those from B change places
//	exchange A B  at A stands the sample of B
//	zero A N      the images of the N positions from A are zero
func planted(src source, n uint64) source {
	p := &plant{source: src, n: n}
	if _, err := fmt.Sscan(os.Getenv("TERRAPIN_PLANT"), &p.kind); err != nil {
		return src
	}
	numbers := []any{&p.kind, &p.a, &p.b}
	if p.kind == "swap" {
		numbers = append(numbers, &p.count)
	}
	if _, err := fmt.Sscan(os.Getenv("TERRAPIN_PLANT"), numbers...); err != nil {
		panic("TERRAPIN_PLANT: " + err.Error())
	}
	return p
}

type plant struct {
	source
	n           uint64
	kind        string
	a, b, count uint64
}

func (p *plant) fill(ctx context.Context, first uint64, dst []row) error {
	for i := range dst {
		at := first + uint64(i)
		if err := p.source.fill(ctx, p.instead(at), dst[i:i+1]); err != nil {
			return err
		}
		if p.kind == "zero" && at >= p.a && at < p.a+p.b {
			for k := range 1 + len(dst[i].further) {
				clear(dst[i].pixels(k).Image)
			}
		}
	}
	return nil
}

// instead is the position whose sample stands at another.
func (p *plant) instead(at uint64) uint64 {
	switch {
	case p.kind == "drop" && at >= p.a && at+p.b < p.n:
		return at + p.b
	case p.kind == "repeat" && at >= p.a:
		return at - p.b
	case p.kind == "exchange" && at == p.a:
		return p.b
	case p.kind == "swap" && at >= p.a && at < p.a+p.count:
		return at - p.a + p.b
	case p.kind == "swap" && at >= p.b && at < p.b+p.count:
		return at - p.b + p.a
	}
	return at
}
