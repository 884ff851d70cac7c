package bulk
import ("context";"iter")
type parquetFile struct{ *file }
func isParquet(string) (bool, error) { return false, nil }
func (p *parquetFile) Documents(ctx context.Context, from Position) iter.Seq2[Document, error] { return nil }
