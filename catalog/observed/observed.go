// Package observed counts what a catalog is asked and how long its answers take, as Prometheus metrics. It owns their
// names; it refuses to put anything into their labels that a user sends, so that they stay few and tell nobody's
// business. The invariant: a catalog behaves the same with it as without.
package observed

import (
	"context"
	"encoding/json"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// Catalog is another one, observed. What that can do beside, such as catalog.Indexer, is asked of it itself.
type Catalog struct {
	catalog.Catalog
	asked   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	inside  prometheus.Gauge
}

var _ catalog.Catalog = (*Catalog)(nil)

// New observes a catalog. What it counts is registered with reg:
//
//	terrapin_catalog_operations_total{operation, outcome}   outcome is ok or the kind of the error
//	terrapin_catalog_operation_seconds{operation}
//	terrapin_catalog_operations_in_flight
//	terrapin_catalog_size{what}                             what a catalog.Sizer tells
func New(c catalog.Catalog, reg prometheus.Registerer) *Catalog {
	o := &Catalog{
		Catalog: c,
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "terrapin_catalog_operations_total",
			Help: "Operations of the catalog, by what they came to."}, []string{"operation", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "terrapin_catalog_operation_seconds",
			Help: "How long operations of the catalog take.", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}}, []string{"operation"}),
		inside: prometheus.NewGauge(prometheus.GaugeOpts{Name: "terrapin_catalog_operations_in_flight", Help: "Operations of the catalog that are going on."}),
	}
	reg.MustRegister(o.asked, o.seconds, o.inside)
	if s, ok := c.(catalog.Sizer); ok {
		reg.MustRegister(&sizes{s, prometheus.NewDesc("terrapin_catalog_size", "Connections of the catalog and what waits in it.", []string{"what"}, nil)})
	}
	return o
}

// sizes are asked for whenever somebody looks.
type sizes struct {
	catalog.Sizer
	desc *prometheus.Desc
}

// Describe tells what there is.
func (s *sizes) Describe(to chan<- *prometheus.Desc) { to <- s.desc }

// Collect tells the sizes of this moment.
func (s *sizes) Collect(to chan<- prometheus.Metric) {
	for what, n := range s.Sizes() {
		to <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(n), what)
	}
}

// observe makes an operation and counts it.
func observe[T any](o *Catalog, operation string, do func() (T, error)) (T, error) {
	begin := time.Now()
	o.inside.Inc()
	outcome := "panic"
	defer func() {
		o.inside.Dec()
		o.seconds.WithLabelValues(operation).Observe(time.Since(begin).Seconds())
		o.asked.WithLabelValues(operation, outcome).Inc()
	}()
	out, err := do()
	if outcome = "ok"; err != nil {
		outcome = fault.KindOf(err).String()
	}
	return out, err
}

// Collection returns one collection's document.
func (o *Catalog) Collection(ctx context.Context, s catalog.Scope, id string) (json.RawMessage, error) {
	return observe(o, "collection", func() (json.RawMessage, error) { return o.Catalog.Collection(ctx, s, id) })
}

// Collections returns a page of collections.
func (o *Catalog) Collections(ctx context.Context, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	return observe(o, "collections", func() (catalog.Result, error) { return o.Catalog.Collections(ctx, s, q) })
}

// Item returns one item's document.
func (o *Catalog) Item(ctx context.Context, s catalog.Scope, ref catalog.ItemRef) (json.RawMessage, error) {
	return observe(o, "item", func() (json.RawMessage, error) { return o.Catalog.Item(ctx, s, ref) })
}

// Search returns a page of items.
func (o *Catalog) Search(ctx context.Context, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	return observe(o, "search", func() (catalog.Result, error) { return o.Catalog.Search(ctx, s, q) })
}

// Aggregate computes over items.
func (o *Catalog) Aggregate(ctx context.Context, s catalog.Scope, q catalog.Query, ask []catalog.Aggregation) ([]catalog.Aggregate, error) {
	return observe(o, "aggregate", func() ([]catalog.Aggregate, error) { return o.Catalog.Aggregate(ctx, s, q, ask) })
}

// Queryables lists the properties that items have.
func (o *Catalog) Queryables(ctx context.Context, s catalog.Scope, collections []string) ([]catalog.Queryable, error) {
	return observe(o, "queryables", func() ([]catalog.Queryable, error) { return o.Catalog.Queryables(ctx, s, collections) })
}

// Apply makes a set of changes.
func (o *Catalog) Apply(ctx context.Context, c catalog.Changes) (int64, error) {
	return observe(o, "apply", func() (int64, error) { return o.Catalog.Apply(ctx, c) })
}

// Marks returns every mark.
func (o *Catalog) Marks(ctx context.Context) (map[string]string, error) {
	return observe(o, "marks", func() (map[string]string, error) { return o.Catalog.Marks(ctx) })
}

// Ping reports whether the database answers.
func (o *Catalog) Ping(ctx context.Context) error {
	_, err := observe(o, "ping", func() (struct{}, error) { return struct{}{}, o.Catalog.Ping(ctx) })
	return err
}
