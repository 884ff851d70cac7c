package stac

import (
	"encoding/json"
	"slices"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/fault"
)

// The languages of filters.
const (
	langText = "cql2-text"
	langJSON = "cql2-json"
)

// crs84 are the names of the one reference system that coordinates are in.
var crs84 = []string{"http://www.opengis.net/def/crs/OGC/1.3/CRS84", "https://www.opengis.net/def/crs/OGC/1.3/CRS84", "[OGC:CRS84]"}

// condition is what a request says of filter and query, which must both hold.
type condition struct {
	lang, crs string
	// text is the filter of a GET, json that of a body, where a text stands as a JSON string.
	text *string
	json json.RawMessage
	// query is a question of the query extension.
	query json.RawMessage
}

// expr is the condition as one filter; nil where there is none.
func (c condition) expr(standard string) (cql2.Expr, error) {
	if c.crs != "" && !slices.Contains(crs84, c.crs) {
		return nil, fault.New(fault.Invalid, "filter-crs %q is not served", c.crs).WithCure("leave it out, or give %s", crs84[0])
	}
	if c.lang == "" {
		c.lang = standard
	}
	if c.lang != langText && c.lang != langJSON {
		return nil, fault.New(fault.Invalid, "filter-lang %q is unknown", c.lang).WithCure("use %s or %s", langText, langJSON)
	}
	var both []cql2.Expr
	if c.text != nil || c.json != nil {
		e, err := c.filter()
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "filter: %w", err)
		}
		both = append(both, e)
	}
	if given(c.query) {
		e, err := stacQL(c.query)
		if err != nil {
			return nil, err
		}
		both = append(both, e...)
	}
	switch len(both) {
	case 0:
		return nil, nil
	case 1:
		return both[0], nil
	}
	return cql2.And{Args: both}, nil
}

func (c condition) filter() (cql2.Expr, error) {
	switch {
	case c.text != nil && c.lang == langText:
		return cql2.ParseText(*c.text)
	case c.text != nil:
		return cql2.ParseJSON([]byte(*c.text))
	case c.lang == langJSON:
		return cql2.ParseJSON(c.json)
	}
	var text string
	if err := json.Unmarshal(c.json, &text); err != nil {
		return nil, fault.New(fault.Invalid, "it is no string, as %s is", langText).WithCure("send it as a string, or with filter-lang %s", langJSON)
	}
	return cql2.ParseText(text)
}
