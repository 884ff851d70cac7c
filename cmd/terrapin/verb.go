package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/terrapin-eo/terrapin/fault"
	httpserve "github.com/terrapin-eo/terrapin/serve/http"
)

// verb is one command's work, the same whether it runs in this process or in a server. Its document
// is the one of DESIGN's promise to scripts.
type verb struct {
	// name is the path below /v1/verbs, such as "cube.create".
	name   string
	access access
	// founds marks a verb that works where there is no data yet.
	founds bool
	run    func(ctx context.Context, w *workspace, c call) (doc any, exit int, err error)
}

// access says what a verb does to the data directory.
type access int

const (
	// reads needs no lock.
	reads access = iota
	// commits changes the bucket: it needs the lock, and a catalog caught up before and after.
	commits
	// inspects needs the lock and the catalog just as it lies there.
	inspects
	// tends needs the lock and says itself what else may run meanwhile.
	tends
)

// call is what a verb is asked: its arguments as JSON (the flags in snake_case), the files that came
// with an upload, and who asks.
type call struct {
	args  json.RawMessage
	files []httpserve.Upload
	actor string
	// remote calls came over the network: they may name uploads only, never paths of this machine.
	remote bool
	// bar shows a count of work done to a person; nil in a server and where nobody looks.
	bar *bar
}

// progress returns what tells the bar how far a kind of work is, or nil.
func (c call) progress(what string) func(done, total int) {
	if c.bar == nil {
		return nil
	}
	return func(done, total int) { c.bar.show(what, done, total) }
}

// into decodes the arguments; an unknown key is an error, as a misspelt one would be ignored.
func (c call) into(args any) error {
	if len(bytes.TrimSpace(c.args)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(c.args))
	dec.DisallowUnknownFields()
	if err := dec.Decode(args); err != nil {
		return fault.New(fault.Invalid, "arguments of the verb: %w", err).WithCure("see `terrapin VERB --help` for its arguments")
	}
	return nil
}

// verbs lists every verb a server takes.
func verbs() []verb {
	return []verb{
		cubeCreateVerb, cubeListVerb, cubeShowVerb, cubeLogVerb, cubeTagVerb, cubeCompactVerb,
		ingestVerb,
		labelsImportVerb, labelsListVerb, labelsShowVerb, labelsRevertVerb,
		datasetCommitVerb, datasetListVerb, datasetShowVerb, datasetDiffVerb, datasetVerifyVerb,
		modelRegisterVerb, modelListVerb, modelShowVerb,
		predictionsListVerb, predictionsShowVerb,
		runListVerb, runShowVerb,
		storeFsckVerb, storeReindexVerb, storeDoctorVerb, storeGCVerb, storeDuVerb,
		catalogInfoVerb, catalogIndexVerb, catalogLookupVerb, catalogPageVerb, catalogBackupVerb, catalogPutVerb,
	}
}

// serverVerbs binds the verbs to a server's workspace.
func serverVerbs(w *workspace) map[string]httpserve.Verb {
	bound := map[string]httpserve.Verb{}
	for _, v := range verbs() {
		bound[v.name] = func(ctx context.Context, r httpserve.VerbRequest) (any, int, error) {
			return w.perform(ctx, v, call{args: r.Args, files: r.Files, actor: r.Actor, remote: true})
		}
	}
	return bound
}

// perform runs a verb and, where it commits, catches the catalog up with what it did.
func (w *workspace) perform(ctx context.Context, v verb, c call) (any, int, error) {
	switch v.access {
	case reads, tends:
		return v.run(ctx, w, c)
	case inspects:
		w.committing.Lock()
		defer w.committing.Unlock()
		return v.run(ctx, w, c)
	}
	defer w.jobs.begin()()
	w.committing.RLock()
	defer w.committing.RUnlock()
	doc, exit, err := v.run(ctx, w, c)
	// What a verb committed before it failed is there all the same, and has to be found.
	if indexErr := w.catchUp(context.WithoutCancel(ctx)); indexErr != nil {
		if err == nil {
			return doc, exit, indexErr
		}
		w.log.Error("catch the catalog up", "error", indexErr)
	}
	return doc, exit, err
}

// invoke runs a verb where the flags say: in a server, or in the data directory, or in the server
// that holds it; then prints its document. sources are the client's files, uploaded if need be.
func (c *cli) invoke(ctx context.Context, v verb, args any, sources []string, print func(doc json.RawMessage)) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return fault.New(fault.Internal, "encode the arguments: %w", err)
	}
	doc, exit, err := c.dispatch(ctx, v, raw, sources)
	if err != nil {
		return err
	}
	c.exit = exit
	encoded, err := json.Marshal(doc)
	if err != nil {
		return fault.New(fault.Internal, "encode the document: %w", err)
	}
	if c.json || print == nil {
		c.printJSON(json.RawMessage(encoded))
		return nil
	}
	print(encoded)
	return nil
}

func (c *cli) dispatch(ctx context.Context, v verb, args json.RawMessage, sources []string) (any, int, error) {
	if c.server != "" {
		if err := c.grantsNothing(c.server); err != nil {
			return nil, 0, err
		}
		return callServer(ctx, c.server, v.name, args, sources, c.actor)
	}
	local := call{args: args, actor: c.actor, bar: c.newBar()}
	defer local.bar.end()
	if v.access == reads {
		w, err := openReading(ctx, c.place(), c.logger())
		if err != nil {
			return nil, 0, err
		}
		defer w.close()
		if !v.founds {
			if err := w.mustHold(); err != nil {
				return nil, 0, err
			}
		}
		return w.perform(ctx, v, local)
	}
	w, err := openCommitting(ctx, c.place(), c.logger(), commitOptions{founds: v.founds, catchUp: v.access == commits})
	var held *errLocked
	if errors.As(err, &held) {
		if held.Holder.HTTP == "" {
			return nil, 0, held.busy()
		}
		if err := held.reachable(); err != nil {
			return nil, 0, err
		}
		if err := c.grantsNothing(held.Holder.HTTP); err != nil {
			return nil, 0, err
		}
		fmt.Fprintf(c.err, "terrapin: %v; sending the work there\n", held)
		return callServer(ctx, held.Holder.HTTP, v.name, args, sources, c.actor)
	}
	if err != nil {
		return nil, 0, err
	}
	defer w.close()
	guarded, cancel := w.hold.guard(ctx)
	defer cancel()
	doc, exit, err := w.perform(guarded, v, local)
	if lost := w.hold.err(); err != nil && lost != nil {
		err = lost
	}
	return doc, exit, err
}

// logger writes warnings of the library to standard error.
func (c *cli) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// decoded reads a document for printing; it was encoded by this very binary or its server.
func decoded[T any](doc json.RawMessage) T {
	var v T
	if err := json.Unmarshal(doc, &v); err != nil {
		panic(fmt.Sprintf("document of a verb does not decode: %v", err))
	}
	return v
}
