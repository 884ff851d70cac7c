package cql2

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

// ParseJSON reads a filter in CQL2 JSON. The names of operators may be in any case.
func ParseJSON(data []byte) (Expr, error) {
	cure := "see the schema cql2.json of OGC 21-065r2"
	switch {
	case len(data) > MaxBytes:
		return nil, fault.New(fault.TooLarge, "filter: it has %d bytes, more than %d", len(data), MaxBytes).WithCure("send a shorter one")
	case !utf8.Valid(data):
		return nil, fault.New(fault.Invalid, "filter: it is not UTF-8").WithCure("%s", cure)
	case !json.Valid(data):
		err := json.Unmarshal(data, new(json.RawMessage))
		return nil, fault.New(fault.Invalid, "filter: it is no JSON: %w", err).WithCure("%s", cure)
	}
	var d decoder
	e, err := d.expression(gjson.ParseBytes(data), 0)
	if err == nil {
		e, err = d.finish(e)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "filter%w", located(err, ": ")).WithCure("%s", cure)
	}
	return e, nil
}

type decoder struct{ builder }

// place is an error with the path to it, such as ".args[0]".
type place struct {
	path string
	what error
}

func (p *place) Error() string {
	const most = 100
	if len(p.path) > most {
		return p.path[:most] + "…: " + p.what.Error()
	}
	return p.path + ": " + p.what.Error()
}

// located puts a step before an error's path.
func located(err error, step string) error {
	if p, ok := err.(*place); ok { //nolint:errorlint // it is never wrapped
		if step == ": " {
			return p
		}
		return &place{step + p.path, p.what}
	}
	if step == ": " {
		return fmt.Errorf(": %w", err)
	}
	return &place{step, err}
}

func (d *decoder) expression(v gjson.Result, depth int) (Expr, error) {
	switch v.Type {
	case gjson.True, gjson.False:
		return d.node(Bool{v.Type == gjson.True})
	case gjson.Number:
		if math.IsInf(v.Num, 0) {
			return nil, fmt.Errorf("the number %s is out of range", v.Raw)
		}
		return d.node(Number{v.Num})
	case gjson.String:
		return d.text(v.Str)
	case gjson.Null:
		return nil, fmt.Errorf("null is no value; ask with isNull")
	}
	if depth > 2*MaxDepth { // an operator and its list of args are two
		return nil, fmt.Errorf("it is nested more than %d deep", MaxDepth)
	}
	if v.IsArray() {
		items, err := d.each(v, depth)
		if err != nil {
			return nil, err
		}
		return d.list(items)
	}
	return d.object(v, depth)
}

// each reads the members of a list.
func (d *decoder) each(v gjson.Result, depth int) (out []Expr, err error) {
	v.ForEach(func(_, item gjson.Result) bool {
		var e Expr
		if e, err = d.expression(item, depth+1); err != nil {
			err = located(err, fmt.Sprintf("[%d]", len(out)))
		}
		out = append(out, e)
		return err == nil
	})
	return out, err
}

func (d *decoder) object(v gjson.Result, depth int) (Expr, error) {
	var op, args, single gjson.Result
	name := ""
	v.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "op":
			op = value
		case "args":
			args = value
		case "property", "date", "timestamp", "interval", "bbox", "type":
			if name != "type" && (name == "" || name == "bbox" || key.Str != "bbox") { // a GeoJSON geometry may have a bbox
				name, single = key.Str, value
			}
		}
		return true
	})
	if op.Exists() {
		if op.Type != gjson.String {
			return nil, located(fmt.Errorf("it is no string"), ".op")
		}
		if !args.IsArray() {
			return nil, fmt.Errorf("%q has no list of args", op.Str)
		}
		return d.operation(strings.ToLower(op.Str), args, depth)
	}
	if name != "bbox" && name != "interval" && name != "" && single.Type != gjson.String {
		return nil, located(fmt.Errorf("it is no string"), "."+name)
	}
	switch name {
	case "property":
		return d.property(single.Str)
	case "date":
		return d.date(single.Str)
	case "timestamp":
		return d.timestamp(single.Str)
	case "interval":
		return d.intervalOf(single, depth)
	case "bbox":
		var numbers []float64
		if err := json.Unmarshal([]byte(single.Raw), &numbers); err != nil {
			return nil, located(fmt.Errorf("it is no list of numbers"), ".bbox")
		}
		return d.bbox(numbers)
	case "type":
		shape, err := geo.Parse(json.RawMessage(v.Raw), nil)
		if err != nil {
			return nil, err
		}
		return d.node(Geometry{Shape: shape})
	}
	return nil, fmt.Errorf("an object has to have op, property, date, timestamp, interval, bbox or type")
}

