package neuralnetwork

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// args reads the arguments of a node that was checked against its declaration,
// whichever version of the operator that is.
type args struct {
	*mil.Node
	def *op.Op
}

// def returns the Go value of what an argument is when it is absent.
func (a args) absent(name string) any {
	for i := range a.def.Params {
		if a.def.Params[i].Name == name {
			return a.def.Params[i].Default
		}
	}
	return nil
}

// tensor returns a constant argument, nil where it is absent.
func (a args) tensor(name string) *tensor.Tensor {
	if v := a.Input(name); v != nil {
		return v.Const
	}
	t, _ := a.absent(name).(*tensor.Tensor)
	return t
}

// ints returns a constant list of integers.
func (a args) ints(name string) []int {
	if t := a.tensor(name); t != nil {
		return integers(t)
	}
	ns, _ := a.absent(name).([]int)
	return ns
}

func integers(t *tensor.Tensor) []int {
	out := make([]int, t.Len())
	for i, x := range t.Float64s() {
		out[i] = int(x)
	}
	return out
}

func (a args) int(name string) int {
	if ns := a.ints(name); len(ns) > 0 {
		return ns[0]
	}
	n, _ := a.absent(name).(int)
	return n
}

func (a args) bools(name string) []bool {
	if t := a.tensor(name); t != nil && t.DType() == tensor.Bool {
		return t.Bools()
	}
	return nil
}

func (a args) bool(name string) bool {
	if bs := a.bools(name); len(bs) > 0 {
		return bs[0]
	}
	b, _ := a.absent(name).(bool)
	return b
}

// float returns a constant number.
func (a args) float(name string) float32 {
	if t := a.tensor(name); t != nil && t.Len() > 0 {
		return float32(t.Float64s()[0])
	}
	x, _ := a.absent(name).(float32)
	return x
}

// floats returns a constant list of numbers, nil where it is absent.
func (a args) floats(name string) []float32 {
	if t := a.tensor(name); t != nil {
		return single(t)
	}
	return nil
}

func (a args) string(name string) string {
	if t := a.tensor(name); t != nil && t.DType() == tensor.String && t.Len() > 0 {
		return t.Strings()[0]
	}
	s, _ := a.absent(name).(string)
	return s
}

// list returns all values of an argument that is a list.
func (a args) list(name string) []*mil.Value {
	for _, in := range a.Inputs {
		if in.Name == name {
			return in.Values
		}
	}
	return nil
}

// out is the type of the first result.
func (a args) out() mil.Type { return a.Outputs[0].Type }

// axis returns an axis that may be counted from the end as one that is not.
func axis(n, rank int) int {
	if n < 0 {
		n += rank
	}
	return n
}

// single returns the elements of a tensor as floats.
func single(t *tensor.Tensor) []float32 {
	switch t.DType() {
	case tensor.Float32, tensor.Float16:
		return t.F32()
	}
	in := t.Float64s()
	out := make([]float32, len(in))
	for i, x := range in {
		out[i] = float32(x)
	}
	return out
}
