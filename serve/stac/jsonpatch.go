package stac

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

const (
	// maxOperations bounds those of a JSON Patch.
	maxOperations = 1000
	// maxCopied bounds what its copies may add, in bytes of JSON.
	maxCopied = 8 << 20
)

// operation6902 is a step of a JSON Patch.
type operation6902 struct {
	Op    string          `json:"op"`
	Path  *string         `json:"path"`
	From  *string         `json:"from"`
	Value json.RawMessage `json:"value"`
}

// patched applies a JSON Patch (RFC 6902): all of its steps, or none if one cannot be done.
func patched(doc, patch json.RawMessage) (json.RawMessage, error) {
	n := 0
	gjson.ParseBytes(patch).ForEach(func(_, _ gjson.Result) bool {
		n++
		return n <= maxOperations
	})
	if n > maxOperations {
		return nil, fault.New(fault.TooLarge, "the patch has more than %d operations", maxOperations).WithCure("send it in parts")
	}
	var steps []operation6902
	if err := json.Unmarshal(patch, &steps); err != nil || steps == nil {
		return nil, fault.New(fault.Invalid, "the body is no list of operations").WithCure(`send [{"op": "replace", "path": "/properties/title", "value": "…"}] (RFC 6902)`)
	}
	root, err := plain(doc)
	if err != nil {
		return nil, err
	}
	copied := 0
	for i, step := range steps {
		if root, err = step.do(root, &copied); err != nil {
			return nil, fault.New(fault.Invalid, "operation %d of the patch: %w", i, err).WithCure("look at the document as it is now; nothing was changed")
		}
	}
	return plainJSON(root)
}

// plain decodes JSON with its numbers' digits.
func plain(raw []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, fault.New(fault.Invalid, "it is no JSON: %w", err)
	}
	return v, nil
}

func (o operation6902) do(root any, copied *int) (any, error) {
	bad := func(format string, args ...any) (any, error) { return nil, fault.New(fault.Invalid, format, args...) }
	if o.Path == nil {
		return bad("it has no path")
	}
	path, err := pointer(*o.Path)
	if err != nil {
		return nil, err
	}
	value := any(nil)
	switch o.Op {
	case "add", "replace", "test":
		if o.Value == nil {
			return bad("it has no value")
		}
		if value, err = plain(o.Value); err != nil {
			return nil, err
		}
	case "move", "copy":
		if o.From == nil {
			return bad("it has no from")
		}
		from, err := pointer(*o.From)
		if err != nil {
			return nil, err
		}
		if o.Op == "move" && len(path) > len(from) && slices.Equal(path[:len(from)], from) {
			return bad("%s cannot be moved into itself", *o.From)
		}
		if value, err = get(root, from); err != nil {
			return nil, err
		}
		if o.Op == "move" {
			if root, err = edit(root, from, "remove", nil); err != nil {
				return nil, err
			}
			break
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		if *copied += len(text); *copied > maxCopied {
			return bad("its copies are larger than %d bytes", maxCopied)
		}
		if value, err = plain(text); err != nil { // two places share nothing
			return nil, err
		}
	case "remove":
	default:
		return bad("the operation %q is unknown", o.Op)
	}
	switch o.Op {
	case "test":
		have, err := get(root, path)
		if err != nil {
			return nil, err
		}
		if !equal(have, value) {
			return bad("%s has another value", *o.Path)
		}
		return root, nil
	case "replace":
		if _, err := get(root, path); err != nil {
			return nil, err
		}
		return edit(root, path, "replace", value)
	case "remove":
		return edit(root, path, "remove", nil)
	}
	return edit(root, path, "add", value)
}

// pointer reads a JSON Pointer (RFC 6901).
func pointer(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	if text[0] != '/' {
		return nil, fault.New(fault.Invalid, "the path %q does not begin with a slash", text)
	}
	parts := strings.Split(text[1:], "/")
	if len(parts) > maxNesting {
		return nil, fault.New(fault.Invalid, "the path is more than %d deep", maxNesting)
	}
	for i := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(parts[i])
	}
	return parts, nil
}

func get(v any, path []string) (any, error) {
	for _, part := range path {
		switch in := v.(type) {
		case map[string]any:
			next, ok := in[part]
			if !ok {
				return nil, fault.New(fault.Invalid, "there is no %q", part)
			}
			v = next
		case []any:
			i, err := index(part, len(in)-1)
			if err != nil {
				return nil, err
			}
			v = in[i]
		default:
			return nil, fault.New(fault.Invalid, "there is no %q in what is no object and no list", part)
		}
	}
	return v, nil
}

// index reads the place of an element of a list, up to the last one.
func index(part string, last int) (int, error) {
	i, err := strconv.Atoi(part)
	if err != nil || i < 0 || i > last || part != strconv.Itoa(i) {
		return 0, fault.New(fault.Invalid, "there is no element %q of a list", part)
	}
	return i, nil
}

// edit adds, replaces or removes what is at a path, and returns what is then at the root.
func edit(v any, path []string, op string, value any) (any, error) {
	if len(path) == 0 {
		if op == "remove" {
			return nil, fault.New(fault.Invalid, "the whole document cannot be removed")
		}
		return value, nil
	}
	part, rest := path[0], path[1:]
	switch in := v.(type) {
	case map[string]any:
		old, ok := in[part]
		if !ok && (op == "remove" || len(rest) > 0) {
			return nil, fault.New(fault.Invalid, "there is no %q", part)
		}
		if op == "remove" && len(rest) == 0 {
			delete(in, part)
			return in, nil
		}
		changed, err := edit(old, rest, op, value)
		in[part] = changed
		return in, err
	case []any:
		if op == "add" && len(rest) == 0 {
			if part == "-" {
				return append(in, value), nil
			}
			i, err := index(part, len(in))
			if err != nil {
				return nil, err
			}
			return slices.Insert(in, i, value), nil
		}
		i, err := index(part, len(in)-1)
		if err != nil {
			return nil, err
		}
		if op == "remove" && len(rest) == 0 {
			return slices.Delete(in, i, i+1), nil
		}
		in[i], err = edit(in[i], rest, op, value)
		return in, err
	}
	return nil, fault.New(fault.Invalid, "there is no %q in what is no object and no list", part)
}

// equal compares values; numbers are equal if they are the same number.
func equal(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		if !ok {
			return false
		}
		f, err := x.Float64()
		g, err2 := y.Float64()
		return x == y || err == nil && err2 == nil && f == g
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equal)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for name := range x {
			if other, ok := y[name]; !ok || !equal(x[name], other) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}
