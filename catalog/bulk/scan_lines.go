package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tidwall/gjson"
)

// inLines reports whether the text has a document to a line: then another one begins where the first line ends. Whoever
// lays an object out over several lines begins none of the others with it.
func (s *scanner) inLines() bool {
	head, _ := s.in.Peek(peek) // an error comes again when it is read
	end := bytes.IndexByte(head, '\n')
	if end < 0 {
		return false
	}
	rest := bytes.TrimLeft(head[end:], "\r\n\x1e")
	return len(rest) > 0 && rest[0] == '{'
}

// lines reads a document from each line.
func (s *scanner) lines() error {
	for {
		line, err := s.oneLine()
		begin := s.line
		s.line++
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		end := err == io.EOF
		if end {
			err = nil
		}
		switch text := bytes.Trim(line, " \t\r\n\x1e"); {
		case errors.Is(err, errLarge):
			err = s.give(nil, begin, err)
		case err != nil:
			return err
		case len(text) == 0:
		case bytes.Contains(text, []byte("FeatureCollection")) && gjson.GetBytes(text, "type").Str == "FeatureCollection":
			for _, feature := range gjson.GetBytes(text, "features").Array() {
				if err = s.give([]byte(feature.Raw), begin, nil); err != nil {
					break
				}
			}
		case text[0] != '{':
			err = s.give(nil, begin, fmt.Errorf("the line is no JSON object: %.40q", text))
		default:
			err = s.lend(text, begin)
		}
		if err != nil || end {
			return err
		}
	}
}

// lend hands a copy on in room that whoever has read it gives back.
func (s *scanner) lend(text []byte, line int) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.number++
	room := append((*rooms.Get().(*[]byte))[:0], text...)
	if !s.yield(Document{Raw: room, Number: s.number, Line: line, lent: true}, nil) {
		return errStop
	}
	return nil
}

// rooms are those of documents that were read: new memory for each would go through all caches of the processor once more.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

// done says that a document was read, and that nothing of its text is needed any more.
func (d *Document) done() {
	if room := []byte(d.Raw); d.lent {
		rooms.Put(&room)
	}
	d.Raw, d.lent = nil, false
}

// oneLine reads up to the end of a line. One that is too long is passed and is errLarge.
func (s *scanner) oneLine() ([]byte, error) {
	line, err := s.in.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, err
	}
	whole := bytes.Clone(line)
	large := false
	for err == bufio.ErrBufferFull {
		line, err = s.in.ReadSlice('\n')
		if large = large || len(whole)+len(line) > MaxDocument; !large {
			whole = append(whole, line...)
		}
	}
	if large && (err == nil || err == io.EOF) {
		return nil, errLarge
	}
	return whole, err
}
