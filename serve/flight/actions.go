package flight

import (
	"github.com/apache/arrow/go/v17/arrow/flight"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// The actions: health answers {"ok": true} while the server takes calls; acknowledge tells that the steps of a
// session were taken.
const (
	health      = "health"
	acknowledge = "acknowledge"
)

// ListActions lists what DoAction can do.
func (s *Server) ListActions(_ *flight.Empty, out flight.FlightService_ListActionsServer) error {
	for _, a := range []*flight.ActionType{
		{Type: health, Description: `answers {"ok": true} while the server takes calls`},
		{Type: acknowledge, Description: `takes {"session", "steps"}: the first steps of a stream whose ticket names a run were taken; answers {"steps"}`},
	} {
		if err := out.Send(a); err != nil {
			return err
		}
	}
	return nil
}

// DoAction does an action by name.
func (s *Server) DoAction(a *flight.Action, out flight.FlightService_DoActionServer) error {
	answer := []byte(`{"ok":true}`)
	switch a.GetType() {
	case health:
	case acknowledge:
		told, err := receipts.ParseAcknowledgement(a.GetBody(), false)
		if err != nil {
			return err
		}
		if answer, err = s.cfg.Receipts.Take(told); err != nil {
			return err
		}
	default:
		return fault.New(fault.Unsupported, "unknown action %q", a.GetType()).WithCure("known actions: %s, %s", health, acknowledge)
	}
	return out.Send(&flight.Result{Body: answer})
}
