package zarr

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
)

const consolidatedMember = "consolidated_metadata"

// metadata serves the zarr.json of a node: an array's as it was committed, a group's with the metadata
// of everything below it, which is exact, because a snapshot never changes.
func (p *place) metadata(w http.ResponseWriter, r *http.Request, node icechunk.Node) error {
	body := node.Meta
	if node.Array == nil {
		key := documentKey{p.repo, p.snapshot.ID(), node.Path}
		var ok bool
		if body, ok = p.docs.get(key); !ok {
			body = consolidate(node, p.snapshot.Nodes())
			p.docs.put(key, body)
		}
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("ETag", digestTag(body))
	return serveContent(w, r, bytes.NewReader(body))
}

// digestTag is the strong entity tag of some bytes.
func digestTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// consolidate writes a group's document with the metadata of its descendants inline, as zarr-python does
// and GDAL reads. Consolidated metadata that a writer stored is left out: it may be older than the
// snapshot. Where a document is not strict JSON (a bare NaN in an attribute), the group goes out as it
// is, so that readers ask for the nodes one by one and only that node suffers.
func consolidate(group icechunk.Node, nodes []icechunk.Node) []byte {
	doc, ok := members(group.Meta)
	if !ok {
		return group.Meta
	}
	below := map[string]json.RawMessage{}
	for _, node := range nodes {
		name, inside := descendant(group.Path, node.Path)
		if !inside {
			continue
		}
		meta := json.RawMessage(node.Meta)
		if node.Array == nil {
			child, ok := members(node.Meta)
			if !ok {
				return group.Meta
			}
			// Readers that open the group from this document take it for childless unless told where to look.
			child[consolidatedMember] = inline(nil)
			meta = encode(child)
		} else if !json.Valid(meta) {
			return group.Meta
		}
		below[name] = meta
	}
	doc[consolidatedMember] = inline(below)
	return encode(doc)
}

func descendant(group, path string) (name string, ok bool) {
	if path == group {
		return "", false
	}
	return strings.CutPrefix(path, strings.TrimSuffix(group, "/")+"/")
}

func members(meta []byte) (map[string]json.RawMessage, bool) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(meta, &doc); err != nil || doc == nil {
		return nil, false
	}
	delete(doc, consolidatedMember)
	return doc, true
}

func inline(metadata map[string]json.RawMessage) json.RawMessage {
	if metadata == nil {
		metadata = map[string]json.RawMessage{}
	}
	return encode(map[string]any{"kind": "inline", "must_understand": false, "metadata": metadata})
}

// encode writes JSON whose parts were decoded before and so are valid.
func encode(doc any) json.RawMessage {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		panic("zarr: a document of valid parts does not encode: " + err.Error())
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// documentBytes bounds the consolidated documents kept in memory: a cube of a thousand cells has one of
// some ten MiB.
const documentBytes = 64 << 20

type documentKey struct {
	repo     *icechunk.Repo
	snapshot icechunk.ID
	path     string
}

// documents keeps consolidated documents, least recently used out first.
type documents struct {
	budget int

	mu    sync.Mutex
	used  int
	known map[documentKey]*list.Element
	order list.List // of document, newest in front
}

type document struct {
	key  documentKey
	body []byte
}

func (d *documents) get(key documentKey) ([]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.known[key]
	if !ok {
		return nil, false
	}
	d.order.MoveToFront(e)
	return e.Value.(document).body, true
}

func (d *documents) put(key documentKey, body []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = map[documentKey]*list.Element{}
	}
	if _, ok := d.known[key]; ok || len(body) > d.budget {
		return
	}
	d.known[key] = d.order.PushFront(document{key, body})
	d.used += len(body)
	for d.used > d.budget {
		last := d.order.Remove(d.order.Back()).(document)
		delete(d.known, last.key)
		d.used -= len(last.body)
	}
}

// never is given for a time of change, so that none is said: entity tags tell more.
var never time.Time
