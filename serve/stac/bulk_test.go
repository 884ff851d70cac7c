package stac

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func bulkOf(method string, ids ...string) string {
	var items []string
	for _, id := range ids {
		items = append(items, fmt.Sprintf(`%q:%s`, id, strings.Replace(postedX, `"id":"x"`, fmt.Sprintf(`"id":%q`, id), 1)))
	}
	return fmt.Sprintf(`{"items":{%s},"method":%q}`, strings.Join(items, ","), method)
}

func TestBulkInsert(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		at := "/collections/mine/bulk_items"
		a := w.post(t, at, bulkOf("insert", "a", "b"))
		require.Equal(t, 200, a.status, string(a.body))
		require.JSONEq(t, `{"created":2,"replaced":0,"refused":0,"items":[{"id":"a","status":"created"},{"id":"b","status":"created"}]}`, string(a.body))
		body := strings.Replace(bulkOf("insert", "b", "c", "d"), `"2023-04-23T06:47:03.048Z"`, `"2023-04-24T00:00:00Z"`, 1)
		body = strings.Replace(body, `"d":{`, `"d":{"collection":"s2",`, 1)
		a = w.post(t, at, body)
		require.Equal(t, 207, a.status)
		report := a.json(t)
		require.EqualValues(t, 1, report["created"])
		require.EqualValues(t, 2, report["refused"])
		var status []string
		for _, one := range report["items"].([]any) {
			one := one.(map[string]any)
			status = append(status, one["id"].(string)+" "+one["status"].(string))
			if one["status"] != "created" {
				require.NotEmpty(t, one["reason"])
				require.NotEmpty(t, one["cure"])
			}
		}
		require.Equal(t, []string{"b exists", "c created", "d invalid"}, status)
		require.Equal(t, "2023-04-23T06:47:03.048Z", w.get(t, "/collections/mine/items/b").json(t)["properties"].(map[string]any)["datetime"])
		a = w.post(t, at, strings.Replace(body, `"method":"insert"`, `"method":"upsert"`, 1))
		require.EqualValues(t, 2, a.json(t)["replaced"])
		require.Equal(t, "2023-04-24T00:00:00Z", w.get(t, "/collections/mine/items/b").json(t)["properties"].(map[string]any)["datetime"])
		for body, want := range map[string]int{`{`: 400, `[]`: 400, `{"items":[]}`: 400, `{"items":{},"method":"replace"}`: 400, `{"items":{},"more":1}`: 400, `{"items":{"a":{},"a":{}}}`: 400, `{"items":{}}`: 200, `{"items":{"a":7}}`: 207} {
			require.Equal(t, want, w.send(t, http.MethodPost, at, body).status, body)
		}
		require.Equal(t, 404, w.post(t, "/collections/none/bulk_items", bulkOf("insert", "a")).status)
		require.Equal(t, 409, w.post(t, "/collections/s2/bulk_items", bulkOf("insert", "a")).status)
	})
}

// Loads that meet lose nothing, and tell of each item once who made it.
func TestBulkInsertsThatMeet(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		var ids []string
		for i := range 40 {
			ids = append(ids, fmt.Sprintf("i%02d", i))
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		created := 0
		for from := range 4 {
			all.Go(func() {
				a := w.send(t, http.MethodPost, "/collections/mine/bulk_items", bulkOf("insert", ids[from*5:from*5+25]...))
				mu.Lock()
				defer mu.Unlock()
				if a.status != 200 && a.status != 207 {
					t.Errorf("%d %s", a.status, a.body)
					return
				}
				created += int(a.json(t)["created"].(float64))
			})
		}
		all.Wait()
		require.Equal(t, 40, created)
		require.Len(t, w.get(t, "/collections/mine/items?limit=100").ids(t), 40)
	})
}

func TestIdempotencyKey(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		first := w.post(t, "/collections/mine/items", postedX, "Idempotency-Key", "k1")
		require.Equal(t, 201, first.status)
		again := w.post(t, "/collections/mine/items", postedX, "Idempotency-Key", "k1")
		require.Equal(t, 201, again.status)
		require.Equal(t, first.body, again.body)
		require.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
		require.Equal(t, first.header.Get("ETag"), again.header.Get("ETag"))
		require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
		require.Equal(t, 409, w.post(t, "/collections/mine/items", postedX, "Idempotency-Key", "k2").status)
		require.Equal(t, 409, w.post(t, "/collections/mine/items", postedX, "Idempotency-Key", "k2").status, "what failed is tried again")
		require.Equal(t, 422, w.post(t, "/collections/mine/items", strings.Replace(postedX, "7", "8", 1), "Idempotency-Key", "k1").status)
		require.Equal(t, 422, w.post(t, "/collections/mine/bulk_items", bulkOf("insert", "a"), "Idempotency-Key", "k1").status)
		require.Equal(t, 400, w.post(t, "/collections/mine/items", postedX, "Idempotency-Key", strings.Repeat("k", 256)).status)
		b1 := w.post(t, "/collections/mine/bulk_items", bulkOf("insert", "a", "x"), "Idempotency-Key", "k3")
		b2 := w.post(t, "/collections/mine/bulk_items", bulkOf("insert", "a", "x"), "Idempotency-Key", "k3")
		require.Equal(t, 207, b1.status)
		require.Equal(t, b1.body, b2.body)
		require.Equal(t, 201, w.post(t, "/collections", string(collectionOf("new", "d")), "Idempotency-Key", "k4").status)
		require.Equal(t, 201, w.post(t, "/collections", string(collectionOf("new", "d")), "Idempotency-Key", "k4").status)
	})
}

func TestRepliesAreBounded(t *testing.T) {
	r := replies{}
	answered := func(size int) *recorder {
		rec := &recorder{status: 200}
		rec.body.Write(make([]byte, size))
		return rec
	}
	slow, before := r.begin("slow", [32]byte{})
	require.Nil(t, before)
	for i := range maxAnswers + 10 {
		held, before := r.begin(fmt.Sprint(i), [32]byte{byte(i)})
		require.Nil(t, before)
		r.finish(held, answered(10))
	}
	require.Equal(t, maxAnswers, r.order.Len())
	require.Len(t, r.byKey, maxAnswers)
	require.Equal(t, (maxAnswers-1)*10, r.bytes)
	_, before = r.begin("0", [32]byte{})
	require.Nil(t, before, "the oldest went")
	_, before = r.begin("slow", [32]byte{})
	require.False(t, before.done, "what is under way is not run again, however many came since")
	r.finish(slow, answered(1))
	big, _ := r.begin("big", [32]byte{})
	r.finish(big, answered(maxAnswerBytes+1))
	r.begin("after", [32]byte{})
	require.LessOrEqual(t, r.bytes, maxAnswerBytes)
	r = replies{}
	old, _ := r.begin("old", [32]byte{})
	old.Value.(*kept).at = time.Now().Add(-answerLife)
	r.finish(old, answered(1))
	again, before := r.begin("old", [32]byte{})
	require.Nil(t, before, "an answer is not kept for ever")
	_, before = r.begin("old", [32]byte{})
	require.False(t, before.done, "what is under way is not answered twice")
	r.forget(again)
	_, before = r.begin("old", [32]byte{})
	require.Nil(t, before)
	require.Zero(t, r.bytes)
}
