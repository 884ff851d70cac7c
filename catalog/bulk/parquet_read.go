package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	parquetfile "github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/apache/arrow/go/v17/parquet/schema"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

// parquetFile is a file of STAC-GeoParquet: the collections in its metadata, then an item from each row.
type parquetFile struct{ *file }

// batchRows is how many rows are decoded at a time.
const batchRows = 1024

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
	rows, err := pqarrow.NewFileReader(parts, pqarrow.ArrowReadProperties{BatchSize: batchRows}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	for group := range parts.NumRowGroups() {
		if skip(int(parts.MetaData().RowGroup(group).NumRows()), parts.NumRowGroups()) {
			continue
		}
		if err := t.group(ctx, rows, group, give); err != nil {
			return err
		}
	}
	return nil
}

// tableReader makes items of rows.
type tableReader struct {
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
			bad = fault.New(fault.Unsupported, "the geometry of column %q is encoded as %s", name.Str, encoding).WithCure("write it as WKB")
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
	for i := range f.MetaData().Schema.NumColumns() {
		column := f.MetaData().Schema.Column(i)
		if _, isJSON := column.LogicalType().(schema.JSONLogicalType); isJSON {
			t.texts[pathOf(strings.Split(column.Path(), ".")...)] = true
		}
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

// group reads the rows of one row group.
func (t *tableReader) group(ctx context.Context, rows *pqarrow.FileReader, group int, give func(json.RawMessage, error) error) error {
	batches, err := rows.GetRecordReader(ctx, nil, []int{group})
	if err != nil {
		return err
	}
	defer batches.Release()
	for batches.Next() {
		batch := batches.Record()
		for i := range int(batch.NumRows()) {
			doc, bad := t.item(batch, i)
			if err := give(doc, bad); err != nil {
				return err
			}
		}
	}
	if err := batches.Err(); err != nil && err != io.EOF {
		return err
	}
	return nil
}

// item is one row as the item that it was.
func (t *tableReader) item(batch arrow.Record, i int) (json.RawMessage, error) {
	out := bytes.NewBufferString(`{"type":"Feature"`)
	properties := []byte(`,"properties":{`)
	version, assets, links := false, false, false
	first := len(properties)
	for c := range int(batch.NumCols()) {
		name, column := batch.ColumnName(c), batch.Column(c)
		w := cellWriter{texts: t.texts}
		own := name
		switch {
		case name == "type":
			continue
		case name == t.primary:
			own, w.geometry = "geometry", true
		case name == "bbox":
			w.box = true
		case t.geometries[name]:
			w.geometry = true
		}
		value, err := w.value(nil, column, i, pathOf(name), name)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", name, err)
		}
		isNull := value == nil
		switch own {
		case "stac_version", "stac_extensions", "id", "collection", "bbox", "links", "assets":
			version, assets, links = version || own == "stac_version", assets || own == "assets" && !isNull, links || own == "links" && !isNull
			if !isNull {
				out.WriteString(`,"` + own + `":`)
				out.Write(value)
			}
			continue
		case "geometry":
			if isNull {
				value = []byte("null")
			}
			out.WriteString(`,"geometry":`)
			out.Write(value)
			continue
		case "datetime": // an item has it, if only to say that it has none
			if isNull {
				value, isNull = []byte("null"), false
			}
		}
		if !isNull {
			if len(properties) > first {
				properties = append(properties, ',')
			}
			properties = append(append(append(properties, quoted(name)...), ':'), value...)
		}
	}
	out.Write(properties)
	out.WriteByte('}')
	for _, lacks := range []struct {
		is   bool
		then string
	}{{!version, `,"stac_version":"1.0.0"`}, {!assets, `,"assets":{}`}, {!links, `,"links":[]`}} {
		if lacks.is {
			out.WriteString(lacks.then)
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}
