package terrapin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unsafe"

	"github.com/terrapin-eo/terrapin/fault"
)

// source is one stream of messages.
type source interface {
	// says is what the stream is.
	says() *hello
	// full says that no message can come before a batch is released; nil where that is not so.
	full() error
	// next fills a batch with a message, but for what is counted from the ticket's start; io.EOF ends the stream.
	next(b *Batch) (header, error)
	// chunks are counted up to the batch that was filled last.
	chunks() Chunks
	// close ends it. Lent memory stays.
	close()
	// retire ends it, and lets go of its memory as soon as no batch lies in it any more: gone says that none does now.
	retire() (gone bool)
	// forget lets go of memory that was lent.
	forget()
}

// Loader reads what one ticket gives, in order. One goroutine uses it at a time; others may release batches meanwhile.
type Loader struct {
	client *Client
	ctx    context.Context
	ticket map[string]json.RawMessage // resolved
	first  *hello
	plan   plan

	src   source
	name  string   // of its transport
	past  []source // broken ones, whose memory may still be looked at
	spent Chunks   // of these
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
	l := &Loader{client: c, ctx: ctx}
	var err error
	if l.src, l.name, err = c.connect(ctx, ticket); err != nil {
		return nil, err
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

// Transport is the name of the transport in use. When a connection is made again, it may come to be another.
func (l *Loader) Transport() string { return l.name }

// Chunks are those that the server needed up to the batch that was filled last.
func (l *Loader) Chunks() Chunks { return l.spent.plus(l.src.chunks()) }

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
// somewhere. It begins at an address that is a multiple of 64, as all arrays in it then do; what is smaller, or begins
// elsewhere, is fault.Invalid. With a ring the memory is the server's, and this is not used.
func (l *Loader) BatchIn(memory []byte) (*Batch, error) {
	if off := uintptr(unsafe.Pointer(unsafe.SliceData(memory))) % align; off != 0 {
		return nil, fault.New(fault.Invalid, "memory for batches begins %d bytes after a multiple of %d", off, align).
			WithCure("begin it %d bytes later", align-off)
	}
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
// Options.Patience says. While batches hold all slots of a ring, and more is to come, that is fault.Precondition, and nothing
// is lost: it goes on when one is released. After any other error it returns that error again.
func (l *Loader) Next(b *Batch) error {
	b.Release()
	if l.err != nil {
		return l.err
	}
	l.receipts.take()
	for {
		if l.step < l.plan.steps { // what comes after the last needs no slot
			if err := l.src.full(); err != nil {
				return err
			}
		}
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
