package cql2

import "math"

// Calculate is the arithmetic of filters on IEEE doubles. Known is false where the result is not finite (a
// division by zero, an overflow, a root of a negative number) or is zero only for want of smaller
// numbers, here or in a step on the way:
//
//	a div b = trunc(a / b)
//	a % b   = a - b * (a div b)      of whole numbers the remainder with the sign of a
//	a ^ b   = a to the power of b
//
// Databases may differ from it in the last bit of powers that are not whole numbers.
func Calculate(op string, a, b float64) (result float64, known bool) {
	switch op {
	case "+":
		return finite(a + b)
	case "-":
		return finite(a - b)
	case "*":
		result = a * b
		return result, isFinite(result) && (result != 0 || a == 0 || b == 0)
	case "/", "div":
		result = a / b
		if !isFinite(result) || result == 0 && a != 0 {
			return 0, false
		}
		if op == "div" {
			result = math.Trunc(result)
		}
		return result, true
	case "%":
		whole, ok := Calculate("div", a, b)
		if !ok {
			return 0, false
		}
		taken, ok := Calculate("*", b, whole)
		return a - taken, ok
	case "^":
		result = math.Pow(a, b)
		return result, isFinite(result) && (result != 0 || a == 0)
	}
	return 0, false
}

func finite(v float64) (float64, bool) { return v, isFinite(v) }

func isFinite(v float64) bool { return !math.IsInf(v, 0) && !math.IsNaN(v) }
