package mlprogram_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// TestPrecisionOfEveryOperator writes every operator in float16 and what comes
// of that in float32 again: the written types are those that follow from the
// arguments, the interface stays.
func TestPrecisionOfEveryOperator(t *testing.T) {
	for _, o := range op.All() {
		if o.Internal || notWritten[o.Name] || o.Sample(rand.New(rand.NewPCG(1, 1))) == nil {
			continue
		}
		t.Run(fmt.Sprintf("%s_%s", o.Name, o.Since), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, uint64(len(o.Name))))
			for range 3 {
				f, _ := sampled(t, o, r)
				if len(f.Body.Outputs) == 0 {
					continue
				}
				var inputs, outputs []mil.Type
				for _, v := range f.Inputs {
					inputs = append(inputs, v.Type)
				}
				for _, v := range f.Body.Outputs {
					outputs = append(outputs, v.Type)
				}
				for _, d := range []tensor.DType{tensor.Float16, tensor.Float32} {
					_, g := write(t, f, mlprogram.Options{Target: o.Since, Float: d})
					for i, v := range g.Inputs {
						if !v.Type.Equal(inputs[i]) || v.Name != f.Inputs[i].Name {
							t.Errorf("%s: input %d is %s %s", d, i, v.Type, v.Name)
						}
					}
					for i, v := range g.Body.Outputs {
						if !v.Type.Equal(outputs[i]) {
							t.Errorf("%s: output %q is %s, was %s", d, v.Name, v.Type, outputs[i])
						}
					}
					f = g
				}
			}
		})
	}
}

// network is relu(conv(x) + 1) with an output before the last step, too.
func network(weight float32) *mil.Func {
	b := mil.NewBuilder(mil.IOS15)
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 1, 1, 3, 3)}
	b.Unique("x")
	w := mil.NewConst("w", tensor.Floats([]int{1, 1, 1, 1}, []float32{weight}))
	conv := op.Conv.Defaults()
	conv.X, conv.Weight = x, w
	b.SetPlace("c")
	c := op.Conv.Add(b, conv)
	b.SetPlace("a")
	a := op.Add.Add(b, op.Binary{X: c, Y: mil.NewConst("", tensor.Scalar(tensor.Float32, float32(1)))})
	b.SetPlace("r")
	y := op.Relu.Add(b, op.Unary{X: a})
	b.Block.Outputs = []*mil.Value{y, a}
	return &mil.Func{Name: "main", Opset: mil.IOS15, Inputs: []*mil.Value{x}, Body: b.Block}
}

