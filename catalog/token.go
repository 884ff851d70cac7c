package catalog

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// Position is a place in an order of results: that of the last document of a page. It stays right
// when documents are added or removed around it.
type Position struct {
	Sort       int64  `json:"t,omitempty"`
	Collection string `json:"c"`
	ID         string `json:"i,omitempty"`
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
		panic(err) // strings and a number always marshal
	}
	return base64.RawURLEncoding.EncodeToString(append(s.mac(ask, body), body...))
}

// Open returns the position in a token, or refuses one that is not ours for that question.
func (s Signer) Open(ask, token string) (Position, error) {
	bad := fault.New(fault.Invalid, "the page token is not one of this catalog and this query").
		WithCure("follow the next link unchanged, or begin again without a token")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= macSize || !hmac.Equal(raw[:macSize], s.mac(ask, raw[macSize:])) {
		return Position{}, bad
	}
	var p Position
	if json.Unmarshal(raw[macSize:], &p) != nil {
		return Position{}, bad
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
	return b.String()
}
