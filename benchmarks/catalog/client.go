package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// client speaks HTTP/1.1 over one connection that stays, with as little work of its own as there can be: it shares
// the processors with the server it measures. Requests are ready-made bytes, bodies are read and thrown away.
type client struct {
	host string
	conn net.Conn
	in   *bufio.Reader
}

// patience is how long one request may take.
const patience = 2 * time.Minute

// do sends a request and reads the answer; keep says whether the body is wanted. A connection that the server closed
// after the answer before, as uvicorn does after an error of its own, is no error of this request: it is sent again.
func (c *client) do(request []byte, keep bool) (status int, size int64, body []byte, err error) {
	used := c.conn != nil
	status, size, body, err = c.once(request, keep)
	if used && status == 0 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		return c.once(request, keep)
	}
	return status, size, body, err
}

func (c *client) once(request []byte, keep bool) (status int, size int64, body []byte, err error) {
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.conn == nil {
		if c.conn, err = net.DialTimeout("tcp", c.host, 5*time.Second); err != nil {
			return 0, 0, nil, err
		}
		c.in = bufio.NewReaderSize(c.conn, 64<<10)
	}
	if err = c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, 0, nil, err
	}
	if _, err = c.conn.Write(request); err != nil {
		return 0, 0, nil, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, 0, nil, err
	}
	if keep || resp.StatusCode >= 300 {
		body, err = io.ReadAll(resp.Body)
		size = int64(len(body))
	} else {
		size, err = io.Copy(io.Discard, resp.Body)
	}
	if resp.Close {
		c.close()
	}
	return resp.StatusCode, size, body, err
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is waited for on it
		c.conn = nil
	}
}

// request writes the bytes of a query to the server at base.
func (q query) request(base string) (host string, raw []byte) {
	u, err := url.Parse(base)
	if err != nil {
		panic(err) // a server's own address
	}
	var b bytes.Buffer
	method := "GET"
	switch {
	case q.Delete:
		method = "DELETE"
	case q.Body != "":
		method = "POST"
	}
	fmt.Fprintf(&b, "%s %s%s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n", method, u.Path, q.Path, u.Host)
	if q.Body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(q.Body))
	}
	b.WriteString("\r\n" + q.Body)
	return u.Host, b.Bytes()
}

// measurement is one case with so many clients.
type measurement struct {
	Clients   int     `json:"clients"`
	Requests  int     `json:"requests"`
	Errors    int     `json:"errors"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	Bytes     int64   `json:"bytes_per_request"`
	CPU       float64 `json:"server_cpu_ms_per_request"`
	Load      float64 `json:"load_average"`
	Trouble   string  `json:"trouble,omitempty"`
}

// sampler collects what clients see while it is on.
type sampler struct {
	on      atomic.Bool
	count   atomic.Int64
	mu      sync.Mutex
	took    []time.Duration
	bytes   int64
	errors  int
	trouble string
}

func (s *sampler) add(took time.Duration, status int, size int64, body []byte, err error) {
	if !s.on.Load() {
		return
	}
	s.count.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took, s.bytes = append(s.took, took), s.bytes+size
	if err != nil || status >= 300 {
		s.errors++
		if s.trouble == "" {
			s.trouble = fmt.Sprintf("%d %v %.300s", status, err, body)
		}
	}
}

func (s *sampler) result(clients int, seconds, cpu float64) measurement {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := measurement{Clients: clients, Requests: len(s.took), Errors: s.errors, Seconds: seconds, Load: loadAverage(), Trouble: s.trouble}
	if len(s.took) > 0 {
		n := float64(len(s.took))
		m.PerSecond, m.Bytes, m.CPU = n/seconds, s.bytes/int64(len(s.took)), cpu/n*1e3
		m.P50, m.P95 = quantile(s.took, 0.5), quantile(s.took, 0.95)
	}
	return m
}

// quantile sorts and picks, in milliseconds.
func quantile(took []time.Duration, q float64) float64 {
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	return float64(took[min(len(took)-1, int(q*float64(len(took))))].Microseconds()) / 1e3
}

// measure has clients send the queries in turn, each from a place of its own, for warm seconds that do not count and
// then for as long as asked and until there were 30 answers, but no longer than two minutes.
func measure(ctx context.Context, base string, queries []query, clients int, warm, seconds float64, roots []int) measurement {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var raw [][]byte
	var host string
	for _, q := range queries {
		h, r := q.request(base)
		host, raw = h, append(raw, r)
	}
	var s sampler
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			c := &client{host: host}
			defer c.close()
			for i := n * len(raw) / clients; ctx.Err() == nil; i++ {
				begun := time.Now()
				status, size, body, err := c.do(raw[i%len(raw)], false)
				s.add(time.Since(begun), status, size, body, err)
				if err != nil {
					time.Sleep(10 * time.Millisecond) // a server that is gone is not asked a million times
				}
			}
		})
	}
	sleep(ctx, warm)
	cpu, begun := cpuOf(roots...), time.Now()
	s.on.Store(true)
	sleep(ctx, seconds)
	for s.count.Load() < 30 && time.Since(begun) < 2*time.Minute && ctx.Err() == nil {
		sleep(ctx, 0.1)
	}
	s.on.Store(false)
	took, cpu := time.Since(begun).Seconds(), cpuOf(roots...)-cpu
	cancel()
	all.Wait()
	return s.result(clients, took, cpu)
}

func sleep(ctx context.Context, seconds float64) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(seconds * float64(time.Second))):
	}
}

// ask sends one query and reads its answer.
func (c *client) ask(base string, q query, read func([]byte) (answer, error)) (answer, error) {
	_, raw := q.request(base)
	status, _, body, err := c.do(raw, true)
	if err != nil {
		return answer{}, err
	}
	if status != http.StatusOK {
		return answer{}, fmt.Errorf("%d: %.300s", status, body)
	}
	return read(body)
}
