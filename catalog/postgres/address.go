package postgres

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/terrapin-eo/terrapin/fault"
)

// address is where a catalog is: a database and a schema in it.
type address struct {
	config *pgxpool.Config
	schema string
	// others are the schemas that extensions are in, nil until they were looked for.
	others []string
}

// defaultSchema is the one of an address that names none.
const defaultSchema = "terrapin"

// parseAddress reads a URL. What it says of a bad one holds no password.
func parseAddress(text string) (address, error) {
	const cure = "write it like postgres://user@host:5432/database, with the password in PGPASSWORD or ~/.pgpass; ?search_path=NAME chooses the schema"
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return address{}, fault.New(fault.Invalid, "%s is no address of a PostgreSQL database", Redact(text)).WithCure(cure)
	}
	cfg, err := pgxpool.ParseConfig(text)
	if err != nil { // pgx's own text names the address, with stars for what it takes for the password
		return address{}, fault.New(fault.Invalid, "the address of the catalog, %s, does not parse", Redact(text)).WithCure(cure)
	}
	a := address{config: cfg, schema: defaultSchema}
	if path := cfg.ConnConfig.RuntimeParams["search_path"]; path != "" {
		a.schema = path
	}
	if !plainName(a.schema) {
		return address{}, fault.New(fault.Invalid, "search_path %q is not the name of one schema", a.schema).
			WithCure("give one name of small letters, digits and _, at most 63 of them, not beginning with a digit or pg_")
	}
	return a, nil
}

// plainName reports whether a name means the same with and without quotes.
func plainName(name string) bool {
	for i, r := range name {
		if (r < 'a' || r > 'z') && r != '_' && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != "" && len(name) <= 63 && !strings.HasPrefix(name, "pg_")
}

// Redact gives an address as it may be shown: without password and parameters.
func Redact(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return "the address" // it may be a password alone
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" && u.Path == "" {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			rest = rest[at+1:]
		}
		rest, _, _ = strings.Cut(rest, "?")
		return scheme + "://" + rest
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if name := u.User.Username(); name != "" {
		shown.User = url.User(name)
	}
	return shown.String()
}

// String names the catalog for people.
func (a address) String() string {
	c := a.config.ConnConfig
	where := c.Host
	if !strings.HasPrefix(where, "/") {
		where += ":" + strconv.Itoa(int(c.Port))
	}
	return fmt.Sprintf("%s/%s, schema %s", where, c.Database, a.schema)
}

// searchPath is where names are looked for: pg_catalog first, as always.
func (a address) searchPath() string {
	path := a.quoted()
	for _, other := range a.others {
		path += ", " + pgx.Identifier{other}.Sanitize()
	}
	return path
}

func (a address) quoted() string { return pgx.Identifier{a.schema}.Sanitize() }

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
