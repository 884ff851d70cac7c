package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/postgres"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func open(t testing.TB, url string) *postgres.Catalog {
	t.Helper()
	c, err := postgres.Open(context.Background(), postgres.Config{URL: url, Readers: 4, Writers: 4})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestConformance(t *testing.T) {
	catalogtest.Run(t, catalogtest.Config{New: func(t *testing.T) catalog.Catalog { return open(t, pgtest.Database(t)) }})
}
