package cql2

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// CASEI is, in this order: every character's simple lower case; the characters of CaseFrom replaced by
// those of CaseTo in the same place (letters that differ from another in nothing but case or form, and
// have no upper case of their own); and ß replaced by "ss". So texts are equal after it that Unicode's full
// case folding makes equal, but for ligatures and for Greek and Armenian letters that fold to several.
const (
	CaseFrom = "ſµςϐϑϕϖϰϱϵẛιᲀᲁᲂᲃᲄᲅᲆᲇᲈ"
	CaseTo   = "sμσβθφπκρεṡιвдосттъѣꙋ"
)

// ACCENTI is, in this order: canonical decomposition (NFD); the characters U+0300 to U+036F dropped; those of
// AccentFrom replaced by those of AccentTo in the same place; canonical composition (NFC).
const (
	AccentFrom = "øØłŁđĐħĦŧŦıƀɨƗ"
	AccentTo   = "oOlLdDhHtTibiI"
)

var (
	caseFold   = pairs(CaseFrom, CaseTo)
	accentFold = pairs(AccentFrom, AccentTo)
)

func pairs(from, to string) map[rune]rune {
	out, target := map[rune]rune{}, []rune(to)
	for i, r := range []rune(from) {
		out[r] = target[i]
	}
	return out
}

// CaseI is what CASEI makes of a text.
func CaseI(s string) string {
	folded := strings.Map(func(r rune) rune {
		r = unicode.ToLower(r)
		if r >= utf8.RuneSelf {
			if to, ok := caseFold[r]; ok {
				return to
			}
		}
		return r
	}, s)
	return strings.ReplaceAll(folded, "ß", "ss")
}

// AccentI is what ACCENTI makes of a text.
func AccentI(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return s
	}
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if r >= 0x300 && r <= 0x36F {
			return -1
		}
		if to, ok := accentFold[r]; ok {
			return to
		}
		return r
	}, norm.NFD.String(s)))
}

// like reports whether a pattern matches all of a text. % stands for any characters, new lines too, _ for one
// code point, and \ takes the next character as it is; a \ at the end stands for itself.
func like(text, pattern string) bool {
	// Where a part after the last % does not fit, that % takes one character more: no earlier one has to.
	var again, after string
	retry := false
	for {
		if pattern != "" && pattern[0] == '%' {
			pattern = pattern[1:]
			if pattern == "" {
				return true
			}
			again, after, retry = text, pattern, true
			continue
		}
		if text == "" && pattern == "" {
			return true
		}
		if rest, tail, ok := one(text, pattern); ok {
			text, pattern = rest, tail
			continue
		}
		if !retry || again == "" {
			return false
		}
		_, n := utf8.DecodeRuneInString(again)
		again = again[n:]
		text, pattern = again, after
	}
}

// one takes a character off a text and what matches it off a pattern, which does not begin with %.
func one(text, pattern string) (rest, tail string, ok bool) {
	if text == "" || pattern == "" {
		return "", "", false
	}
	r, n := utf8.DecodeRuneInString(text)
	p, m := utf8.DecodeRuneInString(pattern)
	if p == '_' {
		return text[n:], pattern[m:], true
	}
	if p == '\\' && len(pattern) > m {
		pattern = pattern[m:]
		p, m = utf8.DecodeRuneInString(pattern)
	}
	return text[n:], pattern[m:], r == p
}