func listing(f *mil.Func) string {
	var b strings.Builder
	for _, n := range f.Body.Nodes {
		fmt.Fprintf(&b, "%s %s:%s", n.Op, n.Outputs[0].Name, n.Outputs[0].Type.DType)
		for _, in := range n.Inputs {
			if v := in.Values[0]; v.Const == nil || in.Name == "weight" || in.Name == "y" {
				fmt.Fprintf(&b, " %s=%s:%s", in.Name, v.Name, v.Type.DType)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Casts stand where coremltools puts them, with the same names.
func TestFloat16(t *testing.T) {
	_, f := write(t, network(0.5), mlprogram.Options{Float: tensor.Float16})
	want := `cast x_to_fp16:fp16 x=x:fp32
conv c_cast_fp16:fp16 weight=w_to_fp16:fp16 x=x_to_fp16:fp16
add a_cast_fp16:fp16 x=c_cast_fp16:fp16 y=a_cast_fp16_y_0:fp16
relu r_cast_fp16:fp16 x=a_cast_fp16:fp16
cast r:fp32 x=r_cast_fp16:fp16
cast a:fp32 x=a_cast_fp16:fp16
`
	if have := listing(f); have != want {
		t.Errorf("have\n%swant\n%s", have, want)
	}
	// The way back leaves no cast.
	_, g := write(t, f, mlprogram.Options{Float: tensor.Float32})
	want = `conv c:fp32 weight=w_to_fp16_to_fp32:fp32 x=x:fp32
add a:fp32 x=c:fp32 y=a_cast_fp16_y_0_to_fp32:fp32
relu r:fp32 x=a:fp32
`
	if have := listing(g); have != want {
		t.Errorf("have\n%swant\n%s", have, want)
	}
}

// What float16 cannot hold, and what the user names, stays in float32.
func TestKept(t *testing.T) {
	_, f := write(t, network(1e6), mlprogram.Options{Float: tensor.Float16})
	if i := slices.IndexFunc(f.Body.Nodes, func(n *mil.Node) bool { return n.Op == "conv" }); f.Body.Nodes[i].Outputs[0].Type.DType != tensor.Float32 {
		t.Errorf("a weight of a million: %s", listing(f))
	}
	_, f = write(t, network(1), mlprogram.Options{Float: tensor.Float16, Keep: func(op, name string) bool { return name == "a" }})
	for _, n := range f.Body.Nodes {
		want := tensor.Float16
		if n.Op == "add" {
			want = tensor.Float32
		}
		if n.Op != "cast" && n.Outputs[0].Type.DType != want {
			t.Errorf("%s gives %s", n, n.Outputs[0].Type)
		}
	}
}

// What is kept reads float32, also where a list says of no type.
func TestKeptConcat(t *testing.T) {
	b := mil.NewBuilder(mil.IOS15)
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 2)}
	e := op.Exp.Add(b, op.Unary{X: x})
	both := op.Concat.Add(b, op.ConcatArgs{Values: []*mil.Value{e, mil.NewConst("", tensor.Floats([]int{1}, []float32{1}))}})
	i := op.Cast.Add(b, op.CastArgs{X: both, DType: "int32"})
	b.Block.Outputs = []*mil.Value{i}
	_, f := write(t, &mil.Func{Name: "main", Opset: mil.IOS15, Inputs: []*mil.Value{x}, Body: b.Block}, mlprogram.Options{Float: tensor.Float16})
	for _, n := range f.Body.Nodes {
		if n.Op == "exp" != (n.Outputs[0].Type.DType == tensor.Float16) && n.Op != "cast" {
			t.Errorf("%s gives %s", n, n.Outputs[0].Type)
		}
	}
}

// A divisor too small for float16 does not become zero.
func TestNoZero(t *testing.T) {
	f := network(1e-12)
	_, g := write(t, f, mlprogram.Options{Float: tensor.Float16})
	for _, n := range g.Body.Nodes {
		if w := n.Input("weight"); w != nil && w.Const.F32()[0] != float32(math.Ldexp(1, -24)) {
			t.Errorf("the weight is %g", w.Const.F32()[0])
		}
	}
}

// Numbers that stand for places are not rounded to what float16 has.
func TestWholeNumbers(t *testing.T) {
	b := mil.NewBuilder(mil.IOS17)
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 1, 4)}
	table := &mil.Value{Name: "table", Type: mil.TensorType(tensor.Float32, 5000, 2)}
	b.SetPlace("places")
	places := op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: x, Shape: mil.NewConst("", tensor.Ints([]int{1}, []int32{4}))})
	b.SetPlace("index")
	index := op.CastIOS17.Add(b, op.CastIOS17Args{X: places, DType: "int32"})
	b.SetPlace("taken")
	g := op.GatherIOS17.Defaults()
	g.X, g.Indices = table, index
	taken := op.GatherIOS17.Add(b, g)
	b.SetPlace("count")
	shape := op.Shape.Add(b, op.Unary{X: taken})
	floats := op.CastIOS17.Add(b, op.CastIOS17Args{X: shape, DType: "fp32"})
	sum := op.Mul.Add(b, op.Binary{X: floats, Y: mil.NewConst("", tensor.Scalar(tensor.Float32, float32(3)))})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	b.Block.Outputs = []*mil.Value{taken, sum}
	f := &mil.Func{Name: "main", Opset: mil.IOS17, Inputs: []*mil.Value{x, table}, Body: b.Block}
	_, f = write(t, f, mlprogram.Options{Float: tensor.Float16})
	for _, n := range f.Body.Nodes {
		if v := n.Outputs[0]; v.Type.DType == tensor.Float16 && n.Op != "gather" && n.Op != "cast" {
			t.Errorf("%s gives %s", n, v.Type)
		}
	}
}

// Sums of products of integers are more than float16 has: those of a quantized
// network stay in float32 until they are scaled, what they are added to does not.
func TestSumsOfIntegers(t *testing.T) {
	b := mil.NewBuilder(mil.IOS17)
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Int32, 1, 4)}
	scale := &mil.Value{Name: "scale", Type: mil.TensorType(tensor.Float32)}
	cast := func(v *mil.Value, d string) *mil.Value {
		return op.CastIOS17.Add(b, op.CastIOS17Args{X: v, DType: d})
	}
	weights := func() *mil.Value { return mil.NewConst("w", tensor.Floats([]int{4, 2}, make([]float32, 8))) }
	product := op.Matmul.Add(b, op.MatmulArgs{X: cast(x, "fp32"), Y: weights()})
	scaled := op.Mul.Add(b, op.Binary{X: cast(cast(product, "int32"), "fp32"), Y: scale})
	y := op.Tanh.Add(b, op.Unary{X: op.Add.Add(b, op.Binary{X: scaled, Y: scaled})})
	z := op.Matmul.Add(b, op.MatmulArgs{X: y, Y: mil.NewConst("v", tensor.Floats([]int{2, 2}, make([]float32, 4)))})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	b.Block.Outputs = []*mil.Value{z}
	f := &mil.Func{Name: "main", Opset: mil.IOS17, Inputs: []*mil.Value{x, scale}, Body: b.Block}
	_, f = write(t, f, mlprogram.Options{Float: tensor.Float16})
	var got []string
	for _, n := range f.Body.Nodes {
		if n.Op != "cast" {
			got = append(got, n.Op+" "+n.Outputs[0].Type.DType.String())
		}
	}
	if want := []string{"matmul fp32", "mul fp32", "add fp16", "tanh fp16", "matmul fp16"}; !slices.Equal(got, want) {
		t.Errorf("have %q, want %q", got, want)
	}
}
