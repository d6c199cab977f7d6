package mlprogram_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// written saves a model and opens it again.
func written(t *testing.T, m *mlmodel.Model) *mlmodel.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.mlpackage")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	doc, err := mlmodel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { doc.Close() })
	return doc
}

// write writes a function and reads it from the bytes: those of the program,
// and those of the weight file.
func write(t *testing.T, f *mil.Func, o mlprogram.Options) (*mlmodel.Model, *mil.Func) {
	t.Helper()
	m, err := mlprogram.Write(&mlprogram.Program{Funcs: []*mil.Func{f}}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	b, err := proto.Marshal(m.Spec().GetMlProgram())
	if err != nil {
		t.Fatal(err)
	}
	p := new(spec.Program)
	if err := proto.Unmarshal(b, p); err != nil {
		t.Fatal(err)
	}
	net, err := coreml.ReadProgram(p, f.Name, m.Blob)
	if err != nil {
		t.Fatal(err)
	}
	return m, net.Func
}

// notWritten are operators that cannot be the only one of a program.
var notWritten = map[string]bool{"const": true, "classify": true}

// restated tells arguments that are written in another way: an axis counted
// from the end, and a padding that iOS 15 does not have.
func restated(args any) bool {
	v := reflect.ValueOf(args).Elem()
	if a, ok := args.(*op.CumsumArgs); ok {
		return a.Axis < -1
	}
	pad := v.FieldByName("PadType")
	return pad.IsValid() && pad.String() == "same_lower"
}

// sampled makes a function of one operation, some of whose values are inputs.
func sampled(t *testing.T, o *op.Op, r *rand.Rand) (*mil.Func, any) {
	args := o.Sample(r)
	for restated(args) && o.Since == mil.IOS15 {
		args = o.Sample(r)
	}
	n := o.Node("it", args)
	f := &mil.Func{Name: "main", Opset: o.Since, Body: &mil.Block{Nodes: []*mil.Node{n}}}
	f.Inputs = []*mil.Value{{Name: "unused", Type: mil.TensorType(tensor.Float32, 2)}} // old systems want one
	for i := range n.Inputs {
		for j, v := range n.Inputs[i].Values {
			if v.Const != nil && v.Type.DType == tensor.Float16 {
				c, err := tensor.FromPacked(tensor.Float16, v.Type.Shape, v.Const.Packed()) // no finer than the type
				if err != nil {
					t.Fatal(err)
				}
				v = mil.NewConst(v.Name, c)
				n.Inputs[i].Values[j] = v
			}
			d := v.Type.DType
			given := d == tensor.Float32 || d == tensor.Int32 || d == tensor.Float16 && o.Since >= mil.IOS16
			if r.IntN(2) == 0 || !given || v.Const == nil {
				continue
			}
			in := &mil.Value{Name: fmt.Sprintf("in%d_%d", i, j), Type: v.Type}
			n.Inputs[i].Values[j] = in
			bound, err := o.Bind(n, nil)
			if err == nil {
				_, err = o.Infer(bound)
			}
			if err != nil { // must be known
				n.Inputs[i].Values[j] = v
				continue
			}
			f.Inputs = append(f.Inputs, in)
		}
	}
	bound, err := o.Bind(n, nil)
	if err != nil {
		t.Fatal(err)
	}
	types, err := o.Infer(bound)
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range types {
		v := &mil.Value{Name: fmt.Sprintf("out%d", i), Type: u, Node: n}
		n.Outputs = append(n.Outputs, v)
		// An output is of one of few types: others become one of these.
		if d := u.DType; d == tensor.Float32 || d == tensor.Int32 || d == tensor.Float16 && o.Since >= mil.IOS16 {
			f.Body.Outputs = append(f.Body.Outputs, v)
			continue
		}
		w := &mil.Value{Name: v.Name, Type: v.Type}
		v.Name += "_raw"
		w.Type.DType = tensor.Int32
		c := &mil.Node{Op: "cast", Name: w.Name, Outputs: []*mil.Value{w}, Inputs: []mil.Input{
			{Name: "x", Values: []*mil.Value{v}},
			{Name: "dtype", Values: []*mil.Value{mil.NewConst("", tensor.Scalar(tensor.String, "int32"))}},
		}}
		w.Node = c
		if cast, err := op.For("cast", f.Opset); err != nil {
			t.Fatal(err)
		} else if _, err := cast.Bind(c, nil); err != nil {
			continue // of a type that cannot be cast
		}
		f.Body.Nodes = append(f.Body.Nodes, c)
		f.Body.Outputs = append(f.Body.Outputs, w)
	}
	return f, bound
}

// TestRoundTrip writes programs of every operator in the table and reads the
// same programs, with the same results.
func TestRoundTrip(t *testing.T) {
	programs, versions := 0, 0
	for _, o := range op.All() {
		if o.Internal || notWritten[o.Name] || o.Sample(rand.New(rand.NewPCG(1, 1))) == nil {
			continue
		}
		versions++
		t.Run(fmt.Sprintf("%s_%s", o.Name, o.Since), func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, uint64(len(o.Name))))
			for range 8 {
				f, want := sampled(t, o, r)
				if len(f.Body.Outputs) == 0 {
					continue
				}
				values := map[string]*mil.Value{}
				for _, in := range f.Inputs {
					values[in.Name] = mil.NewConst(in.Name, anyTensor(r, in.Type))
				}
				before := f.Clone()
				doc, g := write(t, f, mlprogram.Options{Target: o.Since})
				if v := doc.Spec().GetSpecificationVersion(); v < doc.RequiredVersion() || v != int32(o.Since)+1 {
					t.Errorf("specification version %d, needs %d", v, doc.RequiredVersion())
				}
				programs++
				i := slices.IndexFunc(g.Body.Nodes, func(n *mil.Node) bool { return n.Name == "it" })
				if i < 0 {
					t.Fatalf("the operation is gone: %v", g.Body.Nodes)
				}
				n := g.Body.Nodes[i]
				if n.Op != o.Name || g.Opset != o.Since {
					t.Fatalf("reads %s of %s", n, g.Opset)
				}
				have, err := o.Bind(n, nil)
				if err != nil {
					t.Fatal(err)
				}
				sameArgs(t, want, have)
				for i, v := range n.Outputs {
					if !v.Type.Equal(before.Body.Nodes[0].Outputs[i].Type) {
						t.Errorf("output %d is %s, was %s", i, v.Type, before.Body.Nodes[0].Outputs[i].Type)
					}
				}
				if !o.HasEval || o.Random {
					continue
				}
				a, errA := evaluate(o, before.Body.Nodes[0], values)
				b, errB := evaluate(o, n, values)
				if (errA == nil) != (errB == nil) {
					t.Fatalf("evaluates to %v, before %v", errB, errA)
				}
				for i := range a {
					sameTensor(t, fmt.Sprintf("result %d", i), a[i], b[i])
				}
			}
		})
	}
	t.Logf("%d programs of %d operator versions", programs, versions)
	if versions < 200 {
		t.Errorf("only %d operator versions have a Sample", versions)
	}
}

