package postgres

import (
	"context"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// CompactTallies adds up the tally now.
func (c *Catalog) CompactTallies(ctx context.Context) error { return c.compactOnce(ctx) }

// Plans answers a query and tells how the server ran each statement of it.
func (c *Catalog) Plans(ctx context.Context, q catalog.Query) (plans []string, err error) {
	err = c.asking(ctx, "explain", c.limits.Search, func(ctx context.Context, r sqlgen.Reader) error {
		_, err := c.engine().Search(ctx, explaining{r.(*session), &plans}, catalog.Everything(), q)
		return err
	})
	return plans, err
}

type explaining struct {
	*session
	plans *[]string
}

func (e explaining) Query(ctx context.Context, text string, args []any, visit func(sqlgen.Row) error) error {
	plan := ""
	if err := e.session.Query(ctx, "EXPLAIN (ANALYZE, TIMING OFF) "+text, args, func(r sqlgen.Row) error {
		var line any
		err := r.Scan(&line)
		plan += line.(string) + "\n"
		return err
	}); err != nil {
		return err
	}
	*e.plans = append(*e.plans, plan)
	return e.session.Query(ctx, text, args, visit)
}

// AskStill asks what a snapshot reads for one text.
func AskStill(ctx context.Context, r catalog.Reader, question string) (text string, err error) {
	err = r.(*still).s.Query(ctx, question, nil, func(row sqlgen.Row) error { return row.Scan(&text) })
	return text, err
}
