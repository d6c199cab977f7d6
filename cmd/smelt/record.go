package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt/internal/conformance"
	"github.com/smelt-ml/smelt/internal/convert"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
)

// recordFlags are those of a golden case that is to be written.
type recordFlags struct {
	model, function, id string
	inputs, outputs     []string
	rtol, atol          float64
}

var recordOnly = []string{"input", "output", "id", "function", "rtol", "atol"}

func (r *recordFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.model, "record", "", "write a case of this `MODEL`")
	f.StringArrayVar(&r.inputs, "input", nil, "with --record: `NAME=FILE` or NAME=VALUE of an input; may be repeated")
	f.StringArrayVar(&r.outputs, "output", nil, "with --record: `NAME=FILE` or NAME=VALUE of an expected output; may be repeated")
	f.StringVar(&r.id, "id", "", "with --record: the case's `NAME` (default: the model's)")
	f.StringVar(&r.function, "function", "", "with --record: function of an ML Program that has several")
	f.Float64Var(&r.rtol, "rtol", 1e-3, "with --record: how far a number may be off, relatively")
	f.Float64Var(&r.atol, "atol", 1e-4, "with --record: how far a number may be off, besides")
}

// unused complains of flags that do nothing without --record.
func (r *recordFlags) unused(cmd *cobra.Command) error {
	for _, name := range recordOnly {
		if cmd.Flags().Changed(name) {
			return misuse("--%s wants --record MODEL", name)
		}
	}
	return nil
}

// recordedCase is what is told of a case that was written.
type recordedCase struct {
	Case     string   `json:"case"` // the folder
	Computed []string `json:"computed"`
	Given    []string `json:"given"`
}

// record writes a case into the folder dir.
func (a *app) record(ctx context.Context, dir string, r *recordFlags) error {
	doc, _, err := convert.Open(ctx, r.model)
	if err != nil {
		return err
	}
	defer doc.Close()
	model, err := predict.Load(doc, predict.Options{Function: r.function, Reference: true})
	if err != nil {
		return err
	}
	defer model.Close()
	faces := mlmodel.Describe(doc.Spec().GetDescription())
	face := faces[max(0, slices.IndexFunc(faces, func(f modelInterface) bool { return f.Function == r.function }))]
	in, err := readFeatures("input", r.inputs, face.Inputs)
	if err != nil {
		return err
	}
	given, err := readFeatures("output", r.outputs, face.Outputs)
	if err != nil {
		return err
	}
	out, err := model.Predict(ctx, in, model.NewState())
	if err != nil {
		return err
	}
	told := recordedCase{Given: slices.Sorted(maps.Keys(given)), Computed: []string{}}
	for _, name := range slices.Sorted(maps.Keys(out)) {
		if _, ok := given[name]; !ok {
			told.Computed = append(told.Computed, name)
		}
	}
	if told.Given == nil {
		told.Given = []string{}
	}
	maps.Copy(out, given)
	source := "given"
	if len(told.Computed) > 0 {
		source = "computed by the definition of each operator: " + strings.Join(told.Computed, ", ")
	}
	rec := conformance.Recording{
		ID: r.id, Model: doc, Function: r.function, RTol: r.rtol, ATol: r.atol,
		Source: source,
	}
	if rec.ID == "" {
		base := filepath.Base(r.model)
		rec.ID = strings.TrimSuffix(base, filepath.Ext(base))
	}
	if rec.Inputs, err = conformance.Values(in); err != nil {
		return fmt.Errorf("input %w", err)
	}
	if rec.Outputs, err = conformance.Values(out); err != nil {
		return fmt.Errorf("output %w", err)
	}
	if err := conformance.Record(dir, rec); err != nil {
		return err
	}
	told.Case = filepath.Join(dir, rec.ID)
	return a.print(told, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d outputs given, %d computed\n", told.Case, len(told.Given), len(told.Computed))
	})
}
