package postgres

import (
	"strings"
	"unicode/utf8"

	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

// Candidates fences off what an index finds (OFFSET 0): left to itself, the server may walk another index
// in the order that is asked for, and check place or words of every item there is.
func (d dialect) Candidates(p sqlgen.Path, arg sqlgen.Args) (from, where string) {
	switch p.Kind {
	case sqlgen.ByPlace:
		if p.Sorted == nil {
			return "(SELECT * FROM item i WHERE " + near(p, arg) + " OFFSET 0) i", ""
		}
		return inOrder(p, arg), ""
	case sqlgen.ByWords:
		return "(SELECT * FROM item i WHERE " + d.holds(p.Question, arg) + " OFFSET 0) i", d.Answers(p.Question, arg)
	case sqlgen.ByID:
		return "(SELECT * FROM item i WHERE i.id = ANY (" + arg(sqlgen.Texts, p.IDs) + ") OFFSET 0) i", ""
	}
	return "item i", ""
}

func (d dialect) Some(p sqlgen.Path, arg sqlgen.Args) string {
	switch p.Kind {
	case sqlgen.ByPlace:
		return "SELECT 1 FROM item i WHERE " + near(p, arg)
	case sqlgen.ByWords:
		return "SELECT 1 FROM item i WHERE " + d.holds(p.Question, arg)
	}
	return ""
}

// Sketch is not needed: candidates come in their order.
func (dialect) Sketch(sqlgen.Path, sqlgen.Args) string { return "" }

// At is as exact as an index of doubles can be.
func (dialect) At(sort int64) float64 { return moment(sort) }

// near is a condition of the index over place and time.
func near(p sqlgen.Path, arg sqlgen.Args) string {
	return "i.place && " + arg(boxOfPlace, boxOf(p).String())
}

// along is what orders the candidates of a path: their sort, as the index over place and time has it.
const along = "i.along"

func (dialect) InOrder(limit string) string {
	return " ORDER BY " + along + " FETCH FIRST (" + limit + ") ROWS WITH TIES"
}

// inOrder are the candidates of a path in its order.
func inOrder(p sqlgen.Path, arg sqlgen.Args) string {
	order := "i.place ~> " + sortUpward
	if p.Downward {
		order = "i.place ~> " + sortDownward
	}
	return "(SELECT i.*, " + order + " AS along FROM item i WHERE " + near(p, arg) + " ORDER BY " + order + " OFFSET 0) i"
}

func (dialect) Elements(name string, arg sqlgen.Args) (from, text string) {
	return "jsonb_array_elements(property_list(i.properties, " + arg(nameOf, name) + ")) AS e", "scalar_text(e.value)"
}

// Answers looks at the words themselves.
func (d dialect) Answers(q words.Question, arg sqlgen.Args) string {
	switch q := q.(type) {
	case words.Word:
		return follows([]string{q.Text}, arg)
	case words.Phrase:
		return follows(q.Words, arg)
	case words.All:
		return d.combine(q.Args, " AND ", "TRUE", d.Answers, arg)
	case words.Any:
		return d.combine(q.Args, " OR ", "FALSE", d.Answers, arg)
	case words.Not:
		return "(NOT " + d.Answers(q.Arg, arg) + ")"
	}
	return "FALSE"
}

// follows is a condition: the words stand in one text, one after the other.
func follows(list []string, arg sqlgen.Args) string {
	return "(position(" + arg(sqlgen.Text, " "+strings.Join(list, " ")+" ") + " IN i.texts) > 0)"
}

// holds is what the index knows of a question: it finds all that answer, and may find more.
func (d dialect) holds(q words.Question, arg sqlgen.Args) string {
	switch q := q.(type) {
	case words.Word:
		return "(i.words @> " + arg(sqlgen.Texts, []string{cut(q.Text)}) + ")"
	case words.Phrase:
		list := make([]string, len(q.Words))
		for i, w := range q.Words {
			list[i] = cut(w)
		}
		return "(i.words @> " + arg(sqlgen.Texts, list) + ")"
	case words.All:
		return d.combine(q.Args, " AND ", "TRUE", d.holds, arg)
	case words.Any:
		return d.combine(q.Args, " OR ", "FALSE", d.holds, arg)
	}
	return "TRUE"
}

func (d dialect) combine(args []words.Question, by, none string, each func(words.Question, sqlgen.Args) string, arg sqlgen.Args) string {
	if len(args) == 0 {
		return none
	}
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = each(a, arg)
	}
	return "(" + strings.Join(parts, by) + ")"
}

// longestWord is how much of a word the index keeps, in bytes: it takes no keys beyond 2.7 kB.
const longestWord = 64

func cut(word string) string {
	if len(word) <= longestWord {
		return word
	}
	n := longestWord
	for !utf8.RuneStart(word[n]) {
		n--
	}
	return word[:n]
}
