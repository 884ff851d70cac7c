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
	asked := [sha256.Size]byte(h.Sum(nil))
	held, before := a.answers.begin(key, asked)
	switch {
	case before != nil && before.asked != asked:
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
			a.answers.forget(held)
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
	if finished {
		a.answers.finish(held, rec)
	}
	maps.Copy(w.Header(), rec.header)
	w.WriteHeader(rec.status)
	_, err = w.Write(rec.body.Bytes())
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

// begin takes a key for a request and returns where its answer goes, unless the key is taken: then it returns what for.
func (a *replies) begin(key string, asked [sha256.Size]byte) (held *list.Element, before *kept) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.makeRoom(now)
	if e, ok := a.byKey[key]; ok {
		copied := *e.Value.(*kept)
		return nil, &copied
	}
	if a.byKey == nil {
		a.byKey = map[string]*list.Element{}
	}
	held = a.order.PushBack(&kept{key: key, asked: asked, at: now})
	a.byKey[key] = held
	return held, nil
}

// makeRoom drops answers, the oldest first, until one more may be kept. Requests that are not answered yet stay, or the same
// request would run again beside them.
func (a *replies) makeRoom(now time.Time) {
	for e := a.order.Front(); e != nil; {
		one, next := e.Value.(*kept), e.Next()
		if a.order.Len() < maxAnswers && a.bytes <= maxAnswerBytes && now.Sub(one.at) < answerLife {
			return
		}
		if one.done {
			a.drop(e)
		}
		e = next
	}
}

func (a *replies) finish(held *list.Element, rec *recorder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := held.Value.(*kept)
	one.done, one.status, one.header, one.body = true, rec.status, rec.header, rec.body.Bytes()
	a.bytes += len(one.body)
}

func (a *replies) forget(held *list.Element) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(held)
}

func (a *replies) drop(e *list.Element) {
	one := a.order.Remove(e).(*kept)
	a.bytes -= len(one.body)
	delete(a.byKey, one.key)
}
