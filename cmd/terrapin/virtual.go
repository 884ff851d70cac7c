package main

import (
	"context"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/s3"
)

// virtualFetchers reads what --virtual grants: for each container, named by its prefix as the repository's
// configuration has it, the way to read it.
func virtualFetchers(grants []string, env func(string) string) (map[string]icechunk.Fetcher, error) {
	fetchers := map[string]icechunk.Fetcher{}
	for _, grant := range grants {
		prefix, fetcher, err := virtualFetcher(grant, env)
		if err != nil {
			return nil, err
		}
		fetchers[prefix] = fetcher
	}
	return fetchers, nil
}

func virtualFetcher(grant string, env func(string) string) (prefix string, f icechunk.Fetcher, err error) {
	prefix, query, _ := strings.Cut(grant, "?")
	prefix = strings.TrimRight(prefix, "/") + "/"
	u, err := url.Parse(grant)
	if err != nil || u.Fragment != "" {
		return "", nil, usagef("a value of --virtual is no URL")
	}
	switch {
	case u.Scheme == "s3":
		at, err := s3.ParseLocation(grant, env)
		if err != nil {
			return "", nil, err
		}
		return prefix, icechunk.StoreFetcher((&lazyBucket{at: at}).open), nil
	case u.User != nil || query != "":
		return "", nil, usagef("--virtual takes a URL without user and query: %s", u.Redacted())
	case u.Scheme == "file":
		if u.Host != "" || len(u.Path) < 2 || path.Clean(u.Path) != strings.TrimRight(u.Path, "/") {
			return "", nil, usagef("--virtual %q is no directory of this machine, written like file:///data/scenes/", grant)
		}
		return prefix, icechunk.FileFetcher{}, nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return prefix, icechunk.HTTPFetcher{}, nil
	}
	return "", nil, usagef("--virtual %q is none of file:///dir/, https://host/path/, s3://bucket/prefix/", grant)
}

// grantsNothing refuses --virtual for work that a server does: what that reads, whoever runs it decides.
func (c *cli) grantsNothing(server string) error {
	if len(c.virtual) == 0 {
		return nil
	}
	return fault.New(fault.Precondition, "the server %s does this work, and reads the virtual chunks that it was started for", server).
		WithCure("give --virtual to `terrapin serve`, and leave it out here")
}

// lazyBucket connects when something is first read.
type lazyBucket struct {
	at     s3.Location
	mu     sync.Mutex
	driver store.Driver
}

func (b *lazyBucket) open(ctx context.Context, _ string) (store.Driver, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.driver == nil {
		driver, err := s3.New(ctx, b.at)
		if err != nil {
			return nil, err
		}
		b.driver = driver
	}
	return b.driver, nil
}
