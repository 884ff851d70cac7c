// Package words is free text: how a document's text becomes words, and how a question of words is read
// and answered. It owns the one definition of a word (a run of letters and digits, in lower case, without
// accents), so that every back end indexes the same words; it refuses questions that do not parse.
// It knows no database. The invariant: Match is the meaning of a question, and every index finds the same.
package words

import (
	"slices"
	"strings"
)

// Question is a free-text question: Word, Phrase, All, Any or Not. Its text is one that Parse reads as an
// equal question.
type Question interface {
	question()
	String() string
}

type (
	// Word is one word of the document.
	Word struct{ Text string }
	// Phrase is words that follow each other in one text of the document.
	Phrase struct{ Words []string }
	// All and Any combine questions.
	All struct{ Args []Question }
	Any struct{ Args []Question }
	// Not is what the document must not answer to.
	Not struct{ Arg Question }
)

func (Word) question()   {}
func (Phrase) question() {}
func (All) question()    {}
func (Any) question()    {}
func (Not) question()    {}

func (w Word) String() string   { return w.Text }
func (p Phrase) String() string { return `"` + strings.Join(p.Words, " ") + `"` }
func (a All) String() string    { return join(a.Args, " AND ") }
func (a Any) String() string    { return join(a.Args, " OR ") }
func (n Not) String() string    { return "-(" + n.Arg.String() + ")" }

func join(args []Question, between string) string {
	texts := make([]string, len(args))
	for i, arg := range args {
		texts[i] = arg.String()
		if _, not := arg.(Not); not {
			texts[i] = "(" + texts[i] + ")" // else it would hold for the whole list
		}
	}
	return "(" + strings.Join(texts, between) + ")"
}

// Match reports whether a document's texts, each as Of gives its words, answer a question; nil asks for nothing.
func Match(q Question, texts [][]string) bool {
	switch q := q.(type) {
	case Word:
		return slices.ContainsFunc(texts, func(text []string) bool { return slices.Contains(text, q.Text) })
	case Phrase:
		return slices.ContainsFunc(texts, func(text []string) bool { return holds(text, q.Words) })
	case All:
		return !slices.ContainsFunc(q.Args, func(arg Question) bool { return !Match(arg, texts) })
	case Any:
		return slices.ContainsFunc(q.Args, func(arg Question) bool { return Match(arg, texts) })
	case Not:
		return !Match(q.Arg, texts)
	}
	return true
}

// holds reports whether words follow each other in a text.
func holds(text, words []string) bool {
	for i := 0; i+len(words) <= len(text); i++ {
		if slices.Equal(text[i:i+len(words)], words) {
			return true
		}
	}
	return false
}
