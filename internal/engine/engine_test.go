package engine

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// compileAndRun runs f once.
func compileAndRun(t *testing.T, f *mil.Func, in []*tensor.Tensor, o Options, threads int) []*tensor.Tensor {
	t.Helper()
	types := make([]mil.Type, len(in))
	for i, v := range in {
		types[i] = mil.TypeOf(v)
	}
	p, err := Compile(f, types, o)
	if err != nil {
		t.Fatal(err)
	}
	pool := par.New(threads)
	defer pool.Close()
	run := p.NewRun(pool)
	var out []*tensor.Tensor
	for range 2 { // the second time over a used arena
		if out, err = run.Do(context.Background(), in, nil); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// close tells whether two results agree up to what re-associated sums may do.
func near(t *testing.T, what string, want, have *tensor.Tensor, tolerance float64) {
	t.Helper()
	if !mil.TypeOf(want).Equal(mil.TypeOf(have)) {
		t.Errorf("%s: have %s, want %s", what, have, want)
		return
	}
	if want.DType() == tensor.String {
		return
	}
	w, h := want.Float64s(), have.Float64s()
	scale := 1.0
	for _, v := range w {
		if a := math.Abs(v); a > scale && !math.IsInf(a, 0) {
			scale = a
		}
	}
	for i := range w {
		if math.IsNaN(w[i]) && math.IsNaN(h[i]) || w[i] == h[i] {
			continue
		}
		if !(math.Abs(w[i]-h[i]) <= tolerance*scale) {
			t.Errorf("%s: element %d: have %g, want %g", what, i, h[i], w[i])
			return
		}
	}
}

// TestKernels holds every kernel, on every CPU level, against the reference
// evaluation of its operator on sampled arguments. Float values come as inputs
// or, every other time, all but the first as constants.
func TestKernels(t *testing.T) {
	for name := range kernels {
		t.Run(name, func(t *testing.T) {
			o, err := op.For(name, mil.IOS18)
			if err != nil {
				t.Fatal(err)
			}
			for seed := range uint64(60) {
				args := o.Sample(rand.New(rand.NewPCG(seed, 7)))
				node := o.Node("n", args)
				f := &mil.Func{Name: "main", Opset: mil.IOS18, Body: &mil.Block{Nodes: []*mil.Node{node}}}
				var in []*tensor.Tensor
				for i := range node.Inputs {
					if p := param(o, node.Inputs[i].Name); p.Const {
						continue
					}
					for j, v := range node.Inputs[i].Values {
						if v.Const == nil || !v.Type.DType.IsFloat() || (seed%2 == 1 && len(in) > 0) {
							continue
						}
						x := &mil.Value{Name: v.Name, Type: v.Type}
						in = append(in, v.Const)
						f.Inputs = append(f.Inputs, x)
						node.Inputs[i].Values[j] = x
					}
				}
				bound, err := o.Bind(node, nil)
				if err != nil {
					continue // an argument that must be constant in this version
				}
				types, err := o.Infer(bound)
				if err != nil {
					t.Fatal(err)
				}
				for _, typ := range types {
					node.Outputs = append(node.Outputs, &mil.Value{Name: "y", Type: typ, Node: node})
				}
				f.Body.Outputs = node.Outputs
				want := compileAndRun(t, f, in, Options{Reference: true}, 1)
				for _, level := range cpu.Available() {
					// A cast to float16 rounds only when asked to.
					have := compileAndRun(t, f, in, Options{Level: level, Strict: name == "cast", Frugal: seed%5 < 2}, 1+int(seed%3))
					for i := range want {
						near(t, level.String(), want[i], have[i], 2e-5)
					}
				}
				if t.Failed() {
					t.Fatalf("seed %d: %+v", seed, args)
				}
			}
		})
	}
}

func param(o *op.Op, name string) op.Param {
	for _, p := range o.Params {
		if p.Name == name {
			return p
		}
	}
	return op.Param{}
}

func floatsOf(r *rand.Rand, shape ...int) *tensor.Tensor {
	data := make([]float32, tensor.Size(shape))
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	return tensor.Floats(shape, data)
}

// residualNet is what fusion and memory planning have to get right: values
// read twice, views, a residual, activations and an output in the middle.
func residualNet(r *rand.Rand) *mil.Func {
	b := mil.NewBuilder(mil.IOS15)
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 1, 8, 9, 7)}
	weight := func(shape ...int) *mil.Value { return mil.NewConst("w", floatsOf(r, shape...)) }
	c1 := op.Conv.Add(b, op.ConvArgs{X: x, Weight: weight(8, 8, 3, 3), PadType: "same", Groups: 1})
	r1 := op.Relu.Add(b, op.Unary{X: c1})
	c2 := op.Conv.Add(b, op.ConvArgs{X: r1, Weight: weight(8, 8, 1, 1), PadType: "valid", Groups: 1})
	sum := op.Add.Add(b, op.Binary{X: r1, Y: c2})
	r2 := op.Tanh.Add(b, op.Unary{X: sum})
	flat := op.Reshape.Add(b, op.ReshapeArgs{X: r2, Shape: mil.NewConst("s", tensor.Ints([]int{2}, []int32{1, 8 * 9 * 7}))})
	twice := op.Mul.Add(b, op.Binary{X: flat, Y: flat})
	back := op.Sub.Add(b, op.Binary{X: twice, Y: flat})
	soft := op.Softmax.Add(b, op.SoftmaxArgs{X: back, Axis: -1})
	if b.Err() != nil {
		panic(b.Err())
	}
	b.Block.Outputs = []*mil.Value{soft, r1, flat}
	return &mil.Func{Name: "main", Opset: mil.IOS15, Inputs: []*mil.Value{x}, Body: b.Block}
}

