package http

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/serve/origin"
)

// A page whose own name leads to this machine may set any header, but its name gives it away.
func TestVerbsOfAnotherName(t *testing.T) {
	ran := 0
	f := start(t, map[string]Verb{"x": func(context.Context, VerbRequest) (any, int, error) { ran++; return nil, 0, nil }})
	f.fill(t)
	for _, headers := range [][]string{
		{}, {"Host", "localhost:8080"}, {"Host", "LOCALHOST"}, {"Host", "127.0.0.1"}, {"Host", "[::1]:9"}, {"Host", "[::1]"},
		{"Origin", "http://localhost:8080"}, {"Origin", "http://[::1]"}, {"X-Forwarded-Host", "evil.example.org"},
	} {
		a := f.post(t, "/v1/verbs/x", "{}", append(headers, "Terrapin-Actor", "ada")...)
		require.Equal(t, 200, a.status, "%v: %s", headers, a.body)
	}
	require.Equal(t, 9, ran)
	for _, headers := range [][]string{
		{"Host", "evil.example.org"}, {"Host", "evil.example.org:8080"}, {"Host", "localhost.evil.org"}, {"Host", "127.0.0.1.evil.org"}, {"Host", "192.0.2.1:80"},
		{"Host", "evil.example.org", "X-Forwarded-Host", "localhost"},
		{"Origin", "http://evil.example.org"}, {"Origin", "null"}, {"Origin", "http://localhost@evil.example.org"}, {"Origin", ""},
	} {
		a := f.post(t, "/v1/verbs/x", "{}", append(headers, "Terrapin-Actor", "ada")...)
		require.Equal(t, 400, a.status, "%v: %s", headers, a.body)
		require.Contains(t, a.json(t)["cure"], f.url)
	}
	require.Equal(t, 9, ran)
	require.Equal(t, 200, f.get(t, "/collections/s2", "Host", "evil.example.org", "Origin", "http://evil.example.org").status, "reading is for everybody")
	require.Equal(t, 200, f.post(t, "/search", "{}", "Host", "evil.example.org").status)
}

// A server that other machines reach is called by whatever name they have for it.
func TestVerbsFromOtherMachines(t *testing.T) {
	h := New(Config{Verbs: map[string]Verb{"x": func(context.Context, VerbRequest) (any, int, error) { return nil, 0, nil }}})
	for ip, want := range map[string]int{"192.0.2.7": 200, "127.0.0.1": 400, "127.0.1.1": 400, "::1": 400} {
		r := httptest.NewRequest(http.MethodPost, "http://eo.example.org/v1/verbs/x", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(origin.Header, "ada")
		at := &net.TCPAddr{IP: net.ParseIP(ip), Port: 8080}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, at)))
		require.Equal(t, want, w.Code, ip)
	}
}
