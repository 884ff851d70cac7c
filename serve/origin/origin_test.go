package origin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		at, host string
		origins  []string
		good     bool
	}{
		{"127.0.0.1:8080", "127.0.0.1:8080", nil, true},
		{"127.0.0.1:8080", "LOCALHOST", nil, true},
		{"[::1]:8080", "[::1]:8080", nil, true},
		{"127.0.0.1:8080", "localhost:8080", []string{"http://localhost:3000"}, true},
		{"127.0.0.1:8080", "localhost", []string{"http://[::1]"}, true},
		{"127.0.0.1:8080", "evil.example.org", nil, false},
		{"127.0.0.1:8080", "localhost.evil.org:8080", nil, false},
		{"127.0.0.1:8080", "192.0.2.1", nil, false},
		{"127.0.0.1:8080", "localhost", []string{"https://evil.example.org"}, false},
		{"127.0.0.1:8080", "localhost", []string{"null"}, false},
		{"127.0.0.1:8080", "localhost", []string{""}, false},
		{"127.0.0.1:8080", "localhost", []string{"http://localhost", "http://evil.example.org"}, false},
		{"127.0.0.1:8080", "localhost", []string{"http://localhost@evil.example.org"}, false},
		{"192.0.2.7:8080", "eo.example.org", []string{"https://browser.example.org"}, true},
		{"", "anything", []string{"https://browser.example.org"}, true}, // no server, as in tests
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Host = c.host
		r.Header["Origin"] = c.origins
		if c.at != "" {
			at, err := net.ResolveTCPAddr("tcp", c.at)
			require.NoError(t, err)
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(at)))
		}
		err := Check(r, "a change")
		if c.good {
			require.NoError(t, err, c)
			continue
		}
		require.True(t, fault.Is(err, fault.Invalid), c)
		require.Contains(t, fault.CureOf(err), c.at, c)
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	require.Empty(t, Actor(r))
	r.Header.Set(Header, " ada ")
	require.Equal(t, "ada", Actor(r))
}
