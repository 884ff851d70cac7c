package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/pack"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
	"github.com/terrapin-eo/terrapin/fault"
)

// Collection returns one collection's document.
func (c *Catalog) Collection(ctx context.Context, s catalog.Scope, id string) (doc json.RawMessage, err error) {
	err = c.one(ctx, "read a collection", &doc, textOfCollection+visible(s), id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, noCollection(id)
	}
	return doc, err
}

// Item returns one item's document.
func (c *Catalog) Item(ctx context.Context, s catalog.Scope, ref catalog.ItemRef) (doc json.RawMessage, err error) {
	err = c.one(ctx, "read an item", &doc, textOfItem+visible(s), ref.ID, ref.Collection)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, noItem(ref)
	}
	return doc, err
}

// The statements that read one document, packed or not, without the condition that the scope adds.
const (
	textOfItem       = `SELECT packed, document FROM item WHERE id = $1 AND collection = $2 AND `
	textOfCollection = `SELECT NULL::bytea, document FROM collection WHERE id = $1 AND `
)

func noItem(ref catalog.ItemRef) error {
	return fault.New(fault.NotFound, "item %q of collection %q: %w", ref.ID, ref.Collection, catalog.ErrNotFound)
}

func noCollection(id string) error {
	return fault.New(fault.NotFound, "collection %q: %w", id, catalog.ErrNotFound)
}

// one reads a document; pgx.ErrNoRows says that there is none.
func (c *Catalog) one(ctx context.Context, op string, doc *json.RawMessage, text string, args ...any) error {
	found := true
	err := c.looking(ctx, op, c.limits.Look, func(ctx context.Context) error {
		var packed []byte
		err := c.read.QueryRow(ctx, text, args...).Scan(&packed, (*[]byte)(doc))
		if found = !errors.Is(err, pgx.ErrNoRows); !found {
			return nil
		}
		if err == nil && packed != nil {
			*doc, err = pack.Document(packed, nil)
		}
		return err
	})
	if err == nil && !found {
		return pgx.ErrNoRows
	}
	return err
}

// Marks returns every mark.
func (c *Catalog) Marks(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := c.looking(ctx, "read marks", c.limits.Look, func(ctx context.Context) error {
		rows, err := c.read.Query(ctx, `SELECT name, value FROM mark`)
		if err != nil {
			return err
		}
		var name, value string
		_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
			out[name] = value
			return nil
		})
		return err
	})
	return out, err
}

// visible is the condition that holds for what a scope may see.
func visible(s catalog.Scope) string {
	if s.SeesAll() {
		return "TRUE"
	}
	return "FALSE"
}

// Search returns a page of items.
func (c *Catalog) Search(ctx context.Context, s catalog.Scope, q catalog.Query) (out catalog.Result, err error) {
	err = c.asking(ctx, "search", c.limits.Search, func(ctx context.Context, r sqlgen.Reader) error {
		out, err = c.engine().Search(ctx, r, s, q)
		return err
	})
	return out, err
}

// Aggregate computes over items.
func (c *Catalog) Aggregate(ctx context.Context, s catalog.Scope, q catalog.Query, ask []catalog.Aggregation) (out []catalog.Aggregate, err error) {
	err = c.asking(ctx, "aggregate", c.limits.Aggregate, func(ctx context.Context, r sqlgen.Reader) error {
		out, err = c.engine().Aggregate(ctx, r, s, q, ask)
		return err
	})
	return out, err
}

func (c *Catalog) engine() sqlgen.Engine { return sqlgen.Engine{Dialect: dialect{}, Signer: c.signer} }

// asking runs a read of several statements that see one state.
func (c *Catalog) asking(ctx context.Context, op string, most time.Duration, ask func(context.Context, sqlgen.Reader) error) error {
	return c.looking(ctx, op, most, func(ctx context.Context) error {
		conn, err := c.read.Acquire(ctx)
		if err != nil {
			return err
		}
		s := &session{conn: conn, ranked: *c.ranked.Load()}
		defer s.end()
		return ask(ctx, s)
	})
}

// used leaves out arguments that a statement does not name, as the server cannot tell their types, and numbers the
// others anew. A $ is in a statement only before a number.
func used(text string, args []any) (string, []any) {
	var out strings.Builder
	var kept []any
	numbers := make([]int, len(args)+1)
	parts := strings.Split(text, "$")
	out.WriteString(parts[0])
	for _, part := range parts[1:] {
		digits := len(part) - len(strings.TrimLeft(part, "0123456789"))
		n, err := strconv.Atoi(part[:digits])
		if err != nil || n < 1 || n > len(args) {
			return text, args // the server will say what is wrong
		}
		if numbers[n] == 0 {
			kept = append(kept, args[n-1])
			numbers[n] = len(kept)
		}
		out.WriteString("$" + strconv.Itoa(numbers[n]) + part[digits:])
	}
	if len(kept) == len(args) {
		return text, args
	}
	return out.String(), kept
}

