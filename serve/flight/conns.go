package flight

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/stats"
)

// conns are the connections of clients, so that one that takes nothing can be cut: gRPC ends a stream only once its
// client reads again. gRPC gets the connections as they are, and tells of their calls and their ends.
type conns struct {
	byAddress sync.Map      // of *client by the text of its address
	last      atomic.Uint64 // number of a connection over a unix socket
}

// numbered is a connection over a unix socket, whose clients have no address otherwise.
type numbered struct {
	*net.UnixConn
	place place
}

// RemoteAddr is part of net.Conn.
func (n *numbered) RemoteAddr() net.Addr { return n.place }

// place is the address of a client on this machine.
type place uint64

// Network is part of net.Addr.
func (place) Network() string { return "unix" }

// String is part of net.Addr.
func (p place) String() string { return "local client " + strconv.FormatUint(uint64(p), 10) }

// client is one connection and the calls that are under way on it.
type client struct {
	conn  net.Conn
	calls atomic.Int32
}

// clientKey is the key of a client in the contexts of its calls.
type clientKey struct{}

func clientOf(ctx context.Context) *client {
	c, _ := ctx.Value(clientKey{}).(*client)
	return c
}

// noting is a listener whose connections are noted.
type noting struct {
	net.Listener
	conns *conns
}

// Accept is part of net.Listener.
func (n noting) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if local, ok := conn.(*net.UnixConn); ok {
		conn = &numbered{local, place(n.conns.last.Add(1))}
	}
	if err == nil {
		n.conns.byAddress.Store(conn.RemoteAddr().String(), &client{conn: conn})
	}
	return conn, err
}

// TagConn is part of stats.Handler.
func (c *conns) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	if one, ok := c.byAddress.Load(info.RemoteAddr.String()); ok {
		return context.WithValue(ctx, clientKey{}, one)
	}
	return ctx
}

// HandleConn is part of stats.Handler.
func (c *conns) HandleConn(ctx context.Context, s stats.ConnStats) {
	if one := clientOf(ctx); one != nil {
		if _, ended := s.(*stats.ConnEnd); ended {
			c.byAddress.CompareAndDelete(one.conn.RemoteAddr().String(), one)
		}
	}
}

// TagRPC is part of stats.Handler.
func (c *conns) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	if one := clientOf(ctx); one != nil {
		one.calls.Add(1)
	}
	return ctx
}

// HandleRPC is part of stats.Handler.
func (c *conns) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if one := clientOf(ctx); one != nil {
		if _, ended := s.(*stats.End); ended {
			one.calls.Add(-1)
		}
	}
}

// cut closes the connection that a call came over, unless others would go with it and it is not forced.
func (s *Server) cut(ctx context.Context, force bool) bool {
	one := clientOf(ctx)
	if one == nil || ctx.Err() != nil || one.calls.Load() > 1 && !force {
		return false
	}
	s.cfg.Log.InfoContext(ctx, "a client that takes nothing was cut off: others need the memory", "client", one.conn.RemoteAddr().String())
	go one.conn.Close() // which may wait
	return true
}
