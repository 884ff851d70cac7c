package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/fault"
)

// version is what `terrapin --version` and GET /v1/server say.
const version = "0.1.0"

// Exit codes of every verb: 0 all done, 1 something was refused or failed, 2 wrong usage.
const (
	exitOK      = 0
	exitRefused = 1
	exitUsage   = 2
)

// streams is the outside world of a run, so that tests can drive the whole command line.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	env func(string) string
}

// cli carries the global flags and the exit code of the verb that ran.
type cli struct {
	streams
	data   string
	state  string
	server string
	// catalog is the address of the database that holds the catalog; "" is a file beside the data.
	catalog string
	actor   string
	// virtual are the containers of virtual chunks that may be read.
	virtual []string
	json    bool
	exit    int
}

// errUsage marks errors of the command line itself, which exit with 2.
type errUsage struct{ error }

// Unwrap gives the cause.
func (e errUsage) Unwrap() error { return e.error }

// usagef makes a usage error.
func usagef(format string, args ...any) error { return errUsage{fmt.Errorf(format, args...)} }

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, s streams) int {
	c := &cli{streams: s}
	root := c.rootCommand()
	root.SetArgs(args)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetIn(s.in)
	if err := root.ExecuteContext(ctx); err != nil {
		return c.fail(err, args)
	}
	return c.exit
}

func (c *cli) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "terrapin",
		Short: "Data cubes, versioned training sets and exactly resumable batches for Earth observation",
		Long: `Terrapin keeps satellite imagery as a versioned Zarr cube, pins training sets to it, streams their
batches over Arrow Flight, and takes predictions back, all findable through a STAC API.

Every verb works on a data directory (--data DIR), on a bucket (--data s3://…, with credentials where
AWS programs look for them), or through a server (--server URL). Where a server holds the directory or
bucket, a verb with --data sends its work to that server.

Exit codes: 0 all done (skipped is not a failure), 1 something was refused or failed (each is named),
2 wrong usage. With --json exactly one JSON document goes to stdout, everything else to stderr.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return errUsage{err} })
	f := root.PersistentFlags()
	f.StringVar(&c.data, "data", c.orEnv("TERRAPIN_DATA_DIR", "terrapin-data"), "data directory, or s3://bucket/prefix?endpoint=…&region=… (TERRAPIN_DATA_DIR; where neither is given, ./terrapin-data)")
	f.StringVar(&c.state, "state", c.orEnv("TERRAPIN_STATE_DIR", ""), "for a bucket: directory of its catalog and lock on this machine (TERRAPIN_STATE_DIR; default below XDG_STATE_HOME)")
	f.StringVar(&c.catalog, "catalog", c.orEnv("TERRAPIN_CATALOG", ""), "keep the catalog in postgres://user@host/database (TERRAPIN_CATALOG; default: a file in the data directory)")
	f.Lookup("catalog").DefValue = "" // help is no place for a password
	f.StringVar(&c.server, "server", c.orEnv("TERRAPIN_SERVER", ""), "URL of a running server, instead of --data (TERRAPIN_SERVER)")
	f.StringVar(&c.actor, "as", c.orEnv("TERRAPIN_USER", osUser()), "who acts, recorded with every write, unauthenticated (TERRAPIN_USER)")
	f.StringArrayVar(&c.virtual, "virtual", nil, "let virtual chunks be read below file:///dir/, https://host/path/ or s3://bucket/prefix/?endpoint=…; repeatable (default: none)")
	f.BoolVar(&c.json, "json", false, "print exactly one JSON document on stdout")
	root.AddCommand(c.serveCommand(), c.cubeCommand(), c.ingestCommand(), c.labelsCommand(), c.datasetCommand(),
		c.streamCommand(), c.modelCommand(), c.predictionsCommand(), c.runCommand(), c.catalogCommand(), c.storeCommand(), c.referenceCommand())
	for _, group := range root.Commands() {
		requireVerb(group)
	}
	markUsage(root)
	return root
}

// markUsage makes wrong arguments of every command usage errors.
func markUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return errUsage{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markUsage(sub)
	}
}

// requireVerb makes a group such as `terrapin cube` without a known verb a usage error.
func requireVerb(group *cobra.Command) {
	if group.HasSubCommands() && group.RunE == nil {
		group.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s needs a verb: %s", cmd.CommandPath(), verbNames(cmd))
			}
			return usagef("%s has no verb %q; it has %s", cmd.CommandPath(), args[0], verbNames(cmd))
		}
	}
}

func verbNames(cmd *cobra.Command) string {
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return strings.Join(names, ", ")
}

func (c *cli) orEnv(name, otherwise string) string {
	if v := c.env(name); v != "" {
		return v
	}
	return otherwise
}

func osUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// fail reports an error and returns the exit code it asks for.
func (c *cli) fail(err error, args []string) int {
	var usage errUsage
	isUsage := errors.As(err, &usage)
	kind, cure := fault.KindOf(err).String(), fault.CureOf(err)
	switch {
	case isUsage:
		kind, cure = "usage", "see `terrapin --help` or `terrapin VERB --help`"
	case errors.Is(err, context.Canceled) && cure == "":
		err = fault.New(fault.Canceled, "interrupted: %w", err).WithCure("do it again: what was committed before stays, and what was not is not there")
		cure = fault.CureOf(err)
	}
	if c.json || slices.Contains(args, "--json") { // a wrong flag ends the parsing before the ones that follow
		c.json = true
		doc := map[string]any{"error": map[string]string{"kind": kind, "message": err.Error(), "cure": cure}}
		var held *errLocked
		if errors.As(err, &held) && held.Holder.HTTP != "" && held.reachable() == nil {
			doc["served"] = held.Holder
		}
		c.printJSON(doc)
	}
	fmt.Fprintln(c.err, "terrapin: "+fault.Text(err))
	if isUsage {
		fmt.Fprintln(c.err, "run `terrapin --help` or `terrapin VERB --help` for usage")
		return exitUsage
	}
	return exitRefused
}

func (c *cli) printJSON(doc any) {
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	if !c.json {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(doc); err != nil {
		fmt.Fprintln(c.err, "terrapin: write the document: "+err.Error())
		c.exit = exitRefused
	}
}
