package words

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/terrapin-eo/terrapin/fault"
)

// The limits of a question.
const (
	MaxBytes = 16 << 10
	MaxWords = 256
	// MaxDepth is of brackets within brackets.
	MaxDepth = 32
)

const cure = `ask for words, like water, for phrases, like "sea ice", and combine them with AND, OR, brackets, + (must be there) and - (must not)`

// Terms reads the basic form: any of the terms must be there, and a term of several words as a phrase. nil without
// an error is no question: all terms are blank.
func Terms(terms []string) (Question, error) {
	p := parser{}
	if err := p.check(terms...); err != nil {
		return nil, err
	}
	var any []Question
	blank := true
	for _, term := range terms {
		blank = blank && strings.TrimSpace(term) == ""
		if q := p.term(term); q != nil {
			any = append(any, q)
		}
	}
	if blank {
		return nil, nil
	}
	return p.done(anyOf(any))
}

// Parse reads the advanced form: words and quoted phrases, of which any must be there; AND between those that must be together, and
// OR, which binds less; brackets; + before what must be there (then what has no sign need not) and - or NOT before what must not. The keywords are in
// capitals, and commas are as good as blanks. nil without an error is no question: the text is blank.
func Parse(text string) (Question, error) {
	p := parser{text: text}
	if err := p.check(text); err != nil {
		return nil, err
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	q, err := p.list(0)
	if err == nil && p.at < len(p.text) {
		err = p.errorf("a bracket is closed that was not opened")
	}
	if err != nil {
		return nil, err
	}
	return p.done(q)
}

type parser struct {
	text  string
	at    int
	words int
}

func (p *parser) check(texts ...string) error {
	size := 0
	for _, t := range texts {
		if size += len(t); size > MaxBytes {
			return fault.New(fault.TooLarge, "q: it has more than %d bytes", MaxBytes).WithCure("ask for less")
		}
		if !utf8.ValidString(t) {
			return fault.New(fault.Invalid, "q: it is not UTF-8").WithCure("%s", cure)
		}
	}
	return nil
}

func (p *parser) errorf(format string, args ...any) error {
	return fault.New(fault.Invalid, "q: at character %d: %s", 1+utf8.RuneCountInString(p.text[:p.at]), fmt.Sprintf(format, args...)).WithCure("%s", cure)
}

func (p *parser) done(q Question) (Question, error) {
	if p.words > MaxWords {
		return nil, fault.New(fault.TooLarge, "q: it has more than %d words", MaxWords).WithCure("ask for less")
	}
	if q == nil {
		return nil, fault.New(fault.Invalid, "q: it has no word").WithCure("%s", cure)
	}
	return q, nil
}

// term makes a word or a phrase of a text; nil if it has no word.
func (p *parser) term(text string) Question {
	list := Of(text)
	p.words += len(list)
	switch len(list) {
	case 0:
		return nil
	case 1:
		return Word{list[0]}
	}
	return Phrase{list}
}

func allOf(args []Question) Question {
	if len(args) < 2 {
		return anyOf(args)
	}
	return All{args}
}

func anyOf(args []Question) Question {
	switch len(args) {
	case 0:
		return nil
	case 1:
		return args[0]
	}
	return Any{args}
}

// space passes over what is between terms.
func (p *parser) space() {
	p.at += len(p.text[p.at:]) - len(strings.TrimLeftFunc(p.text[p.at:], func(r rune) bool { return unicode.IsSpace(r) || r == ',' }))
}

// keyword passes over AND, OR or NOT if it follows.
func (p *parser) keyword(word string) bool {
	p.space()
	rest, found := strings.CutPrefix(p.text[p.at:], word)
	if !found || rest != "" && !strings.ContainsAny(rest[:1], " \t\r\n,()\"") {
		return false
	}
	p.at += len(word)
	return true
}

// list reads what is between brackets, or all.
func (p *parser) list(depth int) (Question, error) {
	if depth > MaxDepth {
		return nil, p.errorf("brackets are nested more than %d deep", MaxDepth)
	}
	var may, must, not []Question
	for first := true; ; first = false {
		or := p.keyword("OR")
		if or && first {
			return nil, p.errorf("there is nothing before OR")
		}
		p.space()
		if p.at == len(p.text) || p.text[p.at] == ')' {
			if or {
				return nil, p.errorf("there is nothing after OR")
			}
			break
		}
		sign, q, err := p.together(depth)
		if err != nil {
			return nil, err
		}
		switch {
		case q == nil: // marks without a word
		case sign == '+':
			must = append(must, q)
		case sign == '-':
			not = append(not, Not{q})
		default:
			may = append(may, q)
		}
	}
	if len(must) == 0 && len(may) > 0 {
		must = []Question{anyOf(may)}
	}
	return allOf(append(must, not...)), nil
}

// together reads terms with AND between; the sign is that of a single term.
func (p *parser) together(depth int) (byte, Question, error) {
	sign, q, err := p.signed(depth)
	if err != nil || !p.keyword("AND") {
		return sign, q, err
	}
	var all []Question
	for {
		if q != nil && sign == '-' {
			q = Not{q}
		}
		if q != nil {
			all = append(all, q)
		}
		if p.space(); p.at == len(p.text) || p.text[p.at] == ')' {
			return 0, nil, p.errorf("there is nothing after AND")
		}
		if sign, q, err = p.signed(depth); err != nil {
			return 0, nil, err
		}
		if !p.keyword("AND") {
			break
		}
	}
	if q != nil && sign == '-' {
		q = Not{q}
	}
	if q != nil {
		all = append(all, q)
	}
	return 0, allOf(all), nil
}

// signed reads a term with its sign.
func (p *parser) signed(depth int) (sign byte, q Question, err error) {
	if p.keyword("AND") || p.keyword("OR") {
		return 0, nil, p.errorf("there is nothing before AND or OR")
	}
	if p.keyword("NOT") {
		sign = '-'
		p.space()
	} else if c := p.text[p.at]; c == '+' || c == '-' {
		sign = c
		p.at++
	}
	if p.at == len(p.text) {
		return sign, nil, nil
	}
	switch p.text[p.at] {
	case '(':
		p.at++
		if q, err = p.list(depth + 1); err != nil {
			return 0, nil, err
		}
		if p.at == len(p.text) {
			return 0, nil, p.errorf("a bracket is not closed")
		}
		p.at++
		return sign, q, nil
	case '"':
		text, _, closed := strings.Cut(p.text[p.at+1:], `"`)
		if !closed {
			return 0, nil, p.errorf("a quote is not closed")
		}
		p.at += len(text) + 2
		return sign, p.term(text), nil
	}
	end := strings.IndexFunc(p.text[p.at:], func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`,()"`, r) })
	if end < 0 {
		end = len(p.text) - p.at
	}
	text := p.text[p.at : p.at+end]
	p.at += end
	return sign, p.term(text), nil
}
