package cql2

import (
	"strings"

	"github.com/terrapin-eo/terrapin/catalog/geo"
)

func (p *parser) sum() (Expr, error) {
	return p.arithmetic((*parser).product, "+", "-")
}

func (p *parser) product() (Expr, error) {
	return p.arithmetic((*parser).power, "*", "/", "%", "div")
}

// arithmetic reads operands with signs of one rank between, from left to right.
func (p *parser) arithmetic(read func(*parser) (Expr, error), ops ...string) (Expr, error) {
	from := p.tok.from
	left, err := read(p)
	for err == nil {
		op := ""
		for _, o := range ops {
			if p.is(o) {
				op = o
			}
		}
		if op == "" {
			break
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		right, err := read(p)
		if err != nil {
			return nil, err
		}
		if left, err = p.arith(op, left, right); err != nil {
			return at(from, nil, err)
		}
	}
	return left, err
}

func (p *parser) power() (Expr, error) {
	from := p.tok.from
	base, err := p.signed()
	if err != nil || !p.is("^") {
		return base, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	exponent, err := p.signed()
	if err != nil {
		return nil, err
	}
	if p.is("^") {
		return nil, p.errorf("a power of a power needs brackets")
	}
	e, err := p.arith("^", base, exponent)
	return at(from, e, err)
}

// signed reads an operand; its sign binds more than a power does.
func (p *parser) signed() (Expr, error) {
	from := p.tok.from
	minus := p.is("-")
	if !minus && !p.is("+") {
		return p.operand()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == numberToken {
		v := p.tok.number
		if minus {
			v = -v
		}
		e, err := p.node(Number{v})
		if err == nil {
			err = p.advance()
		}
		return e, err
	}
	if !minus {
		return nil, p.errorf("a number is missing")
	}
	arg, err := p.operand()
	if err != nil {
		return nil, err
	}
	e, err := p.arith("*", Number{-1}, arg)
	return at(from, e, err)
}

// operand reads a literal, a property, a function, or anything in brackets.
func (p *parser) operand() (Expr, error) {
	from := p.tok.from
	var e Expr
	var err error
	switch p.tok.kind {
	case numberToken:
		e, err = p.node(Number{p.tok.number})
	case stringToken:
		e, err = p.builder.text(p.tok.text)
	case nameToken:
		return p.name("")
	case wordToken:
		return p.word()
	default:
		if !p.is("(") {
			return nil, p.errorf("a value is missing")
		}
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		if err := p.advance(); err != nil {
			return nil, err
		}
		if e, err = p.expression(); err != nil {
			return nil, err
		}
		return e, p.expect(")")
	}
	if err == nil {
		err = p.advance()
	}
	return at(from, e, err)
}

// name reads the quoted part of a property's name, and others after dots.
func (p *parser) name(before string) (Expr, error) {
	from, name := p.tok.from, before
	for {
		name += p.tok.text
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.tok.kind != signToken || p.tok.text != "." {
			break
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.tok.kind != nameToken && p.tok.kind != wordToken {
			return nil, p.errorf("a name is missing after the dot")
		}
		name += "."
	}
	e, err := p.property(name)
	return at(from, e, err)
}

// reserved words are no names unless they are quoted.
var reserved = map[string]bool{
	"and": true, "or": true, "not": true, "like": true, "between": true, "in": true, "is": true, "null": true,
	"true": true, "false": true, "div": true,
}

// shapes are the tags of well-known text.
var shapes = map[string]bool{
	"point": true, "linestring": true, "polygon": true, "multipoint": true, "multilinestring": true, "multipolygon": true, "geometrycollection": true,
}

// word reads what begins with a word: a literal, a function, or a property.
func (p *parser) word() (Expr, error) {
	from, word := p.tok, p.tok.lower
	if word == "true" || word == "false" {
		e, err := p.node(Bool{word == "true"})
		if err == nil {
			err = p.advance()
		}
		return at(from.from, e, err)
	}
	if reserved[word] {
		return nil, p.errorf("%s is no value; a property of that name goes in double quotes", from.text)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if shapes[word] && (p.is("(") || p.is("z") || p.is("empty")) {
		return p.shape(from)
	}
	if p.is("(") {
		e, err := p.call(from)
		return at(from.from, e, err)
	}
	name := from.text
	if strings.HasSuffix(name, ".") && p.tok.kind == nameToken && p.tok.from == from.to {
		return p.name(name)
	}
	e, err := p.property(name)
	return at(from.from, e, err)
}

func (p *parser) shape(tag token) (Expr, error) {
	shape, n, err := geo.ReadWKT(p.text[tag.from:])
	if err != nil {
		return nil, &mistake{tag.from + n, err.Error()}
	}
	p.tok.to = tag.from + n
	if err := p.advance(); err != nil {
		return nil, err
	}
	return p.node(Geometry{Shape: shape})
}
