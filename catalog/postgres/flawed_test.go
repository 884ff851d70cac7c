package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
)

// PostGIS takes what geo makes of flawed areas as it is, and it is what PostGIS itself computes of their definition: within a ring is what an odd
// number of triangles covers, from its first corner to each of its sides; outlines less holes; all areas together. And it is what
// ST_MakeValid makes of them, but where sides of one ring lie on each other, which that takes for one, and areas too, of which it leaves out
// what two cover.
func TestFlawedAreasAreSoundToPostGIS(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Database(t))
	require.NoError(t, err)
	defer conn.Close(ctx)
	var given []string
	var made [][]byte
	for _, g := range catalogtest.Flawed(1, 300) {
		shape, err := geo.Parse(g, nil)
		require.NoError(t, err, "%s", g)
		again, err := geo.Parse(shape.Split().GeoJSON(), nil)
		require.NoError(t, err)
		require.Equal(t, shape.WKB(), again.WKB(), "put right once, %s stays as it is", g)
		given, made = append(given, string(g)), append(made, shape.WKB())
	}
	_, err = conn.Exec(ctx, `
		CREATE FUNCTION pg_temp.one(geometry, geometry) RETURNS geometry LANGUAGE sql IMMUTABLE RETURN ST_SymDifference($1, $2);
		CREATE AGGREGATE pg_temp.odd (geometry) (sfunc = pg_temp.one, stype = geometry, initcond = 'POLYGON EMPTY')`)
	require.NoError(t, err)
	rows, err := conn.Query(ctx, `
		WITH s AS (SELECT n, ST_SetSRID(ST_GeomFromGeoJSON(g), 0) AS g, ST_GeomFromWKB(w) AS made FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS u (g, w, n)),
		ring AS (SELECT n, p.path[1] AS area, r.path[1] AS ring, ST_ExteriorRing(r.geom) AS line FROM s, ST_Dump(g) AS p, ST_DumpRings(p.geom) AS r),
		triangle AS (SELECT n, area, ring, ST_MakePolygon(ST_MakeLine(ARRAY[ST_PointN(line, 1), ST_PointN(line, k), ST_PointN(line, k + 1), ST_PointN(line, 1)])) AS triangle
			FROM ring, generate_series(2, ST_NPoints(line) - 2) AS k),
		within AS (SELECT n, area, ring, pg_temp.odd(triangle) FILTER (WHERE ST_Area(triangle) > 0) AS within FROM triangle GROUP BY n, area, ring),
		area AS (SELECT n, ST_Difference((array_agg(within) FILTER (WHERE ring = 0))[1], coalesce(ST_Union(within) FILTER (WHERE ring > 0), 'POLYGON EMPTY')) AS area FROM within GROUP BY n, area),
		want AS (SELECT n, ST_Union(area) AS want FROM area GROUP BY n)
		SELECT n, ST_IsValid(made), ST_Dimension(made), ST_Area(want), ST_Area(ST_SymDifference(want, ST_CollectionExtract(made, 3))), ST_AsText(made), ST_AsText(want),
			ST_Area(ST_SymDifference(ST_CollectionExtract(ST_MakeValid(g), 3), ST_CollectionExtract(made, 3)))
		FROM s JOIN want USING (n) WHERE ST_XMin(g) >= -180 AND ST_XMax(g) <= 180 ORDER BY n`, given, made)
	require.NoError(t, err)
	var n, dimension, flat, looked, alike int
	var valid bool
	var area, apart, other float64
	var got, want string
	_, err = pgx.ForEachRow(rows, []any{&n, &valid, &dimension, &area, &apart, &got, &want, &other}, func() error {
		require.True(t, valid, "%s became %s", given[n-1], got)
		require.Less(t, apart, 1e-9, "%s became %s and not %s", given[n-1], got, want)
		require.Equal(t, area > 1e-9, dimension == 2, "%s became %s", given[n-1], got)
		looked++
		if other < 1e-9 {
			alike++
		}
		if dimension < 2 {
			flat++
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, looked, 1500)
	require.Greater(t, flat, 100)
	require.Greater(t, alike, looked/2)
	t.Logf("of %d, %d have no inside, and %d are as ST_MakeValid makes them", looked, flat, alike)
}
