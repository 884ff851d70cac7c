package receipts

import (
	"encoding/json"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/strict"
)

// Acknowledgement is what a client sends, over any transport.
type Acknowledgement struct {
	// Session is empty where the transport says it already.
	Session string
	// Steps is the number of steps of the session that the client has taken.
	Steps uint64
	// Seen is the client's own chain over them; nil says nothing.
	Seen *Hash
	// Durable asks for an answer only when the file has it.
	Durable bool
}

// ParseAcknowledgement reads {"session", "steps", "seen", "durable"}; "session" is refused where the transport
// says it, which named tells.
func ParseAcknowledgement(data []byte, named bool) (Acknowledgement, error) {
	var a Acknowledgement
	var seen string
	keys := []strict.Key{strict.Uint("steps", &a.Steps), strict.Text("seen", &seen), strict.Bool("durable", &a.Durable)}
	if !named {
		keys = append(keys, strict.Text("session", &a.Session))
	}
	got, err := strict.Object("acknowledgement", data, keys)
	if err != nil {
		return a, err
	}
	for _, k := range []string{"steps", "session"} {
		if !got[k] && !(named && k == "session") {
			return a, fault.New(fault.Invalid, "acknowledgement: key %q is missing", k).
				WithCure(`send {"session": the key of the stream's metadata, "steps": how many were taken}`)
		}
	}
	if seen != "" {
		a.Seen = &Hash{}
		if err := a.Seen.UnmarshalText([]byte(seen)); err != nil {
			return a, fault.New(fault.Invalid, "acknowledgement: key \"seen\": %w", err)
		}
	}
	return a, nil
}

// Take does what an acknowledgement says and returns the answer to it: {"steps": what is acknowledged now}.
func (l *Ledger) Take(a Acknowledgement) ([]byte, error) {
	if l == nil {
		return nil, fault.New(fault.Unsupported, "this server keeps no receipts")
	}
	steps, err := l.Acknowledge(a.Session, a.Steps, a.Seen, a.Durable)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]uint64{"steps": steps})
}
