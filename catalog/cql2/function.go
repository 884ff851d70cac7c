package cql2

import (
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Function is one that filters may call beside those of the standard. All of them have one argument, and
// are unknown where it is unknown or of another type.
type Function struct {
	Name, Description string
	Argument          Type
	Returns           Type

	number func(float64) float64
	text   func(string) string
	size   func(string) float64
	moment func(from int64) float64
}

// Functions are all there are, by name. Names are in lower case and are read in any.
func Functions() []Function { return functions }

// FunctionNamed finds one, by its name in lower case.
func FunctionNamed(name string) (Function, bool) {
	for _, f := range functions {
		if f.Name == name {
			return f, true
		}
	}
	return Function{}, false
}

// functions hold no rounding to a nearest number, as databases differ in where a half goes.
var functions = []Function{
	{Name: "abs", Description: "the number without its sign", Argument: NumberType, Returns: NumberType, number: math.Abs},
	{Name: "ceil", Description: "the least whole number that is not less", Argument: NumberType, Returns: NumberType, number: math.Ceil},
	{Name: "day", Description: "the day of the month in UTC, 1 to 31", Argument: MomentType, Returns: NumberType,
		moment: func(us int64) float64 { return float64(utc(us).Day()) }},
	{Name: "floor", Description: "the greatest whole number that is not greater", Argument: NumberType, Returns: NumberType, number: math.Floor},
	{Name: "length", Description: "the number of characters (Unicode code points)", Argument: TextType, Returns: NumberType,
		size: func(s string) float64 { return float64(utf8.RuneCountInString(s)) }},
	{Name: "lower", Description: "the text in lower case, character by character", Argument: TextType, Returns: TextType,
		text: func(s string) string { return strings.Map(unicode.ToLower, s) }},
	{Name: "month", Description: "the month in UTC, 1 to 12", Argument: MomentType, Returns: NumberType,
		moment: func(us int64) float64 { return float64(utc(us).Month()) }},
	{Name: "upper", Description: "the text in upper case, character by character", Argument: TextType, Returns: TextType,
		text: func(s string) string { return strings.Map(unicode.ToUpper, s) }},
	{Name: "year", Description: "the year in UTC", Argument: MomentType, Returns: NumberType,
		moment: func(us int64) float64 { return float64(utc(us).Year()) }},
}

func utc(us int64) time.Time { return time.UnixMicro(us).UTC() }
