package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// countable is up to how many candidates of a geometry are looked at to count the matches; beyond it
// the count is left out, as each candidate's geometry has to be read.
const countable = 10_000

// Collections returns a page of collections in order of their ids.
func (c *Catalog) Collections(ctx context.Context, s catalog.Scope, p catalog.Query) (catalog.Result, error) {
	const ask = "collections"
	after := ""
	if p.Token != "" {
		at, err := c.signer.Open(ask, p.Token)
		if err != nil {
			return catalog.Result{}, err
		}
		after = at.Collection
	}
	rows, err := c.read.QueryContext(ctx, `SELECT id, document, (SELECT count(*) FROM collection WHERE `+visible(s)+`)
		FROM collection WHERE id > ? AND `+visible(s)+` ORDER BY id LIMIT ?`, after, p.Size()+1)
	if err != nil {
		return catalog.Result{}, c.wrap("list collections", err)
	}
	defer rows.Close()
	out := catalog.Result{Matched: new(int)}
	for rows.Next() {
		var id string
		var doc []byte
		if err := rows.Scan(&id, &doc, out.Matched); err != nil {
			return catalog.Result{}, c.wrap("list collections", err)
		}
		if len(out.Documents) == p.Size() {
			out.Next = c.signer.Token(ask, catalog.Position{Collection: after})
			break
		}
		out.Documents, after = append(out.Documents, doc), id
	}
	return out, c.wrap("list collections", rows.Err())
}

// Search returns a page of items.
func (c *Catalog) Search(ctx context.Context, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	if err := q.Check(); err != nil {
		return catalog.Result{}, err
	}
	plan := newSelection(s, q)
	if q.Token != "" {
		at, err := c.signer.Open(q.Ask(), q.Token)
		if err != nil {
			return catalog.Result{}, err
		}
		plan.after(at)
	}
	tx, err := c.read.BeginTx(ctx, nil) // one state for page and count
	if err != nil {
		return catalog.Result{}, c.wrap("search", err)
	}
	defer tx.Rollback()
	out, err := c.page(ctx, tx, plan, q)
	return out, c.wrap("search", err)
}

func (c *Catalog) page(ctx context.Context, tx *sql.Tx, plan *selection, q catalog.Query) (catalog.Result, error) {
	var out catalog.Result
	shape, size := q.Shape(), q.Size()
	limit := size + 1
	if shape != nil {
		limit = -1 // the geometry itself is only known here
	}
	if q.Count && shape == nil {
		out.Matched = new(int)
		text, args := plan.sql("count(*)", "")
		if err := tx.QueryRowContext(ctx, text, args...).Scan(out.Matched); err != nil {
			return out, err
		}
	}
	text, args := plan.sql("i.sort, i.collection, i.id, i.document", fmt.Sprintf("ORDER BY i.sort DESC, i.collection, i.id LIMIT %d", limit))
	rows, err := tx.QueryContext(ctx, text, args...)
	if err != nil {
		return out, err
	}
	defer rows.Close()
	var last catalog.Position
	seen, matched := 0, 0
	for rows.Next() {
		var at catalog.Position
		var doc []byte
		if err := rows.Scan(&at.Sort, &at.Collection, &at.ID, &doc); err != nil {
			return out, err
		}
		seen++
		if shape != nil {
			if hit, err := meets(doc, shape); err != nil {
				return out, err
			} else if !hit {
				continue
			}
		}
		matched++
		if matched <= size {
			out.Documents, last = append(out.Documents, doc), at
		} else if out.Next = c.signer.Token(q.Ask(), last); shape == nil || !q.Count || seen > countable {
			return out, nil
		}
	}
	if q.Count && shape != nil {
		out.Matched = &matched
	}
	return out, rows.Err()
}

// meets reports whether an item's own geometry, not only its box, meets a shape.
func meets(doc []byte, shape *geo.Shape) (bool, error) {
	var in struct {
		Geometry json.RawMessage `json:"geometry"`
		BBox     []float64       `json:"bbox"`
	}
	if err := json.Unmarshal(doc, &in); err != nil {
		return false, err
	}
	g, err := geo.Parse(in.Geometry, in.BBox)
	return err == nil && g.Intersects(shape), err
}

// selection is the part of a statement that chooses items.
type selection struct {
	boxes []orb.Bound
	where []string
	args  []any
}

func newSelection(s catalog.Scope, q catalog.Query) *selection {
	p := &selection{}
	p.and(visible(s))
	p.among("i.collection", q.Collections)
	p.among("i.id", q.IDs)
	if q.Time.Start != nil {
		p.and("i.ends >= ?", q.Time.Start.UnixMicro())
	}
	if q.Time.End != nil {
		p.and("i.begins <= ?", q.Time.End.UnixMicro())
	}
	if !q.Time.Open() {
		p.and("i.begins <= i.ends")
	}
	if shape := q.Shape(); shape != nil {
		p.boxes = shape.Bounds()
	}
	return p
}

func (p *selection) and(condition string, args ...any) {
	p.where, p.args = append(p.where, condition), append(p.args, args...)
}

func (p *selection) among(column string, values []string) {
	switch {
	case values == nil:
	case len(values) == 1:
		p.and(column+" = ?", values[0])
	default:
		list, err := json.Marshal(values)
		if err != nil {
			panic(err) // a list of strings always marshals
		}
		p.and(column+" IN (SELECT value FROM json_each(?))", string(list))
	}
}

// after goes on behind a position. The first condition is what an index can use.
func (p *selection) after(at catalog.Position) {
	p.and("i.sort <= ? AND (i.sort < ? OR (i.collection, i.id) > (?, ?))", at.Sort, at.Sort, at.Collection, at.ID)
}

// sql writes the statement. Where boxes are asked for, the R*Tree is named first and cross-joined:
// left to itself, SQLite drives from another index and takes fifty times as long.
func (p *selection) sql(columns, tail string) (string, []any) {
	from, args := "item i", []any(nil)
	if p.boxes != nil {
		var any []string
		for _, b := range p.boxes {
			any = append(any, "SELECT DISTINCT id / 2 AS row FROM box WHERE west <= ? AND east >= ? AND south <= ? AND north >= ?")
			args = append(args, b.Max[0], b.Min[0], b.Max[1], b.Min[1])
		}
		from = "(" + strings.Join(any, " UNION ") + ") b CROSS JOIN item i ON i.row = b.row"
	}
	return "SELECT " + columns + " FROM " + from + " WHERE " + strings.Join(p.where, " AND ") + " " + tail, append(args, p.args...)
}
