package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	parquetfile "github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

// parquetFile is a file of STAC-GeoParquet: the collections in its metadata, then an item from each row.
type parquetFile struct{ *file }

// isParquet looks for the letters that such a file begins with.
func isParquet(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fault.New(fault.NotFound, "%w", err).WithCure("let its reader be allowed to")
	}
	defer f.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, fault.New(fault.Unavailable, "read %s: %w", path, err)
	}
	return string(magic) == "PAR1", nil
}

// Documents reads the file through; row groups before the position are not read.
func (p *parquetFile) Documents(ctx context.Context, from Position) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		in, err := os.Open(p.path)
		if err != nil {
			yield(Document{}, fault.New(fault.NotFound, "%w", err))
			return
		}
		defer in.Close()
		number := 0
		give := func(raw json.RawMessage, bad error) error {
			if number++; number <= from.Number {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if bad != nil {
				bad = fault.New(fault.Corrupt, "%w", bad).WithCure("write the row anew")
			}
			if !yield(Document{Raw: raw, Number: number, Base: p.base, Err: bad}, nil) {
				return errStop
			}
			return nil
		}
		skip := func(rows int) bool {
			if number+rows > from.Number {
				return false
			}
			number += rows
			return true
		}
		if err := p.table(ctx, in, skip, give); err != nil && !errors.Is(err, errStop) {
			if fault.KindOf(err) == fault.Internal {
				err = fault.New(fault.Corrupt, "read %s: %w", p.name, err).WithCure("check that it is a whole STAC-GeoParquet file, and fetch it again")
			}
			yield(Document{}, err)
		}
	}
}

// table reads the parts of the file.
func (p *parquetFile) table(ctx context.Context, in *os.File, skip func(rows int) bool, give func(json.RawMessage, error) error) error {
	group := 0
	err := readTable(ctx, in, func(rows, of int) bool {
		p.read.Store(p.size * int64(group) / int64(of))
		group++
		return skip(rows)
	}, give)
	if err == nil {
		p.read.Store(p.size)
	}
	return err
}

