// Package fault is the one vocabulary of errors: a Kind that callers branch on, a message that says
// what is wrong and where, and a cure that says how to mend it. It knows nothing of Terrapin's
// domain; serve maps a Kind to gRPC and HTTP through the tables here, and the Python client mirrors
// the same list (a test keeps them equal).
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind classifies an error by what its handler can do about it. The list is append-only.
type Kind int

const (
	// Internal is a defect or an unexpected failure of the machine; the text stays in the log.
	Internal Kind = iota
	// Invalid is input that can never succeed as given.
	Invalid
	// NotFound is a name, version or key that does not exist.
	NotFound
	// Conflict is input that contradicts what already exists, or a lost race.
	Conflict
	// Precondition is a state of the system that has to be changed first (a lock held, a port in use).
	Precondition
	// Corrupt is stored or foreign data that does not decode or whose checksum is wrong.
	Corrupt
	// Unavailable is a failure that may pass; the same call may be tried again.
	Unavailable
	// Canceled is work given up because its caller went away or its deadline passed.
	Canceled
	// TooLarge is a request over a stated limit.
	TooLarge
	// Unsupported is valid input that this release does not build yet; the message names it.
	Unsupported
)

// Kinds lists every kind in order.
func Kinds() []Kind {
	return []Kind{Internal, Invalid, NotFound, Conflict, Precondition, Corrupt, Unavailable, Canceled, TooLarge, Unsupported}
}

var kindNames = map[Kind]string{
	Internal: "internal", Invalid: "invalid", NotFound: "not_found", Conflict: "conflict",
	Precondition: "precondition", Corrupt: "corrupt", Unavailable: "unavailable",
	Canceled: "canceled", TooLarge: "too_large", Unsupported: "unsupported",
}

// String returns the kind's name on the wire, such as "not_found".
func (k Kind) String() string { return kindNames[k] }

// ParseKind is the inverse of String; an unknown name is Internal.
func ParseKind(name string) Kind {
	for k, n := range kindNames {
		if n == name {
			return k
		}
	}
	return Internal
}

// Error is an error with a kind and, where one is known, a cure. Its text is
// "what: cause"; the cure is kept apart so that a report can print it on a line of its own.
type Error struct {
	Kind Kind
	What string
	Cure string
	Err  error
}

// New makes an error of a kind. The format may wrap a cause with %w.
func New(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, What: err.Error(), Err: errors.Unwrap(err)}
}

// WithCure returns a copy that tells how to mend the cause.
func (e *Error) WithCure(format string, args ...any) *Error {
	c := *e
	c.Cure = fmt.Sprintf(format, args...)
	return &c
}

func (e *Error) Error() string { return e.What }

// Unwrap gives the cause, so that errors.Is and errors.As see it.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost Error in the chain; context errors are Canceled and
// anything unknown is Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Canceled
	}
	return Internal
}

// Is reports whether err is of a kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// CureOf returns the first cure found in the chain, or "".
func CureOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Cure != "" {
			return e.Cure
		}
		err = e.Err
	}
	return ""
}

// Text is the error for a person: the message and, on a second line, the cure.
func Text(err error) string {
	var b strings.Builder
	b.WriteString(err.Error())
	if cure := CureOf(err); cure != "" {
		b.WriteString("\n  cure: " + cure)
	}
	return b.String()
}
