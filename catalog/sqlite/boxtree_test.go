package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/paulmach/orb"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// found are the rows whose boxes meet one.
func found(t *testing.T, c *conn, b bound) (out []int64) {
	t.Helper()
	require.NoError(t, c.query(t.Context(), `SELECT id FROM box WHERE west <= ?2 AND east >= ?1 AND south <= ?4 AND north >= ?3 AND since <= ?6 AND until >= ?5 ORDER BY id`,
		[]any{float64(b.low[0]), float64(b.high[0]), float64(b.low[1]), float64(b.high[1]), float64(b.low[2]), float64(b.high[2])}, func(r sqlgen.Row) error {
			var id int64
			err := r.Scan(&id)
			out = append(out, id)
			return err
		}))
	return out
}

// Boxes that come many together, few together and are removed again leave a tree that SQLite calls sound, in which it finds
// what looking at each finds.
func TestBoxesThatComeTogether(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := fresh(t)
	there := map[int64]bound{}
	next := int64(1)
	draw := func() bound {
		x, y, at := rng.Float64()*360-180, rng.Float64()*180-90, rng.Float64()*400
		w, h, d := rng.Float64(), rng.Float64(), 0.0
		if rng.IntN(10) == 0 {
			w, h, d = 60*rng.Float64(), 60*rng.Float64(), 100*rng.Float64()
		}
		if rng.IntN(20) == 0 {
			x, y, w, h = 1000, 1000, 0, 0
		}
		return outward(orb.Bound{Min: orb.Point{x, y}, Max: orb.Point{x + w, y + h}}, at, at+d)
	}
	require.NoError(t, c.writes.alone(func(w *conn) error {
		tr := &transaction{writer: c.writes, ctx: context.Background()}
		for _, n := range []int{1, 49, 50, 51, 200, 3, 5000, 60, 2000} {
			require.NoError(t, transact(t.Context(), w, func() error {
				for range n {
					b := draw()
					there[next] = b
					tr.boxes = append(tr.boxes, boxCell{next, b})
					next++
				}
				return tr.settle()
			}))
			require.NoError(t, transact(t.Context(), w, func() error { // SQLite goes on with what was made
				for id := range there {
					if rng.IntN(10) == 0 {
						_, err := w.exec(t.Context(), `DELETE FROM box WHERE id = ?`, id)
						require.NoError(t, err)
						delete(there, id)
					}
				}
				return nil
			}))
			var said string
			_, err := w.one(t.Context(), `SELECT rtreecheck('box')`, nil, &said)
			require.NoError(t, err)
			require.Equal(t, "ok", said)
			for range 50 {
				ask := draw()
				var want []int64
				for id := int64(1); id < next; id++ {
					if b, ok := there[id]; ok && b.meets(&ask) {
						want = append(want, id)
					}
				}
				require.Equal(t, want, found(t, w, ask), fmt.Sprint(ask))
			}
		}
		return nil
	}))
}

func (b *bound) meets(o *bound) bool {
	for i := range boxDims {
		if b.low[i] > o.high[i] || b.high[i] < o.low[i] {
			return false
		}
	}
	return true
}

// A node that says it has more cells than fit is an error and not the end of the process.
func TestANodeOfBoxesThatIsDamaged(t *testing.T) {
	c := fresh(t)
	require.NoError(t, c.writes.alone(func(w *conn) error {
		_, err := w.exec(t.Context(), `UPDATE box_node SET data = ? WHERE nodeno = 1`, append([]byte{0, 1, 0xff, 0xff}, make([]byte, 1000)...))
		require.NoError(t, err)
		tr := &transaction{writer: c.writes, ctx: context.Background()}
		for i := range int64(manyBoxes) {
			tr.boxes = append(tr.boxes, boxCell{id: i})
		}
		require.ErrorContains(t, tr.settle(), "node 1 of the boxes")
		return nil
	}))
}

func TestOutward(t *testing.T) {
	for range 10_000 {
		v := rand.NormFloat64() * 100
		b := outward(orb.Bound{Min: orb.Point{v, v}, Max: orb.Point{v, v}}, v, v)
		for i := range boxDims {
			require.LessOrEqual(t, float64(b.low[i]), v)
			require.GreaterOrEqual(t, float64(b.high[i]), v)
		}
	}
}
