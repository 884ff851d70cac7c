package bulk

import "context"

// Crawl is how a STAC API is read.
type Crawl struct{}

func openAPI(ctx context.Context, location string, c Crawl) (Source, error) { return nil, nil }
