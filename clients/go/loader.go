package terrapin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// source is one stream of messages.
type source interface {
	// says is what the stream is.
	says() *hello
	// next fills a batch with a message, but for what is counted from the ticket's start; io.EOF ends the stream.
	next(b *Batch) (header, error)
	// close ends it. Lent memory stays.
	close()
	// forget lets go of memory that was lent.
	forget()
}

// Loader reads what one ticket gives, in order. One goroutine uses it at a time.
type Loader struct {
	client *Client
	ctx    context.Context
	ticket map[string]json.RawMessage // resolved
	first  *hello
	plan   plan
	made   func(ctx context.Context, ticket any) (source, error) // of the transport that was chosen
	name   string

	src   source
	past  []source // broken ones, whose memory may still be looked at
	base  uint64   // the step that src counts from
	part  int      // of src: how many parts of the step under way, and rows in them
	rows  uint64
	step  uint64 // steps that were handed out whole
	given int    // parts of the next step that were handed out
	err   error
	ended bool

	receipts *receipts
}

// Open begins to read samples. The context ends the loader: there is none for each batch, for that would have to allocate.
func (c *Client) Open(ctx context.Context, t Ticket) (*Loader, error) { return c.open(ctx, t) }

// OpenWindows begins to read windows.
func (c *Client) OpenWindows(ctx context.Context, w Windows) (*Loader, error) { return c.open(ctx, w) }

// Resume goes on where Loader.State was taken. The state is a ticket, whose batch_size, rank, world_size and tail may be changed.
func (c *Client) Resume(ctx context.Context, state []byte) (*Loader, error) {
	return c.open(ctx, json.RawMessage(state))
}

func (c *Client) open(ctx context.Context, ticket any) (*Loader, error) {
	l := &Loader{client: c, ctx: ctx, made: c.overHTTP, name: HTTP}
	var err error
	if _, ring := c.places(); c.opts.Transport != HTTP && ring != "" {
		l.src, err = c.overRing(ctx, ticket)
		if err == nil {
			l.made, l.name = c.overRing, Ring
		}
	} else if c.opts.Transport == Ring {
		err = noRing("the server has none")
	}
	elsewhere := errors.Is(err, errNoRing) || fault.Is(err, fault.TooLarge)
	if err != nil && (c.opts.Transport == Ring || !elsewhere) {
		return nil, err
	}
	if l.src == nil {
		if l.src, err = c.overHTTP(ctx, ticket); err != nil {
			return nil, err
		}
	}
	l.first = l.src.says()
	if l.plan, err = planOf(l.first.Ticket, l.first.Facts); err == nil {
		if err = json.Unmarshal(l.first.Ticket, &l.ticket); err != nil {
			err = fault.New(fault.Corrupt, "the ticket of the stream does not read: %w", err)
		}
	}
	if err != nil {
		l.src.close()
		l.src.forget()
		return nil, err
	}
	l.receipts = newReceipts(c)
	l.receipts.opened(l.first.Facts)
	return l, nil
}

// errNoRing: this machine, or the server, has no ring, so that another transport must do.
var errNoRing = errors.New("no batches in shared memory")

func noRing(why string, args ...any) error {
	return fault.New(fault.Unsupported, "%w: %s", errNoRing, fmt.Sprintf(why, args...)).WithCure("read over HTTP instead")
}

// Transport is the name of the transport that was chosen.
func (l *Loader) Transport() string { return l.name }

// Facts are one JSON document about what is read: bands, contracts, classes, statistics and so on (docs/spec/ticket.md).
func (l *Loader) Facts() json.RawMessage { return l.first.Facts }

// Columns are the arrays of every batch.
func (l *Loader) Columns() []Column { return slices.Clone(l.first.Columns) }

// Rows is the most rows that a batch has.
func (l *Loader) Rows() int { return l.first.Rows }

// Steps is how many steps there are.
func (l *Loader) Steps() uint64 { return l.plan.steps }

// Bytes is what the memory of the largest batch takes.
func (l *Loader) Bytes() int { return l.first.blockBytes(l.first.Rows) }

// NewBatch makes a batch that Next fills. Over HTTP it takes memory when it is filled first.
func (l *Loader) NewBatch() *Batch { return &Batch{} }

// BatchIn makes a batch that is filled in memory of the caller's, of at least Bytes bytes: pinned, or mapped from
// somewhere. Arrays lie at multiples of 64 from its beginning. With a ring the memory is the server's, and this is not used.
func (l *Loader) BatchIn(memory []byte) (*Batch, error) {
	if len(memory) < l.Bytes() {
		return nil, fault.New(fault.Invalid, "memory of %d bytes for batches of %d", len(memory), l.Bytes()).WithCure("give Loader.Bytes bytes")
	}
	return &Batch{own: memory}, nil
}

