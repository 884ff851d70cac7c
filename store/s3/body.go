package s3

import (
	"context"
	"io"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// resumes is how often one body is taken up again after its connection broke.
const resumes = 3

// resumed is a body that goes on where its connection broke, as long as the object is the same.
type resumed struct {
	ctx     context.Context
	d       *Driver
	key     string
	etag    string
	body    io.ReadCloser
	at, end int64
	broke   int
}

func (b *resumed) Read(p []byte) (int, error) {
	for {
		n, err := b.body.Read(p)
		b.at += int64(n)
		if n > 0 || err == nil {
			return n, nil
		}
		if err == io.EOF && b.at >= b.end {
			return 0, io.EOF
		}
		if ctxErr := b.ctx.Err(); ctxErr != nil {
			return 0, ctxErr
		}
		if b.broke++; b.broke > resumes {
			return 0, fault.New(fault.Unavailable, "the connection to %s broke at byte %d of %d, %d times: %w", b.d.at.Endpoint, b.at, b.end, b.broke, err).
				WithCure("try again; look at the network and at the store")
		}
		b.body.Close()
		next, _, err := b.d.open(b.ctx, b.key, store.Range{Offset: b.at, Length: b.end - b.at}, b.etag)
		if err != nil {
			b.body = io.NopCloser(eof{})
			return 0, fault.New(fault.Unavailable, "the connection broke at byte %d of %d, and the rest of that very object is not to be had: %w", b.at, b.end, err).
				WithCure("read it again")
		}
		b.body = next
	}
}

// Close gives the connection back.
func (b *resumed) Close() error { return b.body.Close() }

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
