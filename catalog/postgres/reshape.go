package postgres

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/terrapin-eo/terrapin/catalog"
)

// rowsReshaped are looked at in one transaction.
const rowsReshaped = 1000

// reshape stores areas as package geo puts them right, which older releases left to PostGIS. It goes on where it was interrupted.
func (m migration) reshape(ctx context.Context) error {
	for done := false; !done; {
		if err := pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) (err error) {
			done, err = reshapeSome(ctx, tx)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// reshapeSome looks at the next rows, leaves those that somebody changes meanwhile to them, and reports whether there are no more.
func reshapeSome(ctx context.Context, tx pgx.Tx) (done bool, err error) {
	var kept []byte
	err = tx.QueryRow(ctx, `SELECT value FROM setting WHERE name = 'reshaped'`).Scan(&kept)
	if errors.Is(err, pgx.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	last, err := strconv.ParseInt(string(kept), 10, 64)
	if err != nil {
		return false, err
	}
	rows, err := tx.Query(ctx, `SELECT row, etag, CASE WHEN ST_Dimension(shape) = 2 THEN document END, ST_AsBinary(shape, 'NDR') FROM item WHERE row > $1 ORDER BY row LIMIT $2`, last, rowsReshaped)
	if err != nil {
		return false, err
	}
	var changed []int64
	var shapes, etags [][]byte
	var places []string
	var odds []bool
	var document *string
	var etag, shape []byte
	found, err := pgx.ForEachRow(rows, []any{&last, &etag, &document, &shape}, func() error {
		if document == nil {
			return nil
		}
		e, err := catalog.ParseItem([]byte(*document))
		if err != nil || e.Shape == nil { // too tangled to be read now: it stays as it was
			return nil
		}
		if is := e.Shape.WKB(); !bytes.Equal(is, shape) {
			place, odd := placeOf(&e)
			changed, etags, shapes = append(changed, last), append(etags, bytes.Clone(etag)), append(shapes, is)
			places, odds = append(places, place.String()), append(odds, odd)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if len(changed) > 0 {
		if _, err := tx.Exec(ctx, `UPDATE item i SET shape = ST_GeomFromWKB(n.shape, 4326), place = n.place::cube, odd = n.odd
			FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::boolean[]) AS n (row, etag, shape, place, odd)
			WHERE i.row = n.row AND i.etag = n.etag`, changed, etags, shapes, places, odds); err != nil {
			return false, err
		}
		if _, err := tx.Exec(ctx, `SELECT nextval('revision')`); err != nil {
			return false, err
		}
	}
	if found.RowsAffected() < rowsReshaped {
		_, err = tx.Exec(ctx, `DELETE FROM setting WHERE name = 'reshaped'`)
		return true, err
	}
	_, err = tx.Exec(ctx, `UPDATE setting SET value = $1 WHERE name = 'reshaped'`, []byte(strconv.FormatInt(last, 10)))
	return false, err
}
