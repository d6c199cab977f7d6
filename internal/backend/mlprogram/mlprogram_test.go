package mlprogram_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// floats is a value of type fp32.
func floats(name string, shape ...int) *mil.Value {
	return &mil.Value{Name: name, Type: mil.TensorType(tensor.Float32, shape...)}
}

// function builds a function of inputs and outputs.
func function(t *testing.T, b *mil.Builder, inputs, outputs []*mil.Value) *mil.Func {
	t.Helper()
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	b.Block.Outputs = outputs
	return &mil.Func{Name: "main", Opset: b.Opset, Inputs: inputs, Body: b.Block}
}

// Equal constants are stored once, and small ones not in the file.
func TestStore(t *testing.T) {
	b := mil.NewBuilder(mil.IOS15)
	x := floats("x", 12)
	data := func() *mil.Value {
		v := make([]float32, 12)
		for i := range v {
			v[i] = float32(i)
		}
		return mil.NewConst("", tensor.Floats([]int{12}, v))
	}
	y := op.Add.Add(b, op.Binary{X: x, Y: data()})
	y = op.Mul.Add(b, op.Binary{X: y, Y: data()})
	y = op.Add.Add(b, op.Binary{X: y, Y: mil.NewConst("", tensor.Floats([]int{1}, []float32{3}))})
	doc, _ := write(t, function(t, b, []*mil.Value{x}, []*mil.Value{y}), mlprogram.Options{})
	f, err := doc.Blob("@model_path/weights/weight.bin")
	if err != nil {
		t.Fatal(err)
	}
	if f.Len() != 1 || f.Size() != 64+64+48 {
		t.Errorf("%d constants in %d bytes", f.Len(), f.Size())
	}
	small := mil.NewBuilder(mil.IOS15)
	y = op.Relu.Add(small, op.Unary{X: x})
	doc, _ = write(t, function(t, small, []*mil.Value{x}, []*mil.Value{y}), mlprogram.Options{})
	if _, err := doc.Blob("@model_path/weights/weight.bin"); err == nil {
		t.Error("a program without constants has a weight file")
	}
}

// Names are such as MIL accepts, and each value has its own.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"conv1/relu:0": "conv1_relu_0", "1x1": "var_1x1", "": "var", "tensor": "tensor_", "größe": "gr__e", "ok_1": "ok_1",
	} {
		if have := mlprogram.Identifier(name); have != want {
			t.Errorf("%q becomes %q, want %q", name, have, want)
		}
	}
	b := mil.NewBuilder(mil.IOS15)
	x := floats("x", 2)
	one, two := op.Relu.Add(b, op.Unary{X: x}), op.Tanh.Add(b, op.Unary{X: x})
	one.Name, two.Name = "a/b", "a:b"
	y := op.Add.Add(b, op.Binary{X: one, Y: two})
	y.Name = "y"
	_, f := write(t, function(t, b, []*mil.Value{x}, []*mil.Value{y}), mlprogram.Options{})
	var names []string
	for _, n := range f.Body.Nodes {
		names = append(names, n.Outputs[0].Name)
	}
	if !slices.Equal(names, []string{"a_b", "a_b_1", "y"}) {
		t.Errorf("names %q", names)
	}
}

