package bulk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/terrapin-eo/terrapin/fault"
)

// peek is how far the beginning of a text is looked at to tell lines from one long value.
const peek = 1 << 20

// Text reads documents from JSON text: one to a line, or single documents, lists, item collections and lists of
// collections, in any layout. A line that is no document is told in its place and the next one read; elsewhere what
// breaks off is the end.
func Text(ctx context.Context, in io.Reader) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		s := &scanner{in: bufio.NewReaderSize(in, peek), line: 1, ctx: ctx, yield: yield}
		if err := s.run(); err != nil && !errors.Is(err, errStop) {
			yield(Document{}, err)
		}
	}
}

// orderMark may begin a text that a Windows program wrote.
const orderMark = "\ufeff"

// errStop ends the reading because nobody wants more.
var errStop = errors.New("stopped")

// errBroken is JSON that ends too early or is none.
var errBroken = errors.New("the JSON breaks off here, and nothing after it is read")

// errLarge is a document over MaxDocument.
var errLarge = fault.New(fault.TooLarge, "the document has more than %d bytes", MaxDocument).WithCure("leave it out, or make it smaller")

type scanner struct {
	ctx          context.Context
	in           *bufio.Reader
	line, number int
	yield        func(Document, error) bool
}

// give hands a document on.
func (s *scanner) give(raw []byte, line int, err error) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.number++
	if err != nil && fault.CureOf(err) == "" {
		err = fault.New(fault.Invalid, "%w", err).WithCure("write one JSON document to a line, or a GeoJSON FeatureCollection")
	}
	if !s.yield(Document{Raw: raw, Number: s.number, Line: line, Err: err}, nil) {
		return errStop
	}
	return nil
}

func (s *scanner) run() error {
	for first := true; ; first = false {
		c, err := s.space(first)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if c != '[' && (c != '{' || s.inLines()) {
			return s.lines()
		}
		begin := s.line
		if err := s.value(c); errors.Is(err, errBroken) || errors.Is(err, io.ErrUnexpectedEOF) {
			return s.give(nil, begin, fmt.Errorf("line %d: %w", s.line, errBroken))
		} else if err != nil {
			return err
		}
	}
}

// space passes what stands between documents and returns the byte after it, which is not taken.
func (s *scanner) space(first bool) (byte, error) {
	if head, _ := s.in.Peek(len(orderMark)); first && string(head) == orderMark {
		_, _ = s.in.Discard(len(orderMark)) // it was peeked at
	}
	for {
		c, err := s.in.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			s.line++
		case ' ', '\t', '\r', 0x1e: // the last begins a document in a GeoJSON text sequence
		default:
			return c, s.in.UnreadByte()
		}
	}
}

// value reads a list of documents, or an object that is one or holds them.
func (s *scanner) value(first byte) error {
	begin := s.line
	if first == '[' {
		return s.list()
	}
	if _, err := s.next(); err != nil {
		return err
	}
	doc, container, kind := []byte{'{'}, false, ""
	for n := 0; ; n++ {
		c, err := s.token()
		if err != nil {
			return err
		}
		if c == '}' {
			if _, err = s.next(); err != nil || container {
				return err
			}
			return s.document(append(doc, '}'), begin)
		}
		if n > 0 {
			if c != ',' {
				return errBroken
			}
			if _, err := s.next(); err != nil {
				return err
			}
		}
		if _, err := s.token(); err != nil {
			return err
		}
		key, err := s.raw()
		if err != nil && !errors.Is(err, errLarge) {
			return err
		}
		if c, err := s.token(); err != nil || c != ':' {
			return errors.Join(errBroken, err)
		}
		if _, err := s.next(); err != nil {
			return err
		}
		c, err = s.token()
		if err != nil {
			return err
		}
		if name := string(key); c == '[' && (name == `"features"` && kind != `"Feature"` || name == `"collections"` && kind == "") {
			container = true
			if err := s.list(); err != nil {
				return err
			}
			continue
		}
		value, err := s.raw()
		if err != nil && !errors.Is(err, errLarge) {
			return err
		}
		if string(key) == `"type"` {
			kind = string(value)
		}
		if len(doc) <= MaxDocument { // more is not kept; document tells it
			if n > 0 && len(doc) > 1 {
				doc = append(doc, ',')
			}
			doc = append(append(append(doc, key...), ':'), value...)
			if errors.Is(err, errLarge) {
				doc = append(doc, make([]byte, MaxDocument)...)
			}
		}
	}
}

func (s *scanner) document(raw []byte, begin int) error {
	if len(raw) > MaxDocument {
		return s.give(nil, begin, errLarge)
	}
	return s.give(raw, begin, nil)
}

// list reads the documents of a list.
func (s *scanner) list() error {
	if _, err := s.next(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		c, err := s.token()
		if err != nil {
			return err
		}
		if c == ']' {
			_, err := s.next()
			return err
		}
		if n > 0 {
			if c != ',' {
				return errBroken
			}
			if _, err := s.next(); err != nil {
				return err
			}
			if _, err := s.token(); err != nil {
				return err
			}
		}
		begin := s.line
		raw, err := s.raw()
		if err != nil && !errors.Is(err, errLarge) {
			return err
		}
		if err := s.give(raw, begin, err); err != nil {
			return err
		}
	}
}

// next takes a byte.
func (s *scanner) next() (byte, error) {
	c, err := s.in.ReadByte()
	if c == '\n' && err == nil {
		s.line++
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return c, err
}

// token passes spaces and returns the byte after them, which is not taken.
func (s *scanner) token() (byte, error) {
	for {
		c, err := s.next()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, s.in.UnreadByte()
		}
	}
}

// raw takes one value, whatever stands in it, by its brackets and quotes. One that is too large is passed and errLarge.
func (s *scanner) raw() ([]byte, error) {
	var out []byte
	size, depth, quoted := 0, 0, false
	for {
		c, err := s.next()
		if err != nil {
			return nil, err
		}
		if depth == 0 && !quoted && size > 0 && (c == ',' || c == ']' || c == '}' || c == ':' || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			if c == '\n' {
				s.line--
			}
			return kept(out, size), errors.Join(s.in.UnreadByte(), tooLarge(size))
		}
		if size++; size <= MaxDocument {
			out = append(out, c)
		}
		switch {
		case quoted && c == '\\':
			if c, err = s.next(); err != nil {
				return nil, err
			}
			if size++; size <= MaxDocument {
				out = append(out, c)
			}
			continue
		case c == '"':
			quoted = !quoted
		case quoted:
			continue
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return nil, errBroken
			}
		default:
			continue
		}
		if depth == 0 && !quoted {
			return kept(out, size), tooLarge(size)
		}
	}
}

func kept(out []byte, size int) []byte {
	if size > MaxDocument {
		return nil
	}
	return out
}

func tooLarge(size int) error {
	if size > MaxDocument {
		return errLarge
	}
	return nil
}
