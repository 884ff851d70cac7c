package icechunk

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/url"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// Fetcher reads ranges of foreign objects for the containers a client trusts (Config.Fetch). It returns
// exactly the bytes asked for, of an object that still has the recorded ETag or was not modified since;
// anything else is an error: ErrSourceChanged where the object is another one now.
type Fetcher interface {
	Fetch(ctx context.Context, at Source) ([]byte, error)
}

// ErrSourceChanged: the object behind a virtual reference is not the one that was recorded.
var ErrSourceChanged = fault.New(fault.Precondition, "the source of a virtual chunk has changed").
	WithCure("record the references of the new object, or bring the old one back")

// Source is a range of a foreign object.
type Source struct {
	URL            *url.URL // inside Prefix; the path decoded, of no dots for file and http
	Prefix         string   // of the container
	Offset, Length uint64
	ETag           string // expected, without quotes; "" = not recorded
	LastModified   uint32 // expected latest, seconds since 1970; 0 = not recorded
}

// readVirtual reads the bytes of a virtual reference, if the repository's configuration has a container
// for its location and the client authorised that container.
func (r *Repo) readVirtual(ctx context.Context, ref Ref) ([]byte, error) {
	data, err := r.fetch(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("read virtual chunk at %s: %w", ref.Location, err)
	}
	return data, nil
}

func (r *Repo) fetch(ctx context.Context, ref Ref) ([]byte, error) {
	list, err := r.knownContainers(ctx)
	if err != nil {
		return nil, err
	}
	at, err := locate(list, ref.Location)
	if err != nil {
		return nil, err
	}
	fetcher := r.cfg.Fetch[at.Prefix]
	if fetcher == nil {
		return nil, fault.New(fault.Precondition, "the container %s is not authorised", at.Prefix).
			WithCure("let it be read by `--virtual %s`, of the server too (Config.Fetch in Go), if who wrote the reference may make you read there; or ingest the source", at.Prefix)
	}
	if ref.Length == 0 || ref.Length > maxFile || ref.Offset > math.MaxInt64-ref.Length {
		return nil, fault.New(fault.Corrupt, "impossible range of %d bytes at %d", ref.Length, ref.Offset)
	}
	at.Offset, at.Length, at.ETag, at.LastModified = ref.Offset, ref.Length, unquote(ref.ETag), ref.LastModified
	data, err := fetcher.Fetch(ctx, at)
	if err != nil {
		return nil, err
	}
	if uint64(len(data)) != ref.Length {
		return nil, fault.New(fault.Corrupt, "%d bytes wanted at %d, %d there", ref.Length, ref.Offset, len(data))
	}
	return data, nil
}

// knownContainers parses the configuration only when it has changed.
func (r *Repo) knownContainers(ctx context.Context) ([]Container, error) {
	r.mu.Lock()
	info := r.latest.info
	r.mu.Unlock()
	if info == nil {
		st, err := r.state(ctx)
		if err != nil {
			return nil, err
		}
		info = st.info
	}
	r.virtual.Lock()
	defer r.virtual.Unlock()
	if r.virtual.config == nil || !bytes.Equal(r.virtual.config, info.config) {
		cfg, err := decodeConfig(info.config)
		if err != nil {
			return nil, err
		}
		r.virtual.config, r.virtual.list = bytes.Clone(info.config), containersOf(cfg)
	}
	return r.virtual.list, nil
}

// locate finds the container of a location: of those whose prefix it has, the one with the longest.
func locate(list []Container, location string) (Source, error) {
	full := location
	if rest, relative := strings.CutPrefix(location, "vcc://"); relative {
		name, path, _ := strings.Cut(rest, "/")
		full = ""
		for _, c := range list {
			if c.Name == name && name != "" {
				full = c.Prefix + path
			}
		}
		if full == "" {
			return Source{}, fault.New(fault.Precondition, "the configuration has no container named %q", name).WithCure("add the container with SetContainers")
		}
	}
	u, err := url.Parse(full)
	if err != nil || u.Scheme == "" {
		return Source{}, fault.New(fault.Corrupt, "%q is no absolute URL", full)
	}
	if (u.Scheme == "file" || strings.HasPrefix(u.Scheme, "http")) && dotted(u.Path) {
		return Source{}, fault.New(fault.Invalid, "a location may not go up or stay with dots").WithCure("give the canonical location")
	}
	plain := u.Scheme + "://" + u.Host + u.Path
	best := Source{URL: u}
	for _, c := range list {
		if len(c.Prefix) > len(best.Prefix) && (strings.HasPrefix(plain, c.Prefix) || strings.HasPrefix(full, c.Prefix)) {
			best.Prefix = c.Prefix
		}
	}
	if best.Prefix == "" {
		return Source{}, fault.New(fault.Precondition, "the configuration has no container for this location").WithCure("add a container whose prefix it has with SetContainers")
	}
	return best, nil
}

func unquote(etag string) string { return strings.Trim(etag, `"`) }
