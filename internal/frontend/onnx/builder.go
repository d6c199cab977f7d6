package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Builder appends operators to the program. Its first error sticks, so that a
// rule can be written without a check after every operator.
type Builder struct {
	*mil.Builder
	l *lowering
}

// DType returns the type that ONNX has for a value, which the program may hold
// in a wider one.
func (b *Builder) DType(v *mil.Value) tensor.DType {
	if d, ok := b.l.dtypes[v]; ok {
		return d
	}
	return v.Type.DType
}

// SetDType notes the type that ONNX has for a value.
func (b *Builder) SetDType(v *mil.Value, d tensor.DType) *mil.Value {
	if v != nil {
		b.l.dtypes[v] = d
	}
	return v
}

// as gives a value the ONNX type of another.
func (b *Builder) as(v, like *mil.Value) *mil.Value { return b.SetDType(v, b.DType(like)) }

// Builtin lowers a node that a Rule has by the table's own rule: as its own
// operator, or as another one that is given by "Relu" or "com.example::Op", in the
// newest version.
func (b *Builder) Builtin(n *Node, as string) ([]*mil.Value, error) {
	m := *n
	m.In = slices.Clone(n.raw)
	if as != "" {
		m.Domain, m.Op, m.Version = "", as, newest
		if domain, name, ok := strings.Cut(as, "::"); ok {
			m.Domain, m.Op = domain, name
		}
	}
	name := opName(m.Domain, m.Op)
	r := ruleFor(name, max(m.Version, 1))
	if r == nil {
		return nil, fault.New(fault.Unsupported, "", "there is no conversion of %s", name)
	}
	return b.l.builtin(r, name, &m, b)
}

// fail records that a node cannot be lowered.
func (b *Builder) fail(format string, args ...any) []*mil.Value {
	b.Fail(fault.New(fault.Corrupt, "", format, args...))
	return nil
}

// refuse records that there is no lowering for a node like this one.
func (b *Builder) refuse(format string, args ...any) []*mil.Value {
	b.Fail(fault.New(fault.Unsupported, "", format, args...))
	return nil
}

// one is the list of one output.
func one(v *mil.Value) []*mil.Value { return []*mil.Value{v} }

// Constant returns a known value, in the type that programs hold it in.
func (b *Builder) Constant(t *tensor.Tensor) *mil.Value {
	v, err := b.l.constant(t)
	b.Fail(err)
	if err != nil {
		return &mil.Value{Name: "?", Type: mil.TypeOf(t)}
	}
	return b.l.widened(v)
}

// floats returns known fp32 values.
func (b *Builder) floats(data []float32, shape ...int) *mil.Value {
	return mil.NewConst(b.Place(), tensor.Floats(shape, data))
}

// ints returns a known vector.
func (b *Builder) ints(v ...int) *mil.Value {
	out := make([]int32, len(v))
	for i, n := range v {
		out[i] = int32(min(max(n, -1<<31), 1<<31-1))
	}
	return mil.NewConst(b.Place(), tensor.Ints([]int{len(v)}, out))
}

// int returns a known scalar.
func (b *Builder) int(n int) *mil.Value {
	return mil.NewConst(b.Place(), tensor.Scalar(tensor.Int32, int32(min(max(n, -1<<31), 1<<31-1))))
}

// bool returns a known truth value.
func (b *Builder) bool(v bool) *mil.Value {
	return mil.NewConst(b.Place(), tensor.Scalar(tensor.Bool, v))
}

// number returns a known scalar of the element type of a value.
func (b *Builder) number(x float64, like *mil.Value) *mil.Value {
	return mil.NewConst(b.Place(), scalarOf(x, like.Type.DType))
}

func scalarOf(x float64, d tensor.DType) *tensor.Tensor {
	switch d {
	case tensor.Int32:
		return tensor.Scalar(d, int32(min(max(x, -1<<31), 1<<31-1)))
	case tensor.Bool:
		return tensor.Scalar(d, x != 0)
	case tensor.Float16:
		return tensor.Scalar(d, float32(x))
	}
	return tensor.Scalar(tensor.Float32, float32(x))
}

// rank returns the rank of a value; 0 after an error, and an error where it is
// not known.
func (b *Builder) rank(v *mil.Value) int {
	if b.Err() != nil || v == nil {
		return 0
	}
	if v.Type.AnyRank {
		b.refuse("the rank of %s is only known when it is run", v.Name)
		return 0
	}
	return v.Type.Rank()
}

// static returns the shape of a value that must be known.
func (b *Builder) static(v *mil.Value) []int {
	if b.Err() != nil {
		return nil
	}
	if v.Type.AnyRank || !v.Type.IsStatic() {
		b.refuse("the shape of an input, %s, is only known when it is run; a fixed input shape may help", v.Type)
		return nil
	}
	return v.Type.Shape
}

