package postgres_test

import (
	"context"
	"encoding/json"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/postgres"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
	"github.com/terrapin-eo/terrapin/fault"
)

// connect opens a plain connection; the catalog's names are found as its own connections find them.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	exec(t, conn, `SET search_path = terrapin, public`)
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, text string, args ...any) {
	t.Helper()
	_, err := conn.Exec(context.Background(), text, args...)
	require.NoError(t, err, text)
}

// as is an address with another user or with more parameters.
func as(t testing.TB, address, user string, parameters ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	if user != "" {
		u.User = url.User(user)
	}
	q := u.Query()
	for i := 0; i < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func small(collections ...string) catalog.Changes {
	var ch catalog.Changes
	for _, c := range collections {
		ch.Collections = append(ch.Collections, catalogtest.Collection(c))
		ch.Items = append(ch.Items, catalogtest.Item(c, "x", "null", `"datetime":"2020-01-01T00:00:00Z"`))
	}
	return ch
}

func count(t testing.TB, c catalog.Catalog) int {
	t.Helper()
	r, err := c.Search(context.Background(), catalog.Everything(), catalog.Query{Count: true, Page: catalog.Page{Limit: 1}})
	require.NoError(t, err)
	return *r.Matched
}

// Servers that start at once bring the schema up once, and each can use it.
func TestMigrationsAtOnce(t *testing.T) {
	address := pgtest.Database(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c, err := postgres.Open(context.Background(), postgres.Config{URL: address, Readers: 2, Writers: 1})
			if err != nil {
				t.Error(err)
				return
			}
			_, err = c.Apply(context.Background(), small([]string{"a", "b"}[i%2]))
			if err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c := open(t, address)
	require.Equal(t, 2, count(t, c))
	require.NoError(t, c.Ping(context.Background()))
}

// Nothing of the schema is another program's business, and a schema that is not this release's is nothing to guess at.
func TestRefusesForeignSchemas(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]string{
		"newer":   `INSERT INTO migration (step, name, sha256) VALUES (999, 'later.sql', 'x')`,
		"changed": `UPDATE migration SET sha256 = 'x' WHERE step = 2`,
	} {
		t.Run(name, func(t *testing.T) {
			address := pgtest.Database(t)
			before := open(t, address)
			conn := connect(t, address)
			exec(t, conn, change)
			_, err := postgres.Open(ctx, postgres.Config{URL: address})
			require.True(t, fault.Is(err, fault.Precondition), err)
			require.NotEmpty(t, fault.CureOf(err))
			if name == "newer" {
				require.True(t, fault.Is(before.Ping(ctx), fault.Precondition), "a server that was there before tells it")
			}
		})
	}
}

// A migration that was interrupted left nothing, or what it left is no obstacle.
func TestMigrationGoesOn(t *testing.T) {
	address := pgtest.Database(t)
	conn := connect(t, address)
	exec(t, conn, `CREATE SCHEMA terrapin`)
	exec(t, conn, `CREATE TABLE migration (step integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied timestamptz NOT NULL DEFAULT now())`)
	c := open(t, address)
	_, err := c.Apply(context.Background(), small("a"))
	require.NoError(t, err)
}

func TestSchemasOfOneDatabase(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	one, two := open(t, address), open(t, as(t, address, "", "search_path", "second"))
	_, err := one.Apply(ctx, small("a", "b"))
	require.NoError(t, err)
	require.Equal(t, 2, count(t, one))
	require.Zero(t, count(t, two))
	page, err := one.Search(ctx, catalog.Everything(), catalog.Query{Page: catalog.Page{Limit: 1}})
	require.NoError(t, err)
	_, err = two.Search(ctx, catalog.Everything(), catalog.Query{Page: catalog.Page{Limit: 1, Token: page.Next}})
	require.True(t, fault.Is(err, fault.Invalid), "another catalog's token")
	d, err := two.Describe(ctx)
	require.NoError(t, err)
	require.Contains(t, d.Location, "schema second")
}

// Who may not do something is told what and how to mend it; who need not change the schema needs no right to.
func TestRights(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	conn := connect(t, address)
	exec(t, conn, `CREATE ROLE reader LOGIN`)
	exec(t, conn, `CREATE ROLE writer LOGIN`)
	t.Cleanup(func() {
		exec(t, conn, `DROP OWNED BY reader, writer; DROP ROLE reader, writer`)
	})
	_, err := postgres.Open(ctx, postgres.Config{URL: as(t, address, "reader")})
	require.True(t, fault.Is(err, fault.Precondition), err)
	require.Contains(t, fault.CureOf(err), "CREATE EXTENSION cube", "it is the first that is missing")

	exec(t, conn, `CREATE EXTENSION cube`)
	_, err = postgres.Open(ctx, postgres.Config{URL: as(t, address, "reader")})
	require.True(t, fault.Is(err, fault.Precondition), err)
	require.Contains(t, fault.CureOf(err), `CREATE SCHEMA terrapin AUTHORIZATION "reader"`)

	owner := open(t, address)
	_, err = owner.Apply(ctx, small("a"))
	require.NoError(t, err)
	exec(t, conn, `GRANT USAGE ON SCHEMA terrapin TO reader, writer`)
	exec(t, conn, `GRANT SELECT ON ALL TABLES IN SCHEMA terrapin TO reader, writer`)
	exec(t, conn, `GRANT SELECT ON ALL SEQUENCES IN SCHEMA terrapin TO reader, writer`)
	exec(t, conn, `GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA terrapin TO writer`)
	exec(t, conn, `GRANT USAGE ON ALL SEQUENCES IN SCHEMA terrapin TO writer`)
	reader, writer := open(t, as(t, address, "reader")), open(t, as(t, address, "writer"))
	require.Equal(t, 1, count(t, reader))
	_, err = reader.Apply(ctx, small("b"))
	require.True(t, fault.Is(err, fault.Precondition), err)
	require.NotEmpty(t, fault.CureOf(err))
	_, err = writer.Apply(ctx, small("b"))
	require.NoError(t, err)
	require.True(t, fault.Is(writer.Index(ctx, "gsd"), fault.Precondition))
	require.Equal(t, 2, count(t, reader))
}

func TestRefusesOtherEncodings(t *testing.T) {
	s := pgtest.Start(t)
	address := s.Database(t, "ENCODING 'SQL_ASCII'", "LOCALE 'C'")
	_, err := postgres.Open(context.Background(), postgres.Config{URL: address})
	require.True(t, fault.Is(err, fault.Precondition), err)
	require.Contains(t, err.Error(), "SQL_ASCII")
	require.Contains(t, fault.CureOf(err), "UTF8")
}

// The order of texts and the case of letters are the same in a database of any locale.
func TestLocaleOfTheDatabase(t *testing.T) {
	ctx := context.Background()
	address := pgtest.Start(t).Database(t, "LOCALE_PROVIDER icu", "ICU_LOCALE 'tr-TR'", "LOCALE 'C.UTF-8'")
	c := open(t, address)
	ch := catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}}
	ids := []string{"I", "Z", "a", "i", "ı", "Ä", "z"}
	for _, id := range ids {
		ch.Items = append(ch.Items, catalogtest.Item("a", id, "null", `"datetime":"2020-01-01T00:00:00Z","s":"`+id+`"`))
	}
	_, err := c.Apply(ctx, ch)
	require.NoError(t, err)
	names := func(q catalog.Query) (out []string) {
		q.Limit = 100
		r, err := c.Search(ctx, catalog.Everything(), q)
		require.NoError(t, err)
		for _, d := range r.Documents {
			e, err := catalog.ParseItem(d)
			require.NoError(t, err)
			out = append(out, e.Ref.ID)
		}
		return out
	}
	bytewise := []string{"I", "Z", "a", "i", "z", "Ä", "ı"}
	require.Equal(t, bytewise, names(catalog.Query{}))
	require.Equal(t, bytewise, names(catalog.Query{Sort: []catalog.SortKey{{Property: "s"}}}))
	require.Equal(t, []string{"I", "i"}, names(catalog.Query{Filter: filter(t, "casei(s) = casei('I')")}))
	require.Equal(t, []string{"a", "i", "z", "Ä", "ı"}, names(catalog.Query{Filter: filter(t, "s >= 'a'")}))
}

