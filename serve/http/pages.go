package http

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"sort"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

//go:embed openapi.json
var openAPI []byte

//go:embed pages.html
var pagesText string

var pages = template.Must(template.New("pages").Parse(pagesText))

// openAPI serves the description of the API, with the address the client used.
func (s *server) openAPI(w http.ResponseWriter, r *http.Request) error {
	doc, err := s.described(r)
	if err != nil {
		return err
	}
	s.write(w, r, http.StatusOK, typeOpenAPI, doc)
	return nil
}

func (s *server) described(r *http.Request) (map[string]any, error) {
	var doc map[string]any
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return nil, fault.New(fault.Internal, "the OpenAPI document: %w", err)
	}
	doc["servers"] = []any{map[string]any{"url": base(r)}}
	return doc, nil
}

// landingCollection is what the landing page shows of a collection.
type landingCollection struct {
	ID, Title, Description, URL, From, To, Kind string
}

func (s *server) landingPage(w http.ResponseWriter, r *http.Request, docs []json.RawMessage) error {
	at := base(r)
	var list []landingCollection
	for _, doc := range docs {
		var c struct {
			ID, Title, Description string
			Extent                 struct {
				Temporal struct{ Interval [][]*string }
			}
		}
		if err := json.Unmarshal(doc, &c); err != nil {
			return fault.New(fault.Internal, "a stored collection does not decode: %w", err)
		}
		row := landingCollection{ID: c.ID, Title: c.Title, Description: c.Description, URL: collectionURL(at, c.ID), Kind: kindOf(c.ID)}
		if iv := c.Extent.Temporal.Interval; len(iv) > 0 && len(iv[0]) == 2 {
			row.From, row.To = day(iv[0][0]), day(iv[0][1])
		}
		list = append(list, row)
	}
	return s.page(w, r, "landing", map[string]any{"Title": s.Title, "Description": s.Description, "Base": at, "Collections": list})
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

func day(t *string) string {
	if t == nil || len(*t) < 10 {
		return ""
	}
	return (*t)[:10]
}

// operation is a row of the page about the API.
type operation struct{ Method, Path, Summary string }

func (s *server) apiPage(w http.ResponseWriter, r *http.Request) error {
	var doc struct {
		Paths map[string]map[string]struct{ Summary string }
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return fault.New(fault.Internal, "the OpenAPI document: %w", err)
	}
	var list []operation
	for path, methods := range doc.Paths {
		for method, op := range methods {
			list = append(list, operation{Method: strings.ToUpper(method), Path: path, Summary: op.Summary})
		}
	}
	sort.Slice(list, func(i, j int) bool {
		return list[i].Path < list[j].Path || list[i].Path == list[j].Path && list[i].Method < list[j].Method
	})
	return s.page(w, r, "api", map[string]any{"Title": s.Title, "Base": base(r), "Operations": list})
}

func (s *server) page(w http.ResponseWriter, r *http.Request, name string, data any) error {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, name, data); err != nil {
		return fault.New(fault.Internal, "page %s: %w", name, err)
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	s.writeBytes(w, r, http.StatusOK, typeHTML, out.Bytes())
	return nil
}
