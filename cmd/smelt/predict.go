package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/internal/stream"
)

func (a *app) predict() *cobra.Command {
	var (
		from  sourceFlags
		load  loadFlags
		given []string
		top   int
		dir   string
	)
	cmd := &cobra.Command{
		Use:   "predict MODEL (--input NAME=FILE… | --images DIR)",
		Short: "Run a model",
		Long: `Run a model on inputs that are named one by one, or on many.

The value of --input is a file (a picture, .npy or .npz), or the value itself: a
number, a text, numbers with commas between for a small array, or JSON for
dictionaries and sequences. NAME= may be left out where the model has one input.`,
		Example: `  smelt predict SqueezeNet.mlmodel --input image=cat.jpg
  smelt predict SqueezeNet.mlmodel --images photos --top 3 --fit crop --json
  smelt predict Style.mlmodel --images photos --output-dir out
  smelt predict net.mlpackage --input ids=ids.npy --input mask=mask.npy --output-dir out`,
		Args: wants(1, 1, "one MODEL"),
	}
	from.add(cmd)
	load.add(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&given, "input", nil, "`NAME=FILE` or NAME=VALUE of an input; may be repeated")
	f.IntVar(&top, "top", 5, "so many of the most probable classes")
	f.StringVar(&dir, "output-dir", "", "`FOLDER` for pictures (.png) and arrays (.npy) that the model gives")
	cmd.MarkFlagsMutuallyExclusive("input", "images")
	cmd.MarkFlagsMutuallyExclusive("input", "inputs")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		options, err := load.options()
		if err != nil {
			return err
		}
		if len(given) == 0 {
			if err := from.check(); err != nil {
				return misuse("want --input, --images or --inputs")
			}
		}
		if top < 0 {
			return misuse("--top %d: want 0 or more", top)
		}
		many := len(given) == 0
		workers := 1
		if many { // each core a prediction
			workers = options.Threads
			if workers == 0 {
				workers = runtime.GOMAXPROCS(0)
			}
			options.Threads = 1
		}
		p, err := smelt.Load(args[0], options)
		if err != nil {
			return err
		}
		defer p.Close()
		var inputs compare.Source
		if many {
			inputs, err = from.open(p.Describe())
		} else {
			inputs, err = readInputs(given, p.Describe())
		}
		if err != nil {
			return err
		}
		w := &predictionWriter{app: a, top: top, face: p.Describe()}
		if dir != "" {
			if w.files, err = newOutputFiles(dir); err != nil {
				return err
			}
		}
		return w.all(ctx, p, inputs, workers, many)
	})
	return cmd
}

// predictionWriter prints predictions one after the other, so that a long list
// of inputs takes no more memory than a short one.
type predictionWriter struct {
	*app
	top      int
	face     modelInterface
	files    *outputFiles // nil unless outputs are saved
	done     int
	failures []compare.Failure
}

// outcome is what came of one input.
type outcome struct {
	name string
	text []byte // as it is printed
	err  error
}

func (w *predictionWriter) all(ctx context.Context, p *smelt.Predictor, inputs compare.Source, workers int, many bool) error {
	start := time.Now()
	show, finish := w.progress("predicting")
	if !w.json && many {
		show = nil // the lines themselves show how far it is
	}
	defer finish()
	var first error
	for i, r := range stream.Map(ctx, workers, inputs.All, func(ctx context.Context, i int, in compare.Input) outcome {
		text, err := w.one(ctx, p, i, in)
		return outcome{in.Name, text, err}
	}) {
		if ctx.Err() != nil {
			break
		}
		if r.err != nil {
			if !many {
				return r.err
			}
			if first == nil {
				first = compare.NameInput(r.name, r.err)
			}
			w.failures = append(w.failures, compare.Failure{Index: i, Name: r.name, Error: r.err.Error()})
			continue
		}
		if err := w.write(r.text); err != nil {
			return err
		}
		if show != nil {
			show(i+1, inputs.Len)
		}
	}
	finish()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if w.done == 0 {
		if first != nil {
			return fmt.Errorf("none of %d inputs could be used: %w", len(w.failures), first)
		}
		return errors.New("there is no input")
	}
	return w.end(time.Since(start))
}

// one answers an input and makes the text of it.
func (w *predictionWriter) one(ctx context.Context, p *smelt.Predictor, index int, in compare.Input) ([]byte, error) {
	features, err := in.Open()
	if err != nil {
		return nil, err
	}
	out, err := p.Predict(ctx, compare.Bind(features, w.face))
	if err != nil {
		return nil, err
	}
	r, err := w.describe(in.Name, index, out)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if !w.json {
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		r.write(table)
		err = table.Flush()
		return b.Bytes(), err
	}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err = e.Encode(r)
	return bytes.TrimSpace(b.Bytes()), err
}

func (w *predictionWriter) write(text []byte) error {
	before := ""
	if w.json {
		if before = ",\n"; w.done == 0 {
			before = "{\"predictions\": [\n"
		}
	}
	w.done++
	_, err := w.stdout.Write(append([]byte(before), text...))
	return err
}

// end prints what is said of all predictions together.
func (w *predictionWriter) end(took time.Duration) error {
	if w.json {
		failures := w.failures
		if failures == nil {
			failures = []compare.Failure{}
		}
		rest, err := json.Marshal(struct {
			Samples  int               `json:"samples"`
			Failed   int               `json:"failed"`
			Failures []compare.Failure `json:"failures"`
			Seconds  float64           `json:"seconds"`
		}{w.done, len(failures), failures, took.Seconds()})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.stdout, "\n],\n%s\n", rest[1:])
		return err
	}
	for _, f := range w.failures {
		w.note("%s could not be used: %s", plain(f.Name), plain(f.Error))
	}
	return nil
}
