package catalog

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/fault"
)

// Position is a place in an order of results: that of a document on a page. It stays right when documents are added
// or removed around it.
type Position struct {
	// Rank is 0 where the most important key is a number there, 1 where it is another string and 2 where it is missing; they
	// come in this order whichever way the key goes.
	Rank int `json:"r,omitempty"`
	// Values are what the results are ordered by, the most important first, in a form that whoever made the token knows:
	// int64, float64, string or nil.
	Values []any `json:"v"`
	// Back asks for the page before the place and not the one behind it.
	Back bool `json:"b,omitempty"`
}

// ValueKind is what a position's value is.
type ValueKind int

// The kinds of values. What is NoValue is not looked at.
const (
	NoValue ValueKind = iota
	IntegerValue
	NumberValue
	TextValue
)

// Of returns the values as what they were when the token was made.
func (p Position) Of(kinds []ValueKind) ([]any, error) {
	if len(kinds) != len(p.Values) {
		return nil, badToken()
	}
	out := make([]any, len(kinds))
	for i, kind := range kinds {
		var err error
		number, isNumber := p.Values[i].(json.Number)
		text, isText := p.Values[i].(string)
		switch {
		case kind == NoValue:
		case kind == IntegerValue && isNumber:
			out[i], err = strconv.ParseInt(number.String(), 10, 64)
		case kind == NumberValue && isNumber:
			out[i], err = strconv.ParseFloat(number.String(), 64)
		case kind == TextValue && isText:
			out[i] = text
		default:
			err = badToken()
		}
		if err != nil {
			return nil, badToken()
		}
	}
	return out, nil
}

// Among returns which of some ranks the place has.
func (p Position) Among(ranks []int) (int, error) {
	i := slices.Index(ranks, p.Rank)
	if i < 0 {
		return 0, badToken()
	}
	return i, nil
}

// First returns the first value where it is an int64.
func (p Position) First() (int64, error) {
	if len(p.Values) > 0 {
		if n, ok := p.Values[0].(json.Number); ok {
			if v, err := n.Int64(); err == nil {
				return v, nil
			}
		}
	}
	return 0, badToken()
}

func badToken() error {
	return fault.New(fault.Invalid, "the page token is not one of this catalog and this query").
		WithCure("follow the next link unchanged, or begin again without a token")
}

// Signer makes and checks page tokens with a key that only the database holds, so that a token can be
// neither made up nor carried over to another catalog or another query.
type Signer struct{ key []byte }

// NewSigner takes a secret key.
func NewSigner(key []byte) Signer { return Signer{key: slices.Clone(key)} }

// KeySize is the length a Signer's key should have, in bytes.
const KeySize = 32

const macSize = 16

// Token seals a position of a question; ask is what Query.Ask or another fixed text says.
func (s Signer) Token(ask string, p Position) string {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and finite numbers always marshal
	}
	return base64.RawURLEncoding.EncodeToString(append(s.mac(ask, body), body...))
}

// Open returns the position in a token, or refuses one that is not ours for that question.
func (s Signer) Open(ask, token string) (Position, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= macSize || !hmac.Equal(raw[:macSize], s.mac(ask, raw[macSize:])) {
		return Position{}, badToken()
	}
	var p Position
	body := json.NewDecoder(bytes.NewReader(raw[macSize:]))
	body.UseNumber() // an int64 is more than a double holds
	if body.Decode(&p) != nil {
		return Position{}, badToken()
	}
	return p, nil
}

func (s Signer) mac(ask string, body []byte) []byte {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(ask))
	m.Write([]byte{0})
	m.Write(body)
	return m.Sum(nil)[:macSize]
}

// Ask is the question a query puts, in one text: everything but the page.
func (q Query) Ask() string {
	var b strings.Builder
	write := func(v any) {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // lists, numbers and times always marshal
		}
		b.Write(text)
	}
	sorted := func(in []string) []string {
		out := slices.Clone(in)
		slices.Sort(out)
		return slices.Compact(out)
	}
	write(sorted(q.Collections))
	write(sorted(q.IDs))
	write(q.BBox)
	write(q.Time)
	if q.Intersects != nil {
		write(q.Intersects.String())
	}
	if q.Filter != nil {
		b.Write(cql2.JSON(q.Filter))
	}
	fmt.Fprintf(&b, "%#v", q.Words)
	write(q.Sort)
	write(q.Origin)
	return b.String()
}
