package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// CastArgs are the arguments of Cast. DType is the name of an element type.
type CastArgs struct {
	X     *mil.Value `mil:"x,T"`
	DType string     `mil:"dtype,string,const" values:"int32|fp16|fp32|bool"`
}

// CastIOS17Args are CastArgs with more types.
type CastIOS17Args struct {
	X     *mil.Value `mil:"x,T"`
	DType string     `mil:"dtype,string,const" values:"int8|uint8|int16|uint16|int32|fp16|fp32|bool"`
}

// Cast converts the elements to another type: to integers truncating toward
// zero and saturating (NaN gives 0), to fp16 rounding to nearest even, to bool
// by "is not zero".
var Cast = Define(Spec[CastArgs]{
	Name: "cast", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: inferCast,
	Eval:  evalCast,
	Sample: func(r *rand.Rand) CastArgs {
		return CastArgs{sampleFloats(r), []string{"int32", "fp16", "fp32", "bool"}[r.IntN(4)]}
	},
})

// CastIOS17 is Cast with the integer types of 8 and 16 bits.
var CastIOS17 = Define(Spec[CastIOS17Args]{
	Name: "cast", Since: mil.IOS17,
	Types: Types{"T": {
		tensor.Float16, tensor.Float32, tensor.Int8, tensor.Uint8, tensor.Int16, tensor.Uint16, tensor.Int32, tensor.Bool,
	}},
	Infer: func(a *CastIOS17Args) ([]mil.Type, error) { return inferCast((*CastArgs)(a)) },
	Eval:  func(a *CastIOS17Args) ([]*tensor.Tensor, error) { return evalCast((*CastArgs)(a)) },
	Sample: func(r *rand.Rand) CastIOS17Args {
		types := []string{"int8", "uint8", "int16", "uint16", "int32", "fp16", "fp32", "bool"}
		return CastIOS17Args{sampleFloats(r), types[r.IntN(len(types))]}
	},
})

func inferCast(a *CastArgs) ([]mil.Type, error) {
	d, err := tensor.ParseDType(a.DType)
	if err != nil {
		return nil, err
	}
	t := a.X.Type
	t.DType = d
	return []mil.Type{t}, nil
}

func evalCast(a *CastArgs) ([]*tensor.Tensor, error) {
	d, err := tensor.ParseDType(a.DType)
	if err != nil {
		return nil, err
	}
	t, err := a.X.Const.ConvertTo(d)
	if err != nil {
		return nil, err
	}
	return one(t)
}
