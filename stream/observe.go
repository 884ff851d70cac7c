package stream

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Observer is told of every run that begins to read.
type Observer interface {
	// Begin is told of a run before anything is read for it; what is read then has the context that Begin returns.
	Begin(ctx context.Context, info Info, transport string) (context.Context, Watch)
}

// Watch is told what one run does. Nothing of it may wait.
type Watch interface {
	// Assembled says that a message was put together. It is called from any goroutine, also of messages that nobody takes.
	Assembled(a Assembly)
	// Delivered says that a message was handed out.
	Delivered(d Delivery)
	// Ended is the last.
	Ended(o Outcome)
}

// Assembly is one message being put together.
type Assembly struct {
	Step       uint64
	Part       int
	Begin, End time.Time
}

// Delivery is one message being handed out.
type Delivery struct {
	Step        uint64
	Part, Parts int
	// Samples are its rows without padding, Bytes the size of its block.
	Samples, Bytes int
	// Last is when the message before was handed out, zero before the first; Asked when this one was asked for, and Given
	// when it was there.
	Last, Asked, Given time.Time
	// NoRoom is how long after Asked there was no memory to put it together in, since the client held it all, and Others how
	// long since other runs did.
	NoRoom, Others time.Duration
}

// Client is how long the client took: to be sent the message before, to ask for this one, and to make room for it.
func (d Delivery) Client() time.Duration {
	if d.Last.IsZero() {
		return d.NoRoom
	}
	return d.Asked.Sub(d.Last) + d.NoRoom
}

// Pixels is how long was waited for pixels.
func (d Delivery) Pixels() time.Duration { return d.Given.Sub(d.Asked) - d.NoRoom - d.Others }

// Outcome is how a run ended.
type Outcome string

// The outcomes of runs.
const (
	// Complete runs were read to the end.
	Complete Outcome = "complete"
	// Left runs were given up by their client.
	Left Outcome = "left"
	// Expired runs were ended because their client took nothing for too long.
	Expired Outcome = "expired"
	// Failed runs could not be read on.
	Failed Outcome = "failed"
)

// Over is the engine with the name of what its runs leave by, for those who observe.
func (e *Engine) Over(transport string) *Engine {
	over := *e
	over.transport = transport
	return &over
}

// watched is what a run needs to be observed; without observers it does nothing, and looks at no clock.
type watched struct {
	observers []Observer
	transport string
	watches   []Watch // while the run is read
	last      time.Time
}

// begin tells the observers of a run.
func (w *watched) begin(ctx context.Context, info Info) context.Context {
	for _, o := range w.observers {
		var watch Watch
		ctx, watch = o.Begin(ctx, info, w.transport)
		w.watches = append(w.watches, watch)
	}
	return ctx
}

// now is the time, if anybody wants to know.
func (w *watched) now() (t time.Time) {
	if len(w.observers) > 0 {
		t = time.Now()
	}
	return t
}

func (w *watched) assembled(m message, begin time.Time) {
	if len(w.watches) == 0 {
		return
	}
	a := Assembly{Step: m.step, Part: m.part, Begin: begin, End: time.Now()}
	for _, watch := range w.watches {
		watch.Assembled(a)
	}
}

func (w *watched) delivered(res result, asked time.Time) {
	if b := res.batch; b != nil && len(w.watches) > 0 {
		d := Delivery{Step: b.Step, Part: b.Part, Parts: b.Parts, Bytes: len(b.block.Bytes), Last: w.last, Asked: asked, Given: time.Now()}
		for _, at := range b.Positions {
			if at >= 0 {
				d.Samples++
			}
		}
		d.NoRoom = max(0, res.room.Sub(later(res.taking, asked)))
		d.Others = min(d.NoRoom, res.others)
		d.NoRoom -= d.Others
		w.last = d.Given
		for _, watch := range w.watches {
			watch.Delivered(d)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ended tells how a run ended; err is why it stopped, nil where it did not.
func (w *watched) ended(err error, expired bool) {
	outcome := Failed
	switch {
	case errors.Is(err, io.EOF):
		outcome = Complete
	case expired:
		outcome = Expired
	case err == nil, errors.Is(err, context.Canceled), fault.Is(err, fault.Canceled):
		outcome = Left
	}
	for _, watch := range w.watches {
		watch.Ended(outcome)
	}
	w.watches = nil
}
