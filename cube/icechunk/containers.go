package icechunk

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// Container is a place outside the repository where the bytes of virtual references may lie, as the
// repository's configuration names it. What a client reads of it, the client decides (Config.Fetch).
type Container struct {
	Prefix string         // URL that ends in "/", such as s3://bucket/scenes/
	Name   string         // optional: locations may say vcc://NAME/path for it
	Store  map[string]any // how the official library reaches it; see FileStore, HTTPStore and S3Store
}

// FileStore is the Store of a file:// container at a directory.
func FileStore(dir string) map[string]any { return map[string]any{"local_file_system": dir} }

// HTTPStore is the Store of an http:// or https:// container.
func HTTPStore() map[string]any { return map[string]any{"http": map[string]any{}} }

// S3Store is the Store of an s3:// container; an empty region or endpoint leaves it to the reader's
// environment. An endpoint is addressed by path, and may be plain http.
func S3Store(region, endpoint string, anonymous bool) map[string]any {
	optional := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return map[string]any{"s3": map[string]any{
		"region": optional(region), "endpoint_url": optional(endpoint), "anonymous": anonymous,
		"allow_http": strings.HasPrefix(endpoint, "http://"), "force_path_style": endpoint != "",
		"network_stream_timeout_seconds": nil, "requester_pays": false, "checksum_algorithm": nil,
	}}
}

const containersKey = "virtual_chunk_containers"

// Configuration reads the repository's configuration, every key of it; nil where the defaults hold.
func (r *Repo) Configuration(ctx context.Context) (map[string]any, error) {
	st, err := r.state(ctx)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return decodeConfig(st.info.config)
}

// Containers lists the virtual chunk containers of the repository's configuration, by prefix.
func (r *Repo) Containers(ctx context.Context) ([]Container, error) {
	cfg, err := r.Configuration(ctx)
	if err != nil {
		return nil, err
	}
	return containersOf(cfg), nil
}

// SetContainers replaces the virtual chunk containers; every other key of the configuration stays.
func (r *Repo) SetContainers(ctx context.Context, list []Container) error {
	set := map[string]any{}
	for _, c := range list {
		if err := c.check(); err != nil {
			return fmt.Errorf("set containers: %w", err)
		}
		if _, taken := set[c.Prefix]; taken {
			return fault.New(fault.Invalid, "set containers: %q stands there twice", c.Prefix)
		}
		var name any
		if c.Name != "" {
			name = c.Name
		}
		set[c.Prefix] = map[string]any{"name": name, "url_prefix": c.Prefix, "store": c.Store}
	}
	err := r.update(ctx, func(info *repoInfo) (*update, error) {
		cfg, err := decodeConfig(info.config)
		if err != nil {
			return nil, err
		}
		if cfg == nil {
			cfg = map[string]any{}
		}
		cfg[containersKey] = set
		data, err := encodeFlex(cfg)
		if err != nil || bytes.Equal(data, info.config) {
			return nil, err
		}
		info.config = data
		return &update{kind: configChanged}, nil
	})
	if err != nil {
		return fmt.Errorf("set containers: %w", err)
	}
	return nil
}

func decodeConfig(data []byte) (map[string]any, error) {
	if len(data) == 0 {
		return nil, nil
	}
	v, err := decodeFlex(data)
	if err != nil {
		return nil, fmt.Errorf("repository configuration: %w", err)
	}
	cfg, ok := v.(map[string]any)
	if !ok {
		return nil, fault.New(fault.Corrupt, "repository configuration: a %T, not a map", v)
	}
	return cfg, nil
}

func containersOf(cfg map[string]any) []Container {
	set, _ := cfg[containersKey].(map[string]any)
	var list []Container
	for _, key := range slices.Sorted(maps.Keys(set)) {
		entry, _ := set[key].(map[string]any)
		prefix, _ := entry["url_prefix"].(string)
		if prefix == "" {
			continue
		}
		if !strings.HasSuffix(prefix, "/") {
			prefix += "/"
		}
		name, _ := entry["name"].(string)
		how, _ := entry["store"].(map[string]any)
		list = append(list, Container{Prefix: prefix, Name: name, Store: how})
	}
	return list
}

// check refuses what the official library would refuse.
func (c Container) check() error {
	u, err := url.Parse(c.Prefix)
	bad := ""
	switch {
	case err != nil:
		bad = err.Error()
	case !strings.HasSuffix(c.Prefix, "/"):
		bad = "it does not end in a slash"
	case u.Scheme == "" || u.Host == "" && u.Scheme != "file":
		bad = "it has no scheme or no host"
	case u.Scheme == "file" && (len(u.Path) < 2 || dotted(u.Path)):
		bad = "a file container names a directory by its canonical path"
	case strings.Contains(c.Name, "/"):
		bad = "its name holds a slash"
	case len(c.Store) != 1:
		bad = "it says nothing of how it is reached"
	default:
		return nil
	}
	return fault.New(fault.Invalid, "container %q: %s", c.Prefix, bad).WithCure("give a URL such as s3://bucket/prefix/ and one of FileStore, HTTPStore or S3Store")
}

// dotted reports whether a path has segments that could lead elsewhere.
func dotted(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." })
}
