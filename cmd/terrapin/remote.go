package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/ingest"
)

// callServer runs a verb in a server, uploading the client's files.
func callServer(ctx context.Context, url, name string, args json.RawMessage, sources []string, actor string) (any, int, error) {
	plan, lost, err := planUpload(sources)
	if err != nil {
		return nil, 0, err
	}
	if len(sources) > 0 {
		if args, err = withLayout(args, plan, slices.Concat(sources, lost)); err != nil {
			return nil, 0, err
		}
	}
	return sendForm(ctx, url, name, actor, func(form *multipart.Writer) error { return writeForm(form, args, plan) })
}

// sendForm runs a verb in a server with the form that is written while it is sent.
func sendForm(ctx context.Context, url, name, actor string, write func(*multipart.Writer) error) (any, int, error) {
	body, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() { writer.CloseWithError(write(form)) }()
	res, err := post(ctx, url, name, actor, form.FormDataContentType(), body)
	if fault.Is(err, fault.Unavailable) {
		return nil, 0, fault.New(fault.Unavailable, "%w", err).WithCure("%s, and run the same command again: what is in already is skipped", fault.CureOf(err))
	}
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	return readAnswer(res, url)
}

// streamed runs a verb without arguments whose answer is read while it is made.
func streamed(ctx context.Context, url, name, actor string, read func(body io.Reader) error) error {
	res, err := post(ctx, url, name, actor, "application/json", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		_, _, err := readAnswer(res, url)
		return err
	}
	return read(res.Body)
}

// post sends the call of a verb.
func post(ctx context.Context, url, name, actor, media string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(url, "/")+"/v1/verbs/"+name, body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "server URL %q: %w", url, err).WithCure("give the HTTP URL that `terrapin serve` printed")
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Terrapin-Actor", actor)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "server %s: %w", url, err).
			WithCure("check that `terrapin serve` runs there")
	}
	return res, nil
}

func readAnswer(res *http.Response, url string) (any, int, error) {
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, 0, fault.New(fault.Unavailable, "server %s: %w", url, err)
	}
	if res.StatusCode != http.StatusOK {
		var e struct{ Kind, Message, Cure string }
		if json.Unmarshal(raw, &e) != nil || e.Message == "" {
			return nil, 0, fault.New(fault.Unavailable, "server %s answered %s", url, res.Status).
				WithCure("check that this is the HTTP URL of a terrapin server")
		}
		answer := fault.New(fault.ParseKind(e.Kind), "%s", e.Message)
		if e.Cure != "" {
			answer = answer.WithCure("%s", e.Cure)
		}
		return nil, 0, answer
	}
	var answer struct {
		Exit     int             `json:"exit"`
		Document json.RawMessage `json:"document"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, 0, fault.New(fault.Corrupt, "answer of %s: %w", url, err)
	}
	return answer.Document, answer.Exit, nil
}

// uploadFile is one file of the client and where it stands below the uploaded sources: "I/path",
// I being the index of its source.
type uploadFile struct{ path, layout string }

// planUpload lists the files behind the sources. One that cannot be sent is left out: the server then
// reports its source like any other that is not there. A scene of a folder is no source by itself; lost
// names those that cannot be sent, to be reported in the same way.
func planUpload(sources []string) (plan []uploadFile, lost []string, err error) {
	for i, source := range sources {
		source = filepath.Clean(source)
		for _, scene := range ingest.Scenes(source) {
			if scene != source && !canSend(scene) {
				lost = append(lost, scene)
			}
		}
		files, err := ingest.Files(source)
		if err != nil {
			continue
		}
		for _, f := range files {
			if !canSend(f) {
				continue
			}
			rel, err := filepath.Rel(filepath.Dir(source), f)
			if err != nil {
				return nil, nil, fault.New(fault.Internal, "place of %s beside %s: %w", f, source, err)
			}
			plan = append(plan, uploadFile{f, fmt.Sprintf("%d/%s", i, filepath.ToSlash(rel))})
		}
	}
	return plan, lost, nil
}

func canSend(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// withLayout adds to the arguments where each uploaded file stands, and puts in all sources where they name
// sources.
func withLayout(args json.RawMessage, plan []uploadFile, sources []string) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(args, &fields); err != nil {
		return nil, fault.New(fault.Internal, "encode the arguments: %w", err)
	}
	layout := make([]string, len(plan))
	for i, f := range plan {
		layout[i] = f.layout
	}
	for key, value := range map[string][]string{"layout": layout, "sources": sources} {
		if _, there := fields[key]; key == "sources" && !there {
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fault.New(fault.Internal, "encode the arguments: %w", err)
		}
		fields[key] = raw
	}
	return json.Marshal(fields)
}

func writeForm(form *multipart.Writer, args json.RawMessage, plan []uploadFile) error {
	if err := form.WriteField("args", string(args)); err != nil {
		return err
	}
	for _, f := range plan {
		if err := copyPart(form, f); err != nil {
			return err
		}
	}
	return form.Close()
}

func copyPart(form *multipart.Writer, f uploadFile) error {
	part, err := form.CreateFormFile("file", filepath.Base(f.path))
	if err != nil {
		return err
	}
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(part, in)
	return err
}
