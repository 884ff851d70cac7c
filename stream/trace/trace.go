// Package trace writes down what runs of batches spend their time on, as Chrome trace events, which Perfetto and the
// tracing pages of browsers show (docs/guides/streaming.md). It owns one file and its form; it refuses to grow it
// beyond a bound, or to write over another. The invariant: what is in the file can be loaded whenever writing stops,
// and a run waits for nothing but the buffer of the file.
package trace

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
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
	out  *bufio.Writer
	buf  []byte
	size int64
	runs int
	err  error // the first, after which nothing is written
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
	f := &File{most: maxBytes, begun: time.Now(), file: file, out: bufio.NewWriterSize(file, 1<<18)}
	f.write([]byte("[\n")) // the list need not be closed
	return f, nil
}

// Close writes what is left. It tells the first error there was.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.most += 1 << 10 // for what closes the list
	f.write([]byte(`{"ph":"M","name":"process_sort_index","pid":1,"tid":0,"args":{"sort_index":0}}]` + "\n"))
	f.flush()
	err := f.file.Close()
	if f.err != nil {
		err = f.err
	}
	if err != nil {
		return fault.New(fault.Unavailable, "write a trace: %w", err)
	}
	return nil
}

// write needs the lock, but for the first bytes.
func (f *File) write(b []byte) {
	if f.err != nil || f.size+int64(len(b)) > f.most {
		return
	}
	_, f.err = f.out.Write(b)
	f.size += int64(len(b))
}

// flush needs the lock.
func (f *File) flush() {
	if f.err == nil {
		f.err = f.out.Flush()
	}
}

// event writes one thing that took time, of a run (its process there) in a row of its own (a thread).
func (f *File) event(name string, begin, end time.Time, pid, tid int, args ...arg) {
	b := append(f.buf[:0], `{"ph":"X","name":"`...)
	b = append(b, name...)
	b = append(b, `","ts":`...)
	b = micros(b, begin.Sub(f.begun))
	b = append(b, `,"dur":`...)
	b = micros(b, end.Sub(begin))
	b = place(b, pid, tid)
	b = append(b, '{')
	for i, a := range args {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, a.name)
		b = append(b, ':')
		b = strconv.AppendInt(b, a.value, 10)
	}
	f.buf = append(b, "}},\n"...)
	f.write(f.buf)
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
func (f *File) call(what, name string, pid, tid int) {
	b := append(f.buf[:0], `{"ph":"M","name":"`...)
	b = append(b, what...)
	b = append(b, '"')
	b = place(b, pid, tid)
	b = append(b, `{"name":`...)
	b = append(b, name...)
	f.buf = append(b, "}},\n"...)
	f.write(f.buf)
}

// Begin is part of stream.Observer.
func (f *File) Begin(ctx context.Context, info stream.Info, transport string) (context.Context, stream.Watch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runs++
	r := &run{file: f, id: f.runs, begun: time.Now(), lanes: map[string][]time.Time{}}
	f.call("process_name", title(r.id, info, transport), r.id, 0)
	f.call("thread_name", `"run"`, r.id, wholeRow)
	f.call("thread_name", `"client"`, r.id, clientRow)
	return read.WithSpans(ctx, r), r
}
