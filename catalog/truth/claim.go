package truth

import (
	"context"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// placeMark is the mark that says which bucket a catalog is filled from. No folder has its name.
const placeMark = "bucket"

// Claim sees to it that a catalog which others can reach is filled from one bucket alone: one that is filled from another is
// refused, as each would take the other's documents for ones that its bucket lost. place tells the bucket from all others
// that may share the catalog. A catalog that was reset is free.
func Claim(ctx context.Context, cat catalog.Catalog, place string) error {
	marks, err := cat.Marks(ctx)
	if err != nil {
		return err
	}
	switch of := marks[placeMark]; of {
	case place:
		return nil
	case "":
		_, err := cat.Apply(ctx, catalog.Changes{Marks: map[string]string{placeMark: place}})
		return err
	default:
		return fault.New(fault.Precondition, "the catalog is that of %s, and not of %s", of, place).
			WithCure("give each its own: in PostgreSQL a schema, by ?search_path=NAME; where the data has moved here, run `terrapin store reindex` once")
	}
}

// folders are the marks of folders.
func folders(marks map[string]string) map[string]string {
	delete(marks, placeMark)
	return marks
}