// Position is where the epoch goes on after the steps that were handed out whole, counted over all ranks.
func (l *Loader) Position() uint64 { return l.plan.after(l.step) }

// State is a ticket that goes on after the steps that were handed out whole, with every choice made: Resume takes it.
func (l *Loader) State() ([]byte, error) { return json.Marshal(l.from(l.step)) }

// from is the ticket from a step on.
func (l *Loader) from(step uint64) map[string]json.RawMessage {
	t := map[string]json.RawMessage{}
	for key, value := range l.ticket {
		t[key] = value
	}
	t["start"] = fmt.Appendf(nil, "%d", l.plan.after(step))
	return t
}

// Next fills a batch with what comes next, and io.EOF after the last. Asking for it acknowledges what was handed out
// before, where the ticket names a run. A connection that breaks is made again at the exact position, for as long as
// Options.Patience says. After an error it returns that error again.
func (l *Loader) Next(b *Batch) error {
	b.Release()
	if l.err != nil {
		return l.err
	}
	l.receipts.take()
	for {
		h, err := l.src.next(b)
		switch {
		case err == nil:
			again, err := l.count(b, h)
			if err != nil {
				return l.fail(b, err)
			}
			if !again {
				return nil
			}
			b.Release()
		case errors.Is(err, io.EOF):
			if l.step != l.plan.steps {
				err = fault.New(fault.Corrupt, "the stream ended after %d of %d steps", l.step, l.plan.steps)
			}
			return l.fail(b, err)
		case !fault.Is(err, fault.Unavailable):
			return l.fail(b, err)
		default:
			if err := l.again(err); err != nil {
				return l.fail(b, err)
			}
		}
	}
}

// fail ends the stream; an end without a fault is one, too.
func (l *Loader) fail(b *Batch, err error) error {
	b.Release()
	l.src.close()
	l.err = err
	return err
}

// count holds a message against the plan. again says that the caller had it before the connection broke.
func (l *Loader) count(b *Batch, h header) (again bool, err error) {
	step := l.base + h.step
	first, samples, rows := uint64(0), uint64(0), uint64(0)
	if step < l.plan.steps {
		first, samples, rows = l.plan.part(step)
	}
	if step != l.step || int(h.part) != l.part || h.part >= h.parts || l.rows+uint64(b.Rows) > rows || (h.part == h.parts-1) != (l.rows+uint64(b.Rows) == rows) {
		return false, fault.New(fault.Corrupt, "part %d of %d of step %d with %d rows came where part %d of step %d was due", h.part, h.parts, step, b.Rows, l.part, l.step)
	}
	for i := range b.Rows {
		want := int64(-1)
		if at := l.rows + uint64(i); at < samples {
			want = int64(first + at)
		}
		if got := b.Position(i); got != want {
			return false, fault.New(fault.Corrupt, "row %d of step %d holds position %d, where %d belongs", i, step, got, want).
				WithCure("report it: the server and this client do not agree on the order")
		}
	}
	l.receipts.row(b)
	again = l.part < l.given
	b.Step, b.Part, b.Parts = step, int(h.part), int(h.parts)
	l.part, l.rows = l.part+1, l.rows+uint64(b.Rows)
	l.given = max(l.given, l.part)
	if h.part == h.parts-1 {
		l.step, l.part, l.rows, l.given = l.step+1, 0, 0, 0
		l.receipts.step()
	}
	return again, nil
}

const shortPause, longPause = 50 * time.Millisecond, time.Second

// again opens the stream anew where it broke, until patience ends.
func (l *Loader) again(broke error) error {
	l.src.close()
	l.past = append(l.past, l.src)
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
		src, err := l.made(l.ctx, l.from(l.step))
		if fault.Is(err, fault.Unavailable) || errors.Is(err, errNoRing) {
			broke = err
			if l.name == Ring { // a server that has started again has another socket
				_ = l.client.find(l.ctx) // it is tried again
			}
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
		l.src, l.base, l.part, l.rows = src, l.step, 0, 0
		l.receipts.opened(src.says().Facts)
		return nil
	}
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

// Acknowledge tells the server what was taken, and waits until its ledger has it in a file: before a checkpoint, so that a
// resume from State leaves no hole. It does nothing where the ticket names no run.
func (l *Loader) Acknowledge(ctx context.Context) error { return l.receipts.flush(ctx) }

// Close ends the loader; no batch of it may be looked at afterwards. It returns what went wrong with receipts.
func (l *Loader) Close() error {
	if l.ended {
		return nil
	}
	l.ended = true
	if l.err == nil {
		l.err = fault.New(fault.Canceled, "the loader is closed")
	}
	l.src.close()
	for _, s := range append(l.past, l.src) {
		s.forget()
	}
	l.past = nil
	return l.receipts.end()
}
