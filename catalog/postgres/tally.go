package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// count is a key of the tally.
type count struct {
	step, start int64
	collection  string
	dated       int16
}

// writeTallies appends what this set of changes makes of the counts. Those of collections that are gone were taken back
// as a whole.
func (w *writer) writeTallies(due work) error {
	w.tallies = map[count]int64{}
	add := func(collection string, sort int64, dated int16, n int64) {
		w.tallies[count{int64(sqlgen.Whole), 0, collection, dated}] += n
		if sort == catalog.Timeless {
			return
		}
		for _, step := range []sqlgen.Step{sqlgen.Month, sqlgen.Day} {
			w.tallies[count{int64(step), step.Start(sort), collection, dated}] += n
		}
	}
	for _, gone := range due.goneItems {
		add(gone.ref.Collection, gone.old.sort, gone.old.dated, -1)
	}
	for _, it := range due.newItems {
		add(it.Ref.Collection, it.Sort, it.dated, 1)
	}
	for _, it := range due.changedItems {
		add(it.Ref.Collection, it.old.sort, it.old.dated, -1)
		add(it.Ref.Collection, it.Sort, it.dated, 1)
	}
	var steps, dated []int16
	var starts, ns []int64
	var collections []string
	for key, n := range w.tallies {
		if n == 0 {
			delete(w.tallies, key)
			continue
		}
		steps, starts, collections = append(steps, int16(key.step)), append(starts, key.start), append(collections, key.collection)
		dated, ns = append(dated, key.dated), append(ns, n)
	}
	if len(ns) == 0 {
		return nil
	}
	return w.exec(`INSERT INTO tally (step, start, collection, dated, n)
		SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::smallint[], $5::bigint[])`, steps, starts, collections, dated, ns)
}

// compaction adds up the tally now and then, so that reading it stays cheap.
type compaction struct {
	mu sync.Mutex
	// rows were appended by this process since the last time; wake, of one, tells of many.
	rows int
	wake chan struct{}
}

const (
	// manyRows new ones are added up at once, and fewer after calm at the latest.
	manyRows = 4000
	calm     = 20 * time.Second
)

func (t *compaction) appended(rows int) {
	t.mu.Lock()
	t.rows += rows
	many := t.rows >= manyRows
	t.mu.Unlock()
	if many {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

func (t *compaction) take() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.rows
	t.rows = 0
	return n
}

// tend does what is due now and then until its context ends: tallies are added up (also those that another process left), and
// it is seen which indexes others made or removed. What fails is done the next time.
func (c *Catalog) tend(ctx context.Context) {
	tick := time.NewTicker(calm)
	defer tick.Stop()
	rows := 1
	for {
		if rows > 0 {
			_ = c.compactOnce(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-c.tally.wake:
		case <-tick.C:
			_ = c.learnRanked(ctx)
		}
		rows = c.tally.take()
	}
}

// compactOnce puts one row in place of those with the same key. It is done by one process at a time, and by one statement, so
// that whoever reads or appends meanwhile sees the same sums.
func (c *Catalog) compactOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.limits.Apply)
	defer cancel()
	_, err := c.write.Exec(ctx, `WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(hashtextextended('terrapin tally ' || $1, 0)) AS mine),
		many AS (SELECT step, start, collection, dated FROM tally WHERE (SELECT mine FROM turn)
			GROUP BY step, start, collection, dated HAVING count(*) > 1),
		gone AS (DELETE FROM tally t USING many m
			WHERE t.step = m.step AND t.start = m.start AND t.collection = m.collection AND t.dated = m.dated RETURNING t.*)
		INSERT INTO tally (step, start, collection, dated, n)
			SELECT step, start, collection, dated, sum(n) FROM gone GROUP BY step, start, collection, dated HAVING sum(n) <> 0`, c.at.schema)
	return err
}
