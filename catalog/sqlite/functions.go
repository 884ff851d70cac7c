package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/tidwall/gjson"
	engine "modernc.org/sqlite"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// newDriver has the functions that the dialect calls, so that they mean what cql2 and geo say.
func newDriver() (*engine.Driver, error) {
	d := &engine.Driver{}
	for name, f := range functions {
		// The arguments are views of SQLite's own memory: no function may keep them.
		if err := d.RegisterFunction(name, &engine.FunctionImpl{NArgs: f.args, Deterministic: true, VolatileArgs: true,
			Scalar: func(_ *engine.FunctionContext, args []driver.Value) (driver.Value, error) { return f.call(args) }}); err != nil {
			return nil, err
		}
	}
	return d, nil
}

type function struct {
	args int32
	call func(args []driver.Value) (driver.Value, error)
}

var functions = map[string]function{
	"terrapin_casei":     {1, ofText(cql2.CaseI)},
	"terrapin_accenti":   {1, ofText(cql2.AccentI)},
	"terrapin_lower":     {1, ofText(func(s string) string { return strings.Map(unicode.ToLower, s) })},
	"terrapin_upper":     {1, ofText(func(s string) string { return strings.Map(unicode.ToUpper, s) })},
	"terrapin_year":      {1, ofMoment(func(t time.Time) int { return t.Year() })},
	"terrapin_month":     {1, ofMoment(func(t time.Time) int { return int(t.Month()) })},
	"terrapin_day":       {1, ofMoment(func(t time.Time) int { return t.Day() })},
	"terrapin_number":    {1, number},
	"terrapin_calculate": {3, calculate},
	"terrapin_like":      {2, like},
	"terrapin_array":     {3, array},
	"terrapin_list":      {-1, makeList},
	"terrapin_spatial":   {3, spatial},
}

func ofText(f func(string) string) func([]driver.Value) (driver.Value, error) {
	return func(args []driver.Value) (driver.Value, error) {
		s, ok := args[0].(string)
		if !ok {
			return nil, nil
		}
		return strings.Clone(f(s)), nil
	}
}

func ofMoment(f func(time.Time) int) func([]driver.Value) (driver.Value, error) {
	return func(args []driver.Value) (driver.Value, error) {
		us, ok := args[0].(int64)
		if !ok {
			return nil, nil
		}
		return float64(f(time.UnixMicro(us).UTC())), nil
	}
}

// number is a number as JSON has it.
func number(args []driver.Value) (driver.Value, error) {
	v, ok := args[0].(float64)
	if !ok {
		return nil, nil
	}
	text, err := json.Marshal(v + 0) // no -0
	return string(text), err
}

// calculate is cql2.Calculate(op, a, b).
func calculate(args []driver.Value) (driver.Value, error) {
	a, ok := args[1].(float64)
	b, also := args[2].(float64)
	if !ok || !also {
		return nil, nil
	}
	result, known := cql2.Calculate(args[0].(string), a, b)
	if !known {
		return nil, nil
	}
	return result, nil
}

func like(args []driver.Value) (driver.Value, error) {
	text, ok := args[0].(string)
	pattern, also := args[1].(string)
	if !ok || !also {
		return nil, nil
	}
	return truth(cql2.Eval(cql2.Like{Value: cql2.String{Value: text}, Pattern: cql2.String{Value: pattern}}, nil)), nil
}

func truth(b *bool) driver.Value {
	switch {
	case b == nil:
		return nil
	case *b:
		return int64(1)
	}
	return int64(0)
}

// array is one of cql2's predicates (op, left, right) on JSON arrays.
func array(args []driver.Value) (driver.Value, error) {
	left, ok := args[1].(string)
	right, also := args[2].(string)
	if !ok || !also {
		return nil, nil
	}
	e := cql2.Array{Op: args[0].(string), Left: cql2.Property{Name: "l"}, Right: cql2.Property{Name: "r"}}
	return truth(cql2.Eval(e, sides{gjson.Parse(left), gjson.Parse(right)})), nil
}

// sides are two arrays as the properties of a document.
type sides struct{ left, right gjson.Result }

func (s sides) Value(name string) gjson.Result {
	if name == "l" {
		return s.left
	}
	return s.right
}
func (s sides) Moment(string) (int64, int64, bool) { return 0, 0, false }
func (s sides) Shape() *geo.Shape                  { return nil }

// makeList makes a JSON array of pairs of a kind and a value; it is unknown if one of them is.
func makeList(args []driver.Value) (driver.Value, error) {
	out := []byte{'['}
	for i := 0; i+1 < len(args); i += 2 {
		if i > 0 {
			out = append(out, ',')
		}
		switch v := args[i+1].(type) {
		case nil:
			return nil, nil
		case string:
			if args[i] == "scalar" { // JSON already
				out = append(out, v...)
				continue
			}
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			out = append(out, text...)
		case float64:
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			out = append(out, text...)
		case int64:
			out = fmt.Appendf(out, "%t", v != 0) // a boolean
		}
	}
	return string(append(out, ']')), nil
}

// spatial is one of cql2's predicates (op, left, right); a shape is well-known binary or the number of one that is held.
func spatial(args []driver.Value) (driver.Value, error) {
	var of *use
	for _, v := range args[1:] {
		if n, ok := v.(int64); ok {
			of = shapes.get(n).use
		}
	}
	left, err := of.shape(args[1])
	if left == nil || err != nil {
		return nil, err
	}
	right, err := of.shape(args[2])
	if right == nil || err != nil {
		return nil, err
	}
	answer, known := left.Test(args[0].(string), right)
	switch {
	case of != nil && of.ctx.Err() != nil:
		return nil, of.ctx.Err() // the answer may be any
	case !known:
		return nil, nil
	case answer:
		return int64(1), nil
	}
	return int64(0), nil
}

// use is a statement that runs, and its item at hand: the item's shape is read once, however often the statement asks.
type use struct {
	ctx  context.Context
	wkb  []byte
	item *geo.Shape
}

func (u *use) shape(v driver.Value) (*geo.Shape, error) {
	switch v := v.(type) {
	case int64:
		return shapes.get(v).shape, nil
	case []byte:
		if u == nil {
			return geo.ParseWKB(v)
		}
		if u.item != nil && bytes.Equal(u.wkb, v) {
			return u.item, nil
		}
		s, err := geo.ParseWKB(v)
		u.wkb, u.item = append(u.wkb[:0], v...), s
		return s, err
	}
	return nil, nil
}

// shapes are those of the statements that run, so that each is read once and not for every row.
var shapes = holder{held: map[int64]held{}}

type held struct {
	shape *geo.Shape
	use   *use
}

type holder struct {
	mu   sync.RWMutex
	last int64
	held map[int64]held
}

func (h *holder) hold(s *geo.Shape, by *use) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	h.held[h.last] = held{s.Until(by.ctx.Done()), by}
	return h.last
}

func (h *holder) get(n int64) held {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.held[n]
}

func (h *holder) release(numbers []int64) {
	if numbers == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range numbers {
		delete(h.held, n)
	}
}
