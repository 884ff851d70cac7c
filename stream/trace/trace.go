// Package trace writes down what runs of batches spend their time on, as Chrome trace events, which Perfetto and the
// tracing pages of browsers show (docs/guides/streaming.md). It owns one file and its form; it refuses to grow it
// beyond a bound, or to write over another. The invariant: what is in the file can be loaded whenever writing stops,
// and what happens in a run waits for nothing but that run's own buffer, and for the file once that is full.
package trace

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream"
)

// maxBytes is how large a trace grows; what comes later is left out.
const maxBytes = 1 << 30

// File is a trace being written.
type File struct {
	most  int64
	begun time.Time

	mu   sync.Mutex
	file *os.File
	size int64
	runs int
	live map[*run]struct{} // that may have something to write
	err  error             // the first, after which nothing is written
}

var _ stream.Observer = (*File)(nil)

// Create begins a trace in a new file.
func Create(path string) (*File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fault.New(fault.Conflict, "the trace %s is there already", path).WithCure("name another file, or remove this one")
	case err != nil:
		return nil, fault.New(fault.Precondition, "begin a trace: %w", err).WithCure("name a file in a folder that can be written")
	}
	f := &File{most: maxBytes, begun: time.Now(), file: file, live: map[*run]struct{}{}}
	f.write([]byte("[\n")) // the list need not be closed
	return f, nil
}

// Close writes what is left, also of runs that have not ended. It tells the first error there was.
func (f *File) Close() error {
	f.mu.Lock()
	left := slices.Collect(maps.Keys(f.live))
	f.mu.Unlock()
	for _, r := range left { // a run's lock comes before the file's
		r.flush()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.most += 1 << 10 // for what closes the list
	f.write([]byte(`{"ph":"M","name":"process_sort_index","pid":1,"tid":0,"args":{"sort_index":0}}]` + "\n"))
	err := f.file.Close()
	if f.err != nil {
		err = f.err
	}
	f.most = 0 // what runs have to tell from now on is left out
	if err != nil {
		return fault.New(fault.Unavailable, "write a trace: %w", err)
	}
	return nil
}

// write needs the lock, but for the first bytes. It writes whole lines, as many as there is room for.
func (f *File) write(b []byte) {
	if left := f.most - f.size; int64(len(b)) > left {
		b = b[:bytes.LastIndexByte(b[:max(0, left)], '\n')+1]
	}
	if f.err != nil || len(b) == 0 {
		return
	}
	_, f.err = f.file.Write(b)
	f.size += int64(len(b))
}

// event notes one thing that took time, in a row of its own (a thread) of the run (a process there). The lock is held.
func (r *run) event(name string, begin, end time.Time, tid int, args ...arg) {
	b := append(r.buf, `{"ph":"X","name":"`...)
	b = append(b, name...)
	b = append(b, `","ts":`...)
	b = micros(b, begin.Sub(r.file.begun))
	b = append(b, `,"dur":`...)
	b = micros(b, end.Sub(begin))
	b = place(b, r.id, tid)
	b = append(b, '{')
	for i, a := range args {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, a.name)
		b = append(b, ':')
		b = strconv.AppendInt(b, a.value, 10)
	}
	r.noted(append(b, "}},\n"...))
}

// bufferBytes is what a run keeps back at most, but for one event.
const bufferBytes = 1 << 16

// noted takes the buffer with something more in it.
func (r *run) noted(b []byte) {
	if r.buf = b; len(b) >= bufferBytes {
		r.file.append(b)
		r.buf = b[:0]
	}
}

// append writes what a run has noted.
func (f *File) append(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.write(b)
}

// flush writes what there is.
func (r *run) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file.append(r.buf)
	r.buf = r.buf[:0]
}

type arg struct {
	name  string
	value int64
}

// micros writes microseconds with the nanoseconds behind the point.
func micros(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d.Nanoseconds())/1e3, 'f', 3, 64)
}

func place(b []byte, pid, tid int) []byte {
	b = append(b, `,"pid":`...)
	b = strconv.AppendInt(b, int64(pid), 10)
	b = append(b, `,"tid":`...)
	b = strconv.AppendInt(b, int64(tid), 10)
	return append(b, `,"args":`...)
}

// call names a process (what is "process_name") or a thread ("thread_name").
func (r *run) call(what, name string, tid int) {
	b := append(r.buf, `{"ph":"M","name":"`...)
	b = append(b, what...)
	b = append(b, '"')
	b = place(b, r.id, tid)
	b = append(b, `{"name":`...)
	b = append(b, name...)
	r.noted(append(b, "}},\n"...))
}

// Begin is part of stream.Observer.
func (f *File) Begin(ctx context.Context, info stream.Info, transport string) (context.Context, stream.Watch) {
	r := &run{file: f, begun: time.Now(), lanes: map[string][]time.Time{}}
	f.mu.Lock()
	f.runs++
	r.id = f.runs
	f.live[r] = struct{}{}
	f.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.call("process_name", title(r.id, info, transport), 0)
	r.call("thread_name", `"run"`, wholeRow)
	r.call("thread_name", `"client"`, clientRow)
	return read.WithSpans(ctx, r), r
}
