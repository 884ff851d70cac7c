package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/terrapin-eo/terrapin/fault"
)

var errSentinel = fault.New(fault.NotFound, "no such thing")

func TestKindSurvivesWrapping(t *testing.T) {
	err := fmt.Errorf("outer: %w", fault.New(fault.Corrupt, "read chunk 3: %w", errSentinel).WithCure("restore the object"))
	assert.Equal(t, fault.Corrupt, fault.KindOf(err), "the outermost kind counts")
	assert.ErrorIs(t, err, errSentinel)
	assert.Equal(t, "restore the object", fault.CureOf(err))
	assert.Equal(t, "outer: read chunk 3: no such thing\n  cure: restore the object", fault.Text(err))
}

func TestCureIsFoundBelow(t *testing.T) {
	inner := fault.New(fault.Invalid, "bad pixel").WithCure("mend it")
	assert.Equal(t, "mend it", fault.CureOf(fault.New(fault.Conflict, "commit: %w", inner)))
	assert.Empty(t, fault.CureOf(errors.New("plain")))
	assert.Empty(t, fault.CureOf(nil))
}

func TestWithCureLeavesTheSentinel(t *testing.T) {
	_ = errSentinel.WithCure("once")
	assert.Empty(t, errSentinel.Cure)
}

func TestUnknownErrors(t *testing.T) {
	assert.Equal(t, fault.Internal, fault.KindOf(errors.New("boom")))
	assert.Equal(t, fault.Canceled, fault.KindOf(fmt.Errorf("read: %w", context.DeadlineExceeded)))
	assert.False(t, fault.Is(nil, fault.Internal))
}

// Every kind has a name of its own and a place on both wires, so that a new one cannot be forgotten.
func TestEveryKindIsOnTheWire(t *testing.T) {
	names := map[string]bool{}
	for _, k := range fault.Kinds() {
		assert.NotEmpty(t, k.String())
		assert.False(t, names[k.String()], "two kinds are called %s", k)
		names[k.String()] = true
		assert.Equal(t, k, fault.ParseKind(k.String()))
		assert.GreaterOrEqual(t, k.HTTP(), 400)
		assert.NotZero(t, k.GRPC())
	}
	assert.Equal(t, fault.Internal, fault.ParseKind("no such kind"))
}
