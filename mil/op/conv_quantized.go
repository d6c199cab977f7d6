package op

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConvQuantizedArgs are the arguments of ConvQuantized: those of Conv, with
// codes of NBits as weight. QuantScale and QuantBias have one number, or one
// for each filter.
type ConvQuantizedArgs struct {
	X                *mil.Value     `mil:"x,T"`
	Weight           *mil.Value     `mil:"weight,U"`
	Bias             *tensor.Tensor `mil:"bias,U,const,optional"`
	QuantizationType string         `mil:"quantization_type,string,const" values:"linear|lut"`
	NBits            int            `mil:"nbits,int32,const,optional"`
	QuantScale       *tensor.Tensor `mil:"quant_scale,T,const"`
	QuantBias        *tensor.Tensor `mil:"quant_bias,T,const"`
	Strides          []int          `mil:"strides,int32,const,optional"`
	PadType          string         `mil:"pad_type,string,const,optional" values:"valid|same|same_lower|custom"`
	Pad              []int          `mil:"pad,int32,const,optional"`
	Dilations        []int          `mil:"dilations,int32,const,optional"`
	Groups           int            `mil:"groups,int32,const,optional"`
}

// ConvQuantized is Conv with the weights quant_scale·code + quant_bias. A
// lookup table is not among its arguments: Eval refuses quantization by one.
var ConvQuantized = Define(Spec[ConvQuantizedArgs]{
	Name: "conv_quantized", Since: mil.IOS15, Types: Types{"T": Float, "U": {tensor.Uint8}},
	Default: ConvQuantizedArgs{NBits: 8, PadType: "valid", Groups: 1},
	Infer: func(a *ConvQuantizedArgs) ([]mil.Type, error) {
		if a.NBits < 1 || a.NBits > 8 {
			return nil, fmt.Errorf("nbits: want 1 to 8, have %d", a.NBits)
		}
		types, err := inferConv(a.conv())
		if err != nil {
			return nil, err
		}
		for _, p := range []*tensor.Tensor{a.QuantScale, a.QuantBias} {
			if filters := dims(a.Weight)[0]; p.Len() != 1 && filters >= 0 && p.Len() != filters {
				return nil, fmt.Errorf("quant_scale, quant_bias: want 1 or %d numbers, have %d", filters, p.Len())
			}
		}
		return types, nil
	},
	Eval: func(a *ConvQuantizedArgs) ([]*tensor.Tensor, error) {
		if a.QuantizationType != "linear" {
			return nil, errors.New("quantization by a lookup table, but there is none")
		}
		c := a.conv()
		codes := a.Weight.Const.I32()
		filters := dims(a.Weight)[0]
		scale, bias := a.QuantScale.F32(), a.QuantBias.F32()
		weight := make([]float32, len(codes))
		for i, code := range codes {
			f := i / (len(codes) / filters)
			weight[i] = float32(code)*scale[f%len(scale)] + bias[f%len(bias)]
		}
		c.Weight = mil.NewConst("weight", tensor.Floats(dims(a.Weight), weight))
		if a.Bias != nil {
			c.Bias = mil.NewConst("bias", tensor.Floats(a.Bias.Shape(), converted[int32, float32](a.Bias.I32())))
		}
		return evalConv(c)
	},
	Sample: func(r *rand.Rand) ConvQuantizedArgs {
		a := sampleConv(r)
		shape := a.Weight.Type.Shape
		codes := sampleInts(r, 0, 256, shape...)
		w, _ := codes.Const.ConvertTo(tensor.Uint8)
		q := ConvQuantizedArgs{
			X: a.X, Weight: mil.NewConst("w", w), QuantizationType: "linear", NBits: 8,
			QuantScale: sampleFloats(r, []int{1, shape[0]}[r.IntN(2)]).Const, QuantBias: sampleFloats(r, []int{1, shape[0]}[r.IntN(2)]).Const,
			Strides: a.Strides, PadType: a.PadType, Pad: a.Pad, Dilations: a.Dilations, Groups: a.Groups,
		}
		if r.IntN(2) == 0 {
			q.Bias, _ = sampleInts(r, 0, 9, shape[0]).Const.ConvertTo(tensor.Uint8)
		}
		return q
	},
})

// conv returns the arguments of the convolution, but for the weights' values.
func (a *ConvQuantizedArgs) conv() *ConvIOS17Args {
	return &ConvIOS17Args{
		X: a.X, Weight: a.Weight, Bias: knownVector("bias", a.Bias), Strides: a.Strides, PadType: a.PadType, Pad: a.Pad,
		Dilations: a.Dilations, Groups: a.Groups,
	}
}
