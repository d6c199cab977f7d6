package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/backend/neuralnetwork"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/onnxml"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// Classical is the format of Core ML's models that are no networks, and of
// pipelines of them.
const Classical = "classical"

// ONNX is the format of .onnx files.
const ONNX = "onnx"

// noProgram is the write function of a format that no program is written in.
func noProgram(_ context.Context, _ *source, out string, _ Options, _ *Report) (*result, error) {
	return nil, fault.New(fault.Unsupported, "", "%s: a network does not become a classical model, but an ML Program (.mlpackage)", out)
}

func isONNX(path string) bool { return strings.EqualFold(filepath.Ext(path), ".onnx") }

// wants tells whether what is written is a file of that ending and may be a
// classical model.
func (o Options) wants(ext string, names ...string) bool {
	ok := o.To == ""
	for _, name := range names {
		ok = ok || o.To == name
	}
	return ok && strings.EqualFold(filepath.Ext(o.out), ext)
}

// plainOptions refuses what can be asked of networks only.
func plainOptions(o Options) error {
	if o.Target != 0 || len(o.Keep)+len(o.Shapes)+len(o.ImageInputs)+len(o.ImageOutputs)+len(o.Labels)+len(o.Rename) > 0 {
		return fault.New(fault.BadValue, "", "a classical model has no target, shapes, pictures, labels or names but its own")
	}
	return nil
}

// fromGraph makes a source of an ONNX model that is to become a classical one; nil
// for others.
func fromGraph(m *onnx.Model, path string, o Options) (*source, error) {
	if !o.wants(".mlmodel", Classical) {
		return nil, nil
	}
	g, err := m.Graph()
	if err != nil {
		return nil, err
	}
	if o.To != Classical && !onnxml.IsClassical(g) {
		return nil, nil
	}
	if err := plainOptions(o); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	d, err := onnxml.ToCoreML(g, networkOf)
	if err != nil {
		return nil, fault.InFile(err, path)
	}
	meta := merged(mlmodel.Metadata{ShortDescription: m.Doc(), UserDefined: m.Metadata()}, o.Metadata)
	s := &source{
		kind: "onnx", size: info.Size(), notes: d.Notes, program: &mlprogram.Program{}, document: mlmodel.New(d.Spec),
		run: func(_ context.Context, in predict.Features) (predict.Features, error) {
			return d.Source(in)
		},
		samples: func(seed uint64) []map[string]any { return onnxml.Samples(d.Spec, seed) },
		close:   func() { _ = m.Close() }, // it was only read
	}
	s.document.SetMetadata(meta)
	s.classical = func(out string, r *Report) (*result, error) {
		for kind, n := range s.document.Summary().Layers {
			r.Ops[kind] += n
		}
		r.Target = Classical
		r.SpecVersion = d.Spec.GetSpecificationVersion()
		r.System = mlmodel.SystemOf(r.SpecVersion)
		return document(s.document, out, false), nil
	}
	return s, nil
}

// networkOf makes a network for a pipeline.
func networkOf(f *mil.Func) (*spec.Model, error) {
	pass.Simplify(f)
	m, _, err := neuralnetwork.Write(&mlprogram.Program{Funcs: []*mil.Func{f}}, neuralnetwork.Options{})
	if err != nil {
		return nil, err
	}
	return m.Spec(), nil
}

// isClassical tells models that are no networks, and pipelines of them.
func isClassical(m *spec.Model) bool {
	switch m.WhichType() {
	case spec.Model_MlProgram_case, spec.Model_NeuralNetwork_case, spec.Model_NeuralNetworkClassifier_case, spec.Model_NeuralNetworkRegressor_case:
		return false
	}
	return true
}

// fromClassical makes a source of a Core ML model that is to become an ONNX model
// of ai.onnx.ml; nil for others.
func fromClassical(doc *mlmodel.Model, o Options) (*source, error) {
	if !isClassical(doc.Spec()) || !o.wants(".onnx", ONNX) {
		return nil, nil
	}
	if err := plainOptions(o); err != nil {
		return nil, err
	}
	size, err := doc.Size()
	if err != nil {
		return nil, err
	}
	w, err := onnxml.FromCoreML(doc.Spec(), merged(doc.Metadata(), o.Metadata))
	if err != nil {
		return nil, err
	}
	s := &source{
		kind: doc.Kind(), size: size, notes: w.Notes, program: &mlprogram.Program{},
		samples: func(seed uint64) []map[string]any { return onnxml.Samples(doc.Spec(), seed) },
		close:   func() {},
	}
	var model *predict.Model
	s.run = func(ctx context.Context, in predict.Features) (predict.Features, error) {
		if model == nil {
			if model, err = predict.Load(doc, predict.Options{}); err != nil {
				return nil, err
			}
		}
		return model.Predict(ctx, in, nil)
	}
	s.classical = func(out string, r *Report) (*result, error) {
		r.Ops, r.Target, r.System = w.Ops, ONNX, onnxml.OpsetText
		return &result{
			face: mlmodel.Describe(doc.Spec().GetDescription())[0],
			run: func(_ context.Context, in predict.Features) (predict.Features, error) {
				return w.Answer(in)
			},
			save: func() (int64, error) { return int64(len(w.Bytes)), writeWhole(out, w.Bytes) },
			close: func() {
				if model != nil {
					model.Close()
				}
			},
		}, nil
	}
	return s, nil
}

// writeWhole writes a file, or leaves what was there.
func writeWhole(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, err)
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// classicalProblems lists what an error says that cannot be expressed as a classical
// model.
func classicalProblems(err error, source string) []mlprogram.Problem {
	var u *onnxml.Unsupported
	if !errors.As(err, &u) {
		return nil
	}
	var out []mlprogram.Problem
	for _, p := range u.Problems {
		q := mlprogram.Problem{Op: p.Op, Where: p.Names[0], Names: p.Names, Reason: p.Reason, Count: len(p.Names)}
		if isONNX(source) { // what is there in arrays only
			q.WayOut = "an ML Program (.mlpackage) may have it"
		}
		out = append(out, q)
	}
	return out
}
