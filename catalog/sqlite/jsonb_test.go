package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
)

func memory(t testing.TB) *conn {
	t.Helper()
	d, err := newDriver()
	require.NoError(t, err)
	db, err := d.Open(":memory:")
	require.NoError(t, err)
	c := newConn(db)
	t.Cleanup(func() { require.NoError(t, c.close()) })
	return c
}

// FuzzJSONB asks SQLite whether what is made of a document is binary JSON, and the same document.
func FuzzJSONB(f *testing.F) {
	c := memory(f)
	for _, seed := range []string{
		`{}`, `[]`, `null`, `true`, `-0`, `1e5`, `"x"`, `"a\"\\\u00e9\ud83d\ude00"`, `{"a":{"b":[1,2.50,"` + strings.Repeat("long", 100) + `"]},"":[[],{}]}`,
		`[` + strings.Repeat(`"`+strings.Repeat("y", 300)+`",`, 300) + `0]`, `{"é/<&>":"  "}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) || strings.Contains(text, `\u0000`) {
			return
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return // a number out of range
		}
		var valid, same int64
		var back string
		_, err := c.one(context.Background(), `SELECT json_valid(?1, 8), json(?1), json(?1) = json(?2)`, []any{jsonb([]byte(text)), text}, &valid, &back, &same)
		require.NoError(t, err)
		require.EqualValues(t, 1, valid)
		var again any
		require.NoError(t, json.Unmarshal([]byte(back), &again))
		require.Equal(t, value, again)
	})
}

// Numbers are the doubles that Go reads, whatever they are written like.
func TestNumbersAreReadAlike(t *testing.T) {
	c := memory(t)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 20_000 {
		v := math.Float64frombits(r.Uint64())
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if i%2 == 0 {
			v = float64(r.IntN(1e9)) / 1e6
		}
		text := strconv.FormatFloat(v, 'g', -1, 64)
		switch i % 5 {
		case 1:
			text = strconv.FormatFloat(v, 'e', 24, 64)
		case 2:
			text = fmt.Sprintf("%.3f", float64(r.IntN(1e9))/1e3+r.Float64())
		case 3:
			text = strconv.FormatInt(r.Int64(), 10) + strings.Repeat("7", r.IntN(4))
		}
		want, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		var got float64
		_, err = c.one(context.Background(), `SELECT CAST(?1 ->> '$.x' AS REAL)`, []any{jsonb([]byte(`{"x":` + text + `}`))}, &got)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
}

func TestMomentsAreFound(t *testing.T) {
	c := memory(t)
	for _, name := range []string{"created", `a"b`, `a\b`, "é", "a.b", "", "'", "$", "a[0]"} {
		m := moments(map[string]catalog.Moment{name: {From: -5, To: 1 << 60}, "datetime": {From: 1, To: 1}, "other": {}})
		var from, to int64
		_, err := c.one(context.Background(), `SELECT ?1 ->> ?2, ?1 ->> ?3`, []any{m, moment(name, 0), moment(name, 1)}, &from, &to)
		require.NoError(t, err, name)
		require.Equal(t, []int64{-5, 1 << 60}, []int64{from, to}, name)
	}
	require.Nil(t, moments(map[string]catalog.Moment{"datetime": {From: 1, To: 1}}), "it is in a column")
}
