// Package web reads objects below a URL, such as those that `terrapin serve` gives out below /assets/. It
// owns what an answer over HTTP means in terms of package store, and refuses to list and to write: a web
// server does neither. The invariant: bytes come from the range that was asked for, or there is an error;
// only a 404 is a missing object.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Driver reads below a URL. It is safe for concurrent use.
type Driver struct {
	base   string // ends in "/"
	client *http.Client
}

var _ store.Driver = (*Driver)(nil)

// timeout bounds one request with its body.
const timeout = 10 * time.Minute

// New returns a driver of an http:// or https:// URL; nothing is asked of the server yet.
func New(base string) (*Driver, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fault.New(fault.Invalid, "%q is no URL of a web server", base).WithCure("give a URL such as http://host:8080")
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		DisableCompression: true, // a range of compressed bytes would be another range
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Driver{strings.TrimSuffix(u.String(), "/") + "/", &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: stay}}, nil
}

// Get opens a range of an object.
func (d *Driver) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	if r.Offset < 0 || r.Length < 0 {
		return nil, store.Info{}, outside(r)
	}
	header := http.Header{}
	switch {
	case r.Length > 0:
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1))
	case r.Offset > 0:
		header.Set("Range", fmt.Sprintf("bytes=%d-", r.Offset))
	}
	res, err := d.ask(ctx, http.MethodGet, key, header)
	if err != nil {
		return nil, store.Info{}, err
	}
	info, err := describe(key, res)
	if err == nil {
		err = check(res, r, &info)
	}
	if err != nil {
		res.Body.Close()
		return nil, store.Info{}, err
	}
	if res.StatusCode == http.StatusOK && r.Length > 0 && r.Length < info.Size {
		return limited{io.LimitReader(res.Body, r.Length), res.Body}, info, nil
	}
	return res.Body, info, nil
}

// limited is the beginning of a body.
type limited struct {
	io.Reader
	io.Closer
}

// check holds an answer to the range that was asked for and finds the size of the whole object.
func check(res *http.Response, r store.Range, info *store.Info) error {
	switch res.StatusCode {
	case http.StatusOK: // the whole object: servers pass over ranges of empty objects, some over all
		switch {
		case info.Size < 0:
			return fault.New(fault.Unsupported, "the server does not say how long the object is").WithCure("read from a server that sends Content-Length")
		case r.Offset == 0:
			return nil
		case r.Offset >= info.Size:
			return outside(r)
		}
		return fault.New(fault.Unsupported, "the server passes over ranges").WithCure("read from a server that honours Range requests")
	case http.StatusPartialContent:
		span, total, _ := strings.Cut(strings.TrimPrefix(res.Header.Get("Content-Range"), "bytes "), "/")
		size, err := strconv.ParseInt(total, 10, 64)
		last := size - 1
		if r.Length > 0 {
			last = min(last, r.Offset+r.Length-1)
		}
		if err != nil || span != fmt.Sprintf("%d-%d", r.Offset, last) {
			return fault.New(fault.Corrupt, "the server answers %q to bytes %d+%d", res.Header.Get("Content-Range"), r.Offset, r.Length)
		}
		info.Size = size
		return nil
	}
	return fault.New(fault.Unavailable, "the server says %s", res.Status)
}

func outside(r store.Range) error {
	return fault.New(fault.Invalid, "bytes %d+%d: %w", r.Offset, r.Length, store.ErrRange)
}

// Stat describes an object.
func (d *Driver) Stat(ctx context.Context, key string) (store.Info, error) {
	res, err := d.ask(ctx, http.MethodHead, key, nil)
	if err != nil {
		return store.Info{}, err
	}
	defer res.Body.Close()
	info, err := describe(key, res)
	if err == nil {
		err = check(res, store.Range{}, &info)
	}
	return info, err
}

// ask sends a request and accepts every answer that brings an object.
func (d *Driver) ask(ctx context.Context, method, key string, header http.Header) (*http.Response, error) {
	path := (&url.URL{Path: "/" + key}).EscapedPath()
	req, err := http.NewRequestWithContext(ctx, method, d.base+strings.TrimPrefix(path, "/"), nil)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%w", err)
	}
	if header != nil {
		req.Header = header
	}
	res, err := d.client.Do(req)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fault.New(fault.Unavailable, "no answer: %w", errors.Unwrap(err)).WithCure("check the URL and that the server runs, and do it again")
	case res.StatusCode == http.StatusOK || res.StatusCode == http.StatusPartialContent:
		return res, nil
	}
	res.Body.Close()
	switch code := res.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		return nil, store.ErrNotFound
	case code == http.StatusRequestedRangeNotSatisfiable:
		return nil, store.ErrRange
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return nil, fault.New(fault.Precondition, "the server says %s", res.Status).WithCure("ask its keeper for access")
	case code >= 500 || code == http.StatusTooManyRequests:
		return nil, fault.New(fault.Unavailable, "the server says %s", res.Status).WithCure("do it again later")
	}
	return nil, fault.New(fault.Unsupported, "the server says %s", res.Status).WithCure("check that this is the URL of a server that gives out objects")
}

func describe(key string, res *http.Response) (store.Info, error) {
	info := store.Info{Key: key, Size: res.ContentLength, ETag: strings.Trim(strings.TrimPrefix(res.Header.Get("ETag"), "W/"), `"`)}
	if text := res.Header.Get("Last-Modified"); text != "" {
		modified, err := http.ParseTime(text)
		if err != nil {
			return store.Info{}, fault.New(fault.Corrupt, "the server dates the object %q", text)
		}
		info.Modified = modified
	}
	return info, nil
}

// Put refuses: the server only reads.
func (d *Driver) Put(context.Context, string, io.Reader, store.Condition) (store.Info, error) {
	return store.Info{}, readOnly("write")
}

// Delete refuses: the server only reads.
func (d *Driver) Delete(context.Context, string) error { return readOnly("delete") }

// List refuses: a server gives out objects by name.
func (d *Driver) List(context.Context, string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) { yield(store.Info{}, readOnly("list")) }
}

func readOnly(what string) error {
	return fault.New(fault.Unsupported, "a web server cannot %s objects", what).WithCure("open the directory or the bucket itself")
}
