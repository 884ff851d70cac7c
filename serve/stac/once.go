package stac

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Answers to requests with an Idempotency-Key are kept in memory for answerLife, up to maxAnswers of them and
// maxAnswerBytes in all; the oldest go first. A server that starts anew knows none.
const (
	answerLife     = 24 * time.Hour
	maxAnswers     = 1000
	maxAnswerBytes = 64 << 20
	maxKey         = 255
)

// kept is an answer that may be given again.
type kept struct {
	key    string
	asked  [sha256.Size]byte
	at     time.Time
	done   bool
	status int
	header http.Header
	body   []byte
}

// replies are those that are kept, the oldest first.
type replies struct {
	mu    sync.Mutex
	byKey map[string]*list.Element
	order list.List
	bytes int
}

// once runs a change with its body. With an Idempotency-Key it runs it once: the same request again gets the same
// answer. What failed may be tried again.
func (a *api) once(w http.ResponseWriter, r *request, do func(http.ResponseWriter, *request, []byte) error, types ...string) error {
	body, err := read(w, r.Request, a.documents(), types...)
	if err != nil {
		return err
	}
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		return do(w, r, body)
	}
	if len(key) > maxKey {
		return fault.New(fault.Invalid, "the Idempotency-Key has %d bytes", len(key)).WithCure("use one of up to %d, such as a UUID", maxKey)
	}
	h := sha256.New()
	_, _ = io.WriteString(h, r.Method+" "+r.URL.EscapedPath()+"\n") // a hash takes everything
	_, _ = h.Write(body)
	one, before := a.answers.begin(key, [sha256.Size]byte(h.Sum(nil)))
	switch {
	case before != nil && before.asked != one.asked:
		a.ErrorAs(w, r.Request, http.StatusUnprocessableEntity, fault.New(fault.Conflict, "the Idempotency-Key was used for another request").WithCure("use a new key for a new request"))
		return nil
	case before != nil && !before.done:
		return fault.New(fault.Conflict, "the request with this Idempotency-Key is not answered yet").WithCure("wait, and ask again")
	case before != nil:
		maps.Copy(w.Header(), before.header)
		w.Header().Set("Idempotent-Replayed", "true")
		w.WriteHeader(before.status)
		_, err := w.Write(before.body)
		return err
	}
	finished := false
	defer func() {
		if !finished {
			a.answers.forget(key)
		}
	}()
	plain := r.Request.Clone(r.Context())
	plain.Header.Del("Accept-Encoding") // so that what is kept is for everybody
	again := *r
	again.Request = plain
	rec := &recorder{header: http.Header{}}
	if err := do(rec, &again, body); err != nil {
		return err
	}
	finished = rec.status < 300
	one.status, one.header, one.body = rec.status, rec.header, rec.body.Bytes()
	if finished {
		a.answers.finish(key, one)
	}
	maps.Copy(w.Header(), rec.header)
	w.WriteHeader(rec.status)
	_, err = w.Write(one.body)
	return err
}

// recorder holds an answer back.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// begin takes a key for a request, unless it is taken: then it returns what for.
func (a *replies) begin(key string, asked [sha256.Size]byte) (one kept, before *kept) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for e := a.order.Front(); e != nil; e = a.order.Front() {
		oldest := e.Value.(*kept)
		if a.order.Len() < maxAnswers && a.bytes <= maxAnswerBytes && now.Sub(oldest.at) < answerLife {
			break
		}
		a.drop(e)
	}
	one = kept{key: key, asked: asked, at: now}
	if e, ok := a.byKey[key]; ok {
		copied := *e.Value.(*kept)
		return one, &copied
	}
	if a.byKey == nil {
		a.byKey = map[string]*list.Element{}
	}
	held := one
	a.byKey[key] = a.order.PushBack(&held)
	return one, nil
}

func (a *replies) finish(key string, one kept) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e, ok := a.byKey[key]; ok {
		one.done = true
		a.bytes += len(one.body)
		*e.Value.(*kept) = one
	}
}

func (a *replies) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e, ok := a.byKey[key]; ok {
		a.drop(e)
	}
}

func (a *replies) drop(e *list.Element) {
	one := a.order.Remove(e).(*kept)
	a.bytes -= len(one.body)
	delete(a.byKey, one.key)
}
