package onnx_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/onnx"
	"github.com/smelt-ml/smelt/internal/engine"
	read "github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// run computes a function in the engine.
func run(t *testing.T, f *mil.Func, in []*tensor.Tensor, o engine.Options) ([]*tensor.Tensor, error) {
	t.Helper()
	args, types := make([]*tensor.Tensor, len(in)), make([]mil.Type, len(in))
	for i, x := range in {
		var err error
		if args[i], err = x.ConvertTo(f.Inputs[i].Type.DType); err != nil {
			return nil, err
		}
		types[i] = mil.TypeOf(args[i])
	}
	var err error
	if o.Level, err = cpu.Active(); err != nil {
		t.Fatal(err)
	}
	p, err := engine.Compile(f, types, o)
	if err != nil {
		return nil, err
	}
	pool := par.New(1)
	defer pool.Close()
	return p.NewRun(pool).Do(t.Context(), args, nil)
}

// written writes a function as ONNX and reads it.
func written(t *testing.T, f *mil.Func, o onnx.Options) (*onnx.Model, *read.Program) {
	t.Helper()
	m, err := onnx.Make(f, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, reread(t, m)
}

func reread(t *testing.T, m *onnx.Model) *read.Program {
	t.Helper()
	var b bytes.Buffer
	if n, err := m.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatal(n, err)
	}
	parsed, err := read.Parse(b.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsed.Program(read.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// apart is the largest difference of two tensors over the largest element.
func apart(want, have *tensor.Tensor) (float64, error) {
	if !slices.Equal(want.Shape(), have.Shape()) {
		return 0, fmt.Errorf("have the shape %v, want %v", have.Shape(), want.Shape())
	}
	w, h := want.Float64s(), have.Float64s()
	most, off := 1.0, 0.0
	for i := range w {
		if !math.IsInf(w[i], 0) && !math.IsNaN(w[i]) {
			most = max(most, math.Abs(w[i]))
		}
	}
	for i := range w {
		if w[i] == h[i] || math.IsNaN(w[i]) && math.IsNaN(h[i]) {
			continue
		}
		d := math.Abs(w[i] - h[i])
		if math.IsNaN(d) || math.IsInf(d, 0) {
			return math.Inf(1), nil
		}
		off = max(off, d/most)
	}
	return off, nil
}

// sampled makes a function of one operation on sampled arguments, and inputs
// for it: what an operator takes as a value, unless it says more when known.
func sampled(o *op.Op, seed uint64) (*mil.Func, []*tensor.Tensor) {
	node := o.Node("n", o.Sample(rand.New(rand.NewPCG(seed, 3))))
	f := &mil.Func{Name: "main", Opset: mil.IOS26, Body: &mil.Block{Nodes: []*mil.Node{node}}}
	f.Opset = o.Since
	var in []*tensor.Tensor
	for i := range node.Inputs {
		j := slices.IndexFunc(o.Params, func(p op.Param) bool { return p.Name == node.Inputs[i].Name })
		if o.Params[j].Const {
			continue
		}
		for k, v := range node.Inputs[i].Values {
			if v.Const == nil || !v.Type.DType.IsFloat() && seed%2 == 0 || len(in) > 0 && seed%3 == 1 {
				continue
			}
			x := &mil.Value{Name: fmt.Sprintf("in%d", len(in)), Type: v.Type}
			in = append(in, v.Const)
			f.Inputs = append(f.Inputs, x)
			node.Inputs[i].Values[k] = x
		}
	}
	bound, err := o.Bind(node, nil)
	if err != nil {
		return nil, nil // an argument that must be constant
	}
	types, err := o.Infer(bound)
	if err != nil {
		return nil, nil
	}
	for i, typ := range types {
		node.Outputs = append(node.Outputs, &mil.Value{Name: fmt.Sprintf("out%d", i), Type: typ, Node: node})
	}
	f.Body.Outputs = node.Outputs
	return f, in
}

// TestSamples holds what is written of every operator, read again and run,
// against its reference evaluation.
func TestSamples(t *testing.T) {
	tried := map[string]int{}
	for _, o := range op.All() {
		if o.Random || !o.HasEval || !slices.Contains(onnx.Operators(), o.Name) {
			continue
		}
		tolerance := 1e-4
		if o.Name == "cast" { // to float16, which is float32 in the file
			tolerance = 2e-3
		}
		t.Run(fmt.Sprintf("%s %s", o.Name, o.Since), func(t *testing.T) {
			for seed := range uint64(24) {
				f, in := sampled(o, seed)
				if f == nil || slices.ContainsFunc(f.Body.Outputs, func(v *mil.Value) bool { return v.Type.AnyRank }) {
					continue
				}
				want, err := run(t, f, in, engine.Options{Reference: true})
				if err != nil {
					continue // arguments that turn out to be wrong
				}
				m, err := onnx.Make(f, onnx.Options{})
				if err != nil {
					var u *onnx.UnsupportedError
					if !errors.As(err, &u) || !beyond[o.Name] {
						t.Errorf("seed %d: %v\n%s", seed, err, text(f))
					}
					continue
				}
				var b bytes.Buffer
				if _, err := m.WriteTo(&b); err != nil {
					t.Fatal(err)
				}
				parsed, err := read.Parse(b.Bytes(), nil)
				if err != nil {
					t.Fatal(err)
				}
				p, err := parsed.Program(read.Options{})
				if err != nil {
					if fault.KindOf(err) != fault.Unsupported { // what is only known when it is run
						t.Errorf("seed %d: read: %v\n%s", seed, err, text(f))
					}
					continue
				}
				have, err := run(t, p.Func, in, engine.Options{})
				if err != nil {
					t.Errorf("seed %d: run: %v\n%s", seed, err, text(f))
					continue
				}
				tried[o.Name]++
				for i := range want {
					if d, err := apart(want[i], have[i]); err != nil || !(d <= tolerance) {
						t.Errorf("seed %d: output %d is off by %g, %v: have %v, want %v\n%s", seed, i, d, err, numbers(have[i]), numbers(want[i]), text(f))
						break
					}
				}
			}
		})
	}
	if len(tried) < 140 {
		t.Errorf("only %d operators were run", len(tried))
	}
}

// beyond are operators some of whose arguments ONNX has no words for.
var beyond = map[string]bool{
	"resize": true, // sampling modes that ONNX does not have, where sizes are only known when it is run
}

func text(f *mil.Func) string {
	var b strings.Builder
	if err := (&mil.Program{Funcs: []*mil.Func{f}}).WriteText(&b); err != nil {
		return err.Error()
	}
	return b.String()
}

func numbers(t *tensor.Tensor) []float64 {
	v := t.Float64s()
	return v[:min(len(v), 12)]
}
