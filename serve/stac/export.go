package stac

import (
	"context"
	"net/http"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// The media types of answers that are one document a line.
const (
	mediaNDJSON = "application/x-ndjson"
	mediaSeq    = "application/geo+json-seq"
)

// exportPage is how many items of an export are in memory at once.
const exportPage = 1000

// linesTaken is the media type of lines that the client asks for by name, or "".
func linesTaken(r *http.Request) string {
	for _, header := range r.Header.Values("Accept") {
		for _, one := range strings.Split(header, ",") {
			switch media, _, _ := strings.Cut(strings.TrimSpace(one), ";"); media {
			case mediaNDJSON, "application/ndjson", "application/x-jsonlines":
				return mediaNDJSON
			case mediaSeq:
				return mediaSeq
			}
		}
	}
	return ""
}

func (a *api) exportLines(w http.ResponseWriter, r *request) error {
	q, err := a.itemsOf(r)
	if err != nil {
		return err
	}
	return a.lines(w, r, q, mediaNDJSON)
}

// lines answers with every item that a question finds, from the page that it names on, up to its limit if it has one.
func (a *api) lines(w http.ResponseWriter, r *request, q ask, media string) error {
	p := newPresenter(r.at, q.fields)
	body := bodies.get()
	defer bodies.put(body)
	begun := false
	err := a.eachPage(r, q.Query, func(page catalog.Result) error {
		out := (*body)[:0]
		for _, doc := range page.Documents {
			if media == mediaSeq {
				out = append(out, 0x1e) // RFC 8142
			}
			out = append(p.item(out, doc), '\n')
		}
		*body = out
		if !begun {
			begun = true
			w.Header().Set("Content-Type", media)
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.WriteHeader(http.StatusOK)
			if r.Method == http.MethodHead {
				return errEnough
			}
		}
		_, err := w.Write(out)
		return err
	})
	if err != nil && begun {
		a.Config.Log.WarnContext(r.Context(), "an export broke off", "path", r.URL.Path, "err", err)
		panic(http.ErrAbortHandler) // so that the client sees that the answer is not whole
	}
	return err
}

// errEnough ends a walk over pages.
var errEnough = fault.New(fault.Canceled, "enough")

// eachPage calls with page after page of a question. Each has the time of an aggregation, and a client that takes
// them slowly has all it wants.
func (a *api) eachPage(r *request, q catalog.Query, do func(catalog.Result) error) error {
	left := q.Limit
	for {
		if q.Limit = exportPage; left > 0 {
			q.Limit = min(left, exportPage)
		}
		res, err := a.onePage(r, q)
		if err != nil {
			return err
		}
		if err := do(res); err == errEnough { //nolint:errorlint // it is this very value
			return nil
		} else if err != nil {
			return err
		}
		if q.Token = res.Next; q.Token == "" {
			return nil
		}
		if left > 0 {
			if left -= len(res.Documents); left <= 0 {
				return nil
			}
		}
	}
}

func (a *api) onePage(r *request, q catalog.Query) (catalog.Result, error) {
	ctx, cancel := context.WithTimeout(r.client, a.Timeouts.Sum)
	defer cancel()
	return a.Catalog.Search(ctx, a.scope(r.Request), q)
}
