package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// app is what the verbs of one call share.
type app struct {
	stdout, stderr io.Writer
	json           bool
	started        bool // a verb's own work began; errors before that are misuse
}

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	name := cmd.CommandPath()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(stderr, "%s: %s\n", name, oneLine(err))
	var misuse usageError
	if !a.started || errors.As(err, &misuse) {
		fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", name)
		return exitUsage
	}
	return exitFailed
}

// oneLine writes an error on one line, whatever names from files are in it.
func oneLine(err error) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.TrimSpace(err.Error()))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "smelt",
		Short: "Look at, convert, edit, shrink, compare and run Core ML models",
		Long: `smelt looks at Core ML models (.mlmodel, .mlpackage), makes them of others,
edits, shrinks, compares and runs them, on any machine. Where it takes a MODEL that is
not written, ONNX files do as well: they are converted in memory, in float32.

Every command takes --json and then prints one JSON object. It exits with 0 if
all went well, 1 if not (one line on standard error says why), and 2 if it was
called wrongly.`,
		SilenceErrors: true, DisableFlagsInUseLine: true,
		SilenceUsage: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no command is given")
			}
			return fmt.Errorf("there is no command %q", args[0])
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON object")
	root.AddCommand(a.info(), a.convert(), a.edit(), a.quantize(), a.compare(), a.predict(), a.bench(), a.test(), a.demo(), a.version())
	return root
}

// verb wraps what a command does.
func (a *app) verb(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.started = true
		return do(cmd.Context(), args)
	}
}

// usageError is a misuse that only shows once a verb is at work.
type usageError struct{ error }

func misuse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// wants checks the number of arguments; most < 0 is no limit.
func wants(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return fmt.Errorf("want %s, have %d arguments", what, len(args))
		}
		return nil
	}
}

// print writes a result: as JSON, or as the text that human makes, in which
// tabs part columns.
func (a *app) print(result any, human func(w io.Writer)) error {
	var b bytes.Buffer
	if a.json {
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(result); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
	} else {
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		human(w)
		w.Flush()
	}
	_, err := a.stdout.Write(b.Bytes())
	return err
}

// needFolder wants the folder of a file that is to be written, so that a long
// run does not end with that error.
func needFolder(file string) error {
	dir := filepath.Dir(file)
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", dir)
	}
	return err
}

// note tells people something beside the result.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}
