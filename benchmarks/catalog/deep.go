package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"time"
)

// deep is a walk along the next links, once, and the first and the last page of it asked for again and again.
type deep struct {
	Pages      int         `json:"pages"`
	Items      int         `json:"items"`
	Duplicates int         `json:"duplicates"`
	Seconds    float64     `json:"seconds"` // of the requests alone
	Digest     string      `json:"digest"`  // of the ids in order, those of one moment sorted
	Head       []string    `json:"head"`    // the first ids of every hundredth page
	FirstMS    float64     `json:"first_ms"`
	LastMS     float64     `json:"last_ms"` // medians of the first and the last ten pages of the walk
	First      measurement `json:"first"`
	Last       measurement `json:"last"`
	Stopped    string      `json:"stopped,omitempty"`
}

type link struct {
	Rel, Href, Method string
	Body              map[string]any
	Merge             bool
}

// walk follows next links from the newest hundred items, for at most so many pages and half an hour.
func walk(ctx context.Context, base string, pages int, seconds float64, roots []int) deep {
	var out deep
	at := query{Path: "/search?limit=100&sortby=-properties.datetime"}
	first, last := at, at
	host, _ := at.request(base)
	c := &client{host: host}
	defer c.close()
	seen, digest := map[string]bool{}, sha256.New()
	var together []string // of one moment, in whose order servers are free
	var moment time.Time
	told := func() {
		sort.Strings(together)
		fmt.Fprintln(digest, strings.Join(together, "\n"))
		together = together[:0]
	}
	var took []float64
	for begun := time.Now(); out.Pages < pages; {
		if ctx.Err() != nil || time.Since(begun) > 30*time.Minute {
			out.Stopped = "half an hour is over"
			break
		}
		_, raw := at.request(base)
		asked := time.Now()
		status, _, body, err := c.do(raw, true)
		took = append(took, time.Since(asked).Seconds()*1e3)
		if err != nil || status != 200 {
			out.Stopped = fmt.Sprintf("page %d: %d %v %.200s", out.Pages+1, status, err, body)
			break
		}
		var page struct {
			Features []feature
			Links    []link
		}
		if err := json.Unmarshal(body, &page); err != nil {
			out.Stopped = err.Error()
			break
		}
		for i, f := range page.Features {
			id := f.Collection + "/" + f.ID
			if i == 0 && out.Pages%100 == 0 {
				out.Head = append(out.Head, id)
			}
			if seen[id] {
				out.Duplicates++
			}
			seen[id] = true
			if !f.Properties.Datetime.Equal(moment) {
				told()
				moment = f.Properties.Datetime
			}
			together = append(together, id)
		}
		out.Pages, out.Items, last = out.Pages+1, out.Items+len(page.Features), at
		next, more := follow(at, page.Links)
		if !more {
			break
		}
		at = next
	}
	told()
	out.Digest = fmt.Sprintf("%x", digest.Sum(nil))[:16]
	for _, ms := range took {
		out.Seconds += ms / 1e3
	}
	out.FirstMS, out.LastMS = median(took[:min(10, len(took))]), median(took[max(0, len(took)-10):])
	out.First = measure(ctx, base, []query{first}, 1, 0.5, seconds, roots)
	out.Last = measure(ctx, base, []query{last}, 1, 0.5, seconds, roots)
	return out
}

// follow is the query behind the next link, if there is one.
func follow(at query, links []link) (query, bool) {
	for _, l := range links {
		if l.Rel != "next" {
			continue
		}
		u, err := url.Parse(l.Href)
		if err != nil {
			return query{}, false
		}
		if strings.ToUpper(l.Method) != "POST" {
			return query{Path: u.RequestURI()}, true
		}
		body := map[string]any{}
		if l.Merge {
			_ = json.Unmarshal([]byte(at.Body), &body) // our own body
		}
		for k, v := range l.Body {
			body[k] = v
		}
		return post(body), true
	}
	return query{}, false
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = append([]float64(nil), v...)
	sort.Float64s(v)
	return v[len(v)/2]
}
