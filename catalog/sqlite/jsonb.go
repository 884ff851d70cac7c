package sqlite

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/terrapin-eo/terrapin/catalog"
)

// JSONB is SQLite's binary JSON: an element is a head, with its type in the low four bits and the length of its
// payload in the high four (or in the 1, 2 or 4 bytes that follow, for 12, 13 and 14), and the payload. It is made here
// and not by SQLite, which takes four times as long.

// The types of elements.
const (
	jsonbNull = iota
	jsonbTrue
	jsonbFalse
	jsonbInt
	_
	jsonbFloat
	_
	jsonbText    // without escapes
	jsonbEscaped // with those of JSON
	_
	_
	jsonbArray
	jsonbObject
)

// jsonb is a document that was checked as JSONB.
func jsonb(document []byte) []byte {
	r := jsonbReader{text: document}
	r.space()
	return r.value(make([]byte, 0, len(document)+len(document)/8))
}

// jsonbReader goes through a JSON text once.
type jsonbReader struct {
	text []byte
	at   int
}

// space passes what stands between the parts of a text.
func (r *jsonbReader) space() {
	for r.text[r.at] <= ' ' {
		r.at++
	}
}

// value appends the value that begins here.
func (r *jsonbReader) value(out []byte) []byte {
	switch r.text[r.at] {
	case '{':
		return r.nested(out, jsonbObject, '}')
	case '[':
		return r.nested(out, jsonbArray, ']')
	case '"':
		return r.string(out)
	case 't':
		r.at += len("true")
		return append(out, jsonbTrue)
	case 'f':
		r.at += len("false")
		return append(out, jsonbFalse)
	case 'n':
		r.at += len("null")
		return append(out, jsonbNull)
	}
	from := r.at
	for r.at < len(r.text) && numeric[r.text[r.at]] {
		r.at++
	}
	return appendNumber(out, r.text[from:r.at])
}

// numeric are the characters of numbers.
var numeric = func() (is [256]bool) {
	for _, c := range "+-.0123456789eE" {
		is[c] = true
	}
	return is
}()

func (r *jsonbReader) nested(out []byte, kind, end byte) []byte {
	return nested(out, kind, func(out []byte) []byte {
		r.at++
		r.space()
		for r.text[r.at] != end {
			if r.text[r.at] == ',' {
				r.at++
				r.space()
			}
			if kind == jsonbObject {
				out = r.string(out)
				r.space()
				r.at++ // the colon
				r.space()
			}
			out = r.value(out)
			r.space()
		}
		r.at++
		return out
	})
}

// string appends the string that begins here.
func (r *jsonbReader) string(out []byte) []byte {
	r.at++
	from, kind := r.at, byte(jsonbText)
	for {
		r.at += bytes.IndexByte(r.text[r.at:], '"')
		before := r.at
		for r.text[before-1] == '\\' {
			before--
		}
		r.at++
		if (r.at-before)%2 == 1 { // an even number of \ stands before it
			break
		}
	}
	raw := r.text[from : r.at-1]
	if bytes.IndexByte(raw, '\\') >= 0 {
		kind = jsonbEscaped
	}
	return append(head(out, kind, len(raw)), raw...)
}

// appendNumber takes a number; one of more digits than a double tells apart SQLite reads to the last bit but one.
func appendNumber(out, raw []byte) []byte {
	const exact = 17
	if len(raw) > exact {
		if v, err := strconv.ParseFloat(string(raw), 64); err == nil {
			if _, err := strconv.ParseInt(string(raw), 10, 64); err != nil {
				raw = strconv.AppendFloat(nil, v, 'g', -1, 64)
			}
		}
	}
	kind := byte(jsonbInt)
	for i := range len(raw) {
		if c := raw[i]; c == '.' || c == 'e' || c == 'E' {
			kind = jsonbFloat
		}
	}
	return append(head(out, kind, len(raw)), raw...)
}

// appendText takes a string with its quotes.
func appendText(out []byte, raw string) []byte {
	kind, raw := byte(jsonbText), raw[1:len(raw)-1]
	for i := range len(raw) {
		if raw[i] == '\\' {
			kind = jsonbEscaped
			break
		}
	}
	return append(head(out, kind, len(raw)), raw...)
}

func head(out []byte, kind byte, size int) []byte {
	switch {
	case size < 12:
		return append(out, byte(size)<<4|kind)
	case size < 1<<8:
		return append(out, 12<<4|kind, byte(size))
	case size < 1<<16:
		return binary.BigEndian.AppendUint16(append(out, 13<<4|kind), uint16(size))
	}
	return binary.BigEndian.AppendUint32(append(out, 14<<4|kind), uint32(size))
}

// nested writes an element with others in it; its head is put in when its length is known.
func nested(out []byte, kind byte, write func([]byte) []byte) []byte {
	at := len(out)
	out = write(out)
	var h [5]byte
	return slices.Insert(out, at, head(h[:0], kind, len(out)-at)...)
}

// moments are an entry's without datetime, which the item table has in columns, as JSONB; nil for none.
func moments(of map[string]catalog.Moment) []byte {
	names := make([]string, 0, len(of))
	for name := range of {
		if name != "datetime" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names) // the same item, the same bytes
	return nested(nil, jsonbObject, func(out []byte) []byte {
		for _, name := range names {
			out = appendText(out, quoted(name))
			m := of[name]
			out = nested(out, jsonbArray, func(out []byte) []byte {
				return appendNumber(appendNumber(out, strconv.AppendInt(nil, m.From, 10)), strconv.AppendInt(nil, m.To, 10))
			})
		}
		return out
	})
}
