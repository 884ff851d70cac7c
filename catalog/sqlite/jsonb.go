package sqlite

import (
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"

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
	return appendJSONB(make([]byte, 0, len(document)+len(document)/8), gjson.ParseBytes(document))
}

func appendJSONB(out []byte, v gjson.Result) []byte {
	switch v.Type {
	case gjson.True:
		return append(out, jsonbTrue)
	case gjson.False:
		return append(out, jsonbFalse)
	case gjson.Number:
		return appendNumber(out, v.Raw)
	case gjson.String:
		return appendText(out, v.Raw)
	case gjson.JSON:
		kind := byte(jsonbArray)
		if v.IsObject() {
			kind = jsonbObject
		}
		return nested(out, kind, func(out []byte) []byte {
			v.ForEach(func(key, child gjson.Result) bool {
				if kind == jsonbObject {
					out = appendText(out, key.Raw)
				}
				out = appendJSONB(out, child)
				return true
			})
			return out
		})
	}
	return append(out, jsonbNull)
}

// appendNumber takes a number; one of more digits than a double tells apart SQLite reads to the last bit but one.
func appendNumber(out []byte, raw string) []byte {
	const exact = 17
	if len(raw) > exact {
		if v, err := strconv.ParseFloat(raw, 64); err == nil {
			if _, err := strconv.ParseInt(raw, 10, 64); err != nil {
				raw = strconv.FormatFloat(v, 'g', -1, 64)
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
				return appendNumber(appendNumber(out, strconv.FormatInt(m.From, 10)), strconv.FormatInt(m.To, 10))
			})
		}
		return out
	})
}
