package sqlite

import (
	"container/list"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/pack"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// conn is one connection, with the statements it has prepared. It is used by one goroutine at a time. It goes round
// database/sql: that takes a lock, a copy and several allocations for each statement and each row, which is as much as
// the look-up of an item takes.
type conn struct {
	db driver.Conn
	// statements are by their texts; the order is from the one used last.
	statements map[string]*list.Element
	order      list.List
	size       int // of their texts
	named      []driver.NamedValue
}

type prepared struct {
	text string
	driver.Stmt
}

// manyStatements is how many a connection keeps, and longStatements how long their texts may be together.
const (
	manyStatements = 200
	longStatements = 1 << 20
)

func newConn(db driver.Conn) *conn { return &conn{db: db, statements: map[string]*list.Element{}} }

// prepare finds a statement or makes it.
func (c *conn) prepare(text string) (driver.Stmt, error) {
	if e := c.statements[text]; e != nil {
		c.order.MoveToFront(e)
		return e.Value.(*prepared).Stmt, nil
	}
	s, err := c.db.Prepare(text)
	if err != nil {
		return nil, err
	}
	c.statements[text] = c.order.PushFront(&prepared{text, s})
	c.size += len(text)
	for n := c.order.Len(); n > manyStatements || n > 1 && c.size > longStatements; n-- {
		last := c.order.Remove(c.order.Back()).(*prepared)
		delete(c.statements, last.text)
		c.size -= len(last.text)
		if err := last.Close(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// arguments hands shapes over by their number in shapes; release forgets them.
func (c *conn) arguments(ctx context.Context, args []any) (named []driver.NamedValue, release func()) {
	c.named = c.named[:0]
	var held []int64
	var by *use
	for i, v := range args {
		if s, ok := v.(*geo.Shape); ok {
			if by == nil {
				by = &use{ctx: ctx}
			}
			n := shapes.hold(s, by)
			held, v = append(held, n), n
		}
		c.named = append(c.named, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.named, func() { shapes.release(held) }
}

// exec runs a statement that yields nothing.
func (c *conn) exec(ctx context.Context, text string, args ...any) (driver.Result, error) {
	s, err := c.prepare(text)
	if err != nil {
		return nil, err
	}
	named, release := c.arguments(ctx, args)
	defer release()
	return s.(driver.StmtExecContext).ExecContext(ctx, named)
}

// query runs a statement and hands each row to visit.
func (c *conn) query(ctx context.Context, text string, args []any, visit func(sqlgen.Row) error) (err error) {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	named, release := c.arguments(ctx, args)
	defer release()
	defer func() {
		if ctx.Err() != nil && err != nil {
			err = ctx.Err() // whatever it made the statement say
		}
	}()
	rows, err := s.(driver.StmtQueryContext).QueryContext(ctx, named)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	r := row{values: make([]driver.Value, len(rows.Columns()))}
	for n := 0; ; n++ {
		if err := rows.Next(r.values); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if n%256 == 255 && ctx.Err() != nil {
			return ctx.Err() // the driver only looks before the first row
		}
		if n == 1 { // there are several, which will go together
			r.room = new([]byte)
		}
		if err := visit(r); err != nil {
			return err
		}
	}
}

// one reads one row and reports whether there is one.
func (c *conn) one(ctx context.Context, text string, args []any, into ...any) (found bool, err error) {
	err = c.query(ctx, text, args, func(r sqlgen.Row) error {
		found = true
		return r.Scan(into...)
	})
	return found, err
}

func (c *conn) close() error {
	var errs []error
	for e := c.order.Front(); e != nil; e = e.Next() {
		errs = append(errs, e.Value.(*prepared).Close())
	}
	return errors.Join(append(errs, c.db.Close())...)
}

// row is one that was read. The driver makes new memory for each value.
type row struct {
	values []driver.Value
	// room, where not nil, is where documents go: to get memory for each takes as long as to unpack it.
	room *[]byte
}

func (r row) Scan(into ...any) (err error) {
	if len(into) != len(r.values) {
		return fmt.Errorf("%d columns for %d variables", len(r.values), len(into))
	}
	for i, v := range r.values {
		ok := true
		switch to := into[i].(type) {
		case *any:
			*to = v
		case *int64:
			*to, ok = v.(int64)
		case *float64:
			*to, ok = v.(float64)
		case *string:
			*to, ok = v.(string)
		case *[]byte:
			var packed []byte
			if packed, ok = v.([]byte); ok {
				if *to, err = pack.Document(packed, r.room); err != nil {
					return err
				}
			}
		default:
			ok = false
		}
		if !ok {
			return fmt.Errorf("column %d is %T and wanted as %T", i, v, into[i])
		}
	}
	return nil
}
