package cql2

// call reads what follows a word and its opening bracket.
func (p *parser) call(word token) (Expr, error) {
	name := word.lower
	switch {
	case name == "date" || name == "timestamp":
		text, err := p.quoted()
		if err != nil {
			return nil, err
		}
		if name == "date" {
			return p.date(text)
		}
		return p.timestamp(text)
	case name == "interval":
		return p.intervalCall()
	case name == "bbox":
		return p.bboxCall()
	case spatialOps[name]:
		left, right, err := p.two((*parser).expression)
		if err != nil {
			return nil, err
		}
		return p.spatial(name, left, right)
	case temporalOps[name]:
		left, right, err := p.two((*parser).expression)
		if err != nil {
			return nil, err
		}
		return p.temporal(name, left, right)
	case arrayOps[name]:
		left, right, err := p.two((*parser).listOrValue)
		if err != nil {
			return nil, err
		}
		return p.array(name, left, right)
	}
	args, err := p.bracket()
	if err != nil {
		return nil, err
	}
	return p.builder.call(name, args)
}

var (
	spatialOps  = named("s_", "intersects", "disjoint", "equals", "touches", "crosses", "within", "contains", "overlaps")
	temporalOps = named("t_", "after", "before", "contains", "disjoint", "during", "equals", "finishedby", "finishes", "intersects",
		"meets", "metby", "overlappedby", "overlaps", "startedby", "starts")
	arrayOps = named("a_", "equals", "contains", "containedby", "overlaps")
)

func named(prefix string, names ...string) map[string]bool {
	out := map[string]bool{}
	for _, n := range names {
		out[prefix+n] = true
	}
	return out
}

// quoted reads one string in brackets.
func (p *parser) quoted() (string, error) {
	if err := p.expect("("); err != nil {
		return "", err
	}
	if p.tok.kind != stringToken {
		return "", p.errorf("a string in single quotes is missing")
	}
	text := p.tok.text
	if err := p.advance(); err != nil {
		return "", err
	}
	return text, p.expect(")")
}

// two reads two arguments in brackets.
func (p *parser) two(read func(*parser) (Expr, error)) (left, right Expr, err error) {
	if err = p.expect("("); err != nil {
		return
	}
	if err = p.enter(); err != nil {
		return
	}
	defer func() { p.depth-- }()
	if left, err = read(p); err != nil {
		return
	}
	if err = p.expect(","); err != nil {
		return
	}
	if right, err = read(p); err != nil {
		return
	}
	return left, right, p.expect(")")
}

func (p *parser) listOrValue() (Expr, error) {
	if !p.is("(") {
		return p.sum()
	}
	items, err := p.bracket()
	if err != nil {
		return nil, err
	}
	return p.list(items)
}

func (p *parser) intervalCall() (Expr, error) {
	start, end, err := p.two(func(p *parser) (Expr, error) {
		if p.tok.kind != stringToken {
			return p.sum()
		}
		from := p.tok.from
		e, err := p.end(p.tok.text)
		if err != nil {
			return at(from, nil, err)
		}
		return e, p.advance()
	})
	if err != nil {
		return nil, err
	}
	return p.interval(start, end)
}

func (p *parser) bboxCall() (Expr, error) {
	args, err := p.bracket()
	if err != nil {
		return nil, err
	}
	numbers := make([]float64, len(args))
	for i, arg := range args {
		n, ok := arg.(Number)
		if !ok {
			return nil, p.errorf("%s is no number", brief(arg))
		}
		numbers[i] = n.Value
	}
	return p.bbox(numbers)
}
