package op

import (
	"fmt"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// MakeListArgs are the arguments of make_list. The shape of the elements is
// given by scalars: numbers, or strings, which name symbols of unknown size.
type MakeListArgs struct {
	InitLength    *mil.Value   `mil:"init_length,int32,optional"` // 1 when absent
	DynamicLength bool         `mil:"dynamic_length,bool,const,optional"`
	ElemShape     []*mil.Value `mil:"elem_shape,any"`
	DType         string       `mil:"dtype,string,const,optional" values:"bool|fp16|fp32|int32"`
}

// MakeList makes a list of tensors of one element type and shape. Lists live
// in whoever runs the program.
var MakeList = Define(Spec[MakeListArgs]{
	Name: "make_list", Since: mil.IOS15,
	Default: MakeListArgs{DynamicLength: true, DType: "fp32"},
	Infer: func(a *MakeListArgs) ([]mil.Type, error) {
		d, err := tensor.ParseDType(a.DType)
		if err != nil {
			return nil, err
		}
		if len(a.ElemShape) > maxRank {
			return nil, fmt.Errorf("elements of rank %d", len(a.ElemShape))
		}
		var shape []int
		for _, v := range a.ElemShape {
			n := mil.Unknown
			if v.Const == nil || v.Const.DType() != tensor.String {
				if n, err = knownScalar("elem_shape", v); err != nil {
					return nil, err
				}
			}
			shape = append(shape, n)
		}
		if _, err := result(d, shape...); err != nil {
			return nil, err
		}
		elem := mil.TensorType(d, shape...)
		length := 1
		if a.InitLength != nil {
			if product(dims(a.InitLength)) != 1 {
				return nil, fmt.Errorf("init_length: want one number, have %s", a.InitLength.Type)
			}
			length = mil.Unknown
			if v, known := knownInts(a.InitLength); known {
				length = v[0]
			}
		}
		if a.InitLength != nil && a.InitLength.Const != nil && length < 0 {
			return nil, fmt.Errorf("a list of %d elements", length)
		}
		if a.DynamicLength {
			length = mil.Unknown
		}
		return []mil.Type{{Kind: mil.List, Elem: &elem, Len: length}}, nil
	},
})

// listElem returns the type of a list's elements.
func listElem(v *mil.Value) (mil.Type, error) {
	if v.Type.Kind != mil.List || v.Type.Elem == nil {
		return mil.Type{}, fmt.Errorf("ls: want a list, have %s", v.Type)
	}
	return *v.Type.Elem, nil
}

// checkElem checks that a value can be an element of a list.
func checkElem(want mil.Type, value mil.Type) error {
	if want.AnyRank && want.DType == value.DType || want.DType == value.DType && compatible(want.Shape, value.Shape) {
		return nil
	}
	return fmt.Errorf("value: want %s, have %s", want, value)
}