func TestFusionKeepsMeaning(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := residualNet(r)
	in := []*tensor.Tensor{floatsOf(r, 1, 8, 9, 7)}
	want := compileAndRun(t, f, in, Options{Reference: true}, 1)
	for _, level := range cpu.Available() {
		for i, have := range compileAndRun(t, f, in, Options{Level: level}, 2) {
			near(t, level.String(), want[i], have, 1e-5)
		}
	}
	p, err := Compile(f, []mil.Type{f.Inputs[0].Type}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if have, all := len(p.steps), len(f.Body.Nodes); have != all-4 { // relu and add, tanh merged, reshape a view
		var names []string
		for _, s := range p.steps {
			names = append(names, s.node.Op)
		}
		t.Errorf("%d steps of %d nodes: %v", have, all, names)
	}
}

func TestArenaDoesNotOverlap(t *testing.T) {
	f := residualNet(rand.New(rand.NewPCG(3, 4)))
	p, err := Compile(f, []mil.Type{f.Inputs[0].Type}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range p.buffers {
		for _, b := range p.buffers[:i] {
			together := a.first <= b.last && b.first <= a.last
			overlap := a.offset < b.offset+b.size && b.offset < a.offset+a.size
			if !a.given && !b.given && a.parent == 0 && b.parent == 0 && together && overlap {
				t.Errorf("%+v and %+v", a, b)
			}
		}
	}
}

func TestObserverSeesEveryValue(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	f := residualNet(r)
	seen := map[string]int{}
	compileAndRun(t, f, []*tensor.Tensor{floatsOf(r, 1, 8, 9, 7)}, Options{Observe: func(name string, v *tensor.Tensor) { seen[name] += v.Len() }}, 1)
	for _, n := range f.Body.Nodes {
		if want := 2 * tensor.Size(n.Outputs[0].Type.Shape); seen[n.Outputs[0].Name] != want {
			t.Errorf("%s: saw %d elements, want %d", n.Outputs[0].Name, seen[n.Outputs[0].Name], want)
		}
	}
}

func TestStrictRounds(t *testing.T) {
	b := mil.NewBuilder(mil.IOS15)
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float16, 1)}
	y := op.Add.Add(b, op.Binary{X: x, Y: mil.NewConst("c", tensor.New(tensor.Float16, []int{1}, []float32{2048}))})
	z := op.Sub.Add(b, op.Binary{X: y, Y: mil.NewConst("c", tensor.New(tensor.Float16, []int{1}, []float32{2048}))})
	b.Block.Outputs = []*mil.Value{z}
	f := &mil.Func{Name: "main", Opset: mil.IOS15, Inputs: []*mil.Value{x}, Body: b.Block}
	in := []*tensor.Tensor{tensor.New(tensor.Float16, []int{1}, []float32{0.5})}
	for strict, want := range map[bool]float32{false: 0.5, true: 0} { // 2048.5 is no float16
		if have := compileAndRun(t, f, in, Options{Strict: strict}, 1)[0].F32()[0]; have != want {
			t.Errorf("strict %v: have %g, want %g", strict, have, want)
		}
	}
}