// The target is the first that has everything, or what is missing is listed,
// all of it.
func TestTarget(t *testing.T) {
	build := func() *mil.Func {
		b := mil.NewBuilder(mil.IOS18)
		x := floats("x", 1, 4, 8, 8)
		shuffled := op.PixelUnshuffle.Add(b, op.PixelUnshuffleArgs{X: x, DownscaleFactor: 2}) // since iOS 16
		clipped := op.ClipIOS17.Add(b, op.AlphaBeta{X: shuffled, Alpha: 0, Beta: 1})
		last := op.PixelUnshuffle.Add(b, op.PixelUnshuffleArgs{X: clipped, DownscaleFactor: 2})
		y := op.Asinh.Add(b, op.Unary{X: last})
		return function(t, b, []*mil.Value{x}, []*mil.Value{y})
	}
	_, f := write(t, build(), mlprogram.Options{})
	if f.Opset != mil.IOS16 {
		t.Errorf("written for %s", f.Opset)
	}
	_, f = write(t, build(), mlprogram.Options{Least: mil.IOS17})
	if f.Opset != mil.IOS17 {
		t.Errorf("written for %s, at least iOS 17 was asked for", f.Opset)
	}
	_, err := mlprogram.Write(&mlprogram.Program{Funcs: []*mil.Func{build()}}, mlprogram.Options{Target: mil.IOS15})
	var u *mlprogram.UnsupportedError
	if !errors.As(err, &u) || len(u.Problems) != 1 || u.Problems[0].Count != 2 || u.Problems[0].Op != "pixel_unshuffle" || !strings.Contains(err.Error(), "exists since iOS 16") {
		t.Errorf("for iOS 15: %v", err)
	}
}

// What no operator says is listed by its reason.
func TestUnsupported(t *testing.T) {
	b := mil.NewBuilder(mil.IOS18)
	x := floats("x", 1, 4, 4)
	scores := floats("s", 1, 4, 2)
	most := &mil.Value{Name: "m", Type: mil.TensorType(tensor.Int32, 1)}
	half := mil.NewConst("", tensor.Floats([]int{1}, []float32{0.5}))
	out := op.NetworkNMS.AddN(b, op.NetworkNMSArgs{Boxes: x, Scores: scores, IOUThreshold: half, ScoreThreshold: half, MaxBoxes: most})
	_, err := mlprogram.Write(&mlprogram.Program{Funcs: []*mil.Func{function(t, b, []*mil.Value{x, scores, most}, out[:1])}}, mlprogram.Options{})
	if err == nil || !strings.Contains(err.Error(), "max_boxes is only known when it is run") {
		t.Errorf("error %v", err)
	}
}

// A classifier's probabilities become labels by the operation classify.
func TestClassifier(t *testing.T) {
	for _, c := range []*mlprogram.Classifier{
		{Strings: []string{"cat", "dog"}},
		{Ints: []int64{7, -1}, LabelName: "label", ProbabilitiesName: "p"},
	} {
		b := mil.NewBuilder(mil.IOS15)
		x := floats("x", 1, 2)
		other := op.Tanh.Add(b, op.Unary{X: x})
		other.Name = "other"
		probs := op.Softmax.Add(b, op.SoftmaxArgs{X: x, Axis: -1})
		c.Probabilities = 1
		f := function(t, b, []*mil.Value{x}, []*mil.Value{other, probs})
		m, err := mlprogram.Write(&mlprogram.Program{Funcs: []*mil.Func{f}, Classifier: c}, mlprogram.Options{Float: tensor.Float16})
		if err != nil {
			t.Fatal(err)
		}
		doc := written(t, m)
		net, err := coreml.ReadProgram(doc.Spec().GetMlProgram(), "main", doc.Blob)
		if err != nil {
			t.Fatal(err)
		}
		got := net.Classifier
		if got == nil || !slices.Equal(got.Strings, c.Strings) || !slices.Equal(got.Ints, c.Ints) || got.LabelName != c.LabelName || got.ProbabilitiesName != c.ProbabilitiesName {
			t.Errorf("reads %+v of %+v", got, c)
		}
		d := mlmodel.Describe(doc.Spec().GetDescription())[0]
		if d.PredictedFeature != c.LabelName || d.PredictedProbabilities != c.ProbabilitiesName || len(d.Outputs) != 3 || d.Outputs[1].Kind != mlmodel.Dictionary {
			t.Errorf("described as %+v", d)
		}
		if l := mlmodel.ClassLabels(doc.Spec()); l.Len() != 2 {
			t.Errorf("labels %v", l)
		}
	}
	b := mil.NewBuilder(mil.IOS15)
	x := floats("x", 1, 3)
	y := op.Softmax.Add(b, op.SoftmaxArgs{X: x, Axis: -1})
	f := function(t, b, []*mil.Value{x}, []*mil.Value{y})
	if _, err := mlprogram.Write(&mlprogram.Program{Funcs: []*mil.Func{f}, Classifier: &mlprogram.Classifier{Strings: []string{"a", "b"}}}, mlprogram.Options{}); err == nil {
		t.Error("two labels for three probabilities")
	}
}

