// Package kernel is the floor of the engine: float32 arithmetic on slices.
// Its rooms know lengths, strides and CPU instructions. They know neither
// models nor tensors, and import nothing of this module but each other.
//
//	cpu     which instructions may be used: Generic, AVX2, AVX512, NEON
//	par     Pool: persistent workers, static partition, per-worker scratch
//	gemm    matrix products with a fused epilogue
//	window  geometry of sliding windows; padded, phase-split copies of an image;
//	        sums and maxima over windows
//	winograd  transforms of tiles, for convolutions with 3×3 windows
//	conv    convolution and transposed convolution in 1, 2 and 3 dimensions
//	pool    max and average pooling
//	vec     element-wise functions, reductions, softmax, normalization, permutes
//
// gemm, window, winograd and vec have assembly. That of amd64 is written by the
// generator in their folder _asm (a module of its own, for avo); "go generate" in a
// room's folder writes it anew. That of arm64 is written by hand; the instructions
// without a name in Go's assembler are macros in its .h.
// With the build tag noasm, and on other processors, there is only the Generic
// level. Tests run each level that the machine has.
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
//		Shape: window.Shape{
//			In: [3]int{1, 56, 56}, Kernel: [3]int{1, 3, 3},            // depth, height, width
//			Stride: [3]int{1, 2, 2}, Dilation: [3]int{1, 1, 1},
//			Pad: [3][2]int{{0, 0}, {1, 1}, {1, 1}},                    // before, after
//		},
//	}, weight, bias, gemm.Relu)                                   // weight [Filters][Channels/Groups][kd][kh][kw]
//	t := conv.NewTransposed(level, shape, weight, bias, act)      // weight [Channels][Filters/Groups][kd][kh][kw]
//	m := pool.NewMax(level, windows)                              // or NewAverage(level, windows, counts)
//	g := gemm.For(level)
//	w := g.PackB(inner, outer, gemm.RowMajor(weight, inner).T())  // x·Wᵀ, weight [outer][inner]
//	v := vec.For(level)
//
// Activations that products and convolutions apply as they store: gemm.Relu,
// Clamp, Leaky and PRelu (a slope for each row, which is a convolution's
// filter) cost next to nothing; Func takes any function of v, such as v.Silu.
//
// At run time:
//
//	c.Run(p, batch, dst, src, residual)                           // residual may be nil, or dst
//	t.Run(p, batch, dst, src)
//	m.Run(p, batch*channels, dst, src)
//	g.Mul(p, &gemm.Product{M: rows, N: outer, K: inner, C: y, LDC: outer,
//		A: gemm.RowMajor(x, inner), PackedB: w, ColBias: bias, Act: gemm.Relu})
//	g.MulBatch(p, heads, gemm.Strides{A: …, B: …, C: …}, &gemm.Product{
//		A: gemm.RowMajor(q, d), B: gemm.RowMajor(k, d).T(), …})    // q·kᵀ; nothing need be packed
//	p.For(channels, func(worker, lo, hi int) { v.Tanh(dst[lo*hw:hi*hw], src[lo*hw:hi*hw]) })
//	v.Softmax(dst, src, rows, n); v.Normalize(dst, src, gamma, beta, eps)
//	v.Permute(dst, src, shape, perm); vec.CopyRows(…); vec.GatherRows(…)
//
// Products with one row or one column are not packed either and run at the
// speed of memory; a single row with a PackedB, too.
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
