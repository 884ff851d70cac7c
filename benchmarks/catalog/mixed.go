package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// mixed is what happened while some searched and others ingested, and what was there afterwards.
type mixed struct {
	Search   measurement    `json:"search"`
	Single   measurement    `json:"single"`   // POST of one item
	Bulk     measurement    `json:"bulk"`     // POST of bulkSize items
	Attempts int            `json:"attempts"` // items
	Acked    int            `json:"acked"`    // items the server said it took
	Lost     int            `json:"lost"`     // of these, not there afterwards
	Ghosts   int            `json:"ghosts"`   // refused, yet there afterwards
	Unheard  int            `json:"unheard"`  // there afterwards, but nobody was told: no answer came
	PerSec   float64        `json:"items_per_second"`
	Statuses map[string]int `json:"statuses"` // of ingest requests
	LostIDs  []string       `json:"lost_ids,omitempty"`
	// Undeleted is the last that could not be taken away again.
	Undeleted string `json:"undeleted,omitempty"`
}

const (
	searchers = 16
	bulkSize  = 50
	mostItems = 200_000
)

// ingest is the state that the writers share.
type ingest struct {
	d        *dataset
	base     string
	next     atomic.Int64
	mu       sync.Mutex
	acked    map[string]bool // collection/items/id: whether the server took it
	unheard  map[string]bool // no answer came
	statuses map[string]int
}

// runMixed runs 16 clients that search and 4 that ingest new items, two one by one and two fifty at a time, asks for
// every item that was sent, and takes them away again. New items are later than all others, as new scenes are.
func runMixed(ctx context.Context, base string, d *dataset, seconds float64, roots []int) mixed {
	in := &ingest{d: d, base: base, acked: map[string]bool{}, unheard: map[string]bool{}, statuses: map[string]int{}}
	in.next.Store(int64(d.fresh()))
	writing, stop := context.WithCancel(ctx)
	var single, bulk sampler
	single.on.Store(true)
	bulk.on.Store(true)
	var writers sync.WaitGroup
	for n := range 4 {
		writers.Go(func() {
			if n < 2 {
				in.one(writing, &single)
			} else {
				in.many(writing, &bulk)
			}
		})
	}
	var queries []query
	for _, c := range d.cases() {
		switch c.name {
		case "lookup", "bbox-datetime", "cloud", "intersects", "page":
			for i := range 20 {
				queries = append(queries, c.queries[i*7%len(c.queries)])
			}
		}
	}
	out := mixed{Search: measure(ctx, base, queries, searchers, 0, seconds, roots)}
	stop()
	writers.Wait()
	out.Single, out.Bulk = single.result(2, out.Search.Seconds, 0), bulk.result(2, out.Search.Seconds, 0)
	in.count(&out)
	return out
}

func (in *ingest) take() (collection, id string, item []byte, ok bool) {
	i := int(in.next.Add(1)) - 1
	if i >= in.d.fresh()+mostItems {
		return "", "", nil, false
	}
	collection, id = in.d.name(i)
	return collection, id, in.d.item(nil, i), true
}

func (in *ingest) one(ctx context.Context, s *sampler) {
	var c client
	defer c.close()
	for ctx.Err() == nil {
		collection, id, item, ok := in.take()
		if !ok {
			return
		}
		in.send(&c, query{Path: "/collections/" + collection + "/items", Body: string(item)}, collection, []string{id}, s)
	}
}

func (in *ingest) many(ctx context.Context, s *sampler) {
	var c client
	defer c.close()
	type batch struct {
		ids   []string
		items map[string]json.RawMessage
	}
	waiting := map[string]*batch{}
	for ctx.Err() == nil {
		collection, id, item, ok := in.take()
		if !ok {
			return
		}
		b := waiting[collection]
		if b == nil {
			b = &batch{items: map[string]json.RawMessage{}}
			waiting[collection] = b
		}
		b.ids, b.items[id] = append(b.ids, id), item
		if len(b.ids) == bulkSize {
			body, err := json.Marshal(map[string]any{"items": b.items, "method": "insert"})
			if err != nil {
				panic(err) // made of valid JSON
			}
			in.send(&c, query{Path: "/collections/" + collection + "/bulk_items", Body: string(body)}, collection, b.ids, s)
			delete(waiting, collection)
		}
	}
}

// send posts items and notes what the server said of them. A report beside a success names the refused ones.
func (in *ingest) send(c *client, q query, collection string, ids []string, s *sampler) {
	var raw []byte
	c.host, raw = q.request(in.base)
	begun := time.Now()
	status, size, body, err := c.do(raw, true)
	s.add(time.Since(begun), status, size, body, err)
	var report struct {
		Errors []struct{ ID string }         // the peer's
		Items  []struct{ ID, Status string } // ours
	}
	_ = json.Unmarshal(body, &report) // some answer with a sentence, or with the item
	refused := report.Errors
	for _, item := range report.Items {
		if item.Status != "created" && item.Status != "replaced" {
			refused = append(refused, struct{ ID string }{item.ID})
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, id := range ids {
		path := collection + "/items/" + url.PathEscape(id)
		in.acked[path], in.unheard[path] = err == nil && status < 300, err != nil
	}
	for _, e := range refused {
		in.acked[collection+"/items/"+url.PathEscape(e.ID)] = false
	}
	key := fmt.Sprint(status)
	if err != nil {
		key = "no answer"
	}
	in.statuses[key]++
}

// count asks for every item that was sent, twice where an acknowledged one is missing, and deletes what is there.
func (in *ingest) count(out *mixed) {
	var c client
	defer c.close()
	out.Statuses, out.Attempts = in.statuses, len(in.acked)
	there := func(path string) bool {
		var raw []byte
		c.host, raw = query{Path: "/collections/" + path}.request(in.base)
		status, _, _, err := c.do(raw, false)
		return err == nil && status == 200
	}
	for path, acked := range in.acked {
		found := there(path)
		switch {
		case acked && !found && !there(path):
			out.Lost++
			if len(out.LostIDs) < 20 {
				out.LostIDs = append(out.LostIDs, path)
			}
		case in.unheard[path] && found:
			out.Unheard++
		case !acked && found:
			out.Ghosts++
		}
		if acked {
			out.Acked++
		}
		if found {
			_, raw := query{Path: "/collections/" + path, Delete: true}.request(in.base)
			if status, _, body, err := c.do(raw, false); err != nil || status >= 300 {
				out.Undeleted = fmt.Sprintf("%s: %d %v %.200s", path, status, err, body)
			}
		}
	}
	out.PerSec = float64(out.Acked) / out.Search.Seconds
}
