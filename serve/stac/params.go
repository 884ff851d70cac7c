package stac

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

// wire is a parameter's name in requests: that in openapi.json, without what tells two of one name apart.
func wire(name string) string {
	name, _, _ = strings.Cut(name, ".")
	return name
}

// parameters are those of a request, once each; one that the operation does not take is refused, since passing
// over a condition would answer another question.
func parameters(query string, takes []string) (url.Values, error) {
	if query == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the query string does not parse: %w", err).WithCure("percent-encode its values")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		if !slices.ContainsFunc(takes, func(t string) bool { return wire(t) == name }) {
			var known []string
			for _, t := range takes {
				known = append(known, wire(t))
			}
			err := fault.New(fault.Invalid, "unknown parameter %q", name)
			if known == nil {
				return nil, err.WithCure("leave it out: none is known here")
			}
			return nil, err.WithCure("known here: %s", strings.Join(known, ", "))
		}
		if len(v) > 1 {
			return nil, fault.New(fault.Invalid, "parameter %q is given %d times", name, len(v)).WithCure("give it once")
		}
		if !utf8.ValidString(v[0]) {
			return nil, fault.New(fault.Invalid, "parameter %q is not UTF-8", name).WithCure("percent-encode the bytes of UTF-8")
		}
	}
	return values, nil
}

// ask is a question of items or collections, and what of each is wanted.
type ask struct {
	catalog.Query
	// fields is nil for whole documents.
	fields *fields
}

// asked reads the parameters of a GET. Those of items take all of a search, since pystac-client sends them there.
func asked(v url.Values, names fieldNames) (q ask, err error) {
	if q.Page, err = page(v); err != nil {
		return q, err
	}
	if v.Has("bbox") {
		if q.BBox, err = box(v.Get("bbox")); err != nil {
			return q, err
		}
	}
	if v.Has("datetime") {
		if q.Time, err = catalog.ParseInterval(v.Get("datetime")); err != nil {
			return q, err
		}
	}
	q.Collections, q.IDs = commas(v, "collections"), commas(v, "ids")
	if v.Has("intersects") {
		if q.Intersects, err = geo.Parse(json.RawMessage(v.Get("intersects")), nil); err != nil {
			return q, err
		}
	}
	if v.Has("sortby") {
		if q.Sort, err = sortText(v.Get("sortby")); err != nil {
			return q, err
		}
	}
	if v.Has("fields") {
		if q.fields, err = fieldsText(v.Get("fields"), names); err != nil {
			return q, err
		}
	}
	if v.Has("q") {
		if q.Words, err = wordsText(v.Get("q")); err != nil {
			return q, err
		}
	}
	c := condition{crs: v.Get("filter-crs"), lang: v.Get("filter-lang")}
	if v.Has("filter") {
		text := v.Get("filter")
		c.text = &text
	}
	if v.Has("query") {
		c.query = json.RawMessage(v.Get("query"))
	}
	if q.Filter, err = c.expr(langText); err != nil {
		return q, err
	}
	return q, check(q.Query)
}

// maxNames bounds the ids and collections that are asked for.
const maxNames = 10_000

// check refuses questions that have no meaning, and those that name too much.
func check(q catalog.Query) error {
	if len(q.IDs) > maxNames || len(q.Collections) > maxNames {
		return fault.New(fault.TooLarge, "more than %d ids or collections are named", maxNames).WithCure("ask in parts")
	}
	return q.Check()
}

// page reads limit and token; what is asked beyond the greatest page gets that.
func page(v url.Values) (catalog.Page, error) {
	p := catalog.Page{Token: v.Get("token")}
	if v.Has("limit") {
		n, err := strconv.Atoi(v.Get("limit"))
		if errors.Is(err, strconv.ErrRange) && n > 0 {
			err = nil
		}
		if err != nil || n < 1 {
			return p, badLimit(v.Get("limit"))
		}
		p.Limit = min(n, catalog.MaxLimit)
	}
	if v.Has("token") && p.Token == "" {
		return p, fault.New(fault.Invalid, "token is empty").WithCure("leave it out for the first page")
	}
	return p, nil
}

func badLimit(v any) error {
	return fault.New(fault.Invalid, "limit %v is not a whole number from 1", v).WithCure("ask for 1 to %d a page", catalog.MaxLimit)
}

func box(text string) ([]float64, error) {
	out := []float64{}
	for _, one := range strings.Split(text, ",") {
		n, err := strconv.ParseFloat(strings.TrimSpace(one), 64)
		if err != nil {
			return nil, fault.New(fault.Invalid, "bbox %q: %q is not a number", text, one).WithCure("give west,south,east,north in degrees, without brackets")
		}
		out = append(out, n)
	}
	return out, nil
}

// commas is a parameter that is a list with commas; nil where it is not given.
func commas(v url.Values, name string) []string {
	if !v.Has(name) {
		return nil
	}
	return strings.FieldsFunc(v.Get(name), func(r rune) bool { return r == ',' })
}
