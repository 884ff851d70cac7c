// Package words is free text: how a document's text becomes words, and how a question of words is read
// and answered. It owns the one definition of a word (a run of letters and digits, in lower case, without
// accents), so that every back end indexes the same words; it refuses questions that do not parse.
// It knows no database. The invariant: Match is the meaning of a question, and every index finds the same.
package words

// Question is a free-text question: Word, Phrase, All, Any or Except.
type Question interface{ question() }

type (
	// Word is one word of the document.
	Word struct{ Text string }
	// Phrase is words that follow each other.
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
