package convert

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
)

// MLProgram is the format of Core ML's packages.
const MLProgram = "mlprogram"

// target is a format that models are written in. Adding one is a file with its
// write function and a row of the table.
type target struct {
	name  string // as Options.To and the report have it
	title string // for people
	ext   string // what the names of its files end in
	// identifier makes a name that a feature may have; nil where it may have any.
	identifier func(string) string
	// core tells a Core ML format: it takes no inputs and gives no outputs but
	// floats, int32 and pictures.
	core bool
	// write makes the model of a source that was prepared, to be put at out. It
	// reports what was written.
	write func(ctx context.Context, s *source, out string, o Options, r *Report) (*result, error)
}

var targets = []target{
	{name: MLProgram, title: "ML Program", ext: ".mlpackage", identifier: mlprogram.Identifier, core: true, write: writeMLProgram},
	{name: NeuralNetwork, title: "NeuralNetwork", ext: ".mlmodel", core: true, write: writeNeuralNetwork},
	{name: ONNX, title: "ONNX model", ext: ".onnx", write: writeONNX},
	{name: Classical, title: "classical model", ext: ".mlmodel", core: true, write: noProgram},
}

// result is a model that was made and is not yet in its place.
type result struct {
	face   mlmodel.Interface // what run takes and gives
	random string            // an operator that gives other numbers each time
	custom bool              // it has custom layers
	// run answers as a Core ML model with that interface does.
	run func(ctx context.Context, in predict.Features) (predict.Features, error)
	// save puts the model in its place, whole or not at all, and returns its
	// size in bytes.
	save  func() (int64, error)
	close func()
}

// Targets returns the formats that models can be written in.
func Targets() []string {
	var names []string
	for _, t := range targets {
		names = append(names, t.name)
	}
	return names
}

// Title is what people call a format.
func Title(name string) string {
	for _, t := range targets {
		if t.name == name {
			return t.title
		}
	}
	return name
}

// targetOf finds the format by its name, or else by what out ends in.
func targetOf(name, out string) (*target, error) {
	ext := filepath.Ext(out)
	i := slices.IndexFunc(targets, func(t target) bool {
		return t.name == name || name == "" && strings.EqualFold(t.ext, ext)
	})
	var want []string
	for _, t := range targets {
		want = append(want, t.ext+" ("+t.title+")")
	}
	switch {
	case i < 0 && name != "":
		return nil, fault.New(fault.BadValue, "", "format %q: want one of %s", name, strings.Join(Targets(), ", "))
	case i < 0:
		return nil, fault.New(fault.BadValue, "", "%s: the name of what is written ends in one of %s", out, strings.Join(want, ", "))
	case !strings.EqualFold(targets[i].ext, ext):
		return nil, fault.New(fault.BadValue, "", "%s: a model of the format %s is written as %s", out, targets[i].name, targets[i].ext)
	}
	return &targets[i], nil
}

// document is the result that a Core ML document is; once says that it answers
// a single input.
func document(m *mlmodel.Model, out string, once bool) *result {
	var model *predict.Model
	r := &result{
		face: mlmodel.Describe(m.Spec().GetDescription())[0],
		run: func(ctx context.Context, in predict.Features) (predict.Features, error) {
			if model == nil {
				var err error
				if model, err = predict.Load(m, predict.Options{Frugal: once, WithoutCustom: true}); err != nil {
					return nil, err
				}
			}
			return model.Predict(ctx, in, nil)
		},
		save: func() (int64, error) {
			if err := m.Save(out); err != nil {
				return 0, err
			}
			return sizeOf(out)
		},
		close: func() {
			if model != nil {
				model.Close()
			}
			m.Close()
		},
	}
	for _, d := range m.Summary().Dependencies {
		r.custom = r.custom || d.Kind == "customLayer"
	}
	for op := range mlmodel.Operations(m.Spec()) {
		if strings.HasPrefix(op.GetType(), "random_") {
			r.random = op.GetType()
		}
	}
	for l := range mlmodel.Layers(m.Spec()) {
		if strings.HasPrefix(l.Kind, "random") || l.Kind == "categoricalDistribution" {
			r.random = l.Kind
		}
	}
	return r
}

func sizeOf(path string) (int64, error) {
	m, err := mlmodel.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read what was written: %w", err)
	}
	n, err := m.Size()
	return n, errors.Join(err, m.Close())
}
