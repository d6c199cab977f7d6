package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// PadArgs are the arguments of pad. Pad holds the elements to add before and
// after each of the last dimensions: two numbers a dimension.
type PadArgs struct {
	X           *mil.Value `mil:"x,T"`
	Pad         *mil.Value `mil:"pad,int32"`
	Mode        string     `mil:"mode,string,const,optional" values:"constant|reflect|replicate"`
	ConstantVal float32    `mil:"constant_val,T,const,optional"`
}

// Pad adds a border of a constant, of the tensor mirrored at its edges (which
// are not repeated), or of its edges.
var Pad = Define(Spec[PadArgs]{
	Name: "pad", Since: mil.IOS15, Types: Types{"T": Float},
	Default: PadArgs{Mode: "constant"},
	Infer:   inferPad, Eval: evalPad, Sample: samplePad,
})

func inferPad(a *PadArgs) ([]mil.Type, error) {
	shape := slices.Clone(dims(a.X))
	n, err := vector("pad", a.Pad)
	if err != nil {
		return nil, err
	}
	if n > 2*len(shape) || n > 0 && n%2 != 0 {
		return nil, fmt.Errorf("pad: %d numbers for a tensor of rank %d", n, len(shape))
	}
	pad, known := knownInts(a.Pad)
	if !known {
		if n < 0 {
			n = 2 * len(shape)
		}
		return result(a.X.Type.DType, append(shape[:len(shape)-n/2], unknownDims(n/2)...)...)
	}
	for i := range n / 2 {
		at := len(shape) - n/2 + i
		before, after, size := pad[2*i], pad[2*i+1], shape[at]
		switch {
		case before < 0 || after < 0:
			return nil, fmt.Errorf("pad of %d and %d along axis %d", before, after, at)
		case before+after == 0:
			continue
		case size < 0:
			shape[at] = mil.Unknown
			continue
		case a.Mode == "reflect" && max(before, after) >= size:
			return nil, fmt.Errorf("reflect needs pads less than the size: %d and %d along axis %d of %d", before, after, at, size)
		case a.Mode == "replicate" && size == 0:
			return nil, fmt.Errorf("axis %d has no edge to repeat", at)
		}
		shape[at] = before + size + after
	}
	return result(a.X.Type.DType, shape...)
}

func evalPad(a *PadArgs) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferPad, a)
	if err != nil {
		return nil, err
	}
	x := a.X.Const
	size, err := tensor.CheckShape(shape)
	if err != nil {
		return nil, err
	}
	data := make([]float32, size)
	if a.Mode == "constant" && a.ConstantVal != 0 && size != x.Len() {
		for i := range data {
			data[i] = a.ConstantVal
		}
	}
	out := tensor.New(x.DType(), shape, data)
	pad, _ := knownInts(a.Pad)
	first := len(shape) - len(pad)/2
	to := strides(shape)
	inside := move{shape: x.Shape(), from: strides(x.Shape()), to: to}
	for i := first; i < len(shape); i++ {
		inside.toAt += pad[2*(i-first)] * to[i]
	}
	inside.apply(out, x)
	if a.Mode == "constant" || size == 0 {
		return one(out)
	}
	// Dimension by dimension from the last: what lies across the later ones
	// is complete, so that whole slabs are copied.
	slab := move{shape: slices.Clone(x.Shape()), from: to, to: to, toAt: inside.toAt}
	for i := len(shape) - 1; i >= first; i-- {
		before, n := pad[2*(i-first)], x.Shape()[i]
		slab.toAt -= before * to[i]
		base := slab.toAt
		slab.shape[i] = 1
		for p := range shape[i] {
			source := p - before
			switch {
			case source >= 0 && source < n:
				continue
			case a.Mode == "replicate":
				source = min(max(source, 0), n-1)
			case source < 0:
				source = -source
			default:
				source = 2*(n-1) - source
			}
			m := slab
			m.fromAt, m.toAt = base+(before+source)*to[i], base+p*to[i]
			m.apply(out, out)
		}
		slab.shape[i] = shape[i]
	}
	return one(out)
}

func samplePad(r *rand.Rand) PadArgs {
	a := PadArgs{Mode: []string{"constant", "reflect", "replicate"}[r.IntN(3)], ConstantVal: float32(r.IntN(3))}
	shape := sampleShape(r)
	var pad []int
	for _, n := range shape[r.IntN(len(shape)):] {
		most := 3
		if a.Mode == "reflect" {
			most = n - 1
		}
		pad = append(pad, r.IntN(most+1), r.IntN(most+1))
	}
	a.X, a.Pad = sampleFloats(r, shape...), vectorOf(pad...)
	return a
}
