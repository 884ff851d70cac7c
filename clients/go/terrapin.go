// Package terrapin reads training batches and windows of a Terrapin server from Go: out of memory that a server on the
// same machine shares, or over HTTP/1.1 into memory of the caller's, which is used again (docs/spec/frames.md). It owns
// the client's side of frames, of rings and of receipts; it knows nothing of the server's packages, only what is written in
// docs/spec, and refuses what does not follow it. The invariants: every batch holds the positions that its place in the
// order says, so that none is lost or comes twice unseen, over however many connections; once a stream runs, a batch
// allocates nothing.
//
//	client, err := terrapin.Connect(ctx, "http://127.0.0.1:8080", terrapin.Options{})
//	loader, err := client.Open(ctx, terrapin.Ticket{Dataset: "crops@v3", Split: "train", Seed: 1, BatchSize: 32})
//	defer loader.Close()
//	batch := loader.NewBatch()
//	for {
//		if err := loader.Next(batch); err != nil {
//			break // io.EOF after the last
//		}
//		image, err := terrapin.Values[uint16](batch, "image") // [rows, slot, band, y, x]
//	}
package terrapin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// The names of the transports.
const (
	Ring = "ring"
	HTTP = "http"
)

// Options say how batches are read. The zero value is useful.
type Options struct {
	// Transport is Ring or HTTP; "" is the first of them that works, whenever a connection is made.
	Transport string
	// Actor says who reads, for the server's records.
	Actor string
	// Slots is how many messages a ring holds, 2 to 64; 0 is four. Fewer batches than that may be kept at a time.
	Slots int
	// Patience is how long a server that is away is waited for, without a batch; 0 is a minute, negative not at all.
	Patience time.Duration
}

// Client is one server. It is safe for concurrent use.
type Client struct {
	opts Options
	http *http.Client
	base string

	mu sync.Mutex
	// batches is the URL of the data plane, ring that of the server's socket.
	batches, ring string
}

const (
	defaultPatience = time.Minute
	// buffer is that of a connection: what is read beyond a header goes straight to its place.
	buffer = 64 << 10
	// dialWithin and answerWithin bound what happens before bytes come.
	dialWithin, answerWithin = 10 * time.Second, 10 * time.Minute
	// ringWithin bounds what a ring takes to say its hello: it is on this machine, and HTTP is there besides.
	ringWithin = 30 * time.Second
)

// Connect asks a server, by the URL that `terrapin serve` prints for HTTP, where its batches are. The URL may name the
// transport behind a #, as in http://127.0.0.1:8080#http, where Options do not. Errors are of the kinds of
// fault: Invalid for a bad URL, Unavailable where nobody answers.
func Connect(ctx context.Context, server string, o Options) (*Client, error) {
	server, name, _ := strings.Cut(server, "#")
	if o.Transport == "" {
		o.Transport = name
	}
	at, err := url.Parse(server)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return nil, fault.New(fault.Invalid, "connect %q: no http:// or https:// address", server).
			WithCure("give the address that `terrapin serve` prints, such as http://127.0.0.1:8080")
	}
	if o.Transport != "" && o.Transport != Ring && o.Transport != HTTP {
		return nil, fault.New(fault.Invalid, "no transport %q", o.Transport).WithCure("use %q or %q, or leave it out", Ring, HTTP)
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	c := &Client{opts: o, http: &http.Client{Transport: transport(at)}, base: strings.TrimRight(server, "/")}
	if err := c.find(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// find asks where the server's batches are: after it has started again elsewhere, too.
func (c *Client) find(ctx context.Context) error {
	var doc struct {
		Batches string `json:"batches"`
		Ring    string `json:"ring"`
	}
	if err := c.document(ctx, http.MethodGet, c.base+"/v1/server", nil, &doc); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.batches, c.ring = doc.Batches, doc.Ring; c.batches == "" {
		c.batches = c.base + "/v1/batches"
	}
	return nil
}

// places are where batches are, as far as is known.
func (c *Client) places() (batches, ring string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.batches, c.ring
}

// transport makes connections; a proxy meant for the outside world must not swallow a server on this machine.
func transport(at *url.URL) *http.Transport {
	t := &http.Transport{
		DialContext:        (&net.Dialer{Timeout: dialWithin}).DialContext,
		Proxy:              http.ProxyFromEnvironment,
		DisableCompression: true, ReadBufferSize: buffer, ResponseHeaderTimeout: answerWithin, IdleConnTimeout: time.Minute,
	}
	if ip := net.ParseIP(at.Hostname()); at.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		t.Proxy = nil
	}
	return t
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// maxDocument bounds answers other than batches.
const maxDocument = 64 << 20

// document sends a request and reads the JSON that comes back into something.
func (c *Client) document(ctx context.Context, method, at string, body, into any) error {
	answer, err := c.send(ctx, method, at, body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument))
	if err != nil {
		return fault.New(fault.Unavailable, "%s %s: the answer broke off: %w", method, at, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fault.New(fault.Invalid, "%s %s: the answer is no JSON of ours: %w", method, at, err).
			WithCure("is this the address of a Terrapin server? `terrapin serve` prints it")
	}
	return nil
}

// send makes a request; an answer that refuses is an error.
func (c *Client) send(ctx context.Context, method, at string, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fault.New(fault.Invalid, "write a request: %w", err)
		}
		reader = strings.NewReader(string(text))
	}
	request, err := http.NewRequestWithContext(ctx, method, at, reader)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s %s: %w", method, at, err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.opts.Actor != "" {
		request.Header.Set("Terrapin-Actor", c.opts.Actor)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, broken(ctx, "no Terrapin server answers", err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20)) // what came of it says enough
	return nil, refusal(answer.StatusCode, text, method+" "+at)
}

// broken is why a connection carries nothing more: the caller's context, or the connection itself.
func broken(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fault.New(fault.Canceled, "%s: %w", what, context.Cause(ctx))
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // of the connection, not of what was read
	}
	return fault.New(fault.Unavailable, "%s: %w", what, err).WithCure("start it with `terrapin serve --data DIR`, or look why it is gone")
}

// failure is an error as a server writes it.
type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Cure    string `json:"cure"`
}

func (f failure) error() error {
	e := fault.New(fault.ParseKind(f.Kind), "%s", f.Message)
	if f.Cure != "" {
		e = e.WithCure("%s", f.Cure)
	}
	return e
}

// refusal is the error that an answer carries: the server's own where it is one, else what the status says.
func refusal(status int, text []byte, what string) error {
	var f failure
	if json.Unmarshal(text, &f) == nil && f.Kind != "" {
		return f.error()
	}
	kind := fault.Invalid
	switch {
	case status == http.StatusNotFound:
		kind = fault.NotFound
	case status >= 502:
		kind = fault.Unavailable
	case status >= 500:
		kind = fault.Internal
	}
	return fault.New(kind, "%s: HTTP %d: %.200s", what, status, text)
}
