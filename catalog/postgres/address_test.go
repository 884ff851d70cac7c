package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/postgres"
	"github.com/terrapin-eo/terrapin/catalog/words"
	"github.com/terrapin-eo/terrapin/fault"
)

func filter(t testing.TB, text string) cql2.Expr {
	t.Helper()
	e, err := cql2.ParseText(text)
	require.NoError(t, err)
	return e
}

func word(text string) words.Question { return words.Word{Text: text} }

func TestRedact(t *testing.T) {
	for give, want := range map[string]string{
		"postgres://u:hush@h:5432/d?sslmode=disable": "postgres://u@h:5432/d",
		"postgresql://u:hush@h,h2/d":                 "postgresql://u@h,h2/d",
		"postgres:///d?host=/run&password=hush":      "postgres:///d",
		"postgres://h/d?password=hush#hush":          "postgres://h/d",
		"postgres://u:hu%zzsh@h/d":                   "postgres://h/d",
		"postgres://u:hu@sh@h/d":                     "postgres://u@h/d",
		"host=h password=hush":                       "the address",
		"hush":                                       "the address",
		"postgres://u:hush @h/d?x=%":                 "postgres://h/d",
		"postgres://user:pa/hush@h/d":                "postgres://h/d",
	} {
		require.Equal(t, want, postgres.Redact(give), give)
	}
}

// What is wrong with an address is said without its password.
func TestBadAddresses(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, address := range []string{
		"", "hush", "mysql://u:hush@h/d", "postgres://u:hu sh@h:port/d", "postgres://u:hush@h/d?sslmode=maybe", "postgres://u:hush@h/d?pool_max_conns=hush",
		"postgres://u:hush@h/d?search_path=a,b", "postgres://u:hush@h/d?search_path=pg_hush", "postgres://u:hush@h/d?search_path=A%22",
	} {
		_, err := postgres.Open(ctx, postgres.Config{URL: address})
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", address, err)
		require.NotContains(t, strings.ReplaceAll(err.Error(), "pg_hush", ""), "hush", address)
		require.NotEmpty(t, fault.CureOf(err), address)
	}
	_, err := postgres.Open(ctx, postgres.Config{URL: "postgres://u:hush@127.0.0.1:1/d?sslmode=disable"})
	require.True(t, fault.Is(err, fault.Unavailable), err)
	require.NotContains(t, err.Error(), "hush")
	require.Contains(t, err.Error(), "127.0.0.1:1/d")
	require.NotEmpty(t, fault.CureOf(err))
}

func FuzzRedact(f *testing.F) {
	f.Add("u", "secret-secret", "h", "d")
	f.Add("u", "secret@secret", "h:1", "?password=secret")
	f.Add("u", "%zzsecret", "[::1]", "/")
	f.Fuzz(func(t *testing.T, user, password, host, rest string) {
		if len(password) < 6 || strings.Contains(user+host+rest, password) || strings.ContainsAny(password, "/?#") || strings.Contains(host+rest, "@") {
			return // nobody can tell it from what may be shown
		}
		require.NotContains(t, postgres.Redact("postgres://"+user+":"+password+"@"+host+"/"+rest), password)
	})
}
