package engine

import (
	"math"

	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// function computes dst = f(src), element by element; dst may be src.
type function func(dst, src []float32)

// functionOf returns the function that an operator with bound arguments is,
// or nil. Activations that follow a product are merged by it, too.
func functionOf(v *vec.Funcs, args any, name string) function {
	switch name {
	case "relu":
		return v.Relu
	case "relu6":
		return func(dst, src []float32) { v.Clamp(dst, src, 0, 6) }
	case "sigmoid":
		return v.Sigmoid
	case "tanh":
		return v.Tanh
	case "exp":
		return v.Exp
	case "sqrt":
		return v.Sqrt
	case "erf":
		return v.Erf
	case "silu":
		return v.Silu
	case "abs":
		return each(func(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) })
	case "square":
		return func(dst, src []float32) { v.Mul(dst, src, src) }
	case "log":
		epsilon := float32(0)
		switch a := args.(type) {
		case *op.Epsilon:
			epsilon = a.Epsilon
		case *op.EpsilonIOS17:
			epsilon = a.Epsilon
		}
		return each(func(x float32) float32 { return float32(math.Log(float64(x) + float64(epsilon))) })
	case "clip":
		switch a := args.(type) {
		case *op.AlphaBeta:
			return func(dst, src []float32) { v.Clamp(dst, src, a.Alpha, a.Beta) }
		case *op.AlphaBetaIOS17:
			return func(dst, src []float32) { v.Clamp(dst, src, a.Alpha, a.Beta) }
		}
	case "leaky_relu":
		switch a := args.(type) {
		case *op.Alpha:
			return func(dst, src []float32) { v.Leaky(dst, src, a.Alpha) }
		case *op.AlphaIOS17:
			return func(dst, src []float32) { v.Leaky(dst, src, a.Alpha) }
		}
	case "gelu":
		switch args.(*op.GeluArgs).Mode {
		case "EXACT":
			return v.Gelu
		case "TANH_APPROXIMATION":
			return v.GeluTanh
		}
	}
	return nil
}

// each lifts a function of one element.
func each(f func(float32) float32) function {
	return func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = f(x)
		}
	}
}

// unary is the kernel of the operators that functionOf knows.
func unary(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	f := functionOf(c.vec, args, n.Op)
	v := n.Input("x")
	if f == nil || v == nil || len(n.Outputs) != 1 {
		return nil, false
	}
	x := c.in(v)
	y := c.out(n.Outputs[0], v)
	return over(tensor.Size(v.Type.Shape), func(r *Run, lo, hi int) {
		dst, src := r.at(y), r.at(x)
		f(dst[lo:hi], src[lo:hi])
	}), true
}

var unaryKernels = map[string]kernel{
	"relu": unary, "relu6": unary, "sigmoid": unary, "tanh": unary, "exp": unary, "sqrt": unary, "erf": unary, "silu": unary,
	"abs": unary, "square": unary, "log": unary, "clip": unary, "leaky_relu": unary, "gelu": unary,
}

// activation returns what may be merged into the product that makes v, and
// the value that the merged step makes in its stead.
func (c *compiler) activation(v *mil.Value) (gemm.Act, *mil.Value) {
	n := c.next(v, "relu", "relu6", "clip", "leaky_relu", "sigmoid", "tanh", "silu", "gelu", "elu")
	if n == nil || n.Input("x") != v {
		return gemm.Act{}, v
	}
	o, err := op.For(n.Op, c.fn.Opset)
	if err != nil {
		return gemm.Act{}, v
	}
	args, err := o.Bind(n, nil)
	if err != nil {
		return gemm.Act{}, v
	}
	act, ok := actOf(n.Op, args)
	if !ok {
		f := functionOf(c.vec, args, n.Op)
		if f == nil {
			return gemm.Act{}, v
		}
		act = gemm.Func(f)
	}
	c.merge(n)
	return act, n.Outputs[0]
}

