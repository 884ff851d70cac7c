package http

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/origin"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// Verb runs one verb for a client: doc is what the command line prints with --json, and exit its
// status, 0 or 1. An error means that there is no document.
type Verb func(ctx context.Context, q VerbRequest) (doc any, exit int, err error)

// Lines is the document of a verb whose answer is too long for one: it writes newline-JSON, which is the whole body of the
// answer. A client sees whether it is whole by what the lines say, and by the connection, which breaks off with an error.
type Lines func(ctx context.Context, w io.Writer) error

// VerbRequest is a call of a verb.
type VerbRequest struct {
	// Args is a JSON object, "{}" if the client sent none.
	Args json.RawMessage
	// Files are the client's uploads, in the order sent. They are gone when the verb returns.
	Files []Upload
	Actor string
}

// Upload is a file that a client sent: Name is the base name it had there, and Path, which ends in
// that name too, is where it lies now.
type Upload struct{ Name, Path string }

// verb runs a verb. A page of another origin cannot set the header of the actor unasked, so requiring it keeps such
// pages from changing anything.
func (s *server) verb(w http.ResponseWriter, r *http.Request) error {
	if err := origin.Check(r, "a verb"); err != nil {
		return err
	}
	name := chi.URLParam(r, "verb")
	verb, ok := s.Verbs[name]
	if !ok {
		return fault.New(fault.NotFound, "unknown verb %q", name).WithCure("known: %s", strings.Join(slices.Sorted(maps.Keys(s.Verbs)), ", "))
	}
	q := VerbRequest{Args: json.RawMessage("{}"), Actor: origin.Actor(r)}
	if q.Actor == "" {
		return fault.New(fault.Invalid, "the header %s is missing", origin.Header).WithCure("say there who is calling")
	}
	dir, err := os.MkdirTemp(s.TempDir, "terrapin-upload-")
	if err != nil {
		return fault.New(fault.Unavailable, "make room for uploads: %w", err)
	}
	defer os.RemoveAll(dir)
	r.Body = http.MaxBytesReader(w, r.Body, s.MaxUpload)
	if err := s.receive(r, dir, &q); err != nil {
		return err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(q.Args, &object); err != nil {
		return fault.New(fault.Invalid, "args of verb %q: %w", name, err).WithCure("send a JSON object")
	}
	doc, exit, err := verb(r.Context(), q)
	if err != nil {
		return err
	}
	lines, long := doc.(Lines)
	if long {
		if err := s.lines(w, r, lines); err != nil {
			return err
		}
	}
	s.Config.Log.InfoContext(r.Context(), "verb", "verb", name, "actor", q.Actor, "exit", exit, "files", len(q.Files))
	if !long {
		s.Document(w, r, http.StatusOK, reply.JSON, map[string]any{"exit": exit, "document": doc})
	}
	return nil
}

// An answer that is made while it is sent holds what it is made of, so a client may take so long for a piece of it, and for the whole.
const (
	takenWithin = time.Minute
	wholeWithin = 6 * time.Hour
)

// lines answers while the lines are made. An error before the first of them is answered as one.
func (s *server) lines(w http.ResponseWriter, r *http.Request, lines Lines) error {
	late := fault.New(fault.Unavailable, "the answer took longer than %s", wholeWithin).WithCure("take it over a faster connection, or on the server's machine")
	ctx, cancel := context.WithTimeoutCause(r.Context(), wholeWithin, late)
	defer cancel()
	out := &patient{w: w, control: http.NewResponseController(w), ctx: ctx}
	w.Header().Set("Content-Type", "application/x-ndjson")
	err := lines(ctx, out)
	if err != nil && errors.Is(context.Cause(ctx), late) {
		err = late // whoever noticed it first
	}
	if err != nil && out.begun {
		s.Config.Log.WarnContext(r.Context(), "an answer broke off", "path", r.URL.Path, "err", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// patient writes to a client that has takenWithin for each piece, until the context of the whole ends.
type patient struct {
	w       io.Writer
	control *http.ResponseController
	ctx     context.Context
	begun   bool
}

// Write gives the client its time anew.
func (p *patient) Write(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	p.begun = true
	if err := p.control.SetWriteDeadline(time.Now().Add(takenWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}

// receive reads the arguments and spools the files to a folder.
func (s *server) receive(r *http.Request, dir string, q *VerbRequest) error {
	mt, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && mt == reply.JSON:
		args, err := all(r.Body, "the body")
		if err == nil && len(args) > 0 {
			q.Args = args
		}
		return err
	case err == nil && mt == "multipart/form-data":
		return s.receiveParts(multipart.NewReader(r.Body, params["boundary"]), dir, q)
	}
	return fault.New(fault.Invalid, "the body's type is %q", r.Header.Get("Content-Type")).
		WithCure("send application/json, or multipart/form-data with a part \"args\" and the files")
}

func (s *server) receiveParts(parts *multipart.Reader, dir string, q *VerbRequest) error {
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return upload("read the form", err)
		}
		if part.FileName() == "" {
			if part.FormName() != "args" {
				return fault.New(fault.Invalid, "unknown part %q", part.FormName()).WithCure(`send "args", and files with their filenames`)
			}
			if q.Args, err = all(part, "the part args"); err != nil {
				return err
			}
			continue
		}
		file, err := spool(part, filepath.Join(dir, strconv.Itoa(len(q.Files))))
		if err != nil {
			return err
		}
		q.Files = append(q.Files, file)
	}
}

// spool writes a file into a folder of its own, so that two may have one name.
func spool(part *multipart.Part, dir string) (Upload, error) {
	name := part.FileName() // without folders
	if name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") || len(name) > 255 {
		return Upload{}, fault.New(fault.Invalid, "bad file name %q", name).WithCure("send a plain name of up to 255 bytes")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return Upload{}, fault.New(fault.Unavailable, "keep upload %q: %w", name, err)
	}
	u := Upload{Name: name, Path: filepath.Join(dir, name)}
	f, err := os.OpenFile(u.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return Upload{}, fault.New(fault.Unavailable, "keep upload %q: %w", name, err)
	}
	_, err = io.Copy(f, part)
	if err = errors.Join(err, f.Close()); err != nil {
		return Upload{}, upload("keep upload "+strconv.Quote(name), err)
	}
	return u, nil
}

// all reads what must be a short text.
func all(r io.Reader, what string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err != nil {
		return nil, upload("read "+what, err)
	}
	if len(data) > maxBody {
		return nil, fault.New(fault.TooLarge, "%s is larger than %d bytes", what, maxBody).WithCure("send bulk data as files")
	}
	return data, nil
}

// upload gives a failed reception its kind.
func upload(op string, err error) error {
	var over *http.MaxBytesError
	var disk *os.PathError
	switch {
	case errors.As(err, &over):
		return fault.New(fault.TooLarge, "%s: the call is larger than %d bytes", op, over.Limit).WithCure("send fewer files at once")
	case errors.As(err, &disk):
		return fault.New(fault.Unavailable, "%s: %w", op, err).WithCure("see that the server's temporary folder has room")
	}
	return fault.New(fault.Invalid, "%s: %w", op, err).WithCure("send the whole form again")
}