// axis brings an axis to [0, rank).
func (b *Builder) axis(a, rank int) int {
	if a < -rank || a >= rank {
		if b.Err() == nil {
			b.fail("axis %d of a tensor of rank %d", a, rank)
		}
		return 0
	}
	if a < 0 {
		a += rank
	}
	return a
}

// axes brings axes to [0, rank).
func (b *Builder) axes(as []int, rank int) []int {
	out := make([]int, len(as))
	seen := map[int]bool{}
	for i, a := range as {
		out[i] = b.axis(a, rank)
		if seen[out[i]] && b.Err() == nil {
			b.fail("axis %d is named twice", a)
		}
		seen[out[i]] = true
	}
	return out
}

// known returns the elements of an integer value, and whether they are known.
func (b *Builder) known(v *mil.Value) ([]int, bool) {
	if v == nil || v.Const == nil || !v.Const.DType().IsInt() || v.Const.Len() > maxFold {
		return nil, false
	}
	out := make([]int, v.Const.Len())
	for i, x := range v.Const.Float64s() {
		out[i] = int(x)
	}
	return out, true
}

// knownInts returns the elements of an integer input, which must be known.
func (b *Builder) knownInts(what string, v *mil.Value) []int {
	if b.Err() != nil {
		return nil
	}
	out, ok := b.known(v)
	if !ok {
		b.refuse("%s is only known when it is run", what)
	}
	return out
}

// knownFloats returns the elements of a number input, which must be known.
func (b *Builder) knownFloats(what string, v *mil.Value) []float64 {
	if b.Err() != nil {
		return nil
	}
	if v == nil || v.Const == nil || v.Const.DType() == tensor.String {
		b.refuse("%s is only known when it is run", what)
		return nil
	}
	return v.Const.Float64s()
}

// attrOrInput returns integers that are an attribute in old versions of an
// operator and an input in later ones; nil where neither is there.
func (b *Builder) attrOrInput(n *Node, name string, i int) []int {
	if v := n.input(i); v != nil {
		return b.knownInts(name, v)
	}
	return n.Ints(name)
}

// cast converts a value to another type of programs.
func (b *Builder) cast(v *mil.Value, d tensor.DType) *mil.Value {
	if v.Type.DType == d {
		return v
	}
	return op.CastIOS17.Add(b.Builder, op.CastIOS17Args{X: v, DType: d.String()})
}

// float returns a value as floats.
func (b *Builder) float(v *mil.Value) *mil.Value {
	if v.Type.DType.IsFloat() {
		return v
	}
	return b.cast(v, tensor.Float32)
}

// reshape gives a value a shape; one dimension may be -1.
func (b *Builder) reshape(v *mil.Value, shape ...int) *mil.Value {
	if slices.Equal(v.Type.Shape, shape) && !v.Type.AnyRank && !slices.Contains(shape, -1) {
		return v
	}
	to := slices.Clone(shape)
	for i, d := range to { // a symbol is what is left over
		if d < -1 {
			to[i] = -1
		}
	}
	if slices.Contains(shape, 0) { // which reshape takes for "as it was"
		if v.Const != nil && v.Const.Len() == 0 && !slices.ContainsFunc(shape, func(d int) bool { return d < 0 }) {
			return b.copy(v, mil.NewConst(b.Place(), v.Const.Reshape(shape)))
		}
	}
	return b.as(op.ReshapeIOS17.Add(b.Builder, op.ReshapeArgs{X: v, Shape: b.ints(to...)}), v)
}

// copy gives a value the ONNX type of another.
func (b *Builder) copy(from, to *mil.Value) *mil.Value { return b.as(to, from) }

func (b *Builder) transpose(v *mil.Value, perm ...int) *mil.Value {
	identity := true
	for i, p := range perm {
		identity = identity && i == p
	}
	if identity {
		return v
	}
	return b.as(op.TransposeIOS17.Add(b.Builder, op.TransposeArgs{X: v, Perm: perm}), v)
}

// swap exchanges the last two axes.
func (b *Builder) swap(v *mil.Value) *mil.Value {
	r := b.rank(v)
	if r < 2 {
		return v
	}
	perm := iota(r)
	perm[r-1], perm[r-2] = r-2, r-1
	return b.transpose(v, perm...)
}

