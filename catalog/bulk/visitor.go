package bulk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

const (
	// maxAnswer bounds the bytes of one answer.
	maxAnswer = 256 << 20
	// maxWait bounds how long a server may ask to be left alone.
	maxWait = 5 * time.Minute
)

// visitor asks one host, and no other: not by a link, and not by a redirect.
type visitor struct {
	home           *url.URL
	client         *http.Client
	header         http.Header
	pause, backoff time.Duration
	tries          int
	maxPages       int
	last           time.Time
	met            bool // the host has given a page: what it fails at now may pass
	bytes          atomic.Int64
}

func newVisitor(home *url.URL, c Crawl) *visitor {
	v := &visitor{home: home, header: c.Header, pause: c.Pause, backoff: c.Backoff, tries: c.Tries, maxPages: c.MaxPages}
	for at, otherwise := range map[*time.Duration]time.Duration{&v.pause: 50 * time.Millisecond, &v.backoff: time.Second} {
		if *at == 0 {
			*at = otherwise
		}
	}
	if v.tries == 0 {
		v.tries = 7
	}
	if v.maxPages == 0 {
		v.maxPages = 1_000_000
	}
	client := http.Client{Timeout: 2 * time.Minute}
	if c.Client != nil {
		client = *c.Client
	}
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if r.URL.Scheme != v.home.Scheme || r.URL.Host != v.home.Host {
			return v.elsewhere(r.URL)
		}
		if len(via) > 5 {
			return errors.New("it redirects for ever")
		}
		return nil
	}
	v.client = &client
	return v
}

func (v *visitor) elsewhere(u *url.URL) error {
	return fault.New(fault.Invalid, "%s leads to %s, which was not named", v.home, u.Host).
		WithCure("load from https://%s yourself if you trust it: no host is asked but the one that is named", u.Host)
}

// below makes an address that was found on a page a whole one, and refuses one of another host. An API behind a proxy may
// take itself to be reached in another way than it is: where only that differs, the way is the one that was named.
func (v *visitor) below(a, page *ask) error {
	at, err := url.Parse(page.Href)
	if err != nil {
		return fault.New(fault.Invalid, "%q is no URL", page.Href)
	}
	u, err := at.Parse(a.Href)
	if err != nil {
		return fault.New(fault.Invalid, "%s links to %q, which is no URL", v.home, a.Href).WithCure("tell whoever runs that API")
	}
	if u.User != nil || u.Hostname() != v.home.Hostname() || u.Port() != "" && u.Port() != v.home.Port() {
		return v.elsewhere(u)
	}
	u.Scheme, u.Host, u.Fragment = v.home.Scheme, v.home.Host, ""
	a.Href = u.String()
	return nil
}

// visit asks for a page, again where what keeps it from being there may pass.
func (v *visitor) visit(ctx context.Context, a *ask) ([]byte, error) {
	wait := v.backoff
	for try := 1; ; try++ {
		if err := v.rest(ctx, time.Until(v.last.Add(v.pause))); err != nil {
			return nil, err
		}
		body, again, err := v.once(ctx, a)
		v.last = time.Now()
		v.met = v.met || err == nil
		if err == nil || again < 0 || try == v.tries || ctx.Err() != nil {
			return body, err
		}
		if err := v.rest(ctx, max(wait, min(again, maxWait))); err != nil {
			return nil, err
		}
		wait = min(2*wait, time.Minute)
	}
}

func (v *visitor) rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// once makes the request. again is how long to wait before the next try, less than 0 where there is no use in one.
func (v *visitor) once(ctx context.Context, a *ask) (body []byte, again time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, a.Method, a.Href, a.body())
	if err != nil {
		return nil, -1, fault.New(fault.Invalid, "%s: %w", a, err)
	}
	for name, values := range v.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/geo+json, application/json")
	req.Header.Set("User-Agent", "terrapin")
	if a.Method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := v.client.Do(req)
	if err != nil {
		var refused *fault.Error
		if errors.As(err, &refused) {
			return nil, -1, refused
		}
		return nil, v.later(), fault.New(fault.Unavailable, "%s: %w", a, err).WithCure("check the address and the network, and go on with the same command")
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	v.bytes.Add(int64(len(body)))
	switch {
	case err != nil:
		return nil, 0, fault.New(fault.Unavailable, "%s: %w", a, err).WithCure("check the network, and go on with the same command")
	case len(body) > maxAnswer:
		return nil, -1, fault.New(fault.TooLarge, "%s answers with more than %d MiB", a, maxAnswer>>20).WithCure("ask for fewer items at a time")
	case res.StatusCode == http.StatusOK && !TooDeep(body, 2*maxNesting) && gjson.ValidBytes(body):
		return body, 0, nil
	case res.StatusCode == http.StatusOK:
		return nil, v.later(), fault.New(fault.Corrupt, "%s answers with something that is no JSON", a).WithCure("give the address of a STAC API; fetch a file yourself and load that")
	}
	return nil, waitFor(res), refusal(a, res, body)
}

// later is how long to wait after something that no API does: where there was one before, it may come back; else the
// address is likely to be wrong, and whoever mistyped it is told at once.
func (v *visitor) later() time.Duration {
	if v.met {
		return 0
	}
	return -1
}

// waitFor says how long a server that does not answer now wants to be left alone.
func waitFor(res *http.Response) time.Duration {
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return -1
	}
	after := res.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(after); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(after); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// refusal is what a status means here.
func refusal(a *ask, res *http.Response, body []byte) error {
	says := gjson.GetBytes(body, "description").String()
	if says == "" {
		says = gjson.GetBytes(body, "detail").String()
	}
	if len(says) > 200 {
		says = says[:200]
	}
	kind, cure := fault.Unavailable, "go on with the same command later"
	switch {
	case res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone:
		kind, cure = fault.NotFound, "check the address"
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		kind, cure = fault.Precondition, "send what it wants to see by --header 'Authorization: …'"
	case res.StatusCode == http.StatusRequestEntityTooLarge:
		kind, cure = fault.TooLarge, "ask for fewer items at a time"
	case res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests:
		kind, cure = fault.Invalid, "check the address"
	}
	return fault.New(kind, "%s: %s %s", a, res.Status, says).WithCure("%s", cure)
}
