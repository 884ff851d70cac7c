package catalogtest

import (
	"slices"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

// faults are the ways in which a Memory can be told to be wrong.
type faults struct{}

// holds reports whether a filter is true of a record, and not false or unknown.
func (m *Memory) holds(f cql2.Expr, r record) bool {
	truth := cql2.Eval(f, r)
	return truth != nil && *truth
}

// answers reports whether texts answer a question.
func answers(q words.Question, texts [][]string) bool {
	switch q := q.(type) {
	case words.Word:
		return answers(words.Phrase{Words: []string{q.Text}}, texts)
	case words.Phrase:
		return slices.ContainsFunc(texts, func(text []string) bool {
			for i := range text {
				if len(text)-i >= len(q.Words) && slices.Equal(text[i:i+len(q.Words)], q.Words) {
					return true
				}
			}
			return false
		})
	case words.All:
		return !slices.ContainsFunc(q.Args, func(a words.Question) bool { return !answers(a, texts) })
	case words.Any:
		return slices.ContainsFunc(q.Args, func(a words.Question) bool { return answers(a, texts) })
	case words.Not:
		return !answers(q.Arg, texts)
	}
	return false
}
