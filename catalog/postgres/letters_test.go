package postgres_test

import (
	"context"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
)

// TestLetters holds the database's letters to cql2's, one by one. Where it fails after a new version of Unicode, a migration
// has to write the tables anew.
func TestLetters(t *testing.T) {
	address := pgtest.Database(t)
	open(t, address)
	conn := connect(t, address)
	runes := []string{}
	for r := rune(1); r <= unicode.MaxRune; r++ {
		// Beyond the second plane there is little, and the letters of one are looked for one by one.
		if utf8.ValidRune(r) && (r < 0x20000 || r >= 0x2f800 && r < 0x2fa20 || r%0x101 == 0) {
			runes = append(runes, string(r))
		}
	}
	for _, c := range []struct {
		name string
		in   func(string) string
	}{
		{"letters_lower", func(s string) string { return strings.Map(unicode.ToLower, s) }},
		{"letters_upper", func(s string) string { return strings.Map(unicode.ToUpper, s) }},
		{"letters_casei", cql2.CaseI},
		{"letters_accenti", cql2.AccentI},
	} {
		const each = 1 << 15
		for from := 0; from < len(runes); from += each {
			part := runes[from:min(from+each, len(runes))]
			var got []string
			require.NoError(t, conn.QueryRow(context.Background(), `SELECT array_agg(`+c.name+`(r) ORDER BY n) FROM unnest($1::text[]) WITH ORDINALITY AS u (r, n)`, part).Scan(&got))
			for i, r := range part {
				if got[i] != c.in(r) {
					t.Errorf("%s(%q %U) is %q and has to be %q", c.name, r, []rune(r), got[i], c.in(r))
				}
			}
		}
	}
	for _, s := range []string{"", "Straße", "ÇA VA, ΣΊΣΥΦΟΣ", "Ångström", "ﬁ ligature", "I İ ı i", "한글 ハングル", "e\u0301\u0323 Ệ", "ẞ", "København's \\ ' \""} {
		var casei, accenti, both string
		require.NoError(t, conn.QueryRow(context.Background(), `SELECT letters_casei($1), letters_accenti($1), letters_accenti(letters_casei($1))`, s).Scan(&casei, &accenti, &both))
		require.Equal(t, []string{cql2.CaseI(s), cql2.AccentI(s), cql2.AccentI(cql2.CaseI(s))}, []string{casei, accenti, both}, s)
	}
}