// actOf returns the activation of an operator that micro-kernels compute while
// the results are in registers.
func actOf(name string, args any) (gemm.Act, bool) {
	switch name {
	case "relu":
		return gemm.Relu, true
	case "relu6":
		return gemm.Clamp(0, 6), true
	}
	switch a := args.(type) {
	case *op.AlphaBeta:
		if name == "clip" {
			return gemm.Clamp(a.Alpha, a.Beta), true
		}
	case *op.AlphaBetaIOS17:
		if name == "clip" {
			return gemm.Clamp(a.Alpha, a.Beta), true
		}
	case *op.Alpha:
		if name == "leaky_relu" {
			return gemm.Leaky(a.Alpha), true
		}
	case *op.AlphaIOS17:
		if name == "leaky_relu" {
			return gemm.Leaky(a.Alpha), true
		}
	}
	return gemm.Act{}, false
}

// arithmetic is one broadcasting operator on vectors: both operands vectors,
// or one of them a single number.
type arithmetic struct {
	vectors func(dst, a, b []float32)
	right   func(dst, a []float32, s float32) // a op s
	left    func(dst []float32, s float32, a []float32)
}

func commutes(vectors func(dst, a, b []float32), right func(dst, a []float32, s float32)) arithmetic {
	return arithmetic{vectors, right, func(dst []float32, s float32, a []float32) { right(dst, a, s) }}
}

func arithmeticOf(v *vec.Funcs, name string) arithmetic {
	switch name {
	case "add":
		return commutes(v.Add, v.AddScalar)
	case "mul":
		return commutes(v.Mul, v.MulScalar)
	case "sub":
		return arithmetic{v.Sub, v.SubScalar, v.ScalarSub}
	case "real_div":
		return arithmetic{v.Div, v.DivScalar, v.ScalarDiv}
	case "maximum":
		return commutes(v.Max, v.MaxScalar)
	default:
		return commutes(v.Min, v.MinScalar)
	}
}

var binaryKernels = map[string]kernel{
	"add": binary, "mul": binary, "sub": binary, "real_div": binary, "maximum": binary, "minimum": binary,
	"pow": power,
}

// binary computes broadcasting arithmetic. The shapes are first brought to
// the fewest axes on which the operands agree about repeating; the innermost
// axis then is one vector operation.
func binary(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	xv, yv := n.Input("x"), n.Input("y")
	if xv == nil || yv == nil || tensor.Size(n.Outputs[0].Type.Shape) == 0 {
		return nil, false
	}
	x, y := c.in(xv), c.in(yv)
	z := c.out(n.Outputs[0], xv, yv)
	f := arithmeticOf(c.vec, n.Op)
	dims, xs, ys := fold(xv.Type.Shape, yv.Type.Shape, n.Outputs[0].Type.Shape)
	last := len(dims) - 1
	inner, outer := dims[last], dims[:last]
	total := tensor.Size(outer)
	if total == 1 {
		return over(inner, func(r *Run, lo, hi int) {
			f.apply(r.at(z)[lo:hi], r.at(x), r.at(y), lo, hi, xs[last], ys[last])
		}), true
	}
	return overRows(total, inner, func(r *Run, lo, hi int) {
		dst, a, b := r.at(z), r.at(x), r.at(y)
		for i := lo; i < hi; i++ {
			ai, bi, rest := 0, 0, i
			for d := last - 1; d >= 0; d-- {
				at := rest % outer[d]
				rest /= outer[d]
				ai, bi = ai+at*xs[d], bi+at*ys[d]
			}
			f.apply(dst[i*inner:(i+1)*inner], a[ai:], b[bi:], 0, inner, xs[last], ys[last])
		}
	}), true
}

// apply computes dst from elements lo to hi; a stride of 0 is one number.
func (f *arithmetic) apply(dst, a, b []float32, lo, hi, as, bs int) {
	switch {
	case as != 0 && bs != 0:
		f.vectors(dst, a[lo:hi], b[lo:hi])
	case as != 0:
		f.right(dst, a[lo:hi], b[0])
	default:
		f.left(dst, a[0], b[lo:hi])
	}
}

