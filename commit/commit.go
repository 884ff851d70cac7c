// Package commit owns commit.json, the object that makes a label revision, a dataset version, a model or
// a prediction exist: where it lies, the head that all of them share, and the refusal of formats of other
// releases. What stands below the head belongs to who wrote it. The invariant: it is written last, once,
// and never again.
package commit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// File is the object's name in the folder of what it makes exist.
const File = "commit.json"

// Format is the number of the format that this release writes and reads.
const Format = 1

// Head is what every commit.json begins with. Documents embed it.
type Head struct {
	Format int `json:"format"`
	// Kind is what the commit makes: "labels", "dataset", "model" or "prediction".
	Kind     string    `json:"kind"`
	Name     string    `json:"name"`
	Revision string    `json:"revision"`
	Digest   string    `json:"digest"`
	Actor    string    `json:"actor"`
	Created  time.Time `json:"created"`
	STAC     STAC      `json:"stac"`
	// SHA is the SHA-256 of the object that was read, in hex.
	SHA string `json:"-"`
}

// STAC are the documents that the catalog shows of it.
type STAC struct {
	Collections []json.RawMessage `json:"collections"`
	Items       []json.RawMessage `json:"items"`
}

func (h *Head) head() *Head { return h }

// Document is a pointer to what a commit.json holds: a struct that embeds Head.
type Document interface{ head() *Head }

// Read reads the commit.json of a folder. A folder without one is store.ErrNotFound; one of another
// format is fault.Unsupported, whatever else it says, and one of another kind fault.Corrupt ("" takes
// every kind).
func Read(ctx context.Context, root *store.Bucket, folder, kind string, into Document) error {
	key := folder + "/" + File
	data, _, err := root.Read(ctx, key, store.Range{})
	if err != nil {
		return err
	}
	var first struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &first); err != nil {
		return corrupt("%s does not parse: %w", key, err)
	}
	if first.Format < 1 {
		return corrupt("%s has no format", key)
	}
	if first.Format != Format {
		return fault.New(fault.Unsupported, "%s has format %d; this release reads format %d", key, first.Format, Format).
			WithCure("use the release that wrote it, or a newer one")
	}
	if err := json.Unmarshal(data, into); err != nil {
		return corrupt("%s does not parse: %w", key, err)
	}
	if got := into.head().Kind; kind != "" && got != kind {
		return corrupt("%s commits a thing of kind %q, not %q", key, got, kind)
	}
	sum := sha256.Sum256(data)
	into.head().SHA = hex.EncodeToString(sum[:])
	return nil
}

func corrupt(format string, args ...any) error {
	return fault.New(fault.Corrupt, format, args...).WithCure("bring the object back from a backup")
}

// Write makes what is in a folder exist. Where a commit.json is there already, the error wraps
// store.ErrConflict.
func Write(ctx context.Context, root *store.Bucket, folder string, doc Document) error {
	key := folder + "/" + File
	doc.head().Format = Format
	data, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return fault.New(fault.Internal, "write %s: %w", key, err)
	}
	_, err = root.Write(ctx, key, append(data, '\n'), store.Condition{IfAbsent: true})
	return err
}