// Areas that an older release stored as PostGIS puts them right are stored as package geo does, once.
func TestReshape(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	c := open(t, address)
	geometry := `{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,4],[0,0],[3,1],[3,3],[1,3],[0,0]]]}`
	_, err := c.Apply(ctx, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}, Items: []json.RawMessage{
		catalogtest.Item("a", "twice", geometry, `"datetime":null`), catalogtest.Item("a", "point", `{"type":"Point","coordinates":[9,9]}`, `"datetime":null`)}})
	require.NoError(t, err)
	found := func() int {
		r, err := c.Search(ctx, catalog.Everything(), catalog.Query{BBox: []float64{2, 2, 2.5, 2.5}})
		require.NoError(t, err)
		return len(r.Documents)
	}
	require.Zero(t, found(), "what is gone around twice is outside")
	conn := connect(t, address)
	asText(t, conn, c, catalog.ItemRef{Collection: "a", ID: "twice"})
	asText(t, conn, c, catalog.ItemRef{Collection: "a", ID: "point"})
	for _, text := range []string{
		`CREATE FUNCTION sound(g geometry) RETURNS geometry LANGUAGE sql RETURN g; ALTER TABLE item DROP packed; DELETE FROM migration WHERE step >= 5`,
		`INSERT INTO setting VALUES ('reshaped', '0')`,
	} {
		exec(t, conn, `UPDATE item SET shape = ST_MakeEnvelope(0, 0, 4, 4, 4326) WHERE id = 'twice'`)
		require.Equal(t, 1, found())
		exec(t, conn, text)
		open(t, address)
		require.Zero(t, found())
	}
}