// Control flow keeps the types that it hands on, lists and all.
func TestControlFlow(t *testing.T) {
	b := mil.NewBuilder(mil.IOS15)
	x, p := floats("x", 3), &mil.Value{Name: "p", Type: mil.TensorType(tensor.Int32, 1)}
	pred := op.Cast.Add(b, op.CastArgs{X: op.Squeeze.Add(b, op.SqueezeArgs{X: p}), DType: "bool"})
	one := mil.NewConst("", tensor.Scalar(tensor.Float32, float32(1)))
	branch := func(make func(b *mil.Builder) *mil.Value) *mil.Block {
		in := b.Nested()
		v := make(in)
		if in.Err() != nil {
			t.Fatal(in.Err())
		}
		in.Block.Outputs = []*mil.Value{v}
		return in.Block
	}
	chosen := floats("chosen", 3)
	b.Append(&mil.Node{
		Op: "cond", Name: "choice", Inputs: []mil.Input{{Name: "pred", Values: []*mil.Value{pred}}}, Outputs: []*mil.Value{chosen},
		Blocks: []*mil.Block{
			branch(func(b *mil.Builder) *mil.Value { return op.Add.Add(b, op.Binary{X: x, Y: one}) }),
			branch(func(b *mil.Builder) *mil.Value { return op.Identity.Add(b, op.IdentityArgs{X: x}) }),
		},
	})
	i0, i := &mil.Value{Name: "i", Type: mil.TensorType(tensor.Int32, 1)}, &mil.Value{Name: "j", Type: mil.TensorType(tensor.Int32, 1)}
	v0, v := floats("v", 3), floats("w", 3)
	test, body := b.Nested(), b.Nested()
	three, step := mil.NewConst("", tensor.Ints([]int{1}, []int32{3})), mil.NewConst("", tensor.Ints([]int{1}, []int32{1}))
	test.Block.Inputs = []*mil.Value{i0, v0}
	test.Block.Outputs = []*mil.Value{op.Squeeze.Add(test, op.SqueezeArgs{X: op.Less.Add(test, op.Binary{X: i0, Y: three})})}
	body.Block.Inputs = []*mil.Value{i, v}
	body.Block.Outputs = []*mil.Value{op.Add.Add(body, op.Binary{X: i, Y: step}), op.Mul.Add(body, op.Binary{X: v, Y: x})}
	count, looped := &mil.Value{Name: "n", Type: i.Type}, floats("looped", 3)
	b.Append(&mil.Node{
		Op: "while_loop", Name: "loop", Blocks: []*mil.Block{test.Block, body.Block}, Outputs: []*mil.Value{count, looped},
		Inputs: []mil.Input{{Name: "loop_vars", Values: []*mil.Value{mil.NewConst("", tensor.Ints([]int{1}, []int32{0})), chosen}}},
	})
	size := []*mil.Value{mil.NewConst("", tensor.Scalar(tensor.Int32, int32(3)))}
	list := op.MakeList.Add(b, op.MakeListArgs{ElemShape: size, DType: "fp32", DynamicLength: true})
	at := mil.NewConst("", tensor.Scalar(tensor.Int32, int32(0)))
	list = op.ListWrite.Add(b, op.ListWriteArgs{Ls: list, Index: at, Value: looped})
	read := op.ListRead.Add(b, op.ListReadArgs{Ls: list, Index: at})
	y := op.Tanh.Add(b, op.Unary{X: read})
	y.Name = "y"
	f := function(t, b, []*mil.Value{x, p}, []*mil.Value{y, count})
	for _, d := range []tensor.DType{tensor.Invalid, tensor.Float16} {
		_, g := write(t, f.Clone(), mlprogram.Options{Float: d})
		var ops []string
		g.Body.Walk(func(n *mil.Node) {
			if n.Op != "cast" {
				ops = append(ops, n.Op)
			}
			if (n.Op == "cond" || n.Op == "while_loop") && n.Outputs[len(n.Outputs)-1].Type.DType != tensor.Float32 {
				t.Errorf("%s gives %s", n, n.Outputs[0].Type)
			}
			if half := n.Outputs[0].Type.DType == tensor.Float16; half != (d == tensor.Float16) && (n.Op == "mul" || n.Op == "tanh") {
				t.Errorf("%s gives %s", n, n.Outputs[0].Type)
			}
		})
		want := []string{"squeeze", "cond", "add", "identity", "while_loop", "less", "squeeze", "add", "mul", "make_list", "list_write", "list_read", "tanh"}
		if !slices.Equal(ops, want) {
			t.Errorf("%s: operations %q, want %q", d, ops, want)
		}
	}
}

