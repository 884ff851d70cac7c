package flight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow/flight"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/predictions"
	"github.com/terrapin-eo/terrapin/stream"
	"github.com/terrapin-eo/terrapin/stream/strict"
)

// DoPut takes the windows of a prediction run. Nothing of it is visible before the message whose
// app_metadata is {"commit": true}; a stream that ends without one leaves no trace. Record batches
// come uncompressed, so that a message makes no more of itself than its size, which is bounded.
func (s *Server) DoPut(in flight.FlightService_DoPutServer) error {
	ctx := in.Context()
	msgs := &putMessages{in: in, rowBytes: 1}
	first, err := msgs.peek()
	if err != nil {
		return err
	}
	cmd, err := command(first.GetFlightDescriptor())
	if err != nil {
		return err
	}
	spec, err := s.parsePut(ctx, cmd)
	if err != nil {
		return err
	}
	run, err := predictions.Begin(ctx, s.cfg.Predictions, spec)
	if err != nil {
		return err
	}
	defer run.Abort()
	if err := receive(msgs, run, spec); err != nil {
		return err
	}
	if !msgs.commit {
		return fault.New(fault.Canceled, "prediction run %s: the stream ended without a commit; nothing was published", run.ID()).
			WithCure(`end the stream with app_metadata {"commit": true}`)
	}
	item, err := run.Publish(ctx)
	if err != nil {
		return err
	}
	if s.cfg.Published != nil {
		if err := s.cfg.Published(ctx, item); err != nil {
			return fault.New(fault.KindOf(err), "prediction %s is published, but the catalog did not take it: %w", item.ID, err)
		}
	}
	answer, err := json.Marshal(item)
	if err != nil {
		return fault.New(fault.Internal, "describe prediction %s: %w", item.ID, err)
	}
	return in.Send(&flight.PutResult{AppMetadata: answer})
}

// receive writes every row of every record batch.
func receive(msgs *putMessages, run *predictions.Run, spec predictions.RunSpec) error {
	r, err := flight.NewRecordReader(msgs)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return msgs.wrong(err)
	}
	defer r.Release()
	cols, err := findPutColumns(r.Schema(), spec)
	if err != nil {
		return err
	}
	msgs.rowBytes = cols.rowBytes()
	for r.Next() {
		if err := cols.write(r.Record(), run); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return msgs.wrong(err)
	}
	return nil
}

// putCommand is the command of a DoPut.
type putCommand struct {
	model, dataset, digest, run string
	names                       []string
	dtype                       string
	slices                      []string
	classes                     []predictions.Class
	scope                       stream.WindowTicket
}

// parsePut reads {"predictions": {…}} and finds the part of the cube it names.
func (s *Server) parsePut(ctx context.Context, cmd []byte) (predictions.RunSpec, error) {
	var body json.RawMessage
	there, err := strict.Object("command", cmd, []strict.Key{
		{Name: "predictions", Set: func(raw json.RawMessage) error { body = raw; return nil }},
	})
	if err != nil {
		return predictions.RunSpec{}, err
	}
	if !there["predictions"] {
		return predictions.RunSpec{}, fault.New(fault.Invalid, "command: key \"predictions\" is missing").WithCure(`send {"predictions": {…}}`)
	}
	c := putCommand{dtype: string(cube.Float32)}
	seen, err := strict.Object("predictions", body, []strict.Key{
		strict.Text("model", &c.model),
		strict.Text("dataset", &c.dataset),
		strict.Text("digest", &c.digest),
		strict.Text("cube", &c.scope.Cube),
		strict.Text("version", &c.scope.Version),
		strict.Text("cell", &c.scope.Cell),
		strict.Numbers("bounds", &c.scope.Bounds, 4),
		strict.Texts("time", &c.scope.Time),
		strict.Texts("slices", &c.slices),
		strict.Texts("names", &c.names),
		strict.Text("dtype", &c.dtype),
		{Name: "classes", Set: c.setClasses},
		strict.Text("run", &c.run),
	})
	if err != nil {
		return predictions.RunSpec{}, err
	}
	for _, key := range []string{"model", "cube", "names"} {
		if !seen[key] {
			return predictions.RunSpec{}, fault.New(fault.Invalid, "predictions: key %q is missing", key).
				WithCure(`send {"predictions": {"model": …, "cube": …, "names": ["…"], "dtype": "float32", …}}`)
		}
	}
	return s.runSpec(ctx, c)
}

