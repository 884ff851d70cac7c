package cube

import (
	"bytes"
	"encoding/json"
	"math"
	"sort"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/terrapin-eo/terrapin/fault"
)

// Canonical returns the RFC 8785 form of a value: the one spelling of its JSON that digests are
// taken over. Object members are sorted by UTF-16 code units, numbers are written as ECMAScript
// writes them, and nothing is escaped that need not be. 64-bit integers beyond 2^53 are refused, because
// readers in other languages would round them.
func Canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fault.New(fault.Invalid, "canonical JSON: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, fault.New(fault.Invalid, "canonical JSON: %w", err)
	}
	var out bytes.Buffer
	if err := writeCanonical(&out, tree); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writeCanonical(out *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case nil:
		out.WriteString("null")
	case bool:
		out.WriteString(strconv.FormatBool(v))
	case json.Number:
		return writeCanonicalNumber(out, v)
	case string:
		writeCanonicalString(out, v)
	case []any:
		out.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeCanonical(out, e); err != nil {
				return err
			}
		}
		out.WriteByte(']')
	case map[string]any:
		return writeCanonicalObject(out, v)
	}
	return nil
}

func writeCanonicalObject(out *bytes.Buffer, m map[string]any) error {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return lessUTF16(keys[i], keys[j]) })
	out.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			out.WriteByte(',')
		}
		writeCanonicalString(out, k)
		out.WriteByte(':')
		if err := writeCanonical(out, m[k]); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}

func lessUTF16(a, b string) bool {
	x, y := utf16.Encode([]rune(a)), utf16.Encode([]rune(b))
	for i := 0; i < len(x) && i < len(y); i++ {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return len(x) < len(y)
}

func writeCanonicalNumber(out *bytes.Buffer, n json.Number) error {
	f, err := n.Float64()
	if err != nil {
		return fault.New(fault.Invalid, "canonical JSON: number %s: %w", n, err)
	}
	if i, err := n.Int64(); err == nil && (i > 1<<53 || i < -(1<<53)) {
		return fault.New(fault.Invalid, "canonical JSON: integer %s cannot be held exactly by every reader", n)
	}
	if f == 0 {
		out.WriteByte('0') // also for -0
		return nil
	}
	format := byte('f')
	if abs := math.Abs(f); abs < 1e-6 || abs >= 1e21 {
		format = 'e'
	}
	s := strconv.AppendFloat(nil, f, format, -1, 64)
	if k := len(s); format == 'e' && k >= 4 && s[k-4] == 'e' && s[k-3] == '-' && s[k-2] == '0' {
		s = append(s[:k-2], s[k-1]) // e-09 is e-9
	}
	out.Write(s)
	return nil
}

func writeCanonicalString(out *bytes.Buffer, s string) {
	const hex = "0123456789abcdef"
	out.WriteByte('"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteByte(byte(r))
		case r < 0x20:
			if c := map[rune]byte{'\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r'}[r]; c != 0 {
				out.WriteByte('\\')
				out.WriteByte(c)
			} else {
				out.WriteString(`\u00`)
				out.WriteByte(hex[r>>4])
				out.WriteByte(hex[r&15])
			}
		default:
			out.WriteString(s[i : i+n])
		}
		i += n
	}
	out.WriteByte('"')
}
