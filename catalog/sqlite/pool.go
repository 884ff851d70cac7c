package sqlite

import (
	"context"
	"errors"
	"sync"

	"github.com/terrapin-eo/terrapin/fault"
)

// pool lends connections that read.
type pool struct {
	open func() (*conn, error)
	// free has room for all there may be; a nil is one that has yet to be opened.
	free   chan *conn
	mu     sync.Mutex
	opened []*conn
	closed chan struct{}
	end    sync.Once
}

func newPool(size int, open func() (*conn, error)) *pool {
	p := &pool{open: open, free: make(chan *conn, size), closed: make(chan struct{})}
	for range size {
		p.free <- nil
	}
	return p
}

var errClosed = fault.New(fault.Precondition, "the catalog is closed")

// get lends a connection; it has to be given back with put.
func (p *pool) get(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-p.closed:
		return nil, errClosed
	default:
	}
	var c *conn
	select {
	case c = <-p.free:
	default:
		select {
		case c = <-p.free:
		case <-p.closed:
			return nil, errClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if c != nil {
		return c, nil
	}
	c, err := p.open()
	if err != nil {
		p.free <- nil
		return nil, err
	}
	p.mu.Lock()
	p.opened = append(p.opened, c)
	p.mu.Unlock()
	return c, nil
}

func (p *pool) put(c *conn) { p.free <- c }

// close waits for every connection and closes it.
func (p *pool) close() error {
	first := false
	p.end.Do(func() { close(p.closed); first = true })
	if !first {
		return nil
	}
	for range cap(p.free) {
		<-p.free
	}
	var errs []error
	for _, c := range p.opened {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