// iota returns 0, 1, … n-1.
func iota(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// repeat returns n times a number.
func repeat(v, n int) []int { return slices.Repeat([]int{v}, n) }

func (b *Builder) expandDims(v *mil.Value, axes ...int) *mil.Value {
	if len(axes) == 0 {
		return v
	}
	return b.as(op.ExpandDimsIOS17.Add(b.Builder, op.ExpandDimsArgs{X: v, Axes: axes}), v)
}

func (b *Builder) squeeze(v *mil.Value, axes ...int) *mil.Value {
	if len(axes) == 0 {
		return v
	}
	return b.as(op.SqueezeIOS17.Add(b.Builder, op.SqueezeArgs{X: v, Axes: axes}), v)
}

func (b *Builder) concat(axis int, vs ...*mil.Value) *mil.Value {
	if len(vs) == 1 {
		return vs[0]
	}
	return b.as(op.Concat.Add(b.Builder, op.ConcatArgs{Values: vs, Axis: axis}), vs[0])
}

// slice takes elements [from, to) along one axis.
func (b *Builder) slice(v *mil.Value, axis, from, to int) *mil.Value {
	r := b.rank(v)
	if b.Err() == nil && (axis < 0 || axis >= r) {
		b.fail("axis %d of %s", axis, v.Type)
	}
	if b.Err() != nil {
		return v
	}
	begin, end := make([]int, r), make([]int, r)
	mask := make([]bool, r)
	for i := range mask {
		mask[i] = i != axis
	}
	begin[axis], end[axis] = from, to
	return b.as(op.SliceByIndexIOS17.Add(b.Builder, op.SliceByIndexArgs{
		X: v, Begin: b.ints(begin...), End: b.ints(end...), BeginMask: mask, EndMask: slices.Clone(mask),
	}), v)
}

// split cuts a value into equal parts along an axis.
func (b *Builder) split(v *mil.Value, axis, parts int) []*mil.Value {
	if parts == 1 {
		return one(v)
	}
	out := op.Split.AddN(b.Builder, op.SplitArgs{X: v, NumSplits: parts, Axis: axis})
	if len(out) != parts {
		return slices.Repeat(one(v), parts)
	}
	for _, p := range out {
		b.as(p, v)
	}
	return out
}

// Short forms of the arithmetic that compositions are made of.
func (b *Builder) add(x, y *mil.Value) *mil.Value {
	return op.Add.Add(b.Builder, op.Binary{X: x, Y: y})
}

func (b *Builder) sub(x, y *mil.Value) *mil.Value {
	return op.Sub.Add(b.Builder, op.Binary{X: x, Y: y})
}

func (b *Builder) mul(x, y *mil.Value) *mil.Value {
	return op.Mul.Add(b.Builder, op.Binary{X: x, Y: y})
}

func (b *Builder) div(x, y *mil.Value) *mil.Value {
	return op.RealDiv.Add(b.Builder, op.Binary{X: x, Y: y})
}

func (b *Builder) matmul(x, y *mil.Value) *mil.Value {
	return op.Matmul.Add(b.Builder, op.MatmulArgs{X: x, Y: y})
}

// sel chooses element by element; its arguments broadcast.
func (b *Builder) sel(cond, x, y *mil.Value) *mil.Value {
	return op.Select.Add(b.Builder, op.SelectArgs{Cond: cond, A: x, B: y})
}

// named gives the unknown dimensions of a value symbols of their own, so that
// what is made of them is known to be of the same size.
func (b *Builder) named(v *mil.Value) {
	if b.Err() != nil || v.Type.AnyRank || v.Const != nil || !slices.Contains(v.Type.Shape, mil.Unknown) {
		return
	}
	v.Type.Shape = slices.Clone(v.Type.Shape)
	for i, d := range v.Type.Shape {
		if d == mil.Unknown {
			v.Type.Shape[i] = b.l.symbol("")
		}
	}
}

// shapeOf returns the dimensions of a value as a vector.
func (b *Builder) shapeOf(v *mil.Value) *mil.Value {
	b.named(v)
	if v.Type.DType != tensor.Bool && v.Type.DType != tensor.Int32 && !v.Type.DType.IsFloat() {
		v = b.cast(v, tensor.Int32)
	}
	out := op.Shape.Add(b.Builder, op.Unary{X: v})
	if b.Err() == nil && out.Const == nil && !v.Type.AnyRank {
		b.l.parts[out] = partsOf(v.Type.Shape)
	}
	return out
}

// dims returns some dimensions of a value as a vector, known where they are.
func (b *Builder) dims(v *mil.Value, axes ...int) *mil.Value {
	if b.Err() != nil {
		return v
	}
	b.named(v)
	var known []int
	for _, a := range axes {
		if d := v.Type.Shape[a]; d >= 0 {
			known = append(known, d)
		}
	}
	if len(known) == len(axes) {
		return b.ints(known...)
	}
	g := op.GatherIOS17.Defaults()
	g.X, g.Indices = b.shapeOf(v), b.ints(axes...)
	out := op.GatherIOS17.Add(b.Builder, g)
	b.l.parts[out] = partsOf(pick(v.Type.Shape, axes))
	return out
}

func pick(from, at []int) []int {
	out := make([]int, len(at))
	for i, a := range at {
		out[i] = from[a]
	}
	return out
}

// describe tells a node in messages.
func describe(n *Node) string {
	name := n.Name
	if name == "" && len(n.Out) > 0 {
		name = n.Out[0]
	}
	return fmt.Sprintf("%s %q", opName(n.Domain, n.Op), name)
}
