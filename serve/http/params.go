package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

// parameters are those of a request, once each; one that is not in known is refused, since passing
// over a condition would answer another question.
func parameters(r *http.Request, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the query string does not parse: %w", err).WithCure("percent-encode its values")
	}
	for name, v := range values {
		if !slices.Contains(known, name) {
			return nil, fault.New(fault.Invalid, "unknown parameter %q", name).WithCure("known here: %s", strings.Join(known, ", "))
		}
		if len(v) > 1 {
			return nil, fault.New(fault.Invalid, "parameter %q is given %d times", name, len(v)).WithCure("give it once")
		}
	}
	return values, nil
}

// page reads limit and token; what is asked beyond the greatest page gets that.
func page(v url.Values) (catalog.Page, error) {
	p := catalog.Page{Token: v.Get("token")}
	if v.Has("limit") {
		n, err := strconv.Atoi(v.Get("limit"))
		if err != nil || n < 1 {
			return p, badLimit(v.Get("limit"))
		}
		p.Limit = n
	}
	if v.Has("token") && p.Token == "" {
		return p, fault.New(fault.Invalid, "token is empty").WithCure("leave it out for the first page")
	}
	return p, nil
}

func badLimit(v any) error {
	return fault.New(fault.Invalid, "limit %v is not a whole number from 1", v).WithCure("ask for 1 to %d items a page", catalog.MaxLimit)
}

// searchQuery reads the parameters of GET /search and of /items. The latter take those of a search
// too, since pystac-client sends them there.
func searchQuery(r *http.Request) (q catalog.Query, err error) {
	v, err := parameters(r, "collections", "ids", "bbox", "intersects", "datetime", "limit", "token")
	if err != nil {
		return q, err
	}
	if q.Page, err = page(v); err != nil {
		return q, err
	}
	if v.Has("bbox") {
		q.BBox = []float64{}
		for _, text := range strings.Split(v.Get("bbox"), ",") {
			n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				return q, fault.New(fault.Invalid, "bbox %q: %q is not a number", v.Get("bbox"), text).WithCure("give west,south,east,north in degrees, without brackets")
			}
			q.BBox = append(q.BBox, n)
		}
	}
	if v.Has("datetime") {
		if q.Time, err = catalog.ParseInterval(v.Get("datetime")); err != nil {
			return q, err
		}
	}
	q.Collections, q.IDs = list(v, "collections"), list(v, "ids")
	if v.Has("intersects") {
		if q.Intersects, err = geo.Parse(json.RawMessage(v.Get("intersects")), nil); err != nil {
			return q, err
		}
	}
	return q, q.Check()
}

func list(v url.Values, name string) []string {
	if !v.Has(name) {
		return nil
	}
	return strings.FieldsFunc(v.Get(name), func(r rune) bool { return r == ',' })
}

// searchBody reads the body of POST /search.
func searchBody(w http.ResponseWriter, r *http.Request) (catalog.Query, error) {
	var in struct {
		Collections *[]string       `json:"collections"`
		IDs         *[]string       `json:"ids"`
		BBox        *[]float64      `json:"bbox"`
		Datetime    *string         `json:"datetime"`
		Intersects  json.RawMessage `json:"intersects"`
		Limit       *int            `json:"limit"`
		Token       *string         `json:"token"`
	}
	if err := decode(w, r, &in); err != nil {
		return catalog.Query{}, err
	}
	var q catalog.Query
	if in.Collections != nil {
		q.Collections = *in.Collections
	}
	if in.IDs != nil {
		q.IDs = *in.IDs
	}
	if in.BBox != nil {
		q.BBox = *in.BBox
	}
	if in.Limit != nil {
		if q.Limit = *in.Limit; q.Limit < 1 {
			return q, badLimit(q.Limit)
		}
	}
	if in.Token != nil {
		q.Token = *in.Token
	}
	var err error
	if in.Datetime != nil {
		if q.Time, err = catalog.ParseInterval(*in.Datetime); err != nil {
			return q, err
		}
	}
	if len(in.Intersects) > 0 && string(in.Intersects) != "null" {
		if q.Intersects, err = geo.Parse(in.Intersects, nil); err != nil {
			return q, err
		}
	}
	return q, q.Check()
}

// decode reads one JSON document without members that nobody knows.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != typeJSON && mt != typeGeoJSON {
		return fault.New(fault.Invalid, "the body's type is %q", r.Header.Get("Content-Type")).WithCure("send JSON with Content-Type: application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return fault.New(fault.TooLarge, "the body is larger than %d bytes", maxBody).WithCure("ask a smaller question")
	case err != nil:
		return fault.New(fault.Canceled, "read the body: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fault.New(fault.Invalid, "the body: %w", err).WithCure("send one JSON object; /api tells its members")
	}
	if dec.More() {
		return fault.New(fault.Invalid, "the body holds more than one JSON document").WithCure("send one JSON object")
	}
	return nil
}
