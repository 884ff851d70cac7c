package observed

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
)

func TestConformance(t *testing.T) {
	catalogtest.Run(t, catalogtest.Config{New: func(*testing.T) catalog.Catalog { return New(catalogtest.NewMemory(), prometheus.NewRegistry()) }})
}

type sized struct{ catalog.Catalog }

// Sizes are two.
func (sized) Sizes() map[string]int { return map[string]int{"readers_in_use": 2, "writes_waiting": 0} }

func TestCounting(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	c := New(sized{catalogtest.NewMemory()}, reg)
	_, err := c.Collection(t.Context(), catalog.Everything(), "a secret name")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	require.NoError(t, c.Ping(t.Context()))
	require.InDelta(t, 1, testutil.ToFloat64(c.asked.WithLabelValues("collection", "not_found")), 0)
	require.InDelta(t, 1, testutil.ToFloat64(c.asked.WithLabelValues("ping", "ok")), 0)
	require.InDelta(t, 0, testutil.ToFloat64(c.inside), 0)
	n, err := testutil.GatherAndCount(reg, "terrapin_catalog_size", "terrapin_catalog_operation_seconds")
	require.NoError(t, err)
	require.Equal(t, 4, n)
	require.Panics(t, func() {
		_, _ = observe(c, "search", func() (int, error) { panic(errors.New("x")) })
	})
	require.InDelta(t, 1, testutil.ToFloat64(c.asked.WithLabelValues("search", "panic")), 0)
	require.InDelta(t, 0, testutil.ToFloat64(c.inside), 0)
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.NotContains(t, f.String(), "secret")
	}
}