// readTable gives the collections and the items of a file. skip is asked of each row group of how many, with its rows. The
// library panics over some files that are not sound.
func readTable(ctx context.Context, in parquet.ReaderAtSeeker, skip func(rows, groups int) bool, give func(json.RawMessage, error) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it is not sound: %v", v)
		}
	}()
	parts, err := parquetfile.NewParquetReader(in)
	if err != nil {
		return err
	}
	defer parts.Close()
	t := tableReader{texts: map[string]bool{}, geometries: map[string]bool{}, primary: "geometry"}
	if err := t.readMetadata(parts); err != nil {
		return err
	}
	for _, doc := range t.collections {
		if err := give(doc, nil); err != nil {
			return err
		}
	}
	if err := t.readSchema(parts.MetaData().Schema); err != nil {
		return err
	}
	for group := range parts.NumRowGroups() {
		rows := int(parts.MetaData().RowGroup(group).NumRows())
		if skip(rows, parts.NumRowGroups()) {
			continue
		}
		if err := t.open(parts.RowGroup(group)); err != nil {
			return err
		}
		for range rows {
			doc, err := t.item()
			if err != nil {
				return err
			}
			err, t.bad = give(doc, t.bad), nil
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// tableReader makes items of rows.
type tableReader struct {
	columnTree
	columns []*node
	// texts are the paths of columns that hold JSON as text, geometries the columns of the table that hold WKB; primary
	// is the one that is an item's geometry.
	texts, geometries map[string]bool
	primary           string
	collections       []json.RawMessage
}

// pathOf is a path as a key.
func pathOf(names ...string) string { return strings.Join(names, "\x00") }

// readMetadata learns what the file says of its columns.
func (t *tableReader) readMetadata(f *parquetfile.Reader) error {
	values := f.MetaData().KeyValueMetadata()
	find := func(key string) string {
		if v := values.FindValue(key); v != nil {
			return *v
		}
		return ""
	}
	geo := gjson.Parse(find("geo"))
	if name := geo.Get("primary_column").Str; name != "" {
		t.primary = name
	}
	t.geometries[t.primary] = true
	var bad error
	geo.Get("columns").ForEach(func(name, column gjson.Result) bool {
		if encoding := column.Get("encoding").Str; encoding != "WKB" {
			bad = fault.New(fault.Unsupported, "the geometry of column %q is encoded as %q", name.Str, encoding).WithCure("write it as WKB")
		}
		t.geometries[name.Str] = true
		return bad == nil
	})
	for _, path := range gjson.Parse(find(textsKey)).Array() {
		var names []string
		for _, name := range path.Array() {
			names = append(names, name.Str)
		}
		t.texts[pathOf(names...)] = true
	}
	stac := gjson.Parse(find("stac-geoparquet"))
	for _, doc := range stac.Get("collections").Map() {
		t.collections = append(t.collections, json.RawMessage(doc.Raw))
	}
	for _, doc := range []gjson.Result{stac.Get("collection"), gjson.Parse(find("stac:collection"))} {
		if doc.IsObject() {
			t.collections = append(t.collections, json.RawMessage(doc.Raw))
		}
	}
	sortByID(t.collections)
	return bad
}

// readSchema finds the columns.
func (t *tableReader) readSchema(s *schema.Schema) error {
	t.schema = s
	t.form = func(path []string, n schema.Node) leafForm {
		name := path[len(path)-1]
		return leafForm{
			json:     t.texts[pathOf(path...)] || n.LogicalType().Equals(schema.JSONLogicalType{}),
			geometry: len(path) == 1 && t.geometries[name] || name == "proj:geometry",
			text:     n.LogicalType().Equals(schema.StringLogicalType{}),
		}
	}
	for i := range s.Root().NumFields() {
		field := s.Root().Field(i)
		n, err := t.of(field, []string{field.Name()}, 0, 0)
		if err != nil {
			return err
		}
		t.columns = append(t.columns, n)
	}
	return nil
}

// open begins a row group.
func (t *tableReader) open(group *parquetfile.RowGroupReader) error {
	if group.NumColumns() != len(t.leaves) {
		return errShortColumn
	}
	pool := &sync.Pool{New: func() any { return memory.NewResizableBuffer(memory.DefaultAllocator) }}
	for i, l := range t.leaves {
		pages, err := group.GetColumnPageReader(i)
		if err != nil {
			return err
		}
		if err := l.open(parquetfile.NewColumnReader(l.column, &guard{PageReader: pages, column: l.column}, memory.DefaultAllocator, pool)); err != nil {
			return err
		}
	}
	return nil
}

// item is the next row as the item that it was.
func (t *tableReader) item() (json.RawMessage, error) {
	item, properties := object{{name: "type", value: `"Feature"`}}, []byte{'{'}
	for _, c := range t.columns {
		value, err := c.value()
		if err != nil {
			return nil, err
		}
		switch name := c.name; {
		case name == "type":
		case name == t.primary:
			if value == nil {
				value = []byte("null")
			}
			item.set("geometry", string(value))
		case slices.Contains(ownMembers, name):
			if name == "bbox" {
				value = sides(value)
			}
			if value != nil {
				item.set(name, string(value))
			}
		case value != nil:
			properties = appendMember(properties, name, value)
		case name == "datetime": // an item has it, if only to say that it has none
			properties = appendMember(properties, name, []byte("null"))
		}
	}
	item.set("properties", string(append(properties, '}')))
	for _, m := range [][2]string{{"stac_version", `"1.0.0"`}, {"assets", "{}"}, {"links", "[]"}} {
		if !item.has(m[0]) {
			item.set(m[0], m[1])
		}
	}
	return item.json(), nil
}
