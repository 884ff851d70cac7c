package stac

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/bulk"
	"github.com/terrapin-eo/terrapin/fault"
)

// The media types of answers that are one document a line.
const (
	mediaNDJSON = "application/x-ndjson"
	mediaSeq    = "application/geo+json-seq"
)

// mediaParquet is that of a table of items.
const mediaParquet = "application/vnd.apache.parquet"

// maxTables is how many tables are written at once: each takes room for its items on disk.
const maxTables = 4

// exportPage is how many items of an export are in memory at once.
const exportPage = 1000

// linesTaken is the media type of lines that the client asks for by name, or "".
func linesTaken(r *http.Request) string {
	for _, header := range r.Header.Values("Accept") {
		for _, one := range strings.Split(header, ",") {
			media, _, _ := strings.Cut(strings.TrimSpace(one), ";")
			if lines := lineType(media); lines != "" {
				return lines
			}
		}
	}
	return ""
}

// lineType is the media type of lines that goes by a name, or "".
func lineType(name string) string {
	switch name {
	case mediaNDJSON, "application/ndjson", "application/x-jsonlines":
		return mediaNDJSON
	case mediaSeq:
		return mediaSeq
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
		a.breakOff(r, err)
	}
	return err
}

// breakOff ends an answer that has begun, so that the client sees that it is not whole.
func (a *api) breakOff(r *request, err error) {
	a.Config.Log.WarnContext(r.Context(), "an export broke off", "path", r.URL.Path, "err", err)
	panic(http.ErrAbortHandler)
}

// errEnough ends a walk over pages.
var errEnough = errors.New("enough")

// exportTable answers with the items of a collection as STAC-GeoParquet.
func (a *api) exportTable(w http.ResponseWriter, r *request) error {
	q, err := a.itemsOf(r)
	if err != nil {
		return err
	}
	select {
	case a.tables <- struct{}{}:
		defer func() { <-a.tables }()
	default:
		w.Header().Set("Retry-After", "10")
		return fault.New(fault.Unavailable, "%d tables are being written already", maxTables).WithCure("try again in a while, or take items.ndjson")
	}
	doc, err := a.Catalog.Collection(r.Context(), a.scope(r.Request), r.collection)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaParquet)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": r.collection + ".parquet"}))
	if r.Method == http.MethodHead {
		return nil
	}
	out := &begun{Writer: w}
	_, err = bulk.WriteParquet(r.client, out, a.eachItem(r, q.Query), bulk.Table{
		Collections: []json.RawMessage{newPresenter(r.at, nil).collectionDoc(nil, doc)}, TempDir: a.TempDir,
	})
	if err != nil && out.any {
		a.breakOff(r, err)
	}
	w.Header().Del("Content-Disposition")
	return err
}

// begun tells whether anything was written.
type begun struct {
	io.Writer
	any bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.any = true
	return b.Writer.Write(p)
}

// eachItem yields every item that a question finds as it is served. One is good until the next.
func (a *api) eachItem(r *request, q catalog.Query) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		p, item := newPresenter(r.at, nil), []byte(nil)
		err := a.eachPage(r, q, func(page catalog.Result) error {
			for _, doc := range page.Documents {
				item = p.item(item[:0], doc)
				if !yield(item, nil) {
					return errEnough
				}
			}
			return nil
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

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
		if err := do(res); errors.Is(err, errEnough) {
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
