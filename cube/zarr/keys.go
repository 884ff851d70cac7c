package zarr

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// chunkKeys names the objects of chunks in a plain hierarchy. The zero value is the default
// encoding with slashes.
type chunkKeys struct {
	v2        bool
	separator string
}

func (k chunkKeys) parts() (name, separator string) {
	name, separator = "default", "/"
	if k.v2 {
		name, separator = "v2", "."
	}
	if k.separator != "" {
		separator = k.separator
	}
	return name, separator
}

func (k chunkKeys) doc() named {
	name, separator := k.parts()
	return named{name, json.RawMessage(`{"separator":"` + separator + `"}`)}
}

func parseKeys(n named) (chunkKeys, error) {
	var config struct {
		Separator string `json:"separator"`
	}
	if len(n.Config) > 0 {
		if err := json.Unmarshal(n.Config, &config); err != nil {
			return chunkKeys{}, fault.New(fault.Corrupt, "zarr.json: chunk key encoding: %w", err)
		}
	}
	if (n.Name != "default" && n.Name != "v2") || !strings.Contains("/.", config.Separator) || len(config.Separator) > 1 {
		return chunkKeys{}, fault.New(fault.Unsupported, "zarr.json: chunk key encoding %q with separator %q", n.Name, config.Separator)
	}
	return chunkKeys{v2: n.Name == "v2", separator: config.Separator}, nil
}

// ChunkKey is the key of a chunk's object below the array's prefix.
func (a Array) ChunkKey(index ...int) string {
	name, separator := a.keys.parts()
	var parts []string
	if name == "default" {
		parts = append(parts, "c")
	}
	for _, i := range index {
		parts = append(parts, strconv.Itoa(i))
	}
	if len(parts) == 0 {
		return "0" // a scalar in the v2 encoding
	}
	return strings.Join(parts, separator)
}
