package catalogtest

import (
	"fmt"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

// faults are the ways in which a Memory can be told to be wrong.
type faults struct{}

// holds reports whether a filter is true of a record, and not false or unknown.
func (m *Memory) holds(f cql2.Expr, r record) bool {
	panic("catalogtest: filters are not evaluated yet")
}

// answers reports whether texts answer a question.
func answers(q words.Question, texts [][]string) bool {
	panic("catalogtest: free text is not evaluated yet")
}

// asked is the question of a query as tokens are bound to it.
func asked(q catalog.Query) string {
	return q.Ask() + fmt.Sprintf("%#v %#v %#v %v", q.Filter, q.Words, q.Sort, q.Origin != nil && *q.Origin == catalog.Posted)
}
