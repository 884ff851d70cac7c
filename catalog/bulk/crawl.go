package bulk
import "context"
type Crawl struct{}
func openAPI(ctx context.Context, location string, c Crawl) (Source, error) { return nil, nil }
