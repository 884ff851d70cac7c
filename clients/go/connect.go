package terrapin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// connect begins a stream over the first transport that works, and says which. A ring that is not there, has no memory
// left or breaks is passed over for HTTP, unless it was asked for by name.
func (c *Client) connect(ctx context.Context, ticket any) (source, string, error) {
	if c.opts.Transport != HTTP {
		src, err := c.overRing(ctx, ticket)
		elsewhere := errors.Is(err, errNoRing) || fault.Is(err, fault.TooLarge) || fault.Is(err, fault.Unavailable)
		if c.opts.Transport == Ring || !elsewhere {
			return src, Ring, err
		}
	}
	src, err := c.overHTTP(ctx, ticket)
	return src, HTTP, err
}

// errNoRing: this machine, or the server, has no ring, so that another transport must do.
var errNoRing = errors.New("no batches in shared memory")

func noRing(why string, args ...any) error {
	return fault.New(fault.Unsupported, "%w: %s", errNoRing, fmt.Sprintf(why, args...)).WithCure("read over HTTP instead")
}

const shortPause, longPause = 50 * time.Millisecond, time.Second

// again opens the stream anew where it broke, until patience ends.
func (l *Loader) again(broke error) error {
	l.past = slices.DeleteFunc(append(l.past, l.src), source.retire)
	until := time.Now().Add(l.client.opts.Patience)
	for pause := shortPause; ; pause = min(2*pause, longPause) {
		if l.ctx.Err() != nil {
			return broken(l.ctx, "read batches", l.ctx.Err())
		}
		if time.Now().Add(pause).After(until) {
			return broke
		}
		select {
		case <-time.After(pause):
		case <-l.ctx.Done():
			continue
		}
		_ = l.client.find(l.ctx) // a server that has started again has another socket; it is tried again
		src, name, err := l.client.connect(l.ctx, l.from(l.step))
		if l.mayPass(err) {
			broke = err
			continue
		}
		if err != nil {
			return err
		}
		if err := l.same(src.says()); err != nil {
			src.close()
			src.forget()
			return err
		}
		l.spent = l.spent.plus(l.src.chunks())
		l.src, l.name, l.base, l.part, l.rows = src, name, l.step, 0, 0
		l.receipts.opened(src.says().Facts)
		return nil
	}
}

// mayPass reports whether what kept a connection from being made again is worth waiting for: for who wants a ring and nothing
// else, that there is none, or that others have its memory, too.
func (l *Loader) mayPass(err error) bool {
	ring := l.client.opts.Transport == Ring && (errors.Is(err, errNoRing) || fault.Is(err, fault.TooLarge))
	return ring || fault.Is(err, fault.Unavailable)
}

// same demands that a stream opened anew is the rest of the one before.
func (l *Loader) same(h *hello) error {
	p, err := planOf(h.Ticket, h.Facts)
	if err != nil {
		return err
	}
	var was, is struct {
		Digest   string `json:"digest"`
		Snapshot string `json:"snapshot"`
	}
	_, _ = json.Unmarshal(l.first.Facts, &was), json.Unmarshal(h.Facts, &is) // both have been read by planOf
	columns := slices.EqualFunc(l.first.Columns, h.Columns, func(a, b Column) bool {
		return a.Name == b.Name && a.DType == b.DType && slices.Equal(a.Shape, b.Shape)
	})
	if was != is || !columns || p.samples != l.plan.samples || p.start != l.Position() || p.batch != l.plan.batch || p.world != l.plan.world {
		return fault.New(fault.Conflict, "what the server has now is not what was read before: %+v, and was %+v", is, was).
			WithCure("open the version that was read")
	}
	return nil
}
