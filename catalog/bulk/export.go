package bulk

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// Exported tells of an export.
type Exported struct {
	Collections int `json:"collections"`
	Items       int `json:"items"`
	// LeftOut is what a table has no column for.
	LeftOut []string `json:"left_out,omitempty"`
}

// Served gives documents as they are for others: hrefs that are relative to a catalog's API are below base, the address of
// that API without a slash at its end.
func Served(docs iter.Seq2[json.RawMessage, error], base string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for doc, err := range docs {
			if err == nil {
				doc = catalog.Serve(doc, base, "")
			}
			if !yield(doc, err) || err != nil {
				return
			}
		}
	}
}

// ExportLines writes collections, each before its items, a document to a line.
func ExportLines(ctx context.Context, from Pager, w io.Writer, wanted Wanted, base string, told func(Exported)) (done Exported, err error) {
	out := newLines(w, "export")
	all, err := CollectionsOf(ctx, from, wanted)
	if err != nil {
		return done, err
	}
	for _, doc := range all {
		if err := out.line(catalog.Serve(doc, base, "")); err != nil {
			return done, err
		}
		done.Collections++
		for item, err := range Served(ItemsOf(ctx, from, gjson.GetBytes(doc, "id").Str), base) {
			if err == nil {
				err = out.line(item)
			}
			if err != nil {
				return done, err
			}
			if done.Items++; told != nil && done.Items%pageItems == 0 {
				told(done)
			}
		}
	}
	return done, out.end()
}

// lines writes documents, each to a line. Once one could not be written, none is.
type lines struct {
	*bufio.Writer
	what string
}

func newLines(w io.Writer, what string) lines { return lines{bufio.NewWriterSize(w, 1<<20), what} }

func (l lines) line(text []byte) error {
	_, _ = l.Write(text) // an error stays
	return l.failed(l.WriteByte('\n'))
}

func (l lines) end() error { return l.failed(l.Flush()) }

func (l lines) failed(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Unavailable, "write the %s: %w", l.what, err).WithCure("make room and begin again")
}

// ExportTable writes the items of the collections, one after the other, as one table, with the collections in its metadata.
func ExportTable(ctx context.Context, from Pager, w io.Writer, wanted Wanted, base, tempDir string) (Exported, error) {
	all, err := CollectionsOf(ctx, from, wanted)
	if err != nil {
		return Exported{}, err
	}
	served := make([]json.RawMessage, len(all))
	for i, doc := range all {
		served[i] = catalog.Serve(doc, base, "")
	}
	items := func(yield func(json.RawMessage, error) bool) {
		for _, doc := range all {
			for item, err := range Served(ItemsOf(ctx, from, gjson.GetBytes(doc, "id").Str), base) {
				if !yield(item, err) || err != nil {
					return
				}
			}
		}
	}
	written, err := WriteParquet(ctx, w, items, Table{Collections: served, TempDir: tempDir})
	return Exported{Collections: len(all), Items: written.Items, LeftOut: written.LeftOut}, err
}