// States stay what they are; a program in float32 casts what it reads.
func TestStates(t *testing.T) {
	b := mil.NewBuilder(mil.IOS18)
	x := floats("x", 2)
	held := mil.TensorType(tensor.Float16, 2)
	state := &mil.Value{Name: "memory", Type: mil.Type{Kind: mil.State, Elem: &held}}
	old := op.ReadState.Add(b, op.ReadStateArgs{Input: state})
	sum := op.Add.Add(b, op.Binary{X: op.CastIOS17.Add(b, op.CastIOS17Args{X: old, DType: "fp32"}), Y: x})
	y := op.CoremlUpdateState.Add(b, op.CoremlUpdateStateArgs{State: state, Value: op.CastIOS17.Add(b, op.CastIOS17Args{X: sum, DType: "fp16"})})
	out := op.CastIOS17.Add(b, op.CastIOS17Args{X: y, DType: "fp32"})
	out.Name = "y"
	doc, f := write(t, function(t, b, []*mil.Value{x, state}, []*mil.Value{out}), mlprogram.Options{Float: tensor.Float32})
	d := mlmodel.Describe(doc.Spec().GetDescription())[0]
	if len(d.States) != 1 || d.States[0].Name != "memory" || len(d.Inputs) != 1 || f.Opset != mil.IOS18 {
		t.Errorf("%s, described as %+v", f.Opset, d)
	}
	var ops []string
	for _, n := range f.Body.Nodes {
		ops = append(ops, n.Op)
	}
	if want := []string{"read_state", "cast", "add", "cast", "write_state", "read_state", "cast"}; !slices.Equal(ops, want) {
		t.Errorf("operations %q, want %q", ops, want)
	}
}

// Unknown dimensions are described as the user says, or by any size.
func TestShapes(t *testing.T) {
	build := func() *mil.Func {
		b := mil.NewBuilder(mil.IOS15)
		x := floats("x", 1, mil.Unknown)
		y := op.Relu.Add(b, op.Unary{X: x})
		y.Name = "y"
		return function(t, b, []*mil.Value{x}, []*mil.Value{y})
	}
	for _, c := range []struct {
		shapes map[string]mlmodel.Shapes
		want   string
	}{
		{nil, "multiArray fp32 1×(1..2048)"},
		{map[string]mlmodel.Shapes{"x": {Default: []int{1, 8}, Ranges: []mlmodel.Range{{Min: 1, Max: 1}, {Min: 2, Max: 16}}}}, "multiArray fp32 1×(2..16)"},
		{map[string]mlmodel.Shapes{"x": {Default: []int{1, 8}, Enumerated: [][]int{{1, 8}, {1, 16}}}}, "multiArray fp32 1×8 | 1×16"},
	} {
		doc, f := write(t, build(), mlprogram.Options{Shapes: c.shapes})
		d := mlmodel.Describe(doc.Spec().GetDescription())[0]
		if have := d.Inputs[0].Type(); have != c.want {
			t.Errorf("described as %s, want %s", have, c.want)
		}
		if f.Inputs[0].Type.Shape[1] != mil.Unknown || len(d.Outputs[0].Array.Shape) != 0 {
			t.Errorf("%s → %v", f.Inputs[0].Type, d.Outputs[0].Array)
		}
	}
}
