package op

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// TestHostile gives every operator arguments that its declaration allows and
// its meaning may not: sampled ones with some replaced by tensors of any
// allowed type, shape and value. Whatever Infer accepts, Eval must compute or
// refuse; nothing may panic.
func TestHostile(t *testing.T) {
	for _, o := range All() {
		t.Run(o.Name+"/"+o.Since.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(11, uint64(len(o.Name))))
			for range 300 {
				args := o.Sample(r)
				if args == nil {
					return
				}
				hostile(t, o, o.Node("n", args), r)
			}
		})
	}
}

func hostile(t *testing.T, o *Op, n *mil.Node, r *rand.Rand) {
	for i := range n.Inputs {
		for j := range n.Inputs[i].Values {
			if r.IntN(3) == 0 {
				n.Inputs[i].Values[j] = hostileValue(o, n.Inputs[i].Name, n.Inputs[i].Values[j], r)
			}
		}
	}
	if r.IntN(8) == 0 && len(n.Inputs) > 0 {
		i := r.IntN(len(n.Inputs))
		n.Inputs = append(n.Inputs[:i:i], n.Inputs[i+1:]...)
	}
	stage := "bind"
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s panics: %v%s", stage, p, showInputs(n))
		}
	}()
	args, err := o.Bind(n, nil)
	if err != nil {
		return
	}
	stage = "infer"
	types, err := o.Infer(args)
	if err != nil || !o.HasEval {
		return
	}
	for _, v := range n.Values() {
		if v.Const == nil {
			return
		}
	}
	size := 0
	for _, typ := range types {
		if typ.IsStatic() {
			size += tensor.Size(typ.Shape)
		}
	}
	if size > 1e6 {
		return // right, but too much for a test
	}
	stage = "eval"
	start := time.Now()
	outs, err := o.Eval(args)
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("eval takes %v%s", d, showInputs(n))
	}
	if err != nil {
		return
	}
	for i, out := range outs {
		if !fits(types[i], mil.TypeOf(out)) {
			t.Fatalf("output %d is %s, Infer says %s", i, out, types[i])
		}
	}
}

func showInputs(n *mil.Node) string {
	var s string
	for _, in := range n.Inputs {
		for _, v := range in.Values {
			s += fmt.Sprintf("\n  %s: %s", in.Name, v.Type)
			if v.Const != nil && v.Const.Len() < 20 {
				s += " " + showTensor(v.Const)
			}
		}
	}
	return s
}

// hostileValue returns a value of a type that the parameter allows, more often
// than not a constant near the one given.
func hostileValue(o *Op, param string, old *mil.Value, r *rand.Rand) *mil.Value {
	d := old.Type.DType
	for _, p := range o.Params {
		if allowed := o.Types[p.Type]; p.Name == param && len(allowed) > 0 && r.IntN(2) == 0 {
			d = allowed[r.IntN(len(allowed))]
		}
	}
	shape := append([]int(nil), old.Type.Shape...)
	switch r.IntN(4) {
	case 0:
		shape = nil
		for range r.IntN(5) {
			shape = append(shape, r.IntN(4))
		}
	case 1:
		if len(shape) > 0 {
			shape[r.IntN(len(shape))] = r.IntN(6)
		}
	case 2:
		if len(shape) > 0 {
			shape = shape[:len(shape)-1]
		}
	}
	if r.IntN(8) == 0 {
		for i := range shape {
			if r.IntN(2) == 0 {
				shape[i] = -1 - r.IntN(3)
			}
		}
		return &mil.Value{Name: "u", Type: mil.TensorType(d, shape...)}
	}
	n := tensor.Size(shape)
	switch d {
	case tensor.String:
		return old
	case tensor.Bool:
		return sampleBools(r, shape)
	}
	v := make([]float64, n)
	for i := range v {
		switch r.IntN(10) {
		case 0:
			v[i] = []float64{-1 << 31, 1<<31 - 1, 1 << 30, 65536, 1e38, -1e38}[r.IntN(6)]
		default:
			v[i] = float64(r.IntN(9) - 3)
		}
	}
	x, err := tensor.New(tensor.Float64, shape, v).ConvertTo(d)
	if err != nil {
		return old
	}
	return mil.NewConst("h", x)
}
