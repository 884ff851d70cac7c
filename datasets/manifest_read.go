package datasets

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// scanRows is how many rows of a manifest are in memory at once.
const scanRows = 8 << 10

// ScanManifest hands the manifest of a version to each, some rows at a time, sorted by sample id over all splits, with no other
// columns than the named ones, in the order of the file. A column that the version's manifest does not have is left out.
// A record is valid until each returns.
func (v *Version) ScanManifest(ctx context.Context, columns []string, each func(arrow.Record) error) (err error) {
	key := folder(v.Name, v.Version) + "/" + manifestFile
	info, err := v.root.Stat(ctx, key)
	if err != nil {
		return err
	}
	bad := func(err error) error {
		if fault.KindOf(err) != fault.Internal {
			return err
		}
		return fault.New(fault.Corrupt, "manifest of %s: %w", v.Ref(), err).WithCure("run `terrapin dataset verify %s`", v.Ref())
	}
	defer func() { // the reader of Parquet panics at some damage
		if p := recover(); p != nil {
			err = bad(fault.New(fault.Internal, "%v", p))
		}
	}()
	pf, err := file.NewParquetReader(io.NewSectionReader(ranges{ctx, v.root, key}, 0, info.Size))
	if err != nil {
		return bad(err)
	}
	defer pf.Close()
	r, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: scanRows}, memory.DefaultAllocator)
	if err != nil {
		return bad(err)
	}
	var leaves []int
	schema := pf.MetaData().Schema
	for i := range schema.NumColumns() {
		if top, _, _ := strings.Cut(schema.Column(i).ColumnPath().String(), "."); slices.Contains(columns, top) {
			leaves = append(leaves, i)
		}
	}
	records, err := r.GetRecordReader(ctx, leaves, nil)
	if err != nil {
		return bad(err)
	}
	defer records.Release()
	for records.Next() {
		if err := each(records.Record()); err != nil {
			return err
		}
	}
	if err := records.Err(); err != nil && err != io.EOF {
		return bad(err)
	}
	return ctx.Err()
}

// ranges reads an object range by range.
type ranges struct {
	ctx  context.Context
	root *store.Bucket
	key  string
}

func (o ranges) ReadAt(p []byte, at int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	data, _, err := o.root.Read(o.ctx, o.key, store.Range{Offset: at, Length: int64(len(p))})
	return copy(p, data), err
}
