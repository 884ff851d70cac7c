package trace

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/stream"
)

// Rows of a run: the run, its client, and what several goroutines do, each kind with as many rows as there is of it at
// a time.
const (
	wholeRow  = 0
	clientRow = 1
	lanesOf   = 100 // rows of a kind
)

// firstRow is that of a kind.
var firstRow = map[string]int{"batch": lanesOf, "read": 2 * lanesOf, "decode": 3 * lanesOf, "gather": 4 * lanesOf}

// run is one run being traced.
type run struct {
	file  *File
	id    int
	begun time.Time

	mu  sync.Mutex
	buf []byte // what is not in the file yet
	// lanes are the rows of each kind, by when the last of each ends.
	lanes map[string][]time.Time
}

var (
	_ stream.Watch = (*run)(nil)
	_ read.Spans   = (*run)(nil)
)

// title names a run, as JSON.
func title(id int, info stream.Info, transport string) string {
	what := "windows"
	switch t := info.Ticket; {
	case t.Samples != nil:
		what = fmt.Sprintf("%s %s, epoch %d, rank %d of %d", t.Samples.Dataset, t.Samples.Split, t.Samples.Epoch, t.Samples.Rank, t.Samples.WorldSize)
	case t.Windows != nil:
		what = "windows of " + t.Windows.Cube
	}
	if transport != "" {
		what += " over " + transport
	}
	text, err := json.Marshal(fmt.Sprintf("run %d: %s", id, what))
	if err != nil {
		return strconv.Quote("run")
	}
	return string(text)
}

// row finds one of a kind in which nothing is going on at a time.
func (r *run) row(kind string, begin, end time.Time) int {
	lanes := r.lanes[kind]
	for i := range lanes {
		if !lanes[i].After(begin) || i == lanesOf-1 {
			lanes[i] = end
			return firstRow[kind] + i
		}
	}
	r.lanes[kind] = append(lanes, end)
	tid := firstRow[kind] + len(lanes)
	r.call("thread_name", strconv.Quote(kind), tid)
	return tid
}

// Span is part of read.Spans.
func (r *run) Span(what string, begin time.Time, bytes int) {
	end := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.event(what, begin, end, r.row(what, begin, end), arg{"bytes", int64(bytes)})
}

// Assembled is part of stream.Watch.
func (r *run) Assembled(a stream.Assembly) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.event("batch", a.Begin, a.End, r.row("batch", a.Begin, a.End), arg{"step", int64(a.Step)}, arg{"part", int64(a.Part)})
}

// Delivered is part of stream.Watch.
func (r *run) Delivered(d stream.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	step := arg{"step", int64(d.Step)}
	if !d.Last.IsZero() {
		r.event("send", d.Last, d.Asked, clientRow, arg{"before_step", int64(d.Step)})
	}
	clientGave := d.Asked.Add(d.NoRoom)
	if d.NoRoom > 0 {
		r.event("no room", d.Asked, clientGave, clientRow, step)
	}
	othersGave := clientGave.Add(d.Others)
	if d.Others > 0 {
		r.event("others", clientGave, othersGave, clientRow, step)
	}
	r.event("wait", othersGave, d.Given, clientRow, step, arg{"samples", int64(d.Samples)}, arg{"bytes", int64(d.Bytes)})
}

// Ended is part of stream.Watch.
func (r *run) Ended(stream.Outcome) {
	r.mu.Lock()
	r.event("run", r.begun, time.Now(), wholeRow)
	r.mu.Unlock()
	r.flush()
	r.file.mu.Lock()
	defer r.file.mu.Unlock()
	delete(r.file.live, r)
}
