package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt/internal/conformance"
	"github.com/smelt-ml/smelt/internal/predict"
)

func (a *app) test() *cobra.Command {
	var (
		expr    string
		filter  conformance.Filter
		o       conformance.Options
		engine  predict.Options
		timeout time.Duration
		list    bool
		rec     recordFlags
	)
	cmd := &cobra.Command{
		Use:   "test CASES",
		Short: "Run golden cases: models with inputs and the outputs they should give",
		Long: `Run golden cases, each a model with inputs and the outputs they should give.

CASES is a zip archive of cases, a folder of cases or of such archives, or one
case. The exit code is 1 if a case fails.

With --record, a case is written into the folder CASES: the model, the given
inputs and the outputs. Outputs that --output does not give are computed by the
definition of each operator.`,
		Example: `  smelt test conformance/nn.zip
  smelt test conformance --suite mil --run '^conv' --json
  smelt test golden --record net.mlpackage --input x=x.npy --output y=expected.npy`,
		Args: wants(1, 1, "one CASES"),
	}
	f := cmd.Flags()
	f.StringVar(&expr, "run", "", "only cases whose id matches this `REGEXP`")
	f.StringVar(&filter.Suite, "suite", "", "only cases of this `SUITE`, such as nn for nn.zip")
	f.StringVar(&filter.Op, "op", "", "only cases with this operator, layer or model `TYPE`")
	f.IntVar(&o.Parallelism, "parallel", 0, "cases at a time (0: one for each core)")
	f.DurationVar(&timeout, "timeout", time.Minute, "time for one case")
	f.BoolVar(&engine.Reference, "reference", false, "run every operator by its definition, without fast kernels")
	f.BoolVar(&engine.Strict, "strict", false, "round every float16 result to float16")
	f.BoolVar(&list, "list", false, "list every case that fails, not only counts")
	rec.add(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		if rec.model != "" {
			return a.record(ctx, args[0], &rec)
		}
		if err := rec.unused(cmd); err != nil {
			return err
		}
		if o.Parallelism < 0 || timeout <= 0 {
			return misuse("--parallel wants 0 or more, --timeout more than 0")
		}
		if expr != "" {
			re, err := regexp.Compile(expr)
			if err != nil {
				return misuse("--run: %w", err)
			}
			filter.ID = re
		}
		suite, err := conformance.Load(args[0])
		if err != nil {
			return err
		}
		defer suite.Close()
		chosen := suite.Filter(filter)
		if len(chosen.Cases) == 0 {
			return fmt.Errorf("%s: there is no such case among %d", args[0], len(suite.Cases))
		}
		o.Timeout = timeout
		show, finish := a.progress("testing")
		if show != nil {
			o.Progress = func(done, total int, _ conformance.Result) { show(done, total) }
		}
		report, err := conformance.Run(ctx, chosen, conformance.Engine(engine), o)
		finish()
		if err != nil {
			return err
		}
		var failure error
		err = a.print(report, func(w io.Writer) {
			failure = writeSuite(w, report, list)
		})
		if err == nil {
			err = failure
		}
		if err == nil && report.Failed > 0 {
			err = fmt.Errorf("%s: %d of %d cases failed", args[0], report.Failed, report.Failed+report.Passed)
		}
		return err
	})
	return cmd
}

func writeSuite(w io.Writer, r *conformance.Report, list bool) error {
	if err := r.WriteTable(w); err != nil {
		return err
	}
	if list {
		fmt.Fprintln(w)
		for _, c := range r.Cases {
			if !c.OK {
				fmt.Fprintf(w, "FAIL %s: %s\n", plain(c.ID), plain(c.Error))
			}
		}
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped in %.1f s\n", r.Passed, r.Failed, r.Skipped, r.Seconds)
	return nil
}
