package coreml

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// layerCase is a network of one layer: its message in text form, without
// blobs, the blobs that go in, and those that come out or a part of the error.
type layerCase struct {
	name  string
	layer string
	in    []*tensor.Tensor
	want  []*tensor.Tensor
	err   string
}

// checkLayers lowers each layer and computes what it means with the reference
// evaluation of operators. Values may be off by a few roundings.
func checkLayers(t *testing.T, cases []layerCase) {
	t.Helper()
	checkTyped(t, "", cases, mil.TypeOf)
}

// checkShapes is checkLayers, and does the same with shapes that are known only
// when the network runs.
func checkShapes(t *testing.T, cases []layerCase) {
	t.Helper()
	checkLayers(t, cases)
	checkTyped(t, " of unknown shape", cases, func(x *tensor.Tensor) mil.Type {
		return mil.TensorType(x.DType(), slices.Repeat([]int{mil.Unknown}, x.Rank())...)
	})
}

func checkTyped(t *testing.T, suffix string, cases []layerCase, typ func(*tensor.Tensor) mil.Type) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name+suffix, func(t *testing.T) {
			got, err := c.typed(max(len(c.want), 1), typ)
			if c.err != "" || err != nil {
				if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				return
			}
			c.check(t, got)
		})
	}
}

// check compares outputs with those expected.
func (c layerCase) check(t *testing.T, got []*tensor.Tensor) {
	t.Helper()
	for i, want := range c.want {
		if !slices.Equal(got[i].Shape(), want.Shape()) {
			t.Fatalf("output %d is %s, want %s", i, got[i], want)
		}
		for j, v := range want.F32() {
			have := got[i].F32()[j]
			if d := math.Abs(float64(have - v)); !(d <= 1e-6*math.Max(1, math.Abs(float64(v)))) {
				t.Fatalf("output %d is %v, want %v", i, got[i].F32(), want.F32())
			}
		}
	}
}

// run computes a number of outputs.
func (c layerCase) run(outputs int) ([]*tensor.Tensor, error) { return c.typed(outputs, mil.TypeOf) }

// typed computes outputs of a network that is lowered for inputs of the given
// types.
func (c layerCase) typed(outputs int, typ func(*tensor.Tensor) mil.Type) ([]*tensor.Tensor, error) {
	net, err := c.lower(outputs, typ, LowerNetwork)
	if err != nil {
		return nil, err
	}
	return evaluate(net, c.in)
}

// lower makes the network and lowers it.
func (c layerCase) lower(outputs int, typ func(*tensor.Tensor) mil.Type, by func(*spec.Model, []Input, Weights) (*Network, error)) (*Network, error) {
	layer := &spec.NeuralNetworkLayer{}
	if err := prototext.Unmarshal([]byte(c.layer), layer); err != nil {
		return nil, fmt.Errorf("the test's message: %w", err)
	}
	layer.SetName("l")
	var inputs []Input
	for i, x := range c.in {
		name := fmt.Sprintf("x%d", i)
		layer.SetInput(append(layer.GetInput(), name))
		inputs = append(inputs, Input{Name: name, Type: typ(x)})
	}
	d := &spec.ModelDescription{}
	for i := range outputs {
		name := fmt.Sprintf("y%d", i)
		layer.SetOutput(append(layer.GetOutput(), name))
		f := &spec.FeatureDescription{}
		f.SetName(name)
		d.SetOutput(append(d.GetOutput(), f))
	}
	nn := &spec.NeuralNetwork{}
	nn.SetArrayInputShapeMapping(spec.NeuralNetworkMultiArrayShapeMapping_EXACT_ARRAY_MAPPING)
	nn.SetLayers([]*spec.NeuralNetworkLayer{layer})
	m := &spec.Model{}
	m.SetDescription(d)
	m.SetNeuralNetwork(nn)
	return by(m, inputs, mlmodel.New(m).Weights)
}

// evaluate computes the outputs.
func evaluate(net *Network, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	values := map[*mil.Value]*mil.Value{}
	for i, v := range net.Func.Inputs {
		values[v] = mil.NewConst(v.Name, in[i])
	}
	known := func(v *mil.Value) *mil.Value {
		if w := values[v]; w != nil {
			return w
		}
		return v
	}
	for _, n := range net.Func.Body.Nodes {
		o, err := op.For(n.Op, net.Func.Opset)
		if err != nil {
			return nil, err
		}
		args, err := o.Bind(n, known)
		if err != nil {
			return nil, err
		}
		if _, err := o.Infer(args); err != nil {
			return nil, err
		}
		outs, err := o.Eval(args)
		if err != nil {
			return nil, err
		}
		for i, v := range n.Outputs {
			values[v] = mil.NewConst(v.Name, outs[i])
		}
	}
	var out []*tensor.Tensor
	for _, v := range net.Func.Body.Outputs {
		out = append(out, known(v).Const)
	}
	return out, nil
}

type dims []int

func array(shape dims, v ...float32) *tensor.Tensor { return tensor.Floats(shape, v) }

func arrays(ts ...*tensor.Tensor) []*tensor.Tensor { return ts }
