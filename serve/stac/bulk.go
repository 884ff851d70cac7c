package stac

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// bulkReport says what became of each item of a bulk insert.
type bulkReport struct {
	Created  int          `json:"created"`
	Replaced int          `json:"replaced"`
	Refused  int          `json:"refused"`
	Items    []bulkResult `json:"items"`
}

// bulkResult is what became of an item: its status is created, replaced, exists or invalid.
type bulkResult struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
	Cure   string `json:"cure,omitempty"`
}

// bulkTries is how often a bulk insert begins anew because somebody else put one of its items meanwhile.
const bulkTries = 10

// lookUp is how many items are looked for at once.
const lookUp = 500

// bulkItems adds many items in one change: the good ones, all together. The body is that of stac-fastapi:
// {"items": {id: item}, "method": "insert" | "upsert"}.
func (a *api) bulkItems(w http.ResponseWriter, r *request) error {
	return a.once(w, r, func(w http.ResponseWriter, r *request, body []byte) error {
		items, upsert, err := bulkBody(body)
		if err != nil {
			return err
		}
		if err := a.inCatalog(r); err != nil {
			return err
		}
		var good []catalog.Entry
		report := bulkReport{Items: []bulkResult{}}
		for _, one := range items {
			e, err := postedItem(one.doc, catalog.ItemRef{Collection: r.collection, ID: one.id})
			if err != nil {
				report.refuse(one.id, "invalid", err)
				continue
			}
			good = append(good, e)
		}
		for try := 1; ; try++ {
			err := a.bulk(r, good, upsert, &report)
			if errors.Is(err, catalog.ErrExists) && try < bulkTries {
				continue
			}
			if err != nil {
				return err
			}
			break
		}
		slices.SortFunc(report.Items, func(x, y bulkResult) int { return strings.Compare(x.ID, y.ID) })
		status := http.StatusOK
		if report.Refused > 0 {
			status = http.StatusMultiStatus
		}
		a.Document(w, r.Request, status, reply.JSON, report)
		return nil
	}, reply.JSON)
}

// bulk puts good items, and reports on them where it does.
func (a *api) bulk(r *request, good []catalog.Entry, upsert bool, report *bulkReport) error {
	there, err := a.there(r, good)
	if err != nil {
		return err
	}
	out := *report
	out.Items = slices.Clone(report.Items)
	var ch catalog.Changes
	for _, e := range good {
		id := e.Ref.ID
		switch {
		case there[id] && !upsert:
			out.refuse(id, "exists", fault.New(fault.Conflict, "item %q: %w", id, catalog.ErrExists).WithCure("use the method upsert to replace it"))
			continue
		case there[id]:
			out.Replaced++
			out.Items = append(out.Items, bulkResult{ID: id, Status: "replaced"})
		default:
			out.Created++
			out.Items = append(out.Items, bulkResult{ID: id, Status: "created"})
		}
		if !upsert {
			ch.Conditions = append(ch.Conditions, catalog.Condition{Ref: e.Ref, Absent: true})
		}
		ch.Entries = append(ch.Entries, e)
	}
	if len(ch.Entries) > 0 {
		if err := a.apply(r, "bulk insert", ch); err != nil {
			return err
		}
	}
	*report = out
	return nil
}

func (b *bulkReport) refuse(id, status string, err error) {
	b.Refused++
	b.Items = append(b.Items, bulkResult{ID: id, Status: status, Reason: err.Error(), Cure: fault.CureOf(err)})
}

// there tells which of some items the catalog has.
func (a *api) there(r *request, items []catalog.Entry) (map[string]bool, error) {
	out := map[string]bool{}
	for some := range slices.Chunk(items, lookUp) {
		q := catalog.Query{Collections: []string{r.collection}, Page: catalog.Page{Limit: len(some)}}
		for _, e := range some {
			q.IDs = append(q.IDs, e.Ref.ID)
		}
		res, err := a.Catalog.Search(r.Context(), a.scope(r.Request), q)
		if err != nil {
			return nil, err
		}
		for _, doc := range res.Documents {
			out[gjson.GetBytes(doc, "id").Str] = true
		}
	}
	return out, nil
}

// bulkItem is an item and the id it was sent under.
type bulkItem struct {
	id  string
	doc json.RawMessage
}

func bulkBody(body []byte) (items []bulkItem, upsert bool, err error) {
	bad := func(format string, args ...any) ([]bulkItem, bool, error) {
		return nil, false, fault.New(fault.Invalid, format, args...).WithCure(`send {"items": {"id": item, …}, "method": "insert"}`)
	}
	if !gjson.ParseBytes(body).IsObject() {
		return bad("the body is no JSON object")
	}
	var list gjson.Result
	gjson.ParseBytes(body).ForEach(func(key, value gjson.Result) bool {
		switch key.String() {
		case "items":
			list = value
		case "method":
			if upsert = value.Str == "upsert"; !upsert && value.Str != "insert" {
				_, _, err = bad("the method %s is unknown", value.Raw)
			}
		default:
			_, _, err = bad("the member %q is unknown", key.String())
		}
		return err == nil
	})
	if err != nil {
		return nil, false, err
	}
	if !list.IsObject() {
		return bad("items is no object of items by their ids")
	}
	seen := map[string]bool{}
	list.ForEach(func(key, value gjson.Result) bool {
		id := key.String()
		switch {
		case seen[id]:
			_, _, err = bad("item %q is there twice", id)
		case len(items) == maxDocuments:
			err = fault.New(fault.TooLarge, "there are more than %d items", maxDocuments).WithCure("send them in parts, or load them with terrapin catalog load")
		}
		seen[id] = true
		items = append(items, bulkItem{id, json.RawMessage(value.Raw)})
		return err == nil
	})
	return items, upsert, err
}
