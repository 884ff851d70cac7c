package bulk

import (
	"context"
	"encoding/json"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/tree"
)

const (
	// chunkItems and chunkBytes are what one core reads at a time.
	chunkItems = 64
	chunkBytes = 1 << 20
	// batchBytes bounds a batch of large documents.
	batchBytes = 24 << 20
)

// chunk is some documents on their way: first as they are in the source, then read. ready is closed when they are.
type chunk struct {
	docs  []Document
	read  []prepared
	bad   []error
	ready chan struct{}
	// end is why there are no more.
	end error
}

// take cuts a source into chunks.
func take(ctx context.Context, s Source, from Position, ordered, work chan<- *chunk) {
	c, size := &chunk{ready: make(chan struct{})}, 0
	send := func() bool {
		for _, to := range []chan<- *chunk{ordered, work} {
			select {
			case to <- c:
			case <-ctx.Done():
				return false
			}
		}
		c, size = &chunk{ready: make(chan struct{})}, 0
		return true
	}
	for doc, err := range s.Documents(ctx, from) {
		if err != nil {
			c.end = err
			break
		}
		c.docs = append(c.docs, doc)
		if size += len(doc.Raw); len(c.docs) == chunkItems || size >= chunkBytes {
			if !send() {
				return
			}
		}
	}
	send()
}

// readChunk reads the documents of a chunk into a tree, one after the other.
func (r *loading) readChunk(t *tree.Tree, c *chunk) {
	defer close(c.ready)
	c.read, c.bad = make([]prepared, len(c.docs)), make([]error, len(c.docs))
	for i, doc := range c.docs {
		if c.bad[i] = doc.Err; doc.Err != nil {
			continue
		}
		p := &c.read[i]
		if *p, c.bad[i] = prepare(t, doc.Raw, doc.Base, r.Collection); c.bad[i] != nil {
			continue
		}
		if !p.isItem {
			c.docs[i].Raw = nil
			continue
		}
		c.docs[i].done()
		if p.bytes = len(p.item.Document); r.pace.stage != nil {
			p.bytes = r.pace.stage(&p.item)
		}
	}
}

// batch is what is put at once. A document that comes twice is put as it comes last.
type batch struct {
	collections []one
	items       []one
	index       map[catalog.ItemRef]int
	rejected    []one
	bytes       int
	at          Position
	end         error
}

// one is a document of a batch and where it came from.
type one struct {
	Document
	prepared
	bad error
}

func (o one) ref() catalog.ItemRef {
	if o.isItem {
		return o.item.Ref
	}
	return catalog.ItemRef{Collection: o.collection.ID}
}

func (b *batch) add(o one) {
	if b.at.Number = o.Number; o.Cursor != "" {
		b.at.Cursor = o.Cursor
	}
	if o.bad != nil {
		b.rejected = append(b.rejected, o)
		return
	}
	list := &b.collections
	if o.isItem {
		list = &b.items
		b.bytes += o.bytes
	}
	if i, twice := b.index[o.ref()]; twice {
		(*list)[i] = o
		return
	}
	b.index[o.ref()] = len(*list)
	*list = append(*list, o)
}

func (b *batch) len() int { return len(b.collections) + len(b.items) + len(b.rejected) }

// collect makes batches of chunks, in their order.
func collect(ctx context.Context, size int, ordered <-chan *chunk, batches chan<- *batch) {
	fresh := func(most int) *batch { // lists that grow are copied, into new memory each time
		return &batch{items: make([]one, 0, most), index: make(map[catalog.ItemRef]int, most)}
	}
	b := fresh(chunkItems)
	send := func() bool {
		select {
		case batches <- b:
			b = fresh(min(size, b.len()))
			return true
		case <-ctx.Done():
			return false
		}
	}
	for c := range ordered {
		select {
		case <-c.ready:
		case <-ctx.Done():
			return
		}
		for i, doc := range c.docs {
			b.add(one{Document: doc, prepared: c.read[i], bad: c.bad[i]})
			if (b.len() >= size || b.bytes >= batchBytes) && !send() {
				return
			}
		}
		if c.end != nil {
			if b.len() == 0 || send() {
				b.end = c.end
				send()
			}
			return
		}
	}
	if b.len() > 0 {
		send()
	}
}

func documents(list []one) (out []json.RawMessage) {
	for _, o := range list {
		out = append(out, o.collection.Document)
	}
	return out
}

func entries(list []one) []catalog.Entry {
	out := make([]catalog.Entry, 0, len(list))
	for _, o := range list {
		out = append(out, o.item)
	}
	return out
}
