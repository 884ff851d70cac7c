package read

import (
	"context"
	"time"
)

// Spans is told what reading spends its time on.
type Spans interface {
	// Span says that something of so many bytes began then and ends now: "read", a chunk's bytes coming from an object;
	// "decode", a chunk; "gather", copying from a decoded one to where it is wanted. It is called from any goroutine and may not wait.
	Span(what string, begin time.Time, bytes int)
}

type spansKey struct{}

// WithSpans makes what is read under a context be told.
func WithSpans(ctx context.Context, s Spans) context.Context {
	return context.WithValue(ctx, spansKey{}, s)
}

func spansOf(ctx context.Context) Spans {
	s, _ := ctx.Value(spansKey{}).(Spans)
	return s
}

// now is the time, if somebody wants to know.
func (b *batch) now() (t time.Time) {
	if b.timed != nil {
		t = time.Now()
	}
	return t
}

func (b *batch) span(what string, begin time.Time, bytes int) {
	if b.timed != nil {
		b.timed.Span(what, begin, bytes)
	}
}
