package stac

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/bulk"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// searchBody is the body of POST /search.
type searchBody struct {
	question
	Limit  json.RawMessage `json:"limit"`
	Token  *string         `json:"token"`
	Sort   []sortBody      `json:"sortby"`
	Fields json.RawMessage `json:"fields"`
}

// question is what the bodies of searches and aggregations have in common.
type question struct {
	Collections nameList        `json:"collections"`
	IDs         nameList        `json:"ids"`
	BBox        *[]float64      `json:"bbox"`
	Datetime    *string         `json:"datetime"`
	Intersects  json.RawMessage `json:"intersects"`
	Words       json.RawMessage `json:"q"`
	Filter      json.RawMessage `json:"filter"`
	FilterLang  *string         `json:"filter-lang"`
	FilterCRS   *string         `json:"filter-crs"`
	Query       json.RawMessage `json:"query"`
}

// nameList is a list of strings, for which one string may stand, as some clients send it.
type nameList []string

// UnmarshalJSON takes a list or a string.
func (s *nameList) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*s = make(nameList, 1)
		return json.Unmarshal(data, &(*s)[0])
	}
	return json.Unmarshal(data, (*[]string)(s))
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func (b searchBody) ask() (q ask, err error) {
	if q.Query, err = b.question.query(); err != nil {
		return q, err
	}
	if given(b.Limit) {
		if q.Limit, err = limitNumber(json.Number(b.Limit)); err != nil {
			return q, err
		}
	}
	if b.Token != nil {
		q.Token = *b.Token
	}
	if q.Sort, err = sortList(b.Sort); err != nil {
		return q, err
	}
	if b.Fields != nil {
		if q.fields, err = fieldsBody(b.Fields, itemFields); err != nil {
			return q, err
		}
	}
	return q, nil
}

func limitNumber(n json.Number) (int, error) {
	v, err := n.Int64()
	f, ferr := n.Float64()
	switch {
	case err == nil && v >= 1:
		return int(min(v, catalog.MaxLimit)), nil
	case err != nil && ferr == nil && f >= catalog.MaxLimit: // a whole number or not, it is more than there is on a page
		return catalog.MaxLimit, nil
	}
	return 0, badLimit(n)
}

func (b question) query() (q catalog.Query, err error) {
	q.Collections, q.IDs = b.Collections, b.IDs
	if b.BBox != nil {
		q.BBox = *b.BBox
	}
	if b.Datetime != nil {
		if q.Time, err = catalog.ParseInterval(*b.Datetime); err != nil {
			return q, err
		}
	}
	if given(b.Intersects) {
		if q.Intersects, err = geo.Parse(b.Intersects, nil); err != nil {
			return q, err
		}
	}
	if given(b.Words) {
		if q.Words, err = wordsBody(b.Words); err != nil {
			return q, err
		}
	}
	c := condition{query: b.Query}
	if b.FilterLang != nil {
		c.lang = *b.FilterLang
	}
	if b.FilterCRS != nil {
		c.crs = *b.FilterCRS
	}
	if given(b.Filter) {
		c.json = b.Filter
	}
	if q.Filter, err = c.expr(langJSON); err != nil {
		return q, err
	}
	return q, check(q)
}

// mediaType is the body's, without its parameters.
func mediaType(r *http.Request) string {
	mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return mt
}

// limits bound a body: its bytes, and lists and objects within each other. What is nested deeper could take more
// stack than there is to whoever looks into it.
type limits struct {
	bytes int64
	depth int
}

// questions bounds those that ask, and documents those that bring something.
var questions = limits{4 << 20, 1000}

func (a *api) documents() limits { return limits{a.MaxPosted, maxNesting} }

// read takes the whole body, which is JSON of one of the media types.
func read(w http.ResponseWriter, r *http.Request, most limits, types ...string) ([]byte, error) {
	if !slices.Contains(types, mediaType(r)) {
		return nil, fault.New(fault.Invalid, "the body's type is %q", r.Header.Get("Content-Type")).WithCure("send JSON with Content-Type: %s", types[0])
	}
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), 1<<20)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, most.bytes))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, fault.New(fault.TooLarge, "the body is larger than %d bytes", most.bytes).WithCure("send it in smaller parts")
	case err != nil:
		return nil, fault.New(fault.Canceled, "read the body: %w", err)
	case bulk.TooDeep(body.Bytes(), most.depth):
		return nil, fault.New(fault.Invalid, "the body has lists and objects more than %d within each other", most.depth).WithCure("send a flatter document")
	}
	text := bytes.TrimPrefix(body.Bytes(), []byte("\xef\xbb\xbf"))
	return text, wellFormed(text)
}

// wellFormed says where a body stops being JSON.
func wellFormed(body []byte) error {
	if gjson.ValidBytes(body) {
		return nil
	}
	const cure = "send one JSON document, not compressed"
	var wrong *json.SyntaxError
	switch err := json.Unmarshal(body, new(json.RawMessage)); {
	case len(bytes.TrimSpace(body)) == 0:
		return fault.New(fault.Invalid, "the body is empty").WithCure(cure)
	case errors.As(err, &wrong):
		return fault.New(fault.Invalid, "the body is no JSON: %s, after %d bytes", wrong.Error(), wrong.Offset).WithCure(cure)
	}
	return fault.New(fault.Invalid, "the body is no JSON").WithCure(cure)
}

// decode reads one JSON object without members that nobody knows.
func decode(w http.ResponseWriter, r *http.Request, into any) (json.RawMessage, error) {
	body, err := read(w, r, questions, reply.JSON, reply.GeoJSON)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return nil, fault.New(fault.Invalid, "the body: %w", err).WithCure("send one JSON object; /api tells its members")
	}
	if dec.More() || !bytes.HasPrefix(bytes.TrimSpace(body), []byte{'{'}) {
		return nil, fault.New(fault.Invalid, "the body is not one JSON object").WithCure("send one JSON object; /api tells its members")
	}
	return body, nil
}

// withToken is a question's body that asks for another page of its answer.
func withToken(body json.RawMessage, token string) (json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	text, err := json.Marshal(token)
	if err != nil {
		return nil, err
	}
	members["token"] = text
	return plainJSON(members)
}
