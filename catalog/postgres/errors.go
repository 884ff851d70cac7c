package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// errLimit is why a call of a class was ended.
type errLimit struct {
	class string
	most  time.Duration
}

func (e errLimit) Error() string {
	return fmt.Sprintf("it took longer than the limit of %s for %s", e.most, e.class)
}

// looking runs a read within its limit. A connection that was dead already, or dies because the server is started again,
// is no reason to fail: the read is done once more on another.
func (c *Catalog) looking(ctx context.Context, op string, most time.Duration, read func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, most, errLimit{op, most})
	defer cancel()
	err := read(limited)
	if err != nil && limited.Err() == nil && lost(err) {
		err = read(limited)
	}
	return c.wrap(limited, op, err)
}

// lost reports whether an error is about the connection and not about what was asked.
func lost(err error) bool {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return strings.HasPrefix(e.Code, "08") || e.Code == "57P01" || e.Code == "57P02" || e.Code == "57P05" || e.Code == "25P03"
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return pgconn.SafeToRetry(err) || !errors.As(err, &connect) &&
		(errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) || strings.Contains(err.Error(), "conn closed"))
}

// wrap gives an error of the database its kind and says what was being done.
func (c *Catalog) wrap(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errUnknownEnd) {
		return fault.New(fault.Unavailable, "%s in catalog %s: %w", op, c.at, err)
	}
	var limit errLimit
	if ctx.Err() != nil && errors.As(context.Cause(ctx), &limit) {
		return fault.New(fault.Unavailable, "%s in catalog %s: %w", op, c.at, limit).
			WithCure("ask for less, add an index (terrapin catalog index), or give it more time")
	}
	if ctx.Err() != nil {
		return fault.New(fault.Canceled, "%s in catalog %s: %w", op, c.at, ctx.Err())
	}
	if catalog.OfQuestion(err) {
		return err
	}
	var own *fault.Error
	if errors.As(err, &own) {
		return fault.New(own.Kind, "%s in catalog %s: %w", op, c.at, err)
	}
	kind, cure := classify(err)
	out := fault.New(kind, "%s in catalog %s: %w", op, c.at, err)
	if cure != "" {
		return out.WithCure("%s", cure)
	}
	return out
}

// classify tells an error of PostgreSQL or of the way to it.
func classify(err error) (kind fault.Kind, cure string) {
	var e *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &e):
		return classifyCode(e.Code)
	case errors.As(err, &connect):
		return fault.Unavailable, "check that the database runs, and that this machine reaches it"
	case lost(err):
		return fault.Unavailable, "do it again; if it stays so, check that the database runs, and that this machine reaches it"
	}
	return fault.KindOf(err), ""
}

// codes are those of SQLSTATE, a whole one before a class of two digits.
var codes = map[string]struct {
	kind fault.Kind
	cure string
}{
	"08":    {fault.Unavailable, "do it again; if it stays so, check that the database runs, and that this machine reaches it"},
	"22":    {fault.Invalid, "use values that the database can keep"},
	"25006": {fault.Precondition, "give the address of the database that takes writes: this one only reads"},
	"25P03": {fault.Unavailable, "take it again, and faster: the server ended what waited too long for the next question"},
	"28":    {fault.Precondition, "check user and password (PGPASSWORD, ~/.pgpass) and the server's pg_hba.conf"},
	"3D000": {fault.Precondition, "make the database with CREATE DATABASE, or name another"},
	"40":    {fault.Unavailable, "do it again: others were at work on the same documents"},
	"42501": {fault.Precondition, "give the user the right, or use the owner of the schema"},
	"53":    {fault.Unavailable, "give the server more disk, memory or connections, or do it again later"},
	"53300": {fault.Unavailable, "allow more connections (max_connections) or use fewer"},
	"54000": {fault.Invalid, "make ids, and texts of properties that have an index, shorter than 2 kB"},
	"55P03": {fault.Unavailable, "do it again: others were at work on the same documents"},
	"57014": {fault.Unavailable, "ask for less, or raise the server's statement_timeout"},
	"57":    {fault.Unavailable, "do it again when the server has started"},
	"58":    {fault.Unavailable, "check the server's disks"},
	"XX001": {fault.Corrupt, "check the server's disks; `terrapin store reindex` into another database makes the catalog again"},
	"XX002": {fault.Corrupt, "rebuild the index that the server's log names (REINDEX)"},
}

func classifyCode(code string) (fault.Kind, string) {
	for _, c := range []string{code, code[:min(2, len(code))]} {
		if known, ok := codes[c]; ok {
			return known.kind, known.cure
		}
	}
	return fault.Internal, ""
}
