package flight

import (
	"github.com/apache/arrow/go/v17/arrow/flight"

	"github.com/terrapin-eo/terrapin/fault"
)

// health is the one action: it answers {"ok": true} while the server takes calls.
const health = "health"

// ListActions lists what DoAction can do.
func (s *Server) ListActions(_ *flight.Empty, out flight.FlightService_ListActionsServer) error {
	return out.Send(&flight.ActionType{Type: health, Description: `answers {"ok": true} while the server takes calls`})
}

// DoAction does an action by name.
func (s *Server) DoAction(a *flight.Action, out flight.FlightService_DoActionServer) error {
	if a.GetType() != health {
		return fault.New(fault.Unsupported, "unknown action %q", a.GetType()).WithCure("known actions: %s", health)
	}
	return out.Send(&flight.Result{Body: []byte(`{"ok":true}`)})
}
