package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// referenceCommand prints docs/cli.md, so that the page says what --help says.
func (c *cli) referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reference", Short: "print this reference as Markdown", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var b strings.Builder
			b.WriteString("# Command line\n\n<!-- written by `make generate` from the verbs' --help; edit those -->\n")
			writeReference(&b, cmd.Root())
			_, err := fmt.Fprint(c.out, b.String())
			return err
		},
	}
}

func writeReference(b *strings.Builder, cmd *cobra.Command) {
	if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
		return
	}
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(b, "\n## %s\n\n```\n%s\n```\n\n%s\n", cmd.CommandPath(), cmd.UseLine(), text)
	flags := cmd.NonInheritedFlags()
	if flags.HasAvailableFlags() {
		b.WriteString("\n")
		flags.VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" || f.Name == "version" && !cmd.HasParent() {
				return
			}
			def := ""
			// Defaults that come from the environment are not part of the reference.
			if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && f.DefValue != "0" && f.Name != "as" && f.Name != "data" && f.Name != "server" {
				def = fmt.Sprintf(" (default `%s`)", f.DefValue)
			}
			fmt.Fprintf(b, "- `--%s`: %s%s\n", f.Name, f.Usage, def)
		})
	}
	for _, sub := range cmd.Commands() {
		writeReference(b, sub)
	}
}
