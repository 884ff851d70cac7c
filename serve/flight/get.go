package flight

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream"
)

// infoMetadata is the app_metadata of a FlightInfo.
type infoMetadata struct {
	Steps   uint64 `json:"steps"`
	Samples uint64 `json:"samples"`
	Rows    uint64 `json:"rows"`
	Digest  string `json:"digest,omitempty"`
}

// stepMetadata is the app_metadata of a record batch: which step it belongs to, which part of it
// it is where steps are cut, and what was read so far.
type stepMetadata struct {
	Step  uint64 `json:"step"`
	Part  int    `json:"part"`
	Parts int    `json:"parts"`

	Chunks stream.Chunks `json:"chunks"`
}

// open parses a ticket and opens its run.
func (s *Server) open(ctx context.Context, ticket []byte) (*stream.Run, error) {
	t, err := stream.ParseTicket(ticket)
	if err != nil {
		return nil, err
	}
	return s.cfg.Engine.Open(ctx, t)
}

func command(d *flight.FlightDescriptor) ([]byte, error) {
	if d.GetType() != flight.DescriptorCMD {
		return nil, fault.New(fault.Invalid, "the descriptor is no command").
			WithCure(`send a command descriptor that holds a ticket, such as {"dataset": "crops@v3"}`)
	}
	return d.GetCmd(), nil
}

// GetFlightInfo says what a ticket gives. Its endpoint's ticket is the one given, except that names
// which may mean something else tomorrow are pinned.
func (s *Server) GetFlightInfo(ctx context.Context, d *flight.FlightDescriptor) (*flight.FlightInfo, error) {
	cmd, err := command(d)
	if err != nil {
		return nil, err
	}
	run, err := s.open(ctx, cmd)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	info := run.Info()
	ticket := cmd
	if !info.Pinned {
		ticket = info.Ticket.JSON()
	}
	md, err := json.Marshal(infoMetadata{Steps: info.Steps, Samples: info.Samples, Rows: info.Rows, Digest: info.Digest})
	if err != nil {
		return nil, fault.New(fault.Internal, "describe the run: %w", err)
	}
	elsewhere, err := json.Marshal(s.cfg.Elsewhere)
	if err != nil {
		return nil, fault.New(fault.Internal, "describe the transports: %w", err)
	}
	return &flight.FlightInfo{
		Schema:           flight.SerializeSchema(schemaOf(info), memory.DefaultAllocator),
		FlightDescriptor: d,
		Endpoint:         []*flight.FlightEndpoint{{Ticket: &flight.Ticket{Ticket: ticket}, AppMetadata: elsewhere}},
		TotalRecords:     int64(info.Rows),
		TotalBytes:       -1,
		Ordered:          true,
		AppMetadata:      md,
	}, nil
}

// GetSchema is the schema of GetFlightInfo alone.
func (s *Server) GetSchema(ctx context.Context, d *flight.FlightDescriptor) (*flight.SchemaResult, error) {
	info, err := s.GetFlightInfo(ctx, d)
	if err != nil {
		return nil, err
	}
	return &flight.SchemaResult{Schema: info.Schema}, nil
}

// DoGet streams the batches of a ticket.
func (s *Server) DoGet(t *flight.Ticket, out flight.FlightService_DoGetServer) error {
	ctx := out.Context()
	run, err := s.open(ctx, t.GetTicket())
	if err != nil {
		return err
	}
	defer run.Close()
	if err := run.Keep(actorOf(ctx)); err != nil {
		return err
	}
	run.Lend()
	run.OnStall(func(force bool) bool { return s.cut(ctx, force) })
	schema := schemaOf(run.Info())
	send := &sender{out: out}
	w := ipc.NewWriterWithPayloadWriter(send, ipc.WithSchema(schema))
	for {
		b, err := run.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if send.metadata, err = json.Marshal(stepMetadata{b.Step, b.Part, b.Parts, b.Chunks}); err != nil {
			return fault.New(fault.Internal, "describe step %d: %w", b.Step, err)
		}
		send.batch = b
		if err := w.Write(recordOf(schema, run.Info().Shape, b)); err != nil {
			return fault.New(fault.KindOf(err), "send step %d: %w", b.Step, err)
		}
	}
	// A stream without a batch still has its schema.
	if err := w.Close(); err != nil {
		return fault.New(fault.KindOf(err), "end the stream: %w", err)
	}
	run.Drain(ctx) // a client that does not take the last ones can be cut off until then
	return nil
}

// sender puts encoded messages on the wire. The first is the schema, which carries no step.
type sender struct {
	out      flight.FlightService_DoGetServer
	metadata []byte
	batch    *stream.Batch // that is sent
	begun    bool
}

// Start is part of ipc.PayloadWriter.
func (s *sender) Start() error { return nil }

// Close is part of ipc.PayloadWriter.
func (s *sender) Close() error { return nil }

// WritePayload sends one message. Its body stays in the arrays of the batch, which nobody writes to before its release.
func (s *sender) WritePayload(p ipc.Payload) error {
	meta := p.Meta()
	defer meta.Release()
	m := message{header: meta.Bytes()}
	if s.begun {
		m.batch = s.batch
	}
	if err := p.SerializeBody(&m); err != nil {
		return err
	}
	if s.begun {
		m.metadata = aligned(s.metadata, len(m.header), m.size)
	}
	s.begun = true
	if err := s.out.SendMsg(&m); err != nil {
		return fault.New(fault.Canceled, "the client or the connection is gone: %w", err)
	}
	return nil
}

// pyarrow uses a message where gRPC received it: at a multiple of 16, and where it is large, on Linux,
// half of Arrow's 64 after a page. There a body that begins bodyOffset after a multiple of
// bodyAlignment in its message is aligned.
const (
	bodyAlignment = 64
	bodyOffset    = 32
)

// aligned adds spaces to metadata, which is JSON, until the body of its message begins where readers
// find its numbers at addresses that need no copy.
func aligned(metadata []byte, header, body int) []byte {
	for bodyBegin(header, len(metadata), body)%bodyAlignment != bodyOffset {
		metadata = append(metadata, ' ')
	}
	return metadata
}

// bodyBegin is where the body lies in the encoding of a FlightData: after data_header (field 2),
// app_metadata (3) and the key (of 2 bytes) and length of data_body (1000).
func bodyBegin(header, metadata, body int) int {
	length := func(n int) int { return len(binary.AppendUvarint(nil, uint64(n))) }
	return 1 + length(header) + header + 1 + length(metadata) + metadata + 2 + length(body)
}
