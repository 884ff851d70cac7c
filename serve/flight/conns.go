package flight

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/peer"
)

// conns are the connections of clients, so that one that takes nothing can be cut: gRPC ends a stream only once its
// client reads again.
type conns struct {
	net.Listener
	byAddress *sync.Map // of net.Conn by the text of the client's address
}

// Accept is part of net.Listener.
func (c conns) Accept() (net.Conn, error) {
	one, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.byAddress.Store(one.RemoteAddr().String(), one)
	return conn{one, c.byAddress}, nil
}

// conn is forgotten when it is closed.
type conn struct {
	net.Conn
	byAddress *sync.Map
}

// Close is part of net.Conn.
func (c conn) Close() error {
	c.byAddress.CompareAndDelete(c.RemoteAddr().String(), c.Conn)
	return c.Conn.Close()
}

// cut closes the connection that a call came over, with all its other calls.
func (s *Server) cut(ctx context.Context) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return
	}
	if c, ok := s.conns.Load(p.Addr.String()); ok {
		s.cfg.Log.InfoContext(ctx, "a client that takes nothing was cut off: others need the memory", "client", p.Addr.String())
		_ = c.(net.Conn).Close()
	}
}
