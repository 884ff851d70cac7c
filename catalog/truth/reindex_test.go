package truth_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/postgres"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
	"github.com/terrapin-eo/terrapin/catalog/truth"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// TestReindexGivesTheSameAnswers fills every back end from one bucket: step by step while it grows, and at once from
// nothing when all is there. What was posted stays where it is.
func TestReindexGivesTheSameAnswers(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) catalog.Catalog{
		"sqlite": newCatalog,
		"postgres": func(t *testing.T) catalog.Catalog {
			c, err := postgres.Open(t.Context(), postgres.Config{URL: pgtest.Database(t), Readers: 4, Writers: 4})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, c.Close()) })
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.cat = open(t)
			_, err := w.cat.Apply(t.Context(), posted)
			require.NoError(t, err)
			for n := 1; n <= 4; n++ {
				w.ingest(t, 2*n, 2*n-1)
				w.version(t, n, fmt.Sprint("title ", n))
				w.catchUp(t)
			}
			memory := catalogtest.NewMemory()
			_, err = memory.Apply(t.Context(), posted)
			require.NoError(t, err)
			_, err = truth.CatchUp(t.Context(), w.root, memory)
			require.NoError(t, err)
			catalogtest.Same(t, w.cat, memory)

			_, err = w.cat.Apply(t.Context(), catalog.Changes{Reset: true})
			require.NoError(t, err)
			require.Equal(t, 8+4, w.catchUp(t).Items, "everything of the bucket again, and nothing else")
			catalogtest.Same(t, w.cat, memory)
			require.Empty(t, w.fsck(t, true).Problems)
		})
	}
}

// posted are documents that no bucket holds.
var posted = catalog.Changes{Origin: catalog.Posted, Collections: []json.RawMessage{catalogtest.Collection("posted")}, Items: []json.RawMessage{
	catalogtest.Item("posted", "x", `{"type":"Point","coordinates":[3,51]}`, `"datetime":"2024-03-02T00:00:00Z","title":"Posted, not ingested"`),
}}
