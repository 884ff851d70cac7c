package pgtest_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func version(t *testing.T, url string) (v string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer conn.Close(ctx)
	require.NoError(t, conn.QueryRow(ctx, "SELECT postgis_lib_version()").Scan(&v))
	return v
}

func TestDatabase(t *testing.T) {
	one, two := pgtest.Database(t), pgtest.Database(t)
	require.NotEqual(t, one, two)
	require.NotEmpty(t, version(t, one))
	require.NotEmpty(t, version(t, two))
}

func TestStopAndStart(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t)
	s.Stop()
	_, err := pgx.Connect(context.Background(), url)
	require.Error(t, err)
	require.NoError(t, s.Start())
	require.NotEmpty(t, version(t, url), "the same address, and the same database")
}
