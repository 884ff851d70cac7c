package cql2

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text writes a filter, or a part of one, as CQL2 text.
func Text(e Expr) string { return string(appendText(nil, e)) }

func appendText(out []byte, e Expr) []byte {
	switch e := e.(type) {
	case And:
		return joinText(out, e.Args, " AND ")
	case Or:
		return joinText(out, e.Args, " OR ")
	case Not:
		return within(append(out, "NOT "...), e.Arg)
	case Compare:
		return infix(out, e.Left, e.Op, e.Right)
	case Like:
		return infix(out, e.Value, "LIKE", e.Pattern)
	case Between:
		return infix(infix(out, e.Value, "BETWEEN", e.Low), nil, "AND", e.High)
	case In:
		return brackets(append(operand(out, e.Value), " IN "...), e.List)
	case IsNull:
		return append(operand(out, e.Arg), " IS NULL"...)
	case Spatial:
		return call(out, strings.ToUpper(e.Op), e.Left, e.Right)
	case Temporal:
		return call(out, strings.ToUpper(e.Op), e.Left, e.Right)
	case Array:
		return call(out, strings.ToUpper(e.Op), e.Left, e.Right)
	case Property:
		return appendName(out, e.Name)
	case String:
		return quote(out, e.Value)
	case Number:
		return appendNumber(out, e.Value)
	case Bool:
		return append(out, strings.ToUpper(strconv.FormatBool(e.Value))...)
	case Timestamp, Date, Interval:
		return appendTime(out, e)
	case Geometry:
		if e.BBox == nil {
			return append(out, e.Shape.WKT()...)
		}
		out = append(out, "BBOX("...)
		for i, v := range e.BBox {
			if i > 0 {
				out = append(out, ", "...)
			}
			out = appendNumber(out, v)
		}
		return append(out, ')')
	case List:
		return brackets(out, e.Items)
	case Arith:
		return infix(out, e.Left, e.Op, e.Right)
	case Func:
		if e.Name == "casei" || e.Name == "accenti" {
			return call(out, strings.ToUpper(e.Name), e.Args...)
		}
		return call(out, e.Name, e.Args...)
	}
	return out
}

func joinText(out []byte, args []Expr, between string) []byte {
	for i, arg := range args {
		if i > 0 {
			out = append(out, between...)
		}
		if _, ok := arg.(And); ok && between == " OR " {
			out = appendText(out, arg)
			continue
		}
		out = within(out, arg)
	}
	return out
}

// within writes an argument of AND, OR or NOT.
func within(out []byte, arg Expr) []byte {
	switch arg.(type) {
	case And, Or:
		return append(appendText(append(out, '('), arg), ')')
	}
	return appendText(out, arg)
}

// operand writes what a sign or a keyword stands beside.
func operand(out []byte, e Expr) []byte {
	switch e.(type) {
	case And, Or, Not, Compare, Like, Between, In, IsNull, Arith:
		return append(appendText(append(out, '('), e), ')')
	}
	return appendText(out, e)
}

func infix(out []byte, left Expr, op string, right Expr) []byte {
	if left != nil {
		out = operand(out, left)
	}
	return operand(append(append(append(out, ' '), op...), ' '), right)
}

func brackets(out []byte, items []Expr) []byte {
	out = append(out, '(')
	for i, item := range items {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = appendText(out, item)
	}
	return append(out, ')')
}

func call(out []byte, name string, args ...Expr) []byte { return brackets(append(out, name...), args) }

func appendTime(out []byte, e Expr) []byte {
	switch e := e.(type) {
	case Timestamp:
		text, _ := Written(e)
		return append(append(append(out, "TIMESTAMP('"...), text...), "')"...)
	case Date:
		text, _ := Written(e)
		return append(append(append(out, "DATE('"...), text...), "')"...)
	case Interval:
		out = append(out, "INTERVAL("...)
		for i, end := range []Expr{e.Start, e.End} {
			if i > 0 {
				out = append(out, ", "...)
			}
			text, literal := Written(end)
			switch {
			case end == nil:
				out = append(out, "'..'"...)
			case literal:
				out = append(append(append(out, '\''), text...), '\'')
			default:
				out = appendText(out, end)
			}
		}
		return append(out, ')')
	}
	return out
}

// appendNumber writes the shortest text that reads as the same number.
func appendNumber(out []byte, v float64) []byte {
	if a := math.Abs(v); a == 0 || a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(out, v, 'f', -1, 64)
	}
	return strconv.AppendFloat(out, v, 'e', -1, 64)
}

// prefixed is a property's name with a prefix for the parsers to take away, where they would take away a part of the name itself.
func prefixed(name string) string {
	if strings.HasPrefix(name, prefix) {
		return prefix + name
	}
	return name
}

// appendName writes a property's name as the parser will read it.
func appendName(out []byte, name string) []byte {
	name = prefixed(name)
	plain := !reserved[strings.ToLower(name)] && !strings.HasSuffix(name, ".")
	for i, r := range name {
		if !isPart(r) || i == 0 && !isStart(r) {
			plain = false
		}
	}
	if plain {
		return append(out, name...)
	}
	return append(append(append(out, '"'), strings.ReplaceAll(name, `"`, `""`)...), '"')
}

func quote(out []byte, s string) []byte {
	out = append(out, '\'')
	for s != "" {
		_, n := utf8.DecodeRuneInString(s)
		switch s[0] {
		case '\'':
			out = append(out, "''"...)
		case '\\':
			out = append(out, `\\`...)
		default:
			out = append(out, s[:n]...)
		}
		s = s[n:]
	}
	return append(out, '\'')
}
