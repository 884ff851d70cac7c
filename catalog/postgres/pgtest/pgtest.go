// Package pgtest runs a real PostgreSQL with PostGIS for tests: a throw-away server that outlives its own
// crash but not the machine's, with a fresh database for every test. It owns the server's process and directory,
// and refuses to run without the programs that `.ci/setup postgres` finds: tests skip then. The
// invariant: a server ends with the process that started it, however that ends.
package pgtest

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// shared is the server of this process's tests.
var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Main runs a package's tests and ends the server they shared; call it from TestMain, which exits with
// what it returns.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.server != nil {
		shared.server.stop()
	}
	return code
}

// Database makes an empty database with PostGIS on the server that the tests of this process share, and
// returns its URL. It goes away with the test.
func Database(t testing.TB) string {
	t.Helper()
	programs := programs(t)
	shared.once.Do(func() { shared.server, shared.err = start(programs) })
	require.NoError(t, shared.err)
	return shared.server.Database(t)
}

// Start starts a server for one test alone, to stop and start as it likes.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := start(programs(t))
	require.NoError(t, err)
	t.Cleanup(s.stop)
	return s
}

// programs is the folder of PostgreSQL's programs.
func programs(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("TERRAPIN_POSTGRES")
	if folder == "" {
		t.Skip("no TERRAPIN_POSTGRES: `.ci/setup postgres` finds or installs the PostgreSQL that tests need")
	}
	return folder
}

// Database makes an empty database with PostGIS, which goes away with the test; options of CREATE DATABASE make another one than the
// server's own kind.
func (s *Server) Database(t testing.TB, options ...string) string {
	t.Helper()
	name, like := fmt.Sprintf("test_%d", s.databases.Add(1)), template
	if len(options) > 0 {
		like = "template0"
	}
	require.NoError(t, s.exec("postgres", fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s %s", name, like, strings.Join(options, " "))))
	t.Cleanup(func() {
		_ = s.exec("postgres", fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name)) // the server may have been stopped
	})
	if len(options) > 0 {
		require.NoError(t, s.exec(name, "CREATE EXTENSION postgis"))
	}
	return s.URL(name)
}

// URL is the address of a database.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Host: fmt.Sprintf("127.0.0.1:%d", s.port), Path: database}
	u.RawQuery = url.Values{"sslmode": {"disable"}}.Encode()
	return u.String()
}
