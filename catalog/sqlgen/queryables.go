package sqlgen

import (
	"context"

	"github.com/terrapin-eo/terrapin/catalog"
)

// Queryables lists what the table of properties says of the given collections, or of all.
func (e Engine) Queryables(ctx context.Context, r Reader, s catalog.Scope, collections []string) ([]catalog.Queryable, error) {
	w := newWanted(s, catalog.Query{Collections: collections})
	if w.nothing() {
		return []catalog.Queryable{}, nil
	}
	st := &statement{Dialect: e.Dialect}
	text := "SELECT DISTINCT t.name, t.type, t.format FROM property t WHERE TRUE" + w.ofCollections(st)
	var traits []catalog.Trait
	err := r.Query(ctx, text, st.args, func(row Row) error {
		var name, kind, format any
		if err := row.Scan(&name, &kind, &format); err != nil {
			return err
		}
		traits = append(traits, catalog.Trait{Name: name.(string), Type: kind.(string), Format: format.(string)})
		return nil
	})
	return catalog.QueryablesOf(traits), err
}
