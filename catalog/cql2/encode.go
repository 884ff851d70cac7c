package cql2

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// JSON writes a filter, or a part of one, as CQL2 JSON.
func JSON(e Expr) json.RawMessage { return appendJSON(nil, e) }

// mixed are the operators that are not in lower case in JSON.
var mixed = map[string]string{
	"t_finishedby": "t_finishedBy", "t_metby": "t_metBy", "t_overlappedby": "t_overlappedBy", "t_startedby": "t_startedBy",
	"a_containedby": "a_containedBy",
}

func appendJSON(out []byte, e Expr) []byte {
	switch e := e.(type) {
	case And:
		return opJSON(out, "and", e.Args...)
	case Or:
		return opJSON(out, "or", e.Args...)
	case Not:
		return opJSON(out, "not", e.Arg)
	case Compare:
		return opJSON(out, e.Op, e.Left, e.Right)
	case Like:
		return opJSON(out, "like", e.Value, e.Pattern)
	case Between:
		return opJSON(out, "between", e.Value, e.Low, e.High)
	case In:
		return opJSON(out, "in", e.Value, List{e.List})
	case IsNull:
		return opJSON(out, "isNull", e.Arg)
	case Spatial:
		return opJSON(out, e.Op, e.Left, e.Right)
	case Temporal:
		return opJSON(out, e.Op, e.Left, e.Right)
	case Array:
		return opJSON(out, e.Op, e.Left, e.Right)
	case Arith:
		return opJSON(out, e.Op, e.Left, e.Right)
	case Func:
		return opJSON(out, e.Name, e.Args...)
	case List:
		return listJSON(out, e.Items)
	case Property:
		return append(stringJSON(append(out, `{"property":`...), prefixed(e.Name)), '}')
	case String:
		return stringJSON(out, e.Value)
	case Number:
		return appendNumber(out, e.Value)
	case Bool:
		return strconv.AppendBool(out, e.Value)
	case Timestamp:
		text, _ := Written(e)
		return append(append(append(out, `{"timestamp":"`...), text...), `"}`...)
	case Date:
		text, _ := Written(e)
		return append(append(append(out, `{"date":"`...), text...), `"}`...)
	case Interval:
		return intervalJSON(out, e)
	case Geometry:
		if e.BBox == nil {
			return append(out, e.Shape.GeoJSON()...)
		}
		out = append(out, `{"bbox":[`...)
		for i, v := range e.BBox {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendNumber(out, v)
		}
		return append(out, `]}`...)
	}
	return out
}

func opJSON(out []byte, op string, args ...Expr) []byte {
	if name, ok := mixed[op]; ok {
		op = name
	}
	out = append(append(append(out, `{"op":"`...), op...), `","args":`...)
	return append(listJSON(out, args), '}')
}

func listJSON(out []byte, items []Expr) []byte {
	out = append(out, '[')
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendJSON(out, item)
	}
	return append(out, ']')
}

func intervalJSON(out []byte, e Interval) []byte {
	out = append(out, `{"interval":[`...)
	for i, end := range []Expr{e.Start, e.End} {
		if i > 0 {
			out = append(out, ',')
		}
		text, literal := Written(end)
		switch {
		case end == nil:
			out = append(out, `".."`...)
		case literal:
			out = append(append(append(out, '"'), text...), '"')
		default:
			out = appendJSON(out, end)
		}
	}
	return append(out, `]}`...)
}

func stringJSON(out []byte, s string) []byte {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return append(out, `""`...) // no string fails
	}
	return append(out, bytes.TrimSuffix(text.Bytes(), []byte("\n"))...)
}
