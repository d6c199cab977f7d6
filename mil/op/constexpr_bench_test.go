package op

import (
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

// BenchmarkExpand measures the expansion of a weight of 16 M elements, in
// elements a second.
func BenchmarkExpand(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	const rows, cols = 2048, 8192
	shape := []int{rows, cols}
	floats := func(shape ...int) *tensor.Tensor {
		return tensor.Floats(shape, sampleVector(r, tensor.Size(shape), 0))
	}
	run := func(name string, o *Op, args any) {
		b.Run(name, func(b *testing.B) {
			if _, err := o.Infer(args); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := o.Eval(args); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows*cols)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Melem/s")
		})
	}
	run("affine8", ConstexprAffineDequantize.Op, &ConstexprAffineDequantizeArgs{
		sampleCodes(r, tensor.Int8, shape...), sampleCodes(r, tensor.Int8, rows), floats(rows), 0,
	})
	for _, d := range indexTypes {
		run("lut_"+d.String(), ConstexprLutToDenseIOS18.Op, &ConstexprLutToDenseIOS18Args{
			sampleCodes(r, d, shape...), floats(1, 1, 1<<d.Bits(), 1), nil,
		})
	}
	run("lut_vector", ConstexprLutToDenseIOS18.Op, &ConstexprLutToDenseIOS18Args{
		sampleCodes(r, tensor.Uint4, rows/2, cols), floats(1, 1, 16, 2), tensor.Scalar[int32](tensor.Int32, 0),
	})
	for _, d := range []tensor.DType{tensor.Int4, tensor.Int8} {
		run("block32_"+d.String(), ConstexprBlockwiseShiftScale.Op, &ConstexprBlockwiseShiftScaleArgs{
			sampleCodes(r, d, shape...), floats(rows, cols/32), sampleCodes(r, d, rows, cols/32),
		})
	}
	run("channel_int4", ConstexprBlockwiseShiftScale.Op, &ConstexprBlockwiseShiftScaleArgs{
		sampleCodes(r, tensor.Int4, shape...), floats(rows, 1), nil,
	})
	m := sampleCodes(r, tensor.Uint1, shape...)
	run("sparse", ConstexprSparseToDenseIOS18.Op, &ConstexprSparseToDenseIOS18Args{sampleSet(r, m.Packed(), rows*cols), m})
}
