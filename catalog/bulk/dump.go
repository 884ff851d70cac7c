package bulk

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// A backup is newline-JSON: a line that says what it is, the posted collections, each followed by its items, all as the
// catalog stores them, and a line with their numbers, so that one that breaks off is known. Either back end reads it.

// backupHead is the first line.
const backupHead = `{"terrapin":"catalog backup","version":1}`

// Kept are the numbers of a backup.
type Kept struct {
	Collections int `json:"collections"`
	Items       int `json:"items"`
}

func notThere(id string) error {
	return fault.New(fault.NotFound, "collection %q: %w", id, catalog.ErrNotFound).WithCure("see `terrapin catalog info` for those there are")
}

// Backup writes what was posted, as it is at one moment.
func Backup(ctx context.Context, from catalog.Snapshotter, w io.Writer, told func(Kept)) (kept Kept, err error) {
	err = from.Snapshot(ctx, func(r catalog.Reader) error {
		kept, err = backupOf(ctx, Of(r), w, told)
		return err
	})
	return kept, err
}

func backupOf(ctx context.Context, from Pager, w io.Writer, told func(Kept)) (kept Kept, err error) {
	out := newLines(w, "backup")
	if err := out.line([]byte(backupHead)); err != nil {
		return kept, err
	}
	all, err := CollectionsOf(ctx, from, Wanted{Posted: true})
	if err != nil {
		return kept, err
	}
	for _, doc := range all {
		if err := out.line(doc); err != nil {
			return kept, err
		}
		kept.Collections++
		for item, err := range ItemsOf(ctx, from, gjson.GetBytes(doc, "id").Str) {
			if err == nil {
				err = out.line(item)
			}
			if err != nil {
				return kept, err
			}
			if kept.Items++; told != nil && kept.Items%pageItems == 0 {
				told(kept)
			}
		}
	}
	_ = out.line(fmt.Appendf(nil, `{"terrapin":"end","collections":%d,"items":%d}`, kept.Collections, kept.Items)) // end tells of an error
	return kept, out.end()
}

// CopyBackup writes a backup that is read from elsewhere, and returns the numbers that it ends with. One that breaks off, or has
// another number of lines than it says, is an error, and so is what is none.
func CopyBackup(w io.Writer, r io.Reader, told func(Kept)) (kept Kept, err error) {
	in := bufio.NewReaderSize(r, 1<<20)
	var last []byte // the beginning of the line that was read last
	for lines, begins := 0, true; ; {
		part, err := in.ReadSlice('\n')
		if begins && len(part) > 0 {
			last = append(last[:0], part[:min(len(part), longestEnd)]...)
			if lines == 0 && !errors.Is(err, io.EOF) && strings.TrimSuffix(string(last), "\n") != backupHead {
				return kept, fault.New(fault.Invalid, "what was read is no backup of a catalog").WithCure("check the address: a terrapin server of this release gives one")
			}
		}
		if _, err := w.Write(part); err != nil {
			return kept, fault.New(fault.Unavailable, "write the backup: %w", err).WithCure("make room and begin again")
		}
		switch begins = err == nil; {
		case begins:
			if lines++; told != nil && lines%pageItems == 0 {
				told(Kept{Items: lines})
			}
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if gjson.GetBytes(last, "terrapin").Str != "end" || json.Unmarshal(last, &kept) != nil || lines != kept.Collections+kept.Items+2 {
				return kept, fault.New(fault.Unavailable, "the backup broke off after %d lines", lines).WithCure("take it again; the server's log tells why")
			}
			return kept, nil
		default:
			return kept, fault.New(fault.Unavailable, "read the backup: %w", err).WithCure("take it again")
		}
	}
}

// longestEnd is more bytes than the first and the last line of a backup have.
const longestEnd = 200

// Compressed packs what is written by what a file's name ends in: .gz, .zst, or not at all. Close ends the packing, and does
// not close w.
func Compressed(w io.Writer, name string) (io.WriteCloser, error) {
	switch {
	case strings.HasSuffix(name, ".gz"):
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	case strings.HasSuffix(name, ".zst"):
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	return unpacked{w}, nil
}

type unpacked struct{ io.Writer }

// Close has nothing to end.
func (unpacked) Close() error { return nil }

// OpenBackup opens a file that Backup wrote, as a source for a load.
func OpenBackup(path string) (Source, error) {
	s, err := openFile(path, path)
	if err != nil {
		return nil, err
	}
	text, ok := s.(*textFile)
	if !ok {
		return nil, noBackup(path)
	}
	return &backup{text}, nil
}

func noBackup(name string) error {
	return fault.New(fault.Invalid, "%s is no backup of a catalog", name).WithCure("give a file that `terrapin catalog backup` wrote; `terrapin catalog load` takes others")
}

type backup struct{ *textFile }

// Documents gives what is between the first line and the last.
func (b *backup) Documents(ctx context.Context, from Position) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		var kept Kept
		whole := false
		for doc, err := range b.textFile.Documents(ctx, Position{}) {
			if err != nil {
				yield(doc, err)
				return
			}
			switch head := gjson.GetBytes(doc.Raw, "terrapin").Str; {
			case doc.Number == 1 && string(doc.Raw) != backupHead:
				yield(Document{}, noBackup(b.name))
				return
			case doc.Number == 1:
				continue
			case head == "end":
				var said Kept
				if json.Unmarshal(doc.Raw, &said) == nil && said == kept {
					whole = true
				}
				continue
			case gjson.GetBytes(doc.Raw, "type").Str == "Collection":
				kept.Collections++
			default:
				kept.Items++
			}
			doc.Base = nil // every href is as it was stored
			if doc.Number > from.Number && !yield(doc, nil) {
				return
			}
		}
		if !whole {
			yield(Document{}, fault.New(fault.Corrupt, "%s breaks off: it has %d collections and %d items, and no end that says so", b.name, kept.Collections, kept.Items).
				WithCure("what it holds is restored; take another backup for the rest"))
		}
	}
}

// FromPages is what was posted to another catalog, as a source for a load.
func FromPages(from Pager, name string) Source { return &pages{from, name} }

type pages struct {
	from Pager
	name string
}

// Name is what the caller calls it.
func (p *pages) Name() string { return p.name }

// Identity is its name.
func (p *pages) Identity() string { return p.name }

// Size is not known.
func (p *pages) Size() int64 { return 0 }

// Read is not known.
func (p *pages) Read() int64 { return 0 }

// Documents gives the collections, each before its items.
func (p *pages) Documents(ctx context.Context, from Position) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		number := 0
		give := func(doc json.RawMessage) bool {
			number++
			return number <= from.Number || yield(Document{Raw: doc, Number: number}, nil)
		}
		all, err := CollectionsOf(ctx, p.from, Wanted{Posted: true})
		if err != nil {
			yield(Document{}, err)
			return
		}
		for _, doc := range all {
			if !give(doc) {
				return
			}
			for item, err := range ItemsOf(ctx, p.from, gjson.GetBytes(doc, "id").Str) {
				if err != nil {
					yield(Document{}, err)
					return
				}
				if !give(item) {
					return
				}
			}
		}
	}
}
