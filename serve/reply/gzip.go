package reply

import (
	"bytes"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// worthwhile is the size in bytes from which a body is compressed: less fits into one packet anyway.
const worthwhile = 1400

// keptBuffer is the largest buffer that is kept for another answer, in bytes.
const keptBuffer = 4 << 20

var (
	presses = sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil {
			panic(err) // the level is a good one
		}
		return w
	}}
	pressed = buffers{}
)

// buffers are kept for the next answer, unless they are large.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() *bytes.Buffer {
	if buf, ok := b.pool.Get().(*bytes.Buffer); ok {
		buf.Reset()
		return buf
	}
	return new(bytes.Buffer)
}

func (b *buffers) Put(buf *bytes.Buffer) {
	if buf.Cap() <= keptBuffer {
		b.pool.Put(buf)
	}
}

func squeeze(body []byte) *bytes.Buffer {
	out := pressed.Get()
	w := presses.Get().(*gzip.Writer)
	defer presses.Put(w)
	w.Reset(out)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return out
}

// takesGzip reports whether Accept-Encoding names gzip, or anything, and not with a weight of nothing.
func takesGzip(accept []string) bool {
	taken := false
	for _, list := range accept {
		for list != "" {
			var one string
			one, list, _ = strings.Cut(list, ",")
			coding, weight, _ := strings.Cut(one, ";")
			if coding = strings.TrimSpace(coding); !strings.EqualFold(coding, "gzip") && coding != "*" {
				continue
			}
			weight = strings.ReplaceAll(weight, " ", "")
			zero := strings.HasPrefix(weight, "q=0") && strings.Trim(weight[len("q=0"):], ".0") == ""
			if strings.EqualFold(coding, "gzip") {
				return !zero
			}
			taken = !zero
		}
	}
	return taken
}