// power computes x to a power that is one known number.
func power(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(*op.Binary)
	if a.Y.Const == nil || a.Y.Const.Len() != 1 || !inArena(a.Y.Type) || !inArena(a.X.Type) || !a.X.Type.Equal(n.Outputs[0].Type) {
		return nil, false
	}
	y := a.Y.Const.F32()[0]
	v := c.vec
	f := each(func(x float32) float32 { return float32(math.Pow(float64(x), float64(y))) })
	switch y { // these round once more than a power does, at most
	case 1:
		f = func(dst, src []float32) { copy(dst, src) }
	case 2:
		f = func(dst, src []float32) { v.Mul(dst, src, src) }
	case -1:
		f = func(dst, src []float32) { v.ScalarDiv(dst, 1, src) }
	}
	x := c.in(a.X)
	z := c.out(n.Outputs[0], a.X)
	return over(tensor.Size(a.X.Type.Shape), func(r *Run, lo, hi int) { f(r.at(z)[lo:hi], r.at(x)[lo:hi]) }), true
}

// fold merges neighbouring axes in which each operand either has all elements
// or repeats one, and returns the axes with the operands' strides.
func fold(x, y, out []int) (dims, xs, ys []int) {
	if len(out) == 0 {
		return []int{1}, []int{1}, []int{1}
	}
	at := func(s []int, i int) int {
		if j := i - (len(out) - len(s)); j >= 0 {
			return s[j]
		}
		return 1
	}
	var xall, yall []bool
	for i, d := range out {
		if d == 1 && len(out) > 1 {
			continue
		}
		xf, yf := at(x, i) == d, at(y, i) == d
		if k := len(dims) - 1; k >= 0 && xall[k] == xf && yall[k] == yf {
			dims[k] *= d
			continue
		}
		dims, xall, yall = append(dims, d), append(xall, xf), append(yall, yf)
	}
	if len(dims) == 0 {
		dims, xall, yall = []int{1}, []bool{true}, []bool{true}
	}
	xs, ys = make([]int, len(dims)), make([]int, len(dims))
	xn, yn := 1, 1
	for i := len(dims) - 1; i >= 0; i-- {
		if xall[i] {
			xs[i] = xn
			xn *= dims[i]
		}
		if yall[i] {
			ys[i] = yn
			yn *= dims[i]
		}
	}
	return dims, xs, ys
}

// viewKernels only rename: the result lives where the operand does.
var viewKernels = map[string]kernel{
	"reshape": viewOf, "expand_dims": viewOf, "squeeze": viewOf, "identity": viewOf, "flatten2d": viewOf, "cast": cast,
}

// cast serves float types, which are all held as float32. What leaves float16
// is rounded to it; what enters keeps its digits, unless rounding is strict.
func cast(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	v := n.Input("x")
	if v == nil {
		return nil, false
	}
	if !inArena(v.Type) {
		return castOf(c, n)
	}
	from, to := v.Type.DType, n.Outputs[0].Type.DType
	if from == to || (to == tensor.Float16 && !c.opts.Strict) {
		return viewOf(c, n, args)
	}
	narrow := from
	if to.Bits() < from.Bits() {
		narrow = to
	}
	x := c.in(v)
	y := c.out(n.Outputs[0], v)
	return func(r *Run) error {
		dst := r.at(y)
		copy(dst, r.at(x))
		tensor.RoundTo(narrow, dst)
		return nil
	}, true
}

// viewOf serves operators that change no element.
func viewOf(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	x := n.Input("x")
	if x == nil || x.Const != nil || !inArena(x.Type) || len(n.Outputs) != 1 || c.opts.Observe != nil {
		return nil, false
	}
	for _, v := range n.Values() {
		if v != x && v.Const == nil { // a shape that is only known at run time
			return nil, false
		}
	}
	c.view(n.Outputs[0], x)
	return nil, true
}
