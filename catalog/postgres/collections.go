package postgres

import (
	"context"

	"github.com/terrapin-eo/terrapin/catalog"
)

// Collections returns a page of collections.
func (c *Catalog) Collections(ctx context.Context, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	return catalog.Result{}, nil
}

// Queryables lists properties.
func (c *Catalog) Queryables(ctx context.Context, s catalog.Scope, collections []string) ([]catalog.Queryable, error) {
	return nil, nil
}
