// Package strict reads the flat JSON objects that people write by hand: tickets and commands. It owns
// the wording of what is wrong with them and knows no key itself. The invariant: a key that would be
// ignored is an error that names it, so that a typing mistake never changes what is read.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// Key is one key an object may have and what to do with its value.
type Key struct {
	Name string
	Set  func(raw json.RawMessage) error
}

// maxBytes bounds an object; the longest sensible ticket is a hundredth of it.
const maxBytes = 1 << 20

// Object reads one JSON object. what names it in errors, such as "ticket". Unknown and repeated keys,
// values of the wrong type and anything after the object are errors. It returns which keys were there.
func Object(what string, data []byte, keys []Key) (map[string]bool, error) {
	if len(data) > maxBytes {
		return nil, fault.New(fault.TooLarge, "%s: %d bytes, at most %d are read", what, len(data), maxBytes)
	}
	example := "send one JSON object with keys among: " + names(keys)
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, fault.New(fault.Invalid, "%s: not a JSON object: %q", what, excerpt(data)).WithCure("%s", example)
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, syntax(what, dec, err)
		}
		name := tok.(string) // inside an object the decoder yields strings as keys, or an error
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, syntax(what, dec, err)
		}
		if seen[name] {
			return nil, fault.New(fault.Invalid, "%s: key %q stands there twice", what, name).WithCure("leave one of them")
		}
		seen[name] = true
		set := find(keys, name)
		if set == nil {
			return nil, fault.New(fault.Invalid, "%s: unknown key %q", what, name).WithCure("known keys: %s", names(keys))
		}
		if err := set(raw); err != nil {
			return nil, fault.New(fault.KindOf(err), "%s: key %q: %w", what, name, err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, syntax(what, dec, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "%s: something follows the JSON object at byte %d", what, dec.InputOffset()).WithCure("%s", example)
	}
	return seen, nil
}

func find(keys []Key, name string) func(json.RawMessage) error {
	for _, k := range keys {
		if k.Name == name {
			return k.Set
		}
	}
	return nil
}

func names(keys []Key) string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.Name
	}
	return strings.Join(all, ", ")
}

func syntax(what string, dec *json.Decoder, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the JSON object does not end")
	}
	return fault.New(fault.Invalid, "%s: at byte %d: %w", what, dec.InputOffset(), err).WithCure("send one well-formed JSON object")
}

func excerpt(data []byte) string {
	if len(data) > 60 {
		return string(data[:60]) + "…"
	}
	return string(data)
}

// wrong is the error of a value that is not what its key wants.
func wrong(wants string, raw json.RawMessage) error {
	return fault.New(fault.Invalid, "wants %s, not %s", wants, excerpt(raw))
}

// Text sets a string.
func Text(name string, dst *string) Key {
	return Key{name, func(raw json.RawMessage) error {
		if raw[0] != '"' || json.Unmarshal(raw, dst) != nil {
			return wrong("a string", raw)
		}
		return nil
	}}
}

// OptionalText sets a string that is not empty; null leaves it as it is.
func OptionalText(name string, dst *string) Key {
	return Key{name, func(raw json.RawMessage) error {
		switch {
		case string(raw) == "null":
			return nil
		case raw[0] != '"' || json.Unmarshal(raw, dst) != nil || *dst == "":
			return wrong("a text that is not empty", raw)
		}
		return nil
	}}
}

// Choice sets a string to one of several words; null leaves it as it is.
func Choice(name string, dst *string, words ...string) Key {
	return Key{name, func(raw json.RawMessage) error {
		var word string
		switch {
		case string(raw) == "null":
			return nil
		case raw[0] != '"' || json.Unmarshal(raw, &word) != nil || !slices.Contains(words, word):
			return wrong(`"`+strings.Join(words, `" or "`)+`"`, raw)
		}
		*dst = word
		return nil
	}}
}

// Texts sets a list of strings; null leaves it as it is.
func Texts(name string, dst *[]string) Key {
	return Key{name, func(raw json.RawMessage) error {
		if string(raw) == "null" {
			return nil
		}
		var list []*string
		if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
			return wrong("a list of strings", raw)
		}
		*dst = make([]string, len(list))
		for i, s := range list {
			if s == nil {
				return wrong("a list of strings", raw)
			}
			(*dst)[i] = *s
		}
		return nil
	}}
}

// Bool sets true or false.
func Bool(name string, dst *bool) Key {
	return Key{name, func(raw json.RawMessage) error {
		switch string(raw) {
		case "true", "false":
			*dst = raw[0] == 't'
			return nil
		}
		return wrong("true or false", raw)
	}}
}

// Uint sets a whole number from 0 to 2^64−1.
func Uint(name string, dst *uint64) Key {
	return Key{name, func(raw json.RawMessage) error {
		v, err := strconv.ParseUint(string(raw), 10, 64)
		if err != nil {
			return wrong("a whole number from 0 to 18446744073709551615", raw)
		}
		*dst = v
		return nil
	}}
}

// Int sets a whole number within limits, both included.
func Int(name string, dst *int, lo, hi int) Key {
	return Key{name, func(raw json.RawMessage) error {
		v, err := strconv.Atoi(string(raw))
		if err != nil || v < lo || v > hi {
			return wrong("a whole number from "+strconv.Itoa(lo)+" to "+strconv.Itoa(hi), raw)
		}
		*dst = v
		return nil
	}}
}

// Numbers sets a list of n numbers; null leaves it as it is.
func Numbers(name string, dst *[]float64, n int) Key {
	return Key{name, func(raw json.RawMessage) error {
		if string(raw) == "null" {
			return nil
		}
		var list []*float64
		if raw[0] != '[' || json.Unmarshal(raw, &list) != nil || len(list) != n {
			return wrong("a list of "+strconv.Itoa(n)+" numbers", raw)
		}
		*dst = make([]float64, n)
		for i, v := range list {
			if v == nil {
				return wrong("a list of "+strconv.Itoa(n)+" numbers", raw)
			}
			(*dst)[i] = *v
		}
		return nil
	}}
}