func (c *putCommand) setClasses(raw json.RawMessage) error {
	if err := json.Unmarshal(raw, &c.classes); err != nil {
		return fault.New(fault.Invalid, "wants a list of classes: %w", err).WithCure(`write [{"value": 1, "name": "crop"}, …]`)
	}
	return nil
}

func (s *Server) runSpec(ctx context.Context, c putCommand) (predictions.RunSpec, error) {
	dtype, err := cube.ParseDType(c.dtype)
	if err != nil {
		return predictions.RunSpec{}, fault.New(fault.Invalid, "predictions: key \"dtype\": %w", err)
	}
	scope, err := s.cfg.Engine.Scope(ctx, c.scope)
	if err != nil {
		return predictions.RunSpec{}, err
	}
	spec := predictions.RunSpec{
		Model: c.model, Dataset: c.dataset, DatasetDigest: c.digest, Cube: scope.View, Cell: scope.Region.Name,
		Area: scope.Area, Names: c.names, DType: dtype, Classes: c.classes, Run: c.run, Actor: actorOf(ctx),
	}
	for _, sl := range scope.Slices {
		spec.Slices = append(spec.Slices, sl.ID)
	}
	if c.slices == nil {
		return spec, nil
	}
	spec.Slices = nil
	for _, id := range c.slices {
		if _, ok := scope.View.Lookup(cube.SliceID(id)); !ok {
			return predictions.RunSpec{}, fault.New(fault.NotFound, "predictions: key \"slices\": no slice %q in cube %s at %s", id, c.scope.Cube, scope.View.Snapshot()).
				WithCure("name the slices that the windows were read from, and the same version of the cube")
		}
		spec.Slices = append(spec.Slices, cube.SliceID(id))
	}
	return spec, nil
}

// putMessages yields the messages that carry Arrow data and takes the others, which carry only
// app_metadata, aside. A commit ends the data.
type putMessages struct {
	in     flight.FlightService_DoPutServer
	peeked *flight.FlightData
	commit bool
	// rowBytes is what a row has at least: 1 until the schema is known.
	rowBytes int64
	failed   error // of the transport, of app_metadata or of a header, as opposed to other malformed Arrow data
}

// peek is the first message, which Recv will yield again.
func (m *putMessages) peek() (*flight.FlightData, error) {
	d, err := m.in.Recv()
	if errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "an empty stream").WithCure("send a descriptor, a schema and record batches")
	}
	if err != nil {
		return nil, fault.New(fault.Canceled, "receive: %w", err)
	}
	m.peeked = d
	return d, nil
}

// Recv is flight.DataStreamReader.
func (m *putMessages) Recv() (*flight.FlightData, error) {
	for {
		if m.commit {
			return nil, io.EOF
		}
		d := m.peeked
		if m.peeked = nil; d == nil {
			var err error
			if d, err = m.in.Recv(); err != nil {
				if !errors.Is(err, io.EOF) {
					m.failed = fault.New(fault.Canceled, "receive: %w", err)
				}
				return nil, err
			}
		}
		if err := m.control(d.GetAppMetadata()); err != nil {
			m.failed = err
			return nil, err
		}
		if len(d.GetDataHeader()) == 0 {
			continue
		}
		if m.failed = check(d, m.rowBytes); m.failed != nil {
			return nil, m.failed
		}
		return d, nil
	}
}

// control reads app_metadata; the only word it may say is commit.
func (m *putMessages) control(raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	_, err := strict.Object("app_metadata", raw, []strict.Key{strict.Bool("commit", &m.commit)})
	return err
}

// wrong is why the Arrow reader stopped.
func (m *putMessages) wrong(err error) error {
	if m.failed != nil {
		return m.failed
	}
	return fault.New(fault.Invalid, "predictions: the stream is not readable as Arrow: %w", err).
		WithCure("%s", fmt.Sprintf("send record batches with columns %v, data and valid", placeColumns))
}