// session is a read on one connection; its first statement begins the transaction.
type session struct {
	conn  *pgxpool.Conn
	begun bool
	// ordered says which planning the server was told of last.
	ordered bool
	ranked  map[string]bool
}

var _ sqlgen.Guesser = (*session)(nil)

func (s *session) Indexed(property string) bool { return s.ranked[property] }

func (s *session) Query(ctx context.Context, text string, args []any, visit func(sqlgen.Row) error) error {
	text, args = used(text, args)
	var batch pgx.Batch // all of it goes at once
	ordered := strings.Contains(text, along)
	if !s.begun {
		batch.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	}
	if !s.begun || ordered != s.ordered {
		batch.Queue(planning[ordered])
	}
	s.begun, s.ordered = true, ordered
	before := batch.Len()
	if before == 0 {
		rows, err := s.conn.Query(ctx, text, args...)
		if err != nil {
			return err
		}
		return each(rows, visit)
	}
	batch.Queue(text, args...)
	results := s.conn.SendBatch(ctx, &batch)
	for range before {
		if _, err := results.Exec(); err != nil {
			return errors.Join(err, results.Close())
		}
	}
	rows, err := results.Query()
	if err == nil {
		err = each(rows, visit)
	}
	if closing := results.Close(); err == nil {
		err = closing
	}
	return err
}

// Guess asks the planner.
func (s *session) Guess(ctx context.Context, text string, args []any) (int, error) {
	var plan []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	err := s.Query(ctx, "EXPLAIN (FORMAT JSON) "+text, args, func(row sqlgen.Row) error {
		var out []byte
		if err := row.Scan(&out); err != nil {
			return err
		}
		return json.Unmarshal(out, &plan)
	})
	if err != nil || len(plan) == 0 {
		return math.MaxInt32, err
	}
	return int(min(plan[0].Plan.Rows, math.MaxInt32)), nil
}

// planning tells the server how to plan a statement. The way to an answer depends on what is asked, so it is planned anew each time. Only
// what comes in the order of an index (true) has one way, whatever is asked: it must not be found as a whole and sorted, as the
// server would think good for some.
var planning = map[bool]string{
	false: `SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_bitmapscan', 'on', true)`,
	true:  `SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_bitmapscan', 'off', true)`,
}

func each(rows pgx.Rows, visit func(sqlgen.Row) error) error {
	defer rows.Close()
	r := row{rows: rows}
	for n := 0; rows.Next(); n++ {
		if n == 1 { // there are several, which will go together
			r.room = new([]byte)
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// end gives the connection back. Nobody has to wait for that.
func (s *session) end() {
	if !s.begun {
		s.conn.Release()
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, _ = s.conn.Exec(ctx, "ROLLBACK") // nothing was written; a connection that is still in a transaction is thrown away
		s.conn.Release()
	}()
}

// row brings values into the types of sqlgen.Row.
type row struct {
	rows pgx.Rows
	// room, where not nil, is where documents go.
	room *[]byte
}

func (r row) Scan(into ...any) error {
	if len(r.rows.FieldDescriptions()) == len(into)+1 {
		return r.scanDocument(into)
	}
	if err := r.rows.Scan(into...); err != nil {
		return err
	}
	settle(into)
	return nil
}

// scanDocument reads a row that ends with an item's document (dialect.Document), packed or, from an earlier release, not.
func (r row) scanDocument(into []any) error {
	last := len(into) - 1
	document, ok := into[last].(*[]byte)
	if !ok {
		return fmt.Errorf("a document is wanted as %T", into[last])
	}
	var packed pgtype.DriverBytes
	into = append(slices.Clone(into[:last]), &packed, document)
	if err := r.rows.Scan(into...); err != nil {
		return err
	}
	settle(into)
	if packed == nil {
		return nil
	}
	out, err := pack.Document(packed, r.room)
	*document = out
	return err
}

// settle makes every integer as wide as sqlgen takes it.
func settle(into []any) {
	for _, p := range into {
		v, ok := p.(*any)
		if !ok {
			continue
		}
		switch n := (*v).(type) {
		case int16:
			*v = int64(n)
		case int32:
			*v = int64(n)
		}
	}
}
