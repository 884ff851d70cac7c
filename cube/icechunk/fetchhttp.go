package icechunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// HTTPFetcher reads http:// and https:// containers by ranges. It asks nothing but URLs inside the
// container: no redirect leads out of it. The zero value is useful.
type HTTPFetcher struct {
	// Transport carries the requests; one with time limits for each step if nil.
	Transport http.RoundTripper
	// Timeout bounds one request with its body; two minutes if zero.
	Timeout time.Duration
}

var transport = &http.Transport{
	Proxy:               http.ProxyFromEnvironment,
	DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
	MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	DisableCompression: true, // a range of compressed bytes would be another range
}

var errOutside = errors.New("a redirect leads out of the container")

// Fetch reads a range of an HTTP object.
func (h HTTPFetcher) Fetch(ctx context.Context, at Source) ([]byte, error) {
	if !strings.HasPrefix(at.URL.Scheme, "http") {
		return nil, fault.New(fault.Invalid, "not an HTTP location")
	}
	request := url.URL{Scheme: at.URL.Scheme, Host: at.URL.Host, Path: at.URL.Path}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, request.String(), nil)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%w", err)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at.Offset, at.Offset+at.Length-1))
	if at.ETag != "" {
		req.Header.Set("If-Match", `"`+at.ETag+`"`)
	}
	if at.LastModified != 0 {
		req.Header.Set("If-Unmodified-Since", time.Unix(int64(at.LastModified), 0).UTC().Format(http.TimeFormat))
	}
	res, err := h.client(at.Prefix).Do(req)
	if errors.Is(err, errOutside) {
		return nil, fault.New(fault.Precondition, "%w", err).WithCure("add a container for the place it leads to, and record that location")
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	defer res.Body.Close()
	if err := at.checkAnswer(res); err != nil {
		return nil, err
	}
	data := make([]byte, at.Length)
	if _, err := io.ReadFull(res.Body, data); err != nil {
		return nil, fault.New(fault.Unavailable, "the answer broke off: %w", err)
	}
	return data, nil
}

func (h HTTPFetcher) client(prefix string) *http.Client {
	c := &http.Client{Transport: h.Transport, Timeout: h.Timeout, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) > 3 || dotted(next.URL.Path) || !strings.HasPrefix(next.URL.Scheme+"://"+next.URL.Host+next.URL.Path, prefix) {
			return errOutside
		}
		return nil
	}}
	if c.Transport == nil {
		c.Transport = transport
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Minute
	}
	return c
}

// checkAnswer accepts the range that was asked for, of the object that was recorded. A server that
// ignores the conditions is found out by its headers.
func (at Source) checkAnswer(res *http.Response) error {
	switch res.StatusCode {
	case http.StatusPartialContent:
	case http.StatusPreconditionFailed, http.StatusConflict:
		return fmt.Errorf("%w: %s", ErrSourceChanged, res.Status)
	case http.StatusNotFound, http.StatusGone:
		return fault.New(fault.NotFound, "the server says %s", res.Status)
	case http.StatusRequestedRangeNotSatisfiable:
		return fault.New(fault.Corrupt, "the object ends before byte %d", at.Offset)
	case http.StatusOK:
		return fault.New(fault.Unsupported, "the server ignores ranges").WithCure("serve the source from a server that honours Range requests")
	default:
		return fault.New(fault.Unavailable, "the server says %s", res.Status)
	}
	want := fmt.Sprintf("bytes %d-%d/", at.Offset, at.Offset+at.Length-1)
	if got := res.Header.Get("Content-Range"); !strings.HasPrefix(got, want) {
		return fault.New(fault.Corrupt, "the server answers with %q where %q was asked for", got, want)
	}
	var modified time.Time
	if s := res.Header.Get("Last-Modified"); s != "" {
		modified, _ = http.ParseTime(s)
	}
	return at.unchanged(res.Header.Get("ETag"), modified)
}
