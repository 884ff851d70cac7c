package catalog

import "context"

// What whoever tends a catalog may ask of it: a Catalog that can has these methods as well.

// Indexer makes properties fast to filter and sort by. Ingest never does: only a person asks for it.
type Indexer interface {
	// Index adds the index over a property, named as in SortKey. One that is there, from the start or by another
	// call, is no error. Readers go on while it is made; writers do too where the database can do that.
	Index(ctx context.Context, property string) error
	// DropIndex removes it; an absent one is no error, one that the catalog needs itself is fault.Precondition.
	DropIndex(ctx context.Context, property string) error
	// Indexes lists the properties that have one, sorted.
	Indexes(ctx context.Context) ([]string, error)
}

// Describer tells what the catalog is.
type Describer interface {
	Describe(ctx context.Context) (Description, error)
}

// Description is what a person wants to know of a catalog. It holds no secrets.
type Description struct {
	// BackEnd and Version are those of the database, such as "sqlite" and "3.54.1"; Location is its file or its
	// host, port and name.
	BackEnd, Version, Location string
	// Schema is the number of the last migration.
	Schema int
	// Bytes is what it takes on disk, indexes included.
	Bytes int64
	// Revision is what Apply returned last.
	Revision int64
}

// Sizer tells numbers of the moment, such as connections in use and changes that wait, by names of its own that are
// always the same.
type Sizer interface{ Sizes() map[string]int }

// Snapshotter shows what the catalog holds at one moment, for as long as it takes to read all of it.
type Snapshotter interface {
	// Snapshot calls with a Reader that tells what the catalog held when it was called, whatever is changed meanwhile. The
	// Reader is good until the call returns, for one goroutine; each of its reads has the time that one of the catalog has.
	// What is changed meanwhile takes more room in the database until then.
	Snapshot(ctx context.Context, do func(Reader) error) error
}