// asText stores an item's document as releases before step 6 did.
func asText(t testing.TB, conn *pgx.Conn, c catalog.Catalog, ref catalog.ItemRef) {
	t.Helper()
	document, err := c.Item(context.Background(), catalog.Everything(), ref)
	require.NoError(t, err)
	exec(t, conn, `UPDATE item SET document = $1, packed = NULL WHERE collection = $2 AND id = $3`, string(document), ref.Collection, ref.ID)
}

// Documents that an older release stored as text are read beside those that are packed, stay as they are while nothing changes in them, and are
// packed when something does.
func TestDocumentsFromBefore(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	c := open(t, address)
	_, err := c.Apply(ctx, small("a", "b", "c"))
	require.NoError(t, err)
	all := func() (out []string) {
		for _, sort := range [][]catalog.SortKey{nil, {{Property: "id"}}} {
			r, err := c.Search(ctx, catalog.Everything(), catalog.Query{Sort: sort})
			require.NoError(t, err)
			for _, d := range r.Documents {
				out = append(out, string(d))
			}
		}
		require.NoError(t, c.Snapshot(ctx, func(r catalog.Reader) error {
			for _, id := range []string{"a", "b", "c"} {
				d, err := r.Item(ctx, catalog.Everything(), catalog.ItemRef{Collection: id, ID: "x"})
				require.NoError(t, err)
				out = append(out, string(d))
				d, err = c.Item(ctx, catalog.Everything(), catalog.ItemRef{Collection: id, ID: "x"})
				require.NoError(t, err)
				out = append(out, string(d))
			}
			return nil
		}))
		return out
	}
	before := all()
	require.Len(t, before, 12)
	conn := connect(t, address)
	asText(t, conn, c, catalog.ItemRef{Collection: "a", ID: "x"})
	asText(t, conn, c, catalog.ItemRef{Collection: "b", ID: "x"})
	require.Equal(t, before, all())

	texts := func() (n int) {
		require.NoError(t, conn.QueryRow(ctx, `SELECT count(document) FROM item`).Scan(&n))
		return n
	}
	revision, err := c.Apply(ctx, small("a", "b", "c"))
	require.NoError(t, err)
	again, err := c.Apply(ctx, small("a", "b", "c"))
	require.NoError(t, err)
	require.Equal(t, revision, again)
	require.Equal(t, 2, texts())
	_, err = c.Apply(ctx, catalog.Changes{Items: []json.RawMessage{catalogtest.Item("a", "x", "null", `"datetime":"2021-01-01T00:00:00Z"`)}})
	require.NoError(t, err)
	require.Equal(t, 1, texts())
	require.NotEqual(t, before, all())
	require.Equal(t, 3, count(t, c))
}
