package bulk

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// MaxDocument bounds the bytes of one document; a larger one is refused by itself.
const MaxDocument = 16 << 20

// Document is one document as a source has it.
type Document struct {
	// Raw is one STAC item or collection, in the version and with the hrefs that the source gives it.
	Raw json.RawMessage
	// Number counts a source's documents from 1, those that cannot be read too. It is the line of newline-JSON
	// that has no empty lines, and the row of a table.
	Number int
	// Line is where the document begins in a text, from 1; 0 elsewhere.
	Line int
	// Base is the address that relative hrefs are relative to where the document has no link to itself.
	Base *url.URL
	// Cursor, where not "", is a place to go on from: the documents after this one. Others go on from a number.
	Cursor string
	// Err is why there is no document here. The next ones are good all the same.
	Err error
	// lent says that Raw may be given back: done.
	lent bool
}

// Position is how far a source was read.
type Position struct {
	// Number of the last document; Cursor is its, or that of the last one before it that had one.
	Number int    `json:"number"`
	Cursor string `json:"cursor,omitempty"`
}

// Source gives documents in an order of its own that is always the same while the source does not change.
type Source interface {
	// Name is what the caller called it.
	Name() string
	// Documents reads on from a position, the zero one at the beginning. An error ends the reading: what is wrong with
	// one document is told in it.
	Documents(ctx context.Context, from Position) iter.Seq2[Document, error]
	// Identity tells whether it is the same source with the same content as another time, as far as can be known
	// without reading it.
	Identity() string
	// Size is the number of its bytes, 0 where that is not known, and Read how many were read.
	Size() int64
	Read() int64
}

// Open looks at where documents are: a STAC API at an http or https URL, or a file of newline-JSON, GeoJSON or
// STAC-GeoParquet, which may be compressed by gzip or zstd.
func Open(ctx context.Context, location string, c Crawl) (Source, error) {
	if strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://") {
		return openAPI(ctx, location, c)
	}
	return openFile(strings.TrimPrefix(location, "file://"), location)
}

func openFile(path, name string) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "%w", err).WithCure("name a file of STAC items that is there, or the URL of a STAC API")
	}
	if info.IsDir() {
		return nil, fault.New(fault.Invalid, "%s is a folder", name).WithCure("name its files one by one, or let the shell: %s/*.json", strings.TrimSuffix(name, "/"))
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.New(fault.Precondition, "%w", err)
	}
	f := &file{name: name, path: path, size: info.Size(), changed: info.ModTime(), base: &url.URL{Scheme: "file", Path: filepath.ToSlash(full)}}
	table, err := isParquet(path)
	switch {
	case err != nil:
		return nil, err
	case table:
		return &parquetFile{f}, nil
	}
	return &textFile{f}, nil
}
