package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestAnnouncedAddresses(t *testing.T) {
	for _, c := range []struct{ given, at, want string }{
		{"0.0.0.0:0", "0.0.0.0", "127.0.0.1:81"},
		{"0.0.0.0:0", "::", "127.0.0.1:81"},
		{"[::]:81", "::", "127.0.0.1:81"},
		{":81", "::", "127.0.0.1:81"},
		{"127.0.0.1:0", "127.0.0.1", "127.0.0.1:81"},
		{"[::1]:0", "::1", "[::1]:81"},
		{"localhost:0", "127.0.0.1", "localhost:81"},
		{"eo.example.org:0", "192.0.2.7", "eo.example.org:81"},
		{"eo.example.org:0", "127.0.1.1", "127.0.1.1:81"},
		{"192.0.2.7:81", "192.0.2.7", "192.0.2.7:81"},
	} {
		assert.Equal(t, c.want, announced(c.given, &net.TCPAddr{IP: net.ParseIP(c.at), Port: 81}), c)
	}
}

// A server on every address says one that leads to it.
func TestServeOnEveryAddressAnnouncesOne(t *testing.T) {
	s := newShell(t)
	cmd := program("serve", "--data", s.dir, "--http", "0.0.0.0:0", "--flight", "0.0.0.0:0", "--insecure", "--json")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var urls map[string]string
	require.NoError(t, json.NewDecoder(out).Decode(&urls))
	require.Len(t, urls, 3)
	assert.True(t, strings.HasPrefix(urls["http"], "http://127.0.0.1:"), urls)
	assert.True(t, strings.HasPrefix(urls["flight"], "grpc://127.0.0.1:"), urls)
	res, err := http.Get(urls["stac"] + "healthz")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, http.StatusOK, res.StatusCode)
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0]) // a verb finds the server by what it announced
}

func TestSizesOfMemory(t *testing.T) {
	n, err := memory("cache", "2GiB", "1MiB")
	require.NoError(t, err)
	assert.Equal(t, int64(2<<30), n)
	n, err = serveFlags{cache: "0"}.cacheBytes()
	require.NoError(t, err)
	assert.Negative(t, n)
	for _, bad := range []string{"", "-1", "1KiB", "much"} {
		_, err := serveFlags{cache: bad}.cacheBytes()
		assert.ErrorContains(t, err, "--cache", bad)
		assert.NotEmpty(t, fault.CureOf(err), bad)
	}
}
