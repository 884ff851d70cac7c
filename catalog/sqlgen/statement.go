package sqlgen

import "strings"

// statement is the text of a statement being written, and its arguments.
type statement struct {
	Dialect
	args []any
}

func (s *statement) arg(k Kind, value any) string {
	s.args = append(s.args, s.Argument(k, value))
	return s.Placeholder(len(s.args), k)
}

// unknown is the third value of a condition.
const unknown = "CAST(NULL AS boolean)"

// all and some combine conditions with AND and with OR; of none, all is true and some is false.
func all(conditions []string) string  { return combine(conditions, " AND ", "TRUE") }
func some(conditions []string) string { return combine(conditions, " OR ", "FALSE") }

// combine brackets long chains by halves, since a database bounds how deep an expression may be.
func combine(conditions []string, by, none string) string {
	switch n := len(conditions); {
	case n == 0:
		return none
	case n == 1:
		return conditions[0]
	case n > 16:
		conditions = []string{combine(conditions[:n/2], by, none), combine(conditions[n/2:], by, none)}
	}
	return "(" + strings.Join(conditions, by) + ")"
}
