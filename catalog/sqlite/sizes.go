package sqlite

import "github.com/terrapin-eo/terrapin/catalog"

var _ catalog.Sizer = (*Catalog)(nil)

// Sizes tells how many of the connections that read are in use.
func (c *Catalog) Sizes() map[string]int {
	return map[string]int{"readers": cap(c.readers.free), "readers_in_use": cap(c.readers.free) - len(c.readers.free)}
}
