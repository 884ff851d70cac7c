package s3

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 60 * time.Second
	// stall is how long a connection may carry nothing in the middle of a request.
	stall = 60 * time.Second
)

// newTransport makes connections that give up: nothing about them waits for ever.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &impatient{c}, nil
		},
		MaxIdleConns: 256, MaxIdleConnsPerHost: 64, IdleConnTimeout: stall / 2,
		TLSHandshakeTimeout: 2 * dialTimeout, ResponseHeaderTimeout: headerTimeout, ExpectContinueTimeout: dialTimeout,
		DisableCompression: true, // a stored object is its bytes, whatever it says of its encoding
	}
}

// impatient is a connection on which every read and write has a deadline.
type impatient struct{ net.Conn }

func (c *impatient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *impatient) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// clock passes requests on and notes what time the store says it is.
type clock struct {
	next   http.RoundTripper
	offset atomic.Int64 // nanoseconds the store is ahead
}

func (c *clock) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if there, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		c.offset.Store(int64(time.Until(there.Add(time.Second / 2)))) // the header is cut to the second
	}
	return res, nil
}

func (c *clock) skew() time.Duration { return time.Duration(c.offset.Load()).Round(time.Second) }

// now is the store's time, to the second.
func (c *clock) now() time.Time { return time.Now().Add(c.skew()).UTC().Truncate(time.Second) }
