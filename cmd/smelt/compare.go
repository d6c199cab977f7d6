package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/internal/stream"
)

func (a *app) compare() *cobra.Command {
	var (
		from  sourceFlags
		load  loadFlags
		sheet string
		rows  int
		worst int
	)
	cmd := &cobra.Command{
		Use:   "compare A B [C…] --images DIR",
		Short: "Measure how far models are from a reference",
		Long: `Measure how far models are from a reference, the first one.

Classifiers get the share of inputs with the same first class, and with the
reference's first class among the other's five, each with a 95 % interval, and
the divergence of probabilities; pictures and arrays get noise and errors.`,
		Example: `  smelt compare SqueezeNet.mlmodel small.mlmodel --images photos
  smelt compare Style.mlmodel Style8.mlmodel Style4.mlmodel --images photos --sheet styles.png
  smelt compare a.mlpackage b.mlpackage --inputs clips.npz --json`,
		Args: wants(2, -1, "two or more models"),
	}
	from.add(cmd)
	load.add(cmd)
	f := cmd.Flags()
	f.StringVar(&sheet, "sheet", "", "write a contact sheet to this PNG `FILE`: inputs by models")
	f.IntVar(&rows, "sheet-rows", 12, "the most inputs on the sheet")
	f.IntVar(&worst, "worst", 5, "name so many of the worst inputs")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		options, err := load.options()
		if err != nil {
			return err
		}
		if err := from.check(); err != nil {
			return err
		}
		if rows < 1 || worst < 0 {
			return misuse("--sheet-rows wants 1 or more, --worst 0 or more")
		}
		if sheet != "" {
			if err := needFolder(sheet); err != nil {
				return err
			}
		}
		var models []*smelt.Predictor
		var sizes []int64
		type loaded struct {
			*smelt.Predictor
			err error
		}
		open := func(_ context.Context, _ int, path string) loaded {
			p, err := smelt.Load(path, options)
			return loaded{p, err}
		}
		var failed error // of the first model that cannot be loaded
		for _, m := range stream.Map(ctx, runtime.GOMAXPROCS(0), slices.Values(args), open) {
			if m.err != nil {
				if failed == nil {
					failed = m.err
				}
				continue
			}
			defer m.Close()
			models = append(models, m.Predictor)
			sizes = append(sizes, m.Size())
		}
		if failed != nil {
			return failed
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		inputs, err := from.open(models[0].Describe())
		if err != nil {
			return err
		}
		show, finish := a.progress("comparing")
		defer finish()
		o := compare.Options{Progress: show, Worst: worst, Workers: load.threads}
		if worst == 0 {
			o.Worst = -1
		}
		var page *compare.Sheet
		if sheet != "" {
			page = compare.NewSheet(rows, args, sizes)
			o.Seen = page.Add
		}
		reports, err := smelt.CompareAll(ctx, models[0], models[1:], inputs, o)
		finish()
		if err != nil {
			return err
		}
		if page != nil {
			if err := page.WritePNG(sheet); err != nil {
				return err
			}
		}
		return a.print(newCompareReport(args, reports), func(w io.Writer) {
			writeComparison(w, args, reports)
			if sheet != "" {
				fmt.Fprintf(w, "the sheet is in %s\n", sheet)
			}
		})
	})
	return cmd
}

// newCompareReport is the report of the second model, with those of all
// models if there are more.
func newCompareReport(paths []string, reports []*compare.Report) any {
	if len(reports) == 1 {
		return reports[0]
	}
	type entry struct {
		Model string          `json:"model"`
		Data  *compare.Report `json:"report"`
	}
	var all []entry
	for i, r := range reports {
		all = append(all, entry{paths[i+1], r})
	}
	return compareAllReport{reports[0], all}
}

// compareAllReport adds the models to the keys of the first report.
type compareAllReport struct {
	first  *compare.Report
	models any
}

func (r compareAllReport) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(r.first)
	if err != nil {
		return nil, err
	}
	keys := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &keys); err != nil {
		return nil, err
	}
	if keys["models"], err = json.Marshal(r.models); err != nil {
		return nil, err
	}
	return json.Marshal(keys)
}

func writeComparison(w io.Writer, paths []string, reports []*compare.Report) {
	first := reports[0]
	fmt.Fprintf(w, "reference %s, %s\n", paths[0], bytesText(first.Sizes[0]))
	for i, r := range reports {
		fmt.Fprintf(w, "\nmodel %s, %s\n", paths[i+1], bytesText(r.Sizes[1]))
		for _, m := range r.Results {
			fmt.Fprintf(w, "  %s\t%s", m.Name, figure(float64(m.Value)))
			if m.Interval != nil {
				fmt.Fprintf(w, "\t95 %%: %.4f … %.4f", m.Interval.Low, m.Interval.High)
			}
			fmt.Fprintln(w)
		}
		if len(r.Worst) > 0 {
			fmt.Fprintf(w, "  the worst by %s\n", r.WorstBy)
			for _, x := range r.Worst {
				fmt.Fprintf(w, "    %s\t%s\n", plain(x.Name), figure(float64(x.Value)))
			}
		}
	}
	fmt.Fprintf(w, "\n%d inputs in %.1f s, %.1f a second\n", first.Samples, first.Seconds, first.PerSecond)
	if n := len(first.Failures); n > 0 {
		fmt.Fprintf(w, "%d inputs could not be used:\n", n)
		for i, f := range first.Failures {
			if i == 10 {
				fmt.Fprintf(w, "  and %d more\n", n-i)
				break
			}
			fmt.Fprintf(w, "  %s: %s\n", plain(filepath.ToSlash(f.Name)), plain(f.Error))
		}
	}
}

// figure writes a number for people.
func figure(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "∞"
	case math.IsNaN(v):
		return "undefined"
	}
	return fmt.Sprintf("%.4g", v)
}
