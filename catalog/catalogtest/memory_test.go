package catalogtest

import (
	"testing"

	"github.com/terrapin-eo/terrapin/catalog"
)

func TestMemory(t *testing.T) {
	Run(t, Config{New: func(*testing.T) catalog.Catalog { return NewMemory() }})
}
