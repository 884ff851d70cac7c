package cql2

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/terrapin-eo/terrapin/fault"
)

// ParseText reads a filter in CQL2 text. Keywords and names of functions may be in any case.
func ParseText(text string) (Expr, error) {
	cure := "see OGC 21-065r2 for CQL2 text; names of properties with other signs than letters, digits, _, : and . go in double quotes"
	if len(text) > MaxBytes {
		return nil, fault.New(fault.TooLarge, "filter: it has %d bytes, more than %d", len(text), MaxBytes).WithCure("send a shorter one")
	}
	if !utf8.ValidString(text) {
		return nil, fault.New(fault.Invalid, "filter: it is not UTF-8").WithCure("%s", cure)
	}
	p := parser{text: text}
	e, err := p.filter()
	if err != nil {
		var m *mistake
		if !errors.As(err, &m) {
			m = &mistake{p.tok.from, err.Error()}
		}
		return nil, fault.New(fault.Invalid, "filter: at character %d%s: %s", 1+utf8.RuneCountInString(text[:m.at]), around(text, m.at), m.what).
			WithCure("%s", cure)
	}
	return e, nil
}

// around quotes what stands at a place.
func around(text string, at int) string {
	rest := text[at:]
	if rest == "" {
		return ", the end"
	}
	const most = 20
	if i := strings.IndexFunc(rest, func(r rune) bool { return r < ' ' }); i > 0 {
		rest = rest[:i]
	}
	if len(rest) > most {
		cut := most
		for !utf8.RuneStart(rest[cut]) {
			cut--
		}
		rest = rest[:cut] + "…"
	}
	return fmt.Sprintf(", %q", rest)
}

// parser goes down the grammar with one token in hand.
type parser struct {
	builder
	text  string
	tok   token
	depth int
}

func (p *parser) advance() (err error) {
	p.tok, err = scan(p.text, p.tok.to)
	return err
}

func (p *parser) errorf(format string, args ...any) error {
	return &mistake{p.tok.from, fmt.Sprintf(format, args...)}
}

// at puts a place to an error that has none.
func at(from int, e Expr, err error) (Expr, error) {
	if err == nil {
		return e, nil
	}
	if m := (*mistake)(nil); errors.As(err, &m) {
		return nil, err
	}
	return nil, &mistake{from, err.Error()}
}

// is reports whether the token in hand is a keyword or a sign.
func (p *parser) is(word string) bool {
	return p.tok.kind == wordToken && p.tok.lower == word || p.tok.kind == signToken && p.tok.text == word
}

// take passes over a keyword or a sign if it is in hand.
func (p *parser) take(word string) (bool, error) {
	if !p.is(word) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) expect(word string) error {
	if ok, err := p.take(word); ok || err != nil {
		return err
	}
	return p.errorf("%s is missing", strings.ToUpper(word))
}

// enter counts how deep the grammar is; brackets around brackets are no part of the tree, so its limit is another.
func (p *parser) enter() error {
	if p.depth++; p.depth > 4*MaxDepth {
		return p.errorf("it is nested too deep")
	}
	return nil
}

func (p *parser) filter() (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != endToken {
		return nil, p.errorf("the filter should end here")
	}
	e, err = p.finish(e)
	return at(0, e, err)
}

func (p *parser) expression() (Expr, error) { return p.chain("or", (*parser).term) }

func (p *parser) term() (Expr, error) { return p.chain("and", (*parser).factor) }

// chain reads conditions with one keyword between.
func (p *parser) chain(op string, read func(*parser) (Expr, error)) (Expr, error) {
	from := p.tok.from
	first, err := read(p)
	if err != nil || !p.is(op) {
		return first, err
	}
	args := []Expr{first}
	for p.is(op) {
		if err := p.advance(); err != nil {
			return nil, err
		}
		arg, err := read(p)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	e, err := p.logic(op, args)
	return at(from, e, err)
}

func (p *parser) factor() (Expr, error) {
	from := p.tok.from
	if negated, err := p.take("not"); err != nil {
		return nil, err
	} else if !negated {
		return p.predicate()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	arg, err := p.factor()
	if err != nil {
		return nil, err
	}
	e, err := p.not(arg)
	return at(from, e, err)
}

// predicate reads a value and, if one follows, what is said of it.
func (p *parser) predicate() (Expr, error) {
	from := p.tok.from
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	if p.tok.kind == signToken {
		switch op := p.tok.text; op {
		case "=", "<>", "<", ">", "<=", ">=":
			if err := p.advance(); err != nil {
				return nil, err
			}
			right, err := p.sum()
			if err != nil {
				return nil, err
			}
			e, err := p.compare(op, left, right)
			return at(from, e, err)
		}
	}
	if p.tok.kind != wordToken {
		return left, nil
	}
	if is, err := p.take("is"); err != nil {
		return nil, err
	} else if is {
		return p.isNull(from, left)
	}
	negated, err := p.take("not")
	if err != nil {
		return nil, err
	}
	e, err := p.said(from, left)
	if err != nil || !negated && e == nil {
		return left, err
	}
	if e == nil {
		return nil, p.errorf("LIKE, BETWEEN or IN is missing")
	}
	if negated {
		e, err = p.not(e)
	}
	return at(from, e, err)
}

func (p *parser) isNull(from int, arg Expr) (Expr, error) {
	negated, err := p.take("not")
	if err == nil {
		err = p.expect("null")
	}
	if err != nil {
		return nil, err
	}
	e, err := p.node(IsNull{arg})
	if err == nil && negated {
		e, err = p.not(e)
	}
	return at(from, e, err)
}

// said reads LIKE, BETWEEN or IN; nil if there is none of them.
func (p *parser) said(from int, left Expr) (Expr, error) {
	word := ""
	if p.tok.kind == wordToken {
		word = p.tok.lower
	}
	switch word {
	case "like", "between", "in":
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	switch word {
	case "like":
		pattern, err := p.sum()
		if err != nil {
			return nil, err
		}
		e, err := p.like(left, pattern)
		return at(from, e, err)
	case "between":
		low, err := p.sum()
		if err == nil {
			err = p.expect("and")
		}
		if err != nil {
			return nil, err
		}
		high, err := p.sum()
		if err != nil {
			return nil, err
		}
		e, err := p.between(left, low, high)
		return at(from, e, err)
	case "in":
		list, err := p.bracket()
		if err != nil {
			return nil, err
		}
		e, err := p.in(left, list)
		return at(from, e, err)
	}
	return nil, nil
}

// bracket reads values in brackets with commas between, or none.
func (p *parser) bracket() (out []Expr, err error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if empty, err := p.take(")"); empty || err != nil {
		return nil, err
	}
	for {
		item, err := p.expression()
		if err != nil {
			return nil, err
		}
		if out = append(out, item); len(out) > MaxNodes {
			return nil, p.errorf("it has more than %d parts", MaxNodes)
		}
		if more, err := p.take(","); err != nil {
			return nil, err
		} else if !more {
			return out, p.expect(")")
		}
	}
}
