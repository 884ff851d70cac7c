package stac

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

//go:embed pages.html
var pagesText string

var pages = template.Must(template.New("pages").Parse(pagesText))

// landingCollection is what the landing page shows of a collection.
type landingCollection struct {
	ID, Title, Description, URL, From, To, Kind string
}

// shownCollections is how many collections the landing page shows.
const shownCollections = 500

// landingPage is the root for people: the collections, all or those that answer a question, and where to go on.
func (a *api) landingPage(w http.ResponseWriter, r *request) error {
	asked := strings.TrimSpace(r.given.Get("q"))
	q := catalog.Query{Page: catalog.Page{Limit: shownCollections}}
	wrong := ""
	if asked != "" {
		var err error
		if q.Words, err = wordsText(asked); err != nil {
			wrong = err.Error()
		}
	}
	res, err := a.Catalog.Collections(r.Context(), a.scope(r.Request), q)
	if err != nil {
		return err
	}
	shown := []landingCollection{}
	for _, doc := range res.Documents {
		shown = append(shown, shownCollection(r.at, doc))
	}
	return a.page(w, r, "landing", map[string]any{
		"Title": a.Title, "Description": a.Description, "Base": r.at, "Collections": shown, "More": res.Next != "", "Asked": asked, "Wrong": wrong,
	})
}

func shownCollection(at string, doc json.RawMessage) landingCollection {
	c := gjson.GetManyBytes(doc, "id", "title", "description", "extent.temporal.interval.0.0", "extent.temporal.interval.0.1")
	id := c[0].String()
	return landingCollection{
		ID: id, Title: c[1].String(), Description: c[2].String(), URL: collectionURL(at, id),
		From: day(c[3].String()), To: day(c[4].String()), Kind: kindOf(id),
	}
}

// kindOf tells what a collection holds by the form of its id.
func kindOf(id string) string {
	for prefix, kind := range map[string]string{"labels-": "labels", "dataset-": "dataset version", "predictions-": "predictions"} {
		if strings.HasPrefix(id, prefix) {
			return kind
		}
	}
	if id == "models" {
		return "models"
	}
	return "scenes"
}

func day(t string) string {
	if len(t) < len("2006-01-02") {
		return ""
	}
	return t[:len("2006-01-02")]
}

// apiPage lists the operations for people.
func (a *api) apiPage(w http.ResponseWriter, r *request) error {
	return a.page(w, r, "api", map[string]any{"Title": a.Title, "Base": r.at, "Operations": a.spec.rows, "Classes": conformsTo})
}

func (a *api) page(w http.ResponseWriter, r *request, name string, data any) error {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, name, data); err != nil {
		return fault.New(fault.Internal, "page %s: %w", name, err)
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	a.Bytes(w, r.Request, http.StatusOK, reply.HTML, out.Bytes())
	return nil
}
