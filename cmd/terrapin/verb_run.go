package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/runs"
	"github.com/terrapin-eo/terrapin/stream"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// receiptsName is the ledger of receipts in the local directory.
const receiptsName = "receipts.log"

// openReceipts opens the ledger for the server that writes it.
func (w *workspace) openReceipts() (err error) {
	w.ledger, err = receipts.Open(receipts.Config{Path: filepath.Join(w.dir, receiptsName), Log: w.log})
	return err
}

// receipts is the ledger: the server's own, or what stands in its file.
func (w *workspace) receipts() (*receipts.Ledger, error) {
	if w.ledger != nil {
		return w.ledger, nil
	}
	if w.dir == "" {
		return nil, fault.New(fault.Precondition, "no directory for the receipts of a bucket").WithCure("give the server's with --state, or ask the server with --server")
	}
	return receipts.Read(filepath.Join(w.dir, receiptsName))
}

func (c *cli) runCommand() *cobra.Command {
	group := &cobra.Command{Use: "run", Short: "training runs: what they have seen"}
	group.AddCommand(c.runListCommand(), c.runShowCommand())
	return group
}

// runList is the document of `run ls`.
type runList struct {
	Runs    []receipts.Run   `json:"runs"`
	Dropped receipts.Dropped `json:"dropped"`
	Damaged uint64           `json:"damaged"`
}

func (c *cli) runListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "the runs that receipts are kept of", Args: cobra.NoArgs,
		Long: `Lists the runs whose tickets named them, those heard of last first, and what the ledger has dropped because it
was full. Receipts lie in the server's local directory: ask the server that the run was read from. Lines of their file
that do not read are counted ("damaged"): what only they told is in no receipt.

With --json: {"runs": [{"run", "sessions", "steps", "opened", "last", "newest": {…}}], "dropped": {"runs", "sessions", "until"}, "damaged"}.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), runListVerb, struct{}{}, nil, func(doc json.RawMessage) {
				list := decoded[runList](doc)
				for _, r := range list.Runs {
					fmt.Fprintf(c.out, "%-32s %4d sessions %8d steps  %s  %s\n", r.Name, r.Sessions, r.Steps, r.Last.Format(time.DateTime), ticketLine(r.Newest))
				}
				if d := list.Dropped; d.Sessions > 0 {
					fmt.Fprintf(c.out, "dropped before: %d runs, %d sessions\n", d.Runs, d.Sessions)
				}
				if list.Damaged > 0 {
					fmt.Fprintf(c.out, "%d lines of %s do not read: what only they told is in no receipt\n", list.Damaged, receiptsName)
				}
			})
		},
	}
}

var runListVerb = verb{name: "run.ls", run: func(_ context.Context, w *workspace, _ call) (any, int, error) {
	ledger, err := w.receipts()
	if err != nil {
		return nil, 0, err
	}
	list, dropped := ledger.Runs()
	return runList{list, dropped, ledger.Damaged()}, exitOK, nil
}}

// ticketLine is what a session reads, in short.
func ticketLine(r receipts.Record) string {
	t, err := stream.ParseTicket(r.Ticket)
	if err != nil || t.Samples == nil {
		return "?"
	}
	s := t.Samples
	return fmt.Sprintf("%s %s seed %d epoch %d rank %d/%d batch %d", s.Dataset, s.Split, s.Seed, s.Epoch, s.Rank, s.WorldSize, s.BatchSize)
}

// runShowArgs name a run and which of its samples to list.
type runShowArgs struct {
	Run     string `json:"run"`
	Samples bool   `json:"samples,omitempty"`
	Session string `json:"session,omitempty"`
	First   uint64 `json:"first,omitempty"`
	Limit   int    `json:"limit,omitempty"`
}

// runDocument is the document of `run show`.
type runDocument struct {
	Run      string            `json:"run"`
	Sessions []receipts.Record `json:"sessions"`
	Samples  []runs.Page       `json:"samples,omitempty"`
}

func (c *cli) runShowCommand() *cobra.Command {
	var a runShowArgs
	cmd := &cobra.Command{
		Use: "show NAME", Short: "what a run has seen: its sessions and, with --samples, which samples", Args: cobra.ExactArgs(1),
		Long: `Shows the sessions of a run, oldest first: what each stream was opened with, how many steps its client has
acknowledged, and the proof that verify_epoch() of the Python client compares with the order. With --samples
it lists the rows that were acknowledged, as the order has them: step, position, sample id; at most --limit
of each session, from --first on. Rows that were masked, as some of their pixels are damaged, are listed with the reason.

With --json: {"run", "sessions": [{"session", "ticket", "steps", "rows", "chain", "masked": [{"why", "rows": [{"step",
"position", "id"}]}], …}], "samples": [{"session", "first", "total", "samples": [{"step", "position", "id", "masked"}]}]}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Run = args[0]
			return c.invoke(cmd.Context(), runShowVerb, a, nil, func(doc json.RawMessage) {
				d := decoded[runDocument](doc)
				for _, s := range d.Sessions {
					fmt.Fprintf(c.out, "%s  %s  %d of %d steps, %s\n", s.ID, s.Opened.Format(time.DateTime), s.Acknowledged(), s.Planned, ticketLine(s))
					for _, m := range s.Masked {
						fmt.Fprintf(c.out, "  masked: %s\n", m.Why)
						for _, r := range m.Rows {
							fmt.Fprintf(c.out, "%10d %10d  %s\n", r.Step, r.Position, r.ID)
						}
					}
				}
				for _, p := range d.Samples {
					fmt.Fprintf(c.out, "session %s, rows %d to %d of %d\n", p.Session, p.First, p.First+uint64(len(p.Samples)), p.Total)
					for _, r := range p.Samples {
						note := ""
						if r.Masked {
							note = "  masked"
						}
						fmt.Fprintf(c.out, "%10d %10d  %s%s\n", r.Step, r.Position, r.ID, note)
					}
				}
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&a.Samples, "samples", false, "list the samples too")
	f.StringVar(&a.Session, "session", "", "only this session")
	f.Uint64Var(&a.First, "first", 0, "row of a session to begin with")
	f.IntVar(&a.Limit, "limit", stream.MaxRows, "rows of a session, at most 10,000")
	return cmd
}

var runShowVerb = verb{name: "run.show", run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	a := runShowArgs{Limit: stream.MaxRows}
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	ledger, err := w.receipts()
	if err != nil {
		return nil, 0, err
	}
	all, err := ledger.Sessions(a.Run)
	if err != nil {
		return nil, 0, err
	}
	doc := runDocument{Run: a.Run, Sessions: []receipts.Record{}}
	for _, s := range all {
		if a.Session != "" && a.Session != s.ID {
			continue
		}
		doc.Sessions = append(doc.Sessions, s)
		if !a.Samples {
			continue
		}
		page, err := runs.PageOf(ctx, w.engine().Rows, s, a.First, a.Limit)
		if err != nil {
			return nil, 0, err
		}
		doc.Samples = append(doc.Samples, page)
	}
	if a.Session != "" && len(doc.Sessions) == 0 {
		return nil, 0, fault.New(fault.NotFound, "run %s has no session %.40q", a.Run, a.Session).WithCure("`terrapin run show %s` lists its sessions", a.Run)
	}
	return doc, exitOK, nil
}}
