package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"os"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/bulk"
	"github.com/terrapin-eo/terrapin/fault"
	httpserve "github.com/terrapin-eo/terrapin/serve/http"
)

// reach is a catalog that a verb of many documents works on: one that this process has open, or one in a server.
type reach struct {
	bulk.Target
	bulk.Pager
	// backup writes what was posted to it, as it is at one moment.
	backup func(ctx context.Context, w io.Writer, told func(bulk.Kept)) (bulk.Kept, error)
	// base is the address of the API in front of it, "" where there is none.
	base string
}

// withCatalog finds the catalog where the flags say: in a server, or in the data directory, or in the server that holds
// it. Reading sources and writing files stays with the caller's process. founds makes a place if there is none.
func (c *cli) withCatalog(ctx context.Context, founds bool, do func(context.Context, reach) error) error {
	if c.server != "" {
		if err := c.grantsNothing(c.server); err != nil {
			return err
		}
		return do(ctx, c.remoteCatalog(c.server))
	}
	w, err := openCommitting(ctx, c.place(), c.logger(), commitOptions{founds: founds, catchUp: true})
	var held *errLocked
	if errors.As(err, &held) {
		if held.Holder.HTTP == "" {
			return held.busy()
		}
		if err := held.reachable(); err != nil {
			return err
		}
		fmt.Fprintf(c.err, "terrapin: %v; working there\n", held)
		return do(ctx, c.remoteCatalog(held.Holder.HTTP))
	}
	if err != nil {
		return err
	}
	defer w.close()
	guarded, cancel := w.hold.guard(ctx)
	defer cancel()
	err = do(guarded, reach{Target: bulk.Into(w.catalog), Pager: bulk.Of(w.catalog), backup: w.backup})
	if lost := w.hold.err(); err != nil && lost != nil {
		err = lost
	}
	return err
}

func (c *cli) remoteCatalog(url string) reach {
	far := &farCatalog{url: url, actor: c.actor}
	return reach{Target: far, Pager: far, backup: far.backup, base: url}
}

// backup writes a backup of the catalog here.
func (w *workspace) backup(ctx context.Context, out io.Writer, told func(bulk.Kept)) (bulk.Kept, error) {
	from, ok := w.catalog.(catalog.Snapshotter)
	if !ok {
		return bulk.Kept{}, fault.New(fault.Unsupported, "this kind of catalog shows no snapshot of itself")
	}
	return bulk.Backup(ctx, from, out, told)
}

// farCatalog is the catalog of a server, reached by verbs that are there for it.
type farCatalog struct{ url, actor string }

// lookUp is what catalog.lookup answers.
type lookUp struct {
	Document json.RawMessage `json:"document"`
	Bucket   bool            `json:"bucket"`
}

func (f *farCatalog) ask(ctx context.Context, verb string, args, into any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return fault.New(fault.Internal, "encode the arguments: %w", err)
	}
	doc, _, err := callServer(ctx, f.url, verb, raw, nil, f.actor)
	if err != nil {
		return err
	}
	answer, ok := doc.(json.RawMessage)
	if !ok {
		return fault.New(fault.Internal, "the answer is no document")
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fault.New(fault.Corrupt, "answer of %s: %w", f.url, err)
	}
	return nil
}

// Collection looks a collection up.
func (f *farCatalog) Collection(ctx context.Context, id string) (json.RawMessage, catalog.Origin, error) {
	var found lookUp
	if err := f.ask(ctx, catalogLookupVerb.name, lookupArgs{id}, &found); err != nil {
		return nil, 0, err
	}
	if found.Bucket {
		return found.Document, catalog.FromBucket, nil
	}
	return found.Document, catalog.Posted, nil
}

// Put sends documents, one to a line, as the server stores them.
func (f *farCatalog) Put(ctx context.Context, collections []json.RawMessage, items []catalog.Entry) error {
	_, _, err := sendForm(ctx, f.url, catalogPutVerb.name, f.actor, func(form *multipart.Writer) error {
		if err := form.WriteField("args", "{}"); err != nil {
			return err
		}
		part, err := form.CreateFormFile("file", "documents.ndjson")
		if err != nil {
			return err
		}
		out := bufio.NewWriterSize(part, 1<<20)
		for _, doc := range collections {
			_, _ = out.Write(doc) // an error stays, and is told by Flush
			_ = out.WriteByte('\n')
		}
		for _, e := range items {
			_, _ = out.Write(e.Document)
			_ = out.WriteByte('\n')
		}
		if err := out.Flush(); err != nil {
			return err
		}
		return form.Close()
	})
	return err
}

// Page asks for a page.
func (f *farCatalog) Page(ctx context.Context, a bulk.Ask) (page bulk.Page, err error) {
	err = f.ask(ctx, catalogPageVerb.name, a, &page)
	return page, err
}

// backup reads a backup that the server makes.
func (f *farCatalog) backup(ctx context.Context, w io.Writer, told func(bulk.Kept)) (kept bulk.Kept, err error) {
	err = streamed(ctx, f.url, catalogBackupVerb.name, f.actor, func(body io.Reader) error {
		kept, err = bulk.CopyBackup(w, body, told)
		return err
	})
	return kept, err
}

// The verbs that a server has for this; the command line shows none of them.

type lookupArgs struct {
	ID string `json:"id"`
}

var catalogLookupVerb = verb{name: "catalog.lookup", access: tends, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a lookupArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	doc, origin, err := bulk.Into(w.catalog).Collection(ctx, a.ID)
	return lookUp{doc, origin == catalog.FromBucket}, exitOK, err
}}

var catalogPageVerb = verb{name: "catalog.page", access: tends, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a bulk.Ask
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	page, err := bulk.Of(w.catalog).Page(ctx, a)
	return page, exitOK, err
}}

var catalogBackupVerb = verb{name: "catalog.backup", access: tends, run: func(_ context.Context, w *workspace, c call) (any, int, error) {
	if err := c.into(&struct{}{}); err != nil {
		return nil, 0, err
	}
	return httpserve.Lines(func(ctx context.Context, out io.Writer) error {
		if !w.saving.TryLock() { // each holds a connection, and what is changed meanwhile takes room
			return fault.New(fault.Unavailable, "another backup of the catalog is being taken").WithCure("wait until it is done")
		}
		defer w.saving.Unlock()
		_, err := w.backup(ctx, out, nil)
		return err
	}), exitOK, nil
}}

var catalogPutVerb = verb{name: "catalog.put", access: tends, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var collections []json.RawMessage
	var items []catalog.Entry
	for _, file := range c.files {
		text, err := os.Open(file.Path)
		if err != nil {
			return nil, 0, fault.New(fault.Unavailable, "read the upload: %w", err)
		}
		defer text.Close()
		for doc, err := range bulk.Text(ctx, text) {
			if err == nil {
				err = doc.Err
			}
			if err != nil {
				return nil, 0, err
			}
			if gjson.GetBytes(doc.Raw, "type").Str == "Collection" {
				if err := bulk.CheckCollectionID(gjson.GetBytes(doc.Raw, "id").Str); err != nil {
					return nil, 0, err
				}
				collections = append(collections, doc.Raw)
				continue
			}
			e, err := catalog.ParseItem(doc.Raw)
			if err != nil {
				return nil, 0, err
			}
			items = append(items, e)
		}
	}
	if err := bulk.Into(w.catalog).Put(ctx, collections, items); err != nil {
		return nil, 0, err
	}
	w.log.InfoContext(ctx, "put", "actor", c.actor, "collections", len(collections), "items", len(items))
	return map[string]int{"collections": len(collections), "items": len(items)}, exitOK, nil
}}