func anyTensor(r *rand.Rand, u mil.Type) *tensor.Tensor {
	n := tensor.Size(u.Shape)
	if u.DType.IsInt() {
		return tensor.Zeros(u.DType, u.Shape)
	}
	data := make([]float32, n)
	for i := range data {
		data[i] = float32(r.IntN(16)) / 8
	}
	return tensor.New(u.DType, u.Shape, data)
}

func evaluate(o *op.Op, n *mil.Node, values map[string]*mil.Value) ([]*tensor.Tensor, error) {
	args, err := o.Bind(n, func(v *mil.Value) *mil.Value {
		if v.Const == nil {
			return values[v.Name]
		}
		return v
	})
	if err != nil {
		return nil, err
	}
	return o.Eval(args)
}

// sameArgs compares argument structs. Empty lists may have been spelt out.
func sameArgs(t *testing.T, want, have any) {
	t.Helper()
	a, b := reflect.ValueOf(want).Elem(), reflect.ValueOf(have).Elem()
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		switch x := a.Field(i).Interface().(type) {
		case *mil.Value:
			sameValue(t, name, x, b.Field(i).Interface().(*mil.Value))
		case []*mil.Value:
			y := b.Field(i).Interface().([]*mil.Value)
			if len(x) != len(y) {
				t.Errorf("%s: %d values, had %d", name, len(y), len(x))
				continue
			}
			for j := range x {
				sameValue(t, name, x[j], y[j])
			}
		case *tensor.Tensor:
			sameTensor(t, name, x, b.Field(i).Interface().(*tensor.Tensor))
		case []int:
			if len(x) > 0 && !slices.Equal(x, b.Field(i).Interface().([]int)) {
				t.Errorf("%s is %v, was %v", name, b.Field(i), x)
			}
		default:
			if !reflect.DeepEqual(x, b.Field(i).Interface()) {
				t.Errorf("%s is %v, was %v", name, b.Field(i), x)
			}
		}
	}
}

func sameValue(t *testing.T, name string, a, b *mil.Value) {
	t.Helper()
	switch {
	case a == nil || b == nil:
		if a != b {
			t.Errorf("%s is %v, was %v", name, b, a)
		}
	case !a.Type.Equal(b.Type):
		t.Errorf("%s is of type %s, was %s", name, b.Type, a.Type)
	case a.Const == nil:
		if b.Const != nil || a.Name != b.Name {
			t.Errorf("%s is %q, was %q", name, b.Name, a.Name)
		}
	default:
		sameTensor(t, name, a.Const, b.Const)
	}
}

func sameTensor(t *testing.T, name string, a, b *tensor.Tensor) {
	t.Helper()
	if a == nil || b == nil {
		if a != b {
			t.Errorf("%s is %v, was %v", name, b, a)
		}
		return
	}
	same := a.DType() == b.DType() && slices.Equal(a.Shape(), b.Shape())
	switch {
	case !same:
	case a.DType() == tensor.String:
		same = slices.Equal(a.Strings(), b.Strings())
	case a.DType().IsFloat():
		same = slices.EqualFunc(a.Float64s(), b.Float64s(), func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) })
	default:
		same = slices.Equal(a.Packed(), b.Packed())
	}
	if !same {
		t.Errorf("%s is %s, was %s, or their elements differ", name, b, a)
	}
}
