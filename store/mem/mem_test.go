package mem_test

import (
	"testing"

	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
	"github.com/terrapin-eo/terrapin/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Config{WriteIDs: true, New: func(*testing.T) store.Driver { return mem.New() }})
}
