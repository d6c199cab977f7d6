package engine

import (
	"slices"

	"github.com/smelt-ml/smelt/internal/kernel/resample"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var resizeKernels = map[string]kernel{
	"upsample_nearest_neighbor": resized, "upsample_bilinear": resized, "resize_nearest_neighbor": resized, "resize_bilinear": resized,
	"resize": resized, "pad": padded,
}

// resized resizes the last two axes of an image.
func resized(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(op.Resizer)
	out := n.Outputs[0]
	shape := out.Type.Shape
	rows, cols, ok := a.Taps(shape)
	if !ok || !inArena(a.Image().Type) || tensor.Size(shape) == 0 {
		return nil, false
	}
	axis := func(t op.Taps) resample.Axis { return resample.NewAxis(t.Lo, t.Hi, t.W) }
	k := resample.New(axis(rows), axis(cols))
	in := a.Image().Type.Shape
	width, from := in[len(in)-1], in[len(in)-2]*in[len(in)-1]
	planes, to := tensor.Size(shape[:len(shape)-2]), len(rows.Lo)*len(cols.Lo)
	x := c.in(a.Image())
	y := c.out(out)
	return overRows(planes, to, func(r *Run, lo, hi int) {
		dst, src := r.at(y), r.at(x)
		for i := lo; i < hi; i++ {
			k.Plane(dst[i*to:(i+1)*to], src[i*from:(i+1)*from], width)
		}
	}), true
}

// padded adds a border: of a constant, of the mirrored image or of its edges.
// Only the last two axes may have one.
func padded(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(*op.PadArgs)
	in, shape := a.X.Type.Shape, n.Outputs[0].Type.Shape
	if a.Pad.Const == nil || tensor.Size(in) == 0 || tensor.Size(shape) == 0 || len(in) == 0 {
		return nil, false
	}
	pad := make([]int, 2*len(in)-a.Pad.Const.Len())
	for _, n := range a.Pad.Const.I32() {
		pad = append(pad, int(n))
	}
	if len(in) == 1 { // an image of one row
		in, shape, pad = append([]int{1}, in...), append([]int{1}, shape...), append([]int{0, 0}, pad...)
	}
	at := len(in) - 2
	if !slices.Equal(in[:at], shape[:at]) {
		return nil, false
	}
	border := resample.Border{
		Top: pad[2*at], Left: pad[2*at+2], Height: in[at], Width: in[at+1], Rows: shape[at], Cols: shape[at+1],
		Mode: map[string]resample.BorderMode{"constant": resample.Constant, "reflect": resample.Reflect, "replicate": resample.Replicate}[a.Mode],
		Fill: a.ConstantVal,
	}
	planes, from, to := tensor.Size(in[:at]), in[at]*in[at+1], shape[at]*shape[at+1]
	x := c.in(a.X)
	y := c.out(n.Outputs[0])
	return overRows(planes, to, func(r *Run, lo, hi int) {
		dst, src := r.at(y), r.at(x)
		for i := lo; i < hi; i++ {
			border.Plane(dst[i*to:(i+1)*to], src[i*from:(i+1)*from])
		}
	}), true
}
