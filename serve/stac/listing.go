package stac

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// listing is an answer that lists documents.
type listing struct {
	// open is the body up to the first document.
	open  string
	media string
	// one appends a document as it is served.
	one   func(out []byte, doc json.RawMessage) []byte
	res   catalog.Result
	links []link
	// stamp says when the answer was made.
	stamp bool
}

// list answers with a list, in one piece.
func (a *api) list(w http.ResponseWriter, r *request, l listing) error {
	links, err := plainJSON(l.links)
	if err != nil {
		return fault.New(fault.Internal, "write the links: %w", err)
	}
	body := bodies.get()
	defer bodies.put(body)
	out := append(*body, l.open...)
	for i, doc := range l.res.Documents {
		if i > 0 {
			out = append(out, ',')
		}
		out = l.one(out, doc)
	}
	out = append(append(out, `],"links":`...), links...)
	out = strconv.AppendInt(append(out, `,"numberReturned":`...), int64(len(l.res.Documents)), 10)
	if l.res.Matched != nil {
		out = strconv.AppendInt(append(out, `,"numberMatched":`...), int64(*l.res.Matched), 10)
	}
	if l.stamp {
		out = append(time.Now().UTC().AppendFormat(append(out, `,"timeStamp":"`...), time.RFC3339), '"')
	}
	out = append(out, '}')
	*body = out
	a.Bytes(w, r.Request, http.StatusOK, l.media, out)
	return nil
}

// plainJSON encodes without escapes for HTML, which would hide the ampersands of addresses.
func plainJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), err
}

// pageLinks lead from a page of a GET to those beside it, with all that was asked.
func pageLinks(r *request, res catalog.Result, media string) (out []link) {
	for _, to := range [][2]string{{"next", res.Next}, {"prev", res.Prev}} {
		if to[1] == "" {
			continue
		}
		v := url.Values{}
		for name, values := range r.given {
			v[name] = values
		}
		v.Set("token", to[1])
		out = append(out, link{Rel: to[0], Href: r.at + r.URL.EscapedPath() + "?" + v.Encode(), Type: media, Method: "GET"})
	}
	return out
}

// bodies keeps the memory of answers for the next ones.
var bodies pool

type pool struct{ kept sync.Pool }

// keptBody is the largest memory that is kept, in bytes.
const keptBody = 8 << 20

func (p *pool) get() *[]byte {
	if b, ok := p.kept.Get().(*[]byte); ok {
		*b = (*b)[:0]
		return b
	}
	return new([]byte)
}

func (p *pool) put(b *[]byte) {
	if cap(*b) <= keptBody {
		p.kept.Put(b)
	}
}
