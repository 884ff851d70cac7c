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
		return near(p, arg), ""
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
		var each []string
		for _, one := range ways(p, arg) {
			each = append(each, "SELECT 1 FROM item i WHERE "+one.where)
		}
		return strings.Join(each, " UNION ALL ")
	case sqlgen.ByWords:
		return "SELECT 1 FROM item i WHERE " + d.holds(p.Question, arg)
	}
	return ""
}

// Sketch is not needed: candidates come in their order.
func (dialect) Sketch(sqlgen.Path, sqlgen.Args) string { return "" }

// At is as exact as an index of doubles can be.
func (dialect) At(sort int64) float64 { return moment(sort) }

// way is a part of the items near a place: what one look into one of the two indexes finds, and the coordinate that is the sort there.
type way struct{ where, sort string }

// ways find each item near a place once.
func ways(p sqlgen.Path, arg sqlgen.Args) (out []way) {
	usual, odd := looks(p)
	where := "NOT i.odd"
	for _, b := range usual {
		at := arg(boxOfPlace, b.String())
		out = append(out, way{where + " AND i.place && " + at, "5"})
		where += " AND NOT i.place && " + at
	}
	return append(out, way{"i.odd AND i.place && " + arg(boxOfPlace, odd.String()), "9"})
}

// along is what orders the candidates of a path: their sort, as the indexes have it.
const along = "i.along"

func (dialect) InOrder(limit string) string {
	return " ORDER BY " + along + " FETCH FIRST (" + limit + ") ROWS WITH TIES"
}

// near are the candidates of a path, in its order if it has one: the server merges what comes in order from each index.
func near(p sqlgen.Path, arg sqlgen.Args) string {
	var each []string
	for _, one := range ways(p, arg) {
		text := "SELECT i.* FROM item i WHERE " + one.where
		if p.Sorted != nil {
			order := "i.place ~> " + one.sort
			if p.Downward {
				order = "i.place ~> -" + one.sort
			}
			text = "SELECT i.*, " + order + " AS along FROM item i WHERE " + one.where + " ORDER BY " + order
		}
		each = append(each, text)
	}
	switch {
	case len(each) == 1:
		return "(" + each[0] + " OFFSET 0) i"
	case p.Sorted == nil:
		return "(" + strings.Join(each, " UNION ALL ") + " OFFSET 0) i"
	}
	return "(SELECT * FROM ((" + strings.Join(each, ") UNION ALL (") + ")) u ORDER BY u.along OFFSET 0) i"
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
