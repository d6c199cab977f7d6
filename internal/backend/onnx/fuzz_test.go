package onnx_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/onnx"
	read "github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// hostile changes an argument of an operation to something that it may not be.
func hostile(r *rand.Rand, n *mil.Node) {
	if len(n.Inputs) == 0 {
		return
	}
	shapes := [][]int{nil, {0}, {1}, {3}, {2, 0}, {1, 1, 1, 1, 1, 1}, {5, 4}, {2, 3, 4, 5}}
	shape := shapes[r.IntN(len(shapes))]
	i := r.IntN(len(n.Inputs))
	in := &n.Inputs[i]
	var v *mil.Value
	switch r.IntN(9) {
	case 0:
		n.Inputs = slices.Delete(n.Inputs, i, i+1)
		return
	case 1:
		in.Values = nil
		return
	case 2:
		in.Values = append(in.Values, in.Values...)
		return
	case 3:
		in.Name = "other"
		return
	case 4:
		v = &mil.Value{Name: "v", Type: mil.TensorType(tensor.Float32, slices.Repeat([]int{-1}, len(shape))...)}
	case 5:
		v = &mil.Value{Name: "v", Type: mil.Type{DType: tensor.Int32, AnyRank: true}}
	case 6:
		data := make([]int32, tensor.Size(shape))
		for i := range data {
			data[i] = []int32{-1 << 31, -7, -1, 0, 1, 2, 9, 1<<31 - 1}[r.IntN(8)]
		}
		v = mil.NewConst("v", tensor.Ints(shape, data))
	case 7:
		v = mil.NewConst("v", tensor.Zeros([]tensor.DType{tensor.Float16, tensor.Bool, tensor.Uint8, tensor.Float32}[r.IntN(4)], shape))
	default:
		v = mil.NewConst("v", tensor.Scalar(tensor.String, []string{"", "same", "add", "bool"}[r.IntN(4)]))
	}
	in.Values = []*mil.Value{v}
}

// attack writes an operation whose arguments were changed: an error is fine, a
// panic is not.
func attack(t *testing.T, o *op.Op, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 5))
	n := o.Node("n", o.Sample(r))
	f := &mil.Func{Name: "main", Opset: o.Since, Body: &mil.Block{Nodes: []*mil.Node{n}}}
	for i := range n.Inputs {
		for j, v := range n.Inputs[i].Values {
			if r.IntN(3) == 0 {
				v = &mil.Value{Name: v.Name, Type: v.Type}
				n.Inputs[i].Values[j] = v
				f.Inputs = append(f.Inputs, v)
			}
		}
	}
	if bound, err := o.Bind(n, nil); err == nil {
		types, _ := o.Infer(bound)
		for _, typ := range types {
			n.Outputs = append(n.Outputs, &mil.Value{Name: "y", Type: typ, Node: n})
		}
	}
	for range 1 + r.IntN(2) {
		hostile(r, n)
	}
	for _, in := range n.Inputs {
		for _, v := range in.Values {
			if v.Const == nil && !slices.Contains(f.Inputs, v) {
				f.Inputs = append(f.Inputs, v)
			}
		}
	}
	if len(n.Outputs) == 0 {
		n.Outputs = []*mil.Value{{Name: "y", Type: mil.TensorType(tensor.Float32, 1), Node: n}}
	}
	f.Body.Outputs = n.Outputs[:1]
	m, err := onnx.Make(f, onnx.Options{})
	if err != nil {
		return
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatalf("%s, seed %d: %v", o.Name, seed, err)
	}
	parsed, err := read.Parse(b.Bytes(), nil)
	if err != nil {
		t.Fatalf("%s, seed %d: %v", o.Name, seed, err)
	}
	_, _ = parsed.Program(read.Options{}) // what it says need not make sense
}

// TestHostile attacks every operator.
func TestHostile(t *testing.T) {
	for _, o := range op.All() {
		if o.Sample(rand.New(rand.NewPCG(1, 1))) == nil {
			continue
		}
		for seed := range uint64(60) {
			attack(t, o, seed)
		}
	}
}

func FuzzHostile(f *testing.F) {
	all := op.All()
	f.Add(uint(0), uint64(1))
	f.Fuzz(func(t *testing.T, which uint, seed uint64) {
		o := all[which%uint(len(all))]
		if o.Sample(rand.New(rand.NewPCG(1, 1))) != nil {
			attack(t, o, seed)
		}
	})
}

// FuzzRewrite reads models, writes what they compute, and reads that: what was
// written is never corrupt.
func FuzzRewrite(f *testing.F) {
	for _, name := range []string{"../../convert/testdata/net.onnx", "../../convert/testdata/unknown.onnx"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
	}
	for i, o := range op.All() {
		if o.Sample(rand.New(rand.NewPCG(1, 1))) == nil || i%4 != 0 {
			continue
		}
		program, _ := sampled(o, uint64(i))
		if program == nil {
			continue
		}
		m, err := onnx.Make(program, onnx.Options{})
		if err != nil {
			continue
		}
		var b bytes.Buffer
		if _, err := m.WriteTo(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), i%8 == 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, half bool) {
		parsed, err := read.Parse(b, nil)
		if err != nil {
			return
		}
		p, err := parsed.Program(read.Options{})
		if err != nil {
			return
		}
		o := onnx.Options{}
		if half {
			o.Float = tensor.Float16
		}
		m, err := onnx.Make(p.Func, o)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := m.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		again, err := read.Parse(out.Bytes(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.Program(read.Options{}); fault.KindOf(err) == fault.Corrupt {
			t.Errorf("what was written is corrupt: %v", err)
		}
	})
}
