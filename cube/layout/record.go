package layout

import (
	"bytes"
	"encoding/json"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

func encodeRecord(s cube.Slice) ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fault.New(fault.Invalid, "slice record of %q: %w", s.Source, err)
	}
	if len(text) > recordBytes {
		return nil, fault.New(fault.TooLarge, "slice record of %q has %d bytes, %d fit", s.Source, len(text), recordBytes).
			WithCure("leave some of the source's properties out")
	}
	return append(text, bytes.Repeat([]byte(" "), recordBytes-len(text))...), nil
}

func decodeRecord(text []byte) (cube.Slice, error) {
	var s cube.Slice
	if err := json.Unmarshal(bytes.TrimRight(text, " "), &s); err != nil {
		return s, fault.New(fault.Corrupt, "slice record: %w", err)
	}
	id, err := NewSliceID(s.Content, s.Source, s.Micros())
	if err != nil {
		return s, err
	}
	if id != s.ID {
		return s, fault.New(fault.Corrupt, "slice record: id %s is not that of its content, source and time", s.ID)
	}
	s.Time, s.Available, s.Ingested = s.Time.UTC(), s.Available.UTC(), s.Ingested.UTC()
	return s, nil
}
