package stac

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/serve/reply"
)

// components are the parts that operations name: parameters, schemas, and what heads the document.
//
//go:embed openapi.json
var components []byte

// spec is the OpenAPI document of the API, ready but for the address.
type spec struct {
	text []byte
	rows []row
}

// row is an operation as the page for people lists it.
type row struct{ Method, Path, Summary string }

// here stands where the client's address goes.
const here = `"http://here.invalid"`

func newSpec(table []operation, cfg Config) spec {
	var doc struct {
		OpenAPI    string         `json:"openapi"`
		Info       object         `json:"info"`
		Servers    []any          `json:"servers"`
		Tags       []any          `json:"tags"`
		Paths      map[string]any `json:"paths"`
		Components any            `json:"components"`
	}
	must(json.Unmarshal(components, &doc))
	var more struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if cfg.Operations != nil {
		must(json.Unmarshal(cfg.Operations, &more))
	}
	out := spec{}
	doc.Info["title"] = cfg.Title
	doc.Servers = []any{object{"url": strings.Trim(here, `"`)}}
	doc.Paths = map[string]any{}
	for _, op := range table {
		at, ok := doc.Paths[op.path].(object)
		if !ok {
			at = object{}
			doc.Paths[op.path] = at
		}
		at[strings.ToLower(op.method)] = op.describe()
		out.rows = append(out.rows, row{op.method, op.path, op.summary})
	}
	for path, methods := range more.Paths {
		doc.Paths[path] = methods
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			summary := ""
			if op, ok := methods[method].(object); ok {
				summary, _ = op["summary"].(string)
			}
			out.rows = append(out.rows, row{strings.ToUpper(method), path, summary})
		}
	}
	slices.SortStableFunc(out.rows, func(x, y row) int { return strings.Compare(x.Path, y.Path) })
	text, err := plainJSON(doc)
	must(err)
	out.text = text
	return out
}

// must holds what is part of the program to being sound.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// describe is the operation as OpenAPI has it.
func (op operation) describe() object {
	parameters := []any{}
	for _, segment := range strings.Split(op.path, "/") {
		if strings.HasPrefix(segment, "{") {
			parameters = append(parameters, ref("parameters", strings.Trim(segment, "{}")))
		}
	}
	for _, name := range op.takes {
		parameters = append(parameters, ref("parameters", name))
	}
	for _, name := range op.headers() {
		parameters = append(parameters, ref("parameters", name))
	}
	answers := object{"default": ref("responses", "error")}
	for _, a := range op.gives {
		status := strconv.Itoa(a.status)
		one, ok := answers[status].(object)
		if !ok {
			one = object{"description": descriptions[a.status]}
			answers[status] = one
		}
		if a.shape == "" {
			continue
		}
		content, ok := one["content"].(object)
		if !ok {
			content = object{}
			one["content"] = content
		}
		content[a.media] = object{"schema": ref("schemas", a.shape)}
	}
	out := object{"operationId": op.id, "summary": op.summary, "tags": []string{op.tag()}, "parameters": parameters, "responses": answers}
	if op.sends != "" {
		content := object{}
		for _, media := range op.bodies() {
			content[media] = object{"schema": ref("schemas", op.sends)}
		}
		out["requestBody"] = object{"required": true, "content": content}
	}
	return out
}

var descriptions = map[int]string{
	http.StatusOK: "What was asked for", http.StatusCreated: "It was added", http.StatusNoContent: "It was done", http.StatusMultiStatus: "Some were refused",
	http.StatusNotModified: "It has not changed",
}

func (op operation) tag() string {
	switch {
	case op.kind == change:
		return "Transactions"
	case slices.ContainsFunc(asking(), func(o operation) bool { return o.id == op.id }):
		return "Questions"
	}
	return "STAC"
}

// headers are the parameters in headers that the operation heeds.
func (op operation) headers() []string {
	switch {
	case op.kind != change && slices.ContainsFunc(op.gives, func(a answer) bool { return a.status == http.StatusNotModified }):
		return []string{"If-None-Match.read"}
	case op.kind != change:
		return nil
	case op.method == http.MethodPost:
		return []string{"Idempotency-Key", "Terrapin-Actor"}
	}
	return []string{"If-Match", "If-None-Match", "Terrapin-Actor"}
}

// bodies are the media types that the operation takes.
func (op operation) bodies() []string {
	switch {
	case op.method == http.MethodPatch:
		return []string{reply.JSON, mediaMergePatch, mediaJSONPatch}
	case strings.Contains(op.sends, "Item") && op.sends != "bulkItems", op.sends == "searchBody":
		return []string{reply.JSON, reply.GeoJSON}
	}
	return []string{reply.JSON}
}

// openAPI serves the document, with the address that the client used.
func (a *api) openAPI(w http.ResponseWriter, r *request) error {
	at, err := json.Marshal(r.at)
	if err != nil {
		return err
	}
	a.Bytes(w, r.Request, http.StatusOK, reply.OpenAPI, bytes.Replace(a.spec.text, []byte(here), at, 1))
	return nil
}
