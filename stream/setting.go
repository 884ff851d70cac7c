package stream

import (
	"encoding/json"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/strict"
)

// Setting is a text of a ticket of which the version may have a default; the zero value leaves it to that.
type Setting struct {
	given bool
	text  string
}

// Given is a setting whatever the version says; "" is none.
func Given(text string) Setting { return Setting{given: true, text: text} }

// IsZero reports whether it is left to the version.
func (s Setting) IsZero() bool { return !s.given }

// MarshalJSON writes what a ticket may have: null, false or a text.
func (s Setting) MarshalJSON() ([]byte, error) {
	switch {
	case !s.given:
		return []byte("null"), nil
	case s.text == "":
		return []byte("false"), nil
	}
	return json.Marshal(s.text)
}

// settle makes a setting the one that it is for a version with a default, so that it is left open only where there is nothing.
func (s *Setting) settle(byVersion string) {
	if !s.given {
		s.text = byVersion
	}
	s.given = s.text != "" || byVersion != ""
}

// settingKey accepts null, false and what read makes a text of.
func settingKey(name string, dst *Setting, read func(raw json.RawMessage) (string, error)) strict.Key {
	return strict.Key{Name: name, Set: func(raw json.RawMessage) error {
		switch string(raw) {
		case "null":
			return nil
		case "false":
			*dst = Given("")
			return nil
		}
		text, err := read(raw)
		*dst = Given(text)
		return err
	}}
}

// filterOf reads CQL2, as text or as a JSON object, and makes it canonical text.
func filterOf(raw json.RawMessage) (string, error) {
	var text string
	var e cql2.Expr
	var err error
	switch {
	case raw[0] == '{':
		e, err = cql2.ParseJSON(raw)
	case raw[0] == '"' && json.Unmarshal(raw, &text) == nil:
		e, err = cql2.ParseText(text)
	default:
		return "", fault.New(fault.Invalid, "wants CQL2 as text or as an object, or false for none, not %s", raw).WithCure(`write it as in "split = 'train' AND scenes > 3"`)
	}
	if err != nil {
		return "", err
	}
	return cql2.Text(e), nil
}

// weightsOf reads a name, or weights by class as an object or its text.
func weightsOf(raw json.RawMessage) (string, error) {
	text := string(raw)
	if raw[0] != '{' {
		if err := strict.OptionalText("weights", &text).Set(raw); err != nil {
			return "", err
		}
	}
	if datasets.ByClass(text) {
		return text, datasets.CheckClassWeights(text)
	}
	return text, nil
}

// settle says what of a ticket's filter and weights is, for its version and split.
func (t *SampleTicket) settle(v *datasets.Version) error {
	filter, weights := v.Defaults(t.Split)
	t.Filter.settle(filter)
	t.Weights.settle(weights)
	if !datasets.ByClass(t.Weights.text) {
		return nil
	}
	w, err := v.Labels.ClassWeights(t.Weights.text)
	if err != nil {
		return fault.New(fault.KindOf(err), "ticket: %w", err)
	}
	t.Weights.text = w.Text
	return nil
}