func (d *decoder) intervalOf(v gjson.Result, depth int) (Expr, error) {
	ends := v.Array()
	if !v.IsArray() || len(ends) != 2 {
		return nil, located(fmt.Errorf("it is no list of two"), ".interval")
	}
	var out [2]Expr
	for i, end := range ends {
		var err error
		if end.Type == gjson.String {
			out[i], err = d.end(end.Str)
		} else {
			out[i], err = d.expression(end, depth+1)
		}
		if err != nil {
			return nil, located(err, fmt.Sprintf(".interval[%d]", i))
		}
	}
	return d.interval(out[0], out[1])
}

// operation takes an operator's name in lower case.
func (d *decoder) operation(op string, list gjson.Result, depth int) (Expr, error) {
	if op == "in" || op == "between" {
		return d.ranged(op, list, depth)
	}
	args, err := d.each(list, depth)
	if err != nil {
		return nil, located(err, ".args")
	}
	wants := func(n int) error {
		if len(args) != n {
			return fmt.Errorf("%q takes %d args, not %d", op, n, len(args))
		}
		return nil
	}
	switch op {
	case "and", "or":
		return d.logic(op, args)
	case "not", "isnull":
		if err := wants(1); err != nil {
			return nil, err
		}
		if op == "not" {
			return d.not(args[0])
		}
		return d.node(IsNull{args[0]})
	}
	build := d.binary(op)
	if build == nil {
		return d.call(op, args)
	}
	if err := wants(2); err != nil {
		return nil, err
	}
	return build(args[0], args[1])
}

// binary is how a node of an operator with two arguments is made; nil if it is no such operator.
func (d *decoder) binary(op string) func(left, right Expr) (Expr, error) {
	build := d.array
	switch op {
	case "=", "<>", "<", ">", "<=", ">=":
		build = d.compare
	case "+", "-", "*", "/", "%", "div", "^":
		build = d.arith
	case "like":
		return d.like
	default:
		switch {
		case spatialOps[op]:
			build = d.spatial
		case temporalOps[op]:
			build = d.temporal
		case !arrayOps[op]:
			return nil
		}
	}
	return func(left, right Expr) (Expr, error) { return build(op, left, right) }
}

// ranged reads in and between, whose arguments after the first may be a list.
func (d *decoder) ranged(op string, list gjson.Result, depth int) (Expr, error) {
	all := list.Array()
	if op == "between" && len(all) == 3 {
		args, err := d.each(list, depth)
		if err != nil {
			return nil, located(err, ".args")
		}
		return d.between(args[0], args[1], args[2])
	}
	if len(all) != 2 || !all[1].IsArray() {
		return nil, fmt.Errorf("%q takes a value and a list", op)
	}
	v, err := d.expression(all[0], depth+1)
	if err != nil {
		return nil, located(err, ".args[0]")
	}
	items, err := d.each(all[1], depth+1)
	if err != nil {
		return nil, located(err, ".args[1]")
	}
	if op == "in" {
		return d.in(v, items)
	}
	if len(items) != 2 {
		return nil, located(fmt.Errorf("it is no list of two"), ".args[1]")
	}
	return d.between(v, items[0], items[1])
}