// countdown is a loop: while n > 0 { n -= 1; total += n }.
func countdown() *mil.Func {
	scalar := mil.TensorType(tensor.Float32)
	b := mil.NewBuilder(mil.IOS15)
	n := &mil.Value{Name: "n", Type: scalar}
	zero, one := mil.NewConst("zero", tensor.Scalar[float32](tensor.Float32, 0)), mil.NewConst("one", tensor.Scalar[float32](tensor.Float32, 1))
	total := &mil.Value{Name: "total", Type: scalar, Const: zero.Const}
	vars := func() []*mil.Value {
		return []*mil.Value{{Name: "i", Type: scalar}, {Name: "sum", Type: scalar}}
	}
	cond, body := b.Nested(), b.Nested()
	cond.Block.Inputs, body.Block.Inputs = vars(), vars()
	cond.Block.Outputs = []*mil.Value{op.Greater.Add(cond, op.Binary{X: cond.Block.Inputs[0], Y: zero})}
	i := op.Sub.Add(body, op.Binary{X: body.Block.Inputs[0], Y: one})
	body.Block.Outputs = []*mil.Value{i, op.Add.Add(body, op.Binary{X: body.Block.Inputs[1], Y: i})}
	loop := &mil.Node{
		Op: "while_loop", Name: "loop", Inputs: []mil.Input{{Name: "loop_vars", Values: []*mil.Value{n, total}}},
		Blocks: []*mil.Block{cond.Block, body.Block}, Outputs: []*mil.Value{{Name: "end", Type: scalar}, {Name: "result", Type: scalar}},
	}
	b.Append(loop)
	b.Block.Outputs = loop.Outputs[1:]
	return &mil.Func{Name: "main", Opset: mil.IOS15, Inputs: []*mil.Value{n}, Body: b.Block}
}

func TestLoop(t *testing.T) {
	have := compileAndRun(t, countdown(), []*tensor.Tensor{tensor.Scalar[float32](tensor.Float32, 5)}, Options{}, 1)[0]
	if have.F32()[0] != 10 {
		t.Errorf("have %g, want 4+3+2+1+0", have.F32()[0])
	}
}

func TestCancel(t *testing.T) {
	f := countdown()
	p, err := Compile(f, []mil.Type{f.Inputs[0].Type}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	pool := par.New(1)
	defer pool.Close()
	ctx, cancel := context.WithCancel(context.Background())
	run := p.NewRun(pool)
	done := make(chan error)
	go func() { // a loop that does not end by itself: infinity less one is infinity
		_, err := run.Do(ctx, []*tensor.Tensor{tensor.Scalar(tensor.Float32, float32(math.Inf(1)))}, nil)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("have %v, want that it was cancelled", err)
	}
}

func TestState(t *testing.T) {
	b := mil.NewBuilder(mil.IOS18)
	elem := mil.TensorType(tensor.Float16, 2)
	s := &mil.Value{Name: "s", Type: mil.Type{Kind: mil.State, Elem: &elem}}
	x := &mil.Value{Name: "x", Type: elem}
	old := op.ReadState.Add(b, op.ReadStateArgs{Input: s})
	sum := op.Add.Add(b, op.Binary{X: old, Y: x})
	op.WriteState.AddN(b, op.WriteStateArgs{Input: s, Data: sum})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	b.Block.Outputs = []*mil.Value{sum}
	f := &mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{x, s}, Body: b.Block}
	p, err := Compile(f, []mil.Type{x.Type, s.Type}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	pool := par.New(1)
	defer pool.Close()
	run := p.NewRun(pool)
	state := State{}
	in := []*tensor.Tensor{tensor.New(tensor.Float16, []int{2}, []float32{1, 2}), nil}
	for i := range 3 {
		out, err := run.Do(context.Background(), in, state)
		if err != nil {
			t.Fatal(err)
		}
		if have, want := out[0].F32()[1], float32(2*(i+1)); have != want {
			t.Errorf("prediction %d: have %g, want %g", i, have, want)
		}
	}
	if have := state["s"].F32()[0]; have != 3 {
		t.Errorf("the state holds %g, want 3", have)
	}
}

func TestLimit(t *testing.T) {
	f := residualNet(rand.New(rand.NewPCG(1, 2)))
	if _, err := Compile(f, []mil.Type{f.Inputs[0].Type}, Options{MaxBytes: 1000}); err == nil {
		t.Error("compiled a program that takes more than 1000 bytes")
	}
}
