package stac

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/fault"
)

// maxConditions bounds the comparisons of a question of the query extension, and the values of one of them.
const maxConditions = 1000

// stacQL reads a question of the query extension, {"property": {"operator": value}}, as filters that must all hold.
// As it has no way to write a time, a text that is one means that moment; and as parameters of a GET are easily sent
// as texts, a text that is a number means that number too.
func stacQL(raw json.RawMessage) (out []cql2.Expr, err error) {
	bad := func(format string, args ...any) ([]cql2.Expr, error) {
		return nil, fault.New(fault.Invalid, "query: "+format, args...).WithCure(`write it like {"eo:cloud_cover": {"lt": 10}}; the operators are eq, neq, lt, lte, gt, gte, startsWith, endsWith, contains and in`)
	}
	if !gjson.ValidBytes(raw) || !gjson.ParseBytes(raw).IsObject() {
		return bad("it is no JSON object")
	}
	n := 0
	gjson.ParseBytes(raw).ForEach(func(name, conditions gjson.Result) bool {
		property := cql2.Property{Name: strings.TrimPrefix(name.String(), "properties.")}
		if property.Name == "" || !conditions.IsObject() {
			_, err = bad("what %q has to fulfil is no object of operators", name.String())
			return false
		}
		if err = catalog.CheckName(property.Name); err != nil {
			_, err = bad("%w", err)
			return false
		}
		conditions.ForEach(func(op, value gjson.Result) bool {
			var e cql2.Expr
			if e, err = compare(property, op.String(), value); err != nil {
				_, err = bad("%q, operator %q: %w", property.Name, op.String(), err)
			}
			if n++; n > maxConditions {
				err = fault.New(fault.TooLarge, "query has more than %d comparisons", maxConditions).WithCure("ask a smaller question")
			}
			out = append(out, e)
			return err == nil
		})
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

var stacOperators = map[string]string{"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}

var likePatterns = map[string][2]string{"startsWith": {"", "%"}, "endsWith": {"%", ""}, "contains": {"%", "%"}}

func compare(p cql2.Property, op string, value gjson.Result) (cql2.Expr, error) {
	if sign, ok := stacOperators[op]; ok {
		if value.Type == gjson.Null && (op == "eq" || op == "neq") {
			if op == "eq" {
				return cql2.IsNull{Arg: p}, nil
			}
			return cql2.Not{Arg: cql2.IsNull{Arg: p}}, nil
		}
		values, err := literals(value)
		if err != nil {
			return nil, err
		}
		any := make([]cql2.Expr, len(values))
		for i, v := range values {
			any[i] = cql2.Compare{Op: sign, Left: p, Right: v}
		}
		return or(any), nil
	}
	if ends, ok := likePatterns[op]; ok {
		if value.Type != gjson.String {
			return nil, fault.New(fault.Invalid, "the value is no string")
		}
		if err := storable(value.Str); err != nil {
			return nil, err
		}
		plain := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(value.Str)
		return cql2.Like{Value: p, Pattern: cql2.String{Value: ends[0] + plain + ends[1]}}, nil
	}
	if op != "in" {
		return nil, fault.New(fault.Invalid, "the operator is unknown")
	}
	if !value.IsArray() {
		return nil, fault.New(fault.Invalid, "the value is no list")
	}
	var list, moments []cql2.Expr
	var err error
	value.ForEach(func(_, one gjson.Result) bool {
		var values []cql2.Expr
		if values, err = literals(one); err == nil && len(list)+len(moments) >= maxConditions {
			err = fault.New(fault.Invalid, "the list has more than %d values", maxConditions)
		}
		for _, v := range values {
			switch v.(type) {
			case cql2.Timestamp, cql2.Date:
				moments = append(moments, cql2.Compare{Op: "=", Left: p, Right: v})
			default:
				list = append(list, v)
			}
		}
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	switch {
	case len(list) > 0: // of a property that is a list, one of the values is in it
		moments = append(moments, cql2.In{Value: p, List: list}, cql2.Array{Op: "a_overlaps", Left: p, Right: cql2.List{Items: list}})
	case len(moments) == 0: // nothing is in an empty list
		return cql2.And{Args: []cql2.Expr{cql2.IsNull{Arg: p}, cql2.Not{Arg: cql2.IsNull{Arg: p}}}}, nil
	}
	return or(moments), nil
}

func or(any []cql2.Expr) cql2.Expr {
	if len(any) == 1 {
		return any[0]
	}
	return cql2.Or{Args: any}
}

// storable refuses a text that no database keeps, as filters do.
func storable(text string) error {
	if strings.IndexByte(text, 0) >= 0 {
		return fault.New(fault.Invalid, "the value holds the character U+0000")
	}
	return nil
}

// literals are the values that a scalar may mean.
func literals(v gjson.Result) ([]cql2.Expr, error) {
	switch v.Type {
	case gjson.Number:
		if math.IsInf(v.Num, 0) {
			return nil, fault.New(fault.Invalid, "the number %s is out of range", v.Raw)
		}
		return []cql2.Expr{cql2.Number{Value: v.Num}}, nil
	case gjson.True, gjson.False:
		return []cql2.Expr{cql2.Bool{Value: v.Bool()}}, nil
	case gjson.String:
		if err := storable(v.Str); err != nil {
			return nil, err
		}
		if at, ok := catalog.ParseMoment(v.Str); ok {
			if at.From < at.To {
				return []cql2.Expr{cql2.Date{Value: time.UnixMicro(at.From).UTC()}}, nil
			}
			return []cql2.Expr{cql2.Timestamp{Value: time.UnixMicro(at.From).UTC()}}, nil
		}
		out := []cql2.Expr{cql2.String{Value: v.Str}}
		if n, err := strconv.ParseFloat(v.Str, 64); err == nil && json.Valid([]byte(v.Str)) {
			out = append(out, cql2.Number{Value: n})
		}
		return out, nil
	}
	return nil, fault.New(fault.Invalid, "the value is neither a string, a number nor a boolean")
}
