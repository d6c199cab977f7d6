package onnx_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/onnx"
	"github.com/smelt-ml/smelt/internal/engine"
	read "github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// value is an input.
func value(name string, d tensor.DType, shape ...int) *mil.Value {
	return &mil.Value{Name: name, Type: mil.TensorType(d, shape...)}
}

// function makes a function of what was built.
func function(t *testing.T, b *mil.Builder, inputs, outputs []*mil.Value) *mil.Func {
	t.Helper()
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	b.Block.Outputs = outputs
	return &mil.Func{Name: "main", Opset: b.Opset, Inputs: inputs, Body: b.Block}
}

func vs(v ...*mil.Value) []*mil.Value { return v }

// ramp holds 0, 1, 2, … in steps.
func ramp(step float32, shape ...int) *tensor.Tensor {
	data := make([]float32, tensor.Size(shape))
	for i := range data {
		data[i] = float32(i) * step
	}
	return tensor.Floats(shape, data)
}

// encoded is the model as the file has it.
func encoded(t *testing.T, m *onnx.Model) *onnxpb.ModelProto {
	t.Helper()
	f, err := m.Create(filepath.Join(t.TempDir(), "m.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	p := new(onnxpb.ModelProto)
	if err := proto.Unmarshal(b, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// Names of nodes and values are unique, those of inputs and outputs are kept,
// and an output that is an input, a constant or another output is a value of
// its own.
func TestNames(t *testing.T) {
	b := mil.NewBuilder(mil.IOS15)
	x := value("x", tensor.Float32, 2)
	b.SetPlace("a")
	y := op.Relu.Add(b, op.Unary{X: x})
	y.Name = "y"
	b.SetPlace("b")
	z := op.Square.Add(b, op.Unary{X: y})
	z.Name = "y_identity" // what the copy would be called
	same := op.Identity.Add(b, op.IdentityArgs{X: y})
	same.Name = "same"
	known := mil.NewConst("known", ramp(1, 2))
	m, p := written(t, function(t, b, vs(x), vs(y, same, known, z)), onnx.Options{})
	seen := map[string]bool{}
	for _, n := range encoded(t, m).GetGraph().GetNode() {
		for _, name := range append([]string{"node " + n.GetName()}, n.GetOutput()...) {
			if seen[name] || name == "" {
				t.Errorf("the name %q comes twice", name)
			}
			seen[name] = true
		}
	}
	var names []string
	for _, v := range p.Func.Body.Outputs {
		names = append(names, v.Name)
	}
	if !slices.Equal(names, []string{"y", "same", "known", "y_identity"}) {
		t.Errorf("outputs %q", names)
	}
	out, err := run(t, p.Func, []*tensor.Tensor{ramp(3, 2)}, engine.Options{})
	if err != nil || !slices.Equal(out[1].F32(), []float32{0, 3}) || !slices.Equal(out[2].F32(), []float32{0, 1}) || !slices.Equal(out[3].F32(), []float32{0, 9}) {
		t.Errorf("%v, %v", out, err)
	}

	b = mil.NewBuilder(mil.IOS15)
	_, p = written(t, function(t, b, vs(x), vs(x)), onnx.Options{})
	if len(p.Func.Inputs) != 1 || p.Func.Body.Outputs[0].Name != "x" {
		t.Errorf("%s", text(p.Func))
	}
	_, err = onnx.Make(function(t, mil.NewBuilder(mil.IOS15), vs(x, value("y", tensor.Float32, 2)), vs(&mil.Value{Name: "x", Type: x.Type, Const: ramp(1, 2)})), onnx.Options{})
	if err == nil || !strings.Contains(err.Error(), "another input or output") {
		t.Errorf("an input and an output of one name: %v", err)
	}
}

// What cannot be said is listed at once, with the number of times and a name.
func TestUnsupported(t *testing.T) {
	x := value("x", tensor.Float32, 2)
	b := mil.NewBuilder(mil.IOS15)
	var last *mil.Value
	for _, name := range []string{"one", "two"} {
		last = &mil.Value{Name: name, Type: x.Type}
		b.Block.Nodes = append(b.Block.Nodes, &mil.Node{
			Op: "custom_layer", Name: name, Inputs: []mil.Input{{Name: "inputs", Values: vs(x)}}, Outputs: vs(last),
		})
	}
	strange := &mil.Value{Name: "z", Type: x.Type}
	b.Block.Nodes = append(b.Block.Nodes, &mil.Node{Op: "frobnicate", Name: "three", Outputs: vs(strange)})
	_, err := onnx.Make(function(t, b, vs(x), vs(last, strange)), onnx.Options{})
	var u *onnx.UnsupportedError
	if !errors.As(err, &u) || fault.KindOf(err) != fault.Unsupported || len(u.Problems) != 2 {
		t.Fatalf("%v", err)
	}
	if p := u.Problems[0]; p.Op != "custom_layer" || p.Count != 2 || p.Where != "one" {
		t.Errorf("%+v", p)
	}
	if p := u.Problems[1]; p.Op != "frobnicate" || p.Count != 1 {
		t.Errorf("%+v", p)
	}
	if _, err := onnx.Make(&mil.Func{Body: &mil.Block{}}, onnx.Options{Opset: 99}); err == nil {
		t.Error("opset 99")
	}
}

// Large constants go into a file of their own, aligned, and are found there.
func TestExternalData(t *testing.T) {
	x := value("x", tensor.Float32, 1, 64)
	b := mil.NewBuilder(mil.IOS15)
	y := op.Linear.Add(b, op.LinearArgs{X: x, Weight: ramp(0.01, 32, 64), Bias: ramp(1, 32)})
	y = op.Linear.Add(b, op.LinearArgs{X: y, Weight: ramp(-0.01, 16, 32)})
	y.Name = "y"
	f := function(t, b, vs(x), vs(y))
	in := []*tensor.Tensor{ramp(0.1, 1, 64)}
	want, err := run(t, f, in, engine.Options{Reference: true})
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Make(f, onnx.Options{External: true})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "net.onnx")
	written, err := m.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the model is in its place before it was asked for")
	}
	size, err := written.Commit()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != "net.onnx" || entries[1].Name() != "net.onnx.data" {
		t.Fatalf("%v, %v", entries, err)
	}
	data, err := entries[1].Info()
	if err != nil || data.Size() != 8192+16*32*4 || size < data.Size() {
		t.Errorf("%d bytes of data, %d in all, %v", data.Size(), size, err)
	}
	back, err := read.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	p, err := back.Program(read.Options{})
	if err != nil {
		t.Fatal(err)
	}
	have, err := run(t, p.Func, in, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := apart(want[0], have[0]); err != nil || d > 1e-5 {
		t.Errorf("off by %g, %v", d, err)
	}
	// One that is given up leaves nothing.
	again, err := m.Create(filepath.Join(dir, "other.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Discard(); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left over: %v", entries)
	}
	if _, err := m.Create(filepath.Join(dir, "none", "m.onnx")); err == nil {
		t.Error("written to a folder that is not there")
	}
}

// A program in float16 is one in float32 with its constants as they were, or
// without any float16, or stays what it is.
func TestPrecision(t *testing.T) {
	half := func(shape ...int) *mil.Value {
		return mil.NewConst("w", tensor.New(tensor.Float16, shape, ramp(0.125, shape...).F32()))
	}
	x := value("x", tensor.Float16, 1, 16)
	b := mil.NewBuilder(mil.IOS15)
	y := op.Add.Add(b, op.Binary{X: op.Matmul.Add(b, op.MatmulArgs{X: x, Y: half(16, 8)}), Y: half(8)})
	y.Name = "y"
	f := function(t, b, vs(x), vs(y))
	for _, c := range []struct {
		float        tensor.DType
		half, casts  int
		input, large onnxpb.TensorProto_DataType
	}{
		{tensor.Invalid, 1, 1, onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_FLOAT16},
		{tensor.Float32, 0, 0, onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_FLOAT},
		{tensor.Float16, 2, 0, onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_FLOAT16},
	} {
		m, p := written(t, f, onnx.Options{Float: c.float})
		g := encoded(t, m).GetGraph()
		halves := 0
		for _, v := range g.GetInitializer() {
			if v.GetDataType() == int32(onnxpb.TensorProto_FLOAT16) {
				halves++
			}
		}
		if halves != c.half || m.Ops()["Cast"] != c.casts || g.GetInput()[0].GetType().GetTensorType().GetElemType() != int32(c.input) {
			t.Errorf("%s: %d constants of float16, %v", c.float, halves, m.Ops())
		}
		out, err := run(t, p.Func, []*tensor.Tensor{ramp(0.5, 1, 16)}, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := run(t, f, []*tensor.Tensor{ramp(0.5, 1, 16)}, engine.Options{Reference: true})
		if err != nil {
			t.Fatal(err)
		}
		if d, err := apart(want[0], out[0]); err != nil || d > 1e-3 {
			t.Errorf("%s: off by %g, %v", c.float, d, err)
		}
	}
}

// Inputs and outputs have the types and the names of dimensions asked for.
func TestPorts(t *testing.T) {
	b := mil.NewBuilder(mil.IOS15)
	ids := value("ids", tensor.Int32, -3, 4)
	y := op.Add.Add(b, op.Binary{X: ids, Y: ids})
	y.Name = "sum"
	m, p := written(t, function(t, b, vs(ids), vs(y)), onnx.Options{
		Types: map[string]tensor.DType{"ids": tensor.Int64, "sum": tensor.Int64}, Dims: map[int]string{-3: "batch"},
		Doc: "adds", Docs: map[string]string{"ids": "numbers"}, Metadata: map[string]string{"key": "value"},
	})
	if in := p.Inputs[0]; in.DType != tensor.Int64 || in.Dims[0].Name != "batch" || in.Dims[1].Size != 4 || p.Outputs[0].DType != tensor.Int64 {
		t.Errorf("%+v, %+v", p.Inputs, p.Outputs)
	}
	model := encoded(t, m)
	if model.GetDocString() != "adds" || model.GetGraph().GetInput()[0].GetDocString() != "numbers" || model.GetMetadataProps()[0].GetValue() != "value" {
		t.Errorf("%v", model)
	}
	if model.GetIrVersion() != 8 || model.GetOpsetImport()[0].GetVersion() != 17 {
		t.Errorf("version %d, opset %v", model.GetIrVersion(), model.GetOpsetImport())
	}
}

// A later opset is taken where an operator needs it, and only there.
func TestOpset(t *testing.T) {
	data := mil.NewConst("data", tensor.New(tensor.Int8, []int{4, 8}, make([]int32, 32)))
	x := value("x", tensor.Float32, 3, 4)
	for _, c := range []struct {
		make  func(b *mil.Builder) *mil.Value
		opset int
		has   string
	}{
		{func(b *mil.Builder) *mil.Value { return op.ReduceSum.Add(b, op.Reduction{X: x, Axes: []int{1}}) }, 17, "ReduceSum"},
		{func(b *mil.Builder) *mil.Value {
			w := op.ConstexprBlockwiseShiftScale.Add(b, op.ConstexprBlockwiseShiftScaleArgs{Data: data.Const, Scale: ramp(1, 4, 1)})
			return op.Matmul.Add(b, op.MatmulArgs{X: x, Y: w})
		}, 17, "DequantizeLinear"},
		{func(b *mil.Builder) *mil.Value {
			w := op.ConstexprBlockwiseShiftScale.Add(b, op.ConstexprBlockwiseShiftScaleArgs{Data: data.Const, Scale: ramp(1, 4, 2)})
			return op.Matmul.Add(b, op.MatmulArgs{X: x, Y: w})
		}, 21, "DequantizeLinear"},
		{func(b *mil.Builder) *mil.Value {
			return op.ScatterNd.Add(b, op.ScatterNdArgs{
				Data: x, Indices: mil.NewConst("i", tensor.Ints([]int{1, 1}, []int32{1})), Updates: mil.NewConst("u", ramp(1, 1, 4)), Mode: "max",
			})
		}, 18, "ScatterND"},
	} {
		b := mil.NewBuilder(mil.IOS18)
		y := c.make(b)
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
		y.Name = "y"
		f := function(t, b, vs(x), vs(y))
		m, p := written(t, f, onnx.Options{})
		if m.Opset() != c.opset || m.Ops()[c.has] == 0 {
			t.Errorf("%s: opset %d, %v", c.has, m.Opset(), m.Ops())
		}
		in := []*tensor.Tensor{ramp(0.5, 3, 4)}
		want, err := run(t, f, in, engine.Options{Reference: true})
		if err != nil {
			t.Fatal(err)
		}
		have, err := run(t, p.Func, in, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if d, err := apart(want[0], have[0]); err != nil || d > 1e-5 {
			t.Errorf("%s: off by %g, %v", c.has, d, err)
		}
		if _, err := onnx.Make(f, onnx.Options{Opset: 17}); (err == nil) != (c.opset == 17) {
			t.Errorf("%s at opset 17: %v", c.has, err)
		}
	}
}

// Control flow: branches and bodies see what is around them, and a loop that
// is not entered gives what it was given.
func TestControlFlow(t *testing.T) {
	x, limit := value("x", tensor.Float32, 2), value("limit", tensor.Float32)
	number := func(v float32) *mil.Value { return mil.NewConst("", tensor.Scalar(tensor.Float32, v)) }
	b := mil.NewBuilder(mil.IOS15)
	more := func(n *mil.Value, b *mil.Builder) *mil.Value { return op.Less.Add(b, op.Binary{X: n, Y: limit}) }
	vars := vs(value("n", tensor.Float32), value("s", tensor.Float32, 2))
	block := func(build func(b *mil.Builder, vars []*mil.Value) []*mil.Value) *mil.Block {
		inner := mil.NewBuilder(mil.IOS15)
		v := vs(value("n", tensor.Float32), value("s", tensor.Float32, 2))
		out := build(inner, v)
		if inner.Err() != nil {
			t.Fatal(inner.Err())
		}
		inner.Block.Inputs, inner.Block.Outputs = v, out
		return inner.Block
	}
	loop := &mil.Node{Op: "while_loop", Name: "loop", Inputs: []mil.Input{{Name: "loop_vars", Values: vs(number(0), x)}}, Outputs: vars}
	loop.Blocks = []*mil.Block{
		block(func(b *mil.Builder, v []*mil.Value) []*mil.Value { return vs(more(v[0], b)) }),
		block(func(b *mil.Builder, v []*mil.Value) []*mil.Value {
			return vs(op.Add.Add(b, op.Binary{X: v[0], Y: number(1)}), op.Add.Add(b, op.Binary{X: v[1], Y: x}))
		}),
	}
	b.Append(loop)
	out := value("y", tensor.Float32, 2)
	branch := func(build func(b *mil.Builder) *mil.Value) *mil.Block {
		inner := mil.NewBuilder(mil.IOS15)
		v := build(inner)
		if inner.Err() != nil {
			t.Fatal(inner.Err())
		}
		inner.Block.Outputs = vs(v)
		return inner.Block
	}
	pick := &mil.Node{Op: "cond", Name: "pick", Inputs: []mil.Input{{Name: "pred", Values: vs(more(number(2), b))}}, Outputs: vs(out)}
	pick.Blocks = []*mil.Block{
		branch(func(b *mil.Builder) *mil.Value { return op.Square.Add(b, op.Unary{X: vars[1]}) }),
		branch(func(*mil.Builder) *mil.Value { return x }),
	}
	b.Append(pick)
	f := function(t, b, vs(x, limit), vs(vars[0], out))
	m, p := written(t, f, onnx.Options{})
	if ops := m.Ops(); ops["Loop"] != 1 || ops["If"] != 1 {
		t.Errorf("%v", ops)
	}
	for limit, want := range map[float32][]float32{-1: {0, 1, 2}, 1: {1, 1, 2}, 3: {3, 16, 64}} {
		have, err := run(t, p.Func, []*tensor.Tensor{tensor.Floats([]int{2}, []float32{1, 2}), tensor.Scalar(tensor.Float32, limit)}, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := append(slices.Clone(have[0].F32()), have[1].F32()...); !slices.Equal(got, want) {
			t.Errorf("limit %g: %v, want %v", limit, got, want)
		}
	}
}

// A state is an input, and an output with its new value.
func TestStates(t *testing.T) {
	x := value("x", tensor.Float32, 2)
	elem := mil.TensorType(tensor.Float32, 2)
	state := &mil.Value{Name: "memory", Type: mil.Type{Kind: mil.State, Elem: &elem}}
	b := mil.NewBuilder(mil.IOS18)
	old := op.ReadState.Add(b, op.ReadStateArgs{Input: state})
	sum := op.Add.Add(b, op.Binary{X: x, Y: old})
	b.Append(&mil.Node{Op: "write_state", Name: "write", Inputs: []mil.Input{{Name: "input", Values: vs(state)}, {Name: "data", Values: vs(sum)}}})
	y := op.Square.Add(b, op.Unary{X: op.ReadState.Add(b, op.ReadStateArgs{Input: state})})
	y.Name = "y"
	_, p := written(t, function(t, b, vs(x, state), vs(y)), onnx.Options{})
	out, err := run(t, p.Func, []*tensor.Tensor{ramp(1, 2), ramp(2, 2)}, engine.Options{})
	if err != nil || len(out) != 2 || !slices.Equal(out[0].F32(), []float32{0, 9}) || !slices.Equal(out[1].F32(), []float32{0, 3}) {
		t.Errorf("%v, %v", out, err)
	}
	if p.Func.Inputs[1].Name != "memory" || p.Func.Body.Outputs[1].Name != "memory"+onnx.StateSuffix {
		t.Errorf("%s", text(p.Func))
	}
}

// Lists grow as they are written.
func TestLists(t *testing.T) {
	x := value("x", tensor.Float32, 2)
	at := func(i int32) *mil.Value { return mil.NewConst("", tensor.Scalar(tensor.Int32, i)) }
	b := mil.NewBuilder(mil.IOS15)
	list := op.MakeList.Add(b, op.MakeListArgs{InitLength: at(1), DynamicLength: true, ElemShape: vs(at(2)), DType: "fp32"})
	list = op.ListWrite.Add(b, op.ListWriteArgs{Ls: list, Index: at(3), Value: x})
	list = op.ListScatter.Add(b, op.ListScatterArgs{Ls: list, Indices: mil.NewConst("", tensor.Ints([]int{2}, []int32{1, 0})), Value: mil.NewConst("", ramp(1, 2, 2))})
	read := op.ListRead.Add(b, op.ListReadArgs{Ls: list, Index: at(3)})
	read.Name = "read"
	all := op.ListGather.Add(b, op.ListGatherArgs{Ls: list, Indices: mil.NewConst("", tensor.Ints([]int{3}, []int32{0, 1, 2}))})
	all.Name = "all"
	length := op.ListLength.Add(b, op.ListLengthArgs{Ls: list})
	length.Name = "length"
	m, err := onnx.Make(function(t, b, vs(x), vs(read, all, length)), onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := run(t, reread(t, m).Func, []*tensor.Tensor{tensor.Floats([]int{2}, []float32{5, 6})}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out[0].F32(), []float32{5, 6}) || !slices.Equal(out[1].F32(), []float32{2, 3, 0, 1, 0, 0}) || out[2].I32()[0] != 4 {
		t.Errorf("%v %v %v", numbers(out[0]), numbers(out[1]), numbers(out[2]))
	}
}
