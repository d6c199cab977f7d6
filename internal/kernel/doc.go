// Package kernel is the floor of the engine: float32 arithmetic on slices.
// Its rooms know lengths, strides and CPU instructions. They know neither
// models nor tensors, and import nothing of this module but each other.
//
//	cpu     which instructions may be used: Generic, AVX2, AVX512
//	par     Pool: persistent workers, static partition, per-worker scratch
//	gemm    matrix products with a fused epilogue
//	window  geometry of sliding windows; padded, phase-split copies of an image
//	conv    convolution and transposed convolution in 1, 2 and 3 dimensions
//	pool    max, average and global pooling
//	vec     element-wise functions, reductions, softmax, normalization, permutes
//
// # How an engine uses it
//
//	level, err := cpu.Active()        // reads SMELT_CPU once; err is for the user
//	p := par.New(threads)             // one pool per goroutine that predicts
//	defer p.Close()
//
// At compile time, once per layer:
//
//	c := conv.New(level, conv.Shape{
//		Channels: 64, Filters: 128, Groups: 1,
//		In: [3]int{1, 56, 56}, Kernel: [3]int{1, 3, 3},           // depth, height, width
//		Stride: [3]int{1, 2, 2}, Dilation: [3]int{1, 1, 1},
//		Pad: [3][2]int{{0, 0}, {1, 1}, {1, 1}},                    // before, after
//	}, weight, bias, gemm.Relu)                                   // weight [Filters][Channels/Groups][kd][kh][kw]
//	g := gemm.For(level)
//	w := g.PackB(inner, outer, gemm.RowMajor(weight, inner).T())  // x·Wᵀ, weight [outer][inner]
//	v := vec.For(level)
//
// At run time:
//
//	c.Run(p, batch, dst, src, residual)                           // residual may be nil
//	g.Mul(p, &gemm.Product{M: rows, N: outer, K: inner, C: y, LDC: outer,
//		A: gemm.RowMajor(x, inner), PackedB: w, ColBias: bias, Act: gemm.Relu})
//	p.For(channels, func(worker, lo, hi int) { v.Tanh(dst[lo*hw:hi*hw], src[lo*hw:hi*hw]) })
//
// Everything made at compile time is immutable and may be shared by goroutines;
// a Pool belongs to one goroutine at a time and carries all scratch memory, so
// that a prediction allocates nothing once the pool has seen it.
//
// # Errors
//
// Sizes are checked by the caller, who knows the layer's name. A kernel checks
// that its slices are long enough for its sizes and panics if not: that is a
// programmer's mistake, and it never writes outside of a slice.
package kernel
