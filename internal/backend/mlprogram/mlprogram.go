// Package mlprogram writes programs as Core ML's ML Programs: it is the inverse
// of the reader in internal/frontend/coreml. The table of operators drives it —
// which version of an operator a target has, which arguments are constants,
// which element types are allowed — so that an operator needs no code here
// unless a file writes it in its own way. It knows the document and the
// program; it runs nothing, and where a program comes from is not its business.
package mlprogram

import (
	"errors"
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/blob"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Program is what is to be written. Its functions are rewritten on the way and
// must not be used afterwards.
type Program struct {
	Funcs      []*mil.Func // one, or the default one first
	Classifier *Classifier // of the only function, or nil
	// Description is that of the source. What it says of features stays as far
	// as it is true of the new model; it may be nil.
	Description *spec.ModelDescription
	// Expanded is set to the number of compressed constants that are written
	// whole, as the target has no operator that expands them.
	Expanded int
}

// Classifier tells how probabilities become labels.
type Classifier struct {
	Strings []string // the labels in the order of the probabilities, or
	Ints    []int64  // the same as numbers
	// Probabilities is the index of their output in Func.Body.Outputs.
	Probabilities                int
	LabelName, ProbabilitiesName string
}

// Options chooses how a program is written.
type Options struct {
	// Target is the opset; 0 is the lowest from Least on that has every
	// operator.
	Target, Least mil.Opset
	// Float is the type that float operations compute in, Float16 or Float32;
	// Invalid leaves it as it is. Keep names operations that keep theirs.
	Float tensor.DType
	Keep  func(op, name string) bool
	// Partial makes custom layers of operations that no version says, or not that
	// of Target.
	Partial bool

	Shapes map[string]mlmodel.Shapes // of inputs with unknown dimensions

	// Hold keeps the weights in memory instead of a temporary file: for a model
	// that is run rather than saved.
	Hold bool
}

// Write makes a model of a program. What keeps it from being written is an
// *UnsupportedError that lists everything.
func Write(p *Program, o Options) (*mlmodel.Model, error) {
	if len(p.Funcs) == 0 {
		return nil, fault.New(fault.BadValue, "", "there is no function")
	}
	if p.Classifier != nil {
		if err := p.Classifier.Check(p.Funcs[0]); err != nil {
			return nil, err
		}
	}
	kept := map[*mil.Node]bool{}
	for _, f := range p.Funcs {
		separate(f)
	}
	model := new(spec.Model)
	desc, err := Describe(p, o)
	if err != nil {
		return nil, err
	}
	model.SetDescription(desc)
	if err := p.fit(model, o, kept); err != nil {
		return nil, err
	}
	opset := p.Funcs[0].Opset
	for _, f := range p.Funcs {
		if o.Float != tensor.Invalid {
			pixels(f, desc, kept)
			precision(f, o, kept)
		}
		pass.Sweep(f)
		if err := complete(f.Body, opset); err != nil {
			return nil, err
		}
	}
	model.SetSpecificationVersion(int32(opset) + 1)
	return p.encode(model, opset, o.Hold)
}

// fit chooses the target and rewrites the functions for it. Nodes of the
// functions that are kept are kept in those that take their place.
func (p *Program) fit(model *spec.Model, o Options, kept map[*mil.Node]bool) error {
	least, most := max(o.Least, mil.IOS15), mil.IOS26
	if o.Target != 0 {
		least, most = o.Target, o.Target
	}
	err := p.fitIn(model, least, most, false, kept)
	var u *UnsupportedError
	if o.Partial && errors.As(err, &u) { // where the least is missing
		return p.fitIn(model, u.Opset, u.Opset, true, kept)
	}
	return err
}

// fitIn is fit for one of some opsets, the oldest that will do.
func (p *Program) fitIn(model *spec.Model, least, most mil.Opset, partial bool, kept map[*mil.Node]bool) error {
	var first *UnsupportedError
	need := mil.Opset(describedVersion(model)) - 1
	for opset := least; opset <= most; opset++ {
		e := &UnsupportedError{Opset: opset}
		if need > opset {
			e.Problems = append(e.Problems, Problem{Op: "interface", Count: 1, Reason: "its features exist since " + TargetName(need)})
		}
		fitted := make([]*mil.Func, len(p.Funcs))
		expanded := 0
		keep := map[*mil.Node]bool{}
		for i, f := range p.Funcs {
			fitted[i] = f.Clone()
			for j, n := range f.Body.Nodes {
				if kept[n] {
					keep[fitted[i].Body.Nodes[j]] = true
				}
			}
			problems, n := fit(fitted[i], opset, least == most, partial)
			e.Problems = gather(e.Problems, problems...)
			expanded += n
		}
		if len(e.Problems) == 0 {
			p.Funcs, p.Expanded = fitted, expanded
			clear(kept)
			for n := range keep {
				kept[n] = true
			}
			return nil
		}
		if first == nil || len(e.Problems) < len(first.Problems) {
			first = e
		}
	}
	slices.SortStableFunc(first.Problems, func(a, b Problem) int { return b.Count - a.Count })
	return first
}

// describedVersion is the specification version that the interface needs.
func describedVersion(s *spec.Model) int32 {
	return mlmodel.New(spec.Model_builder{Description: s.GetDescription(), MlProgram: new(spec.Program)}.Build()).RequiredVersion()
}

// Compute lets the operations of a function compute in a float type, but for
// those that keep names, as Write does.
func Compute(f *mil.Func, float tensor.DType, keep func(op, name string) bool) {
	precision(f, Options{Float: float, Keep: keep}, map[*mil.Node]bool{})
	pass.Sweep(f)
}

// precision converts the float operations of a function.
func precision(f *mil.Func, o Options, kept map[*mil.Node]bool) {
	from := tensor.Float16
	if o.Float == tensor.Float16 {
		from = tensor.Float32
		whole(f, kept)
	}
	convert(f, from, o.Float, func(n *mil.Node) bool {
		return kept[n] || o.Keep != nil && o.Keep(n.Op, n.Name)
	})
}

// encode writes the functions, their constants into a weight file if any is
// large enough for one.
func (p *Program) encode(s *spec.Model, opset mil.Opset, hold bool) (*mlmodel.Model, error) {
	program := spec.Program_builder{Version: 1, Functions: map[string]*spec.Function{}}
	e := &encoder{}
	write := func() error {
		for _, f := range p.Funcs {
			written, err := e.function(f, p.Classifier)
			if err != nil {
				return err
			}
			program.Functions[f.Name] = written
		}
		return nil
	}
	m := mlmodel.New(s)
	var err error
	if slices.ContainsFunc(p.Funcs, storesAny) {
		writeBlob := m.WriteBlob
		if hold {
			writeBlob = m.HoldBlob
		}
		err = writeBlob(weightFile, func(w *blob.Writer) error {
			e.store = newStore(w)
			return write()
		})
	} else {
		err = write()
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	s.SetMlProgram(program.Build())
	return m, nil
}

// Check wants probabilities for the labels, and names both where they have no
// names.
func (c *Classifier) Check(f *mil.Func) error {
	if c.Probabilities < 0 || c.Probabilities >= len(f.Body.Outputs) {
		return fault.New(fault.BadValue, "", "the classifier has no output of probabilities")
	}
	labels := max(len(c.Strings), len(c.Ints))
	if labels == 0 {
		return fault.New(fault.BadValue, "", "the classifier has no labels")
	}
	v := f.Body.Outputs[c.Probabilities]
	if v.Type.IsStatic() && tensor.Size(v.Type.Shape) != labels {
		return fault.New(fault.BadShape, fmt.Sprintf("output %q", v.Name), "%d labels for %s", labels, v.Type)
	}
	if c.LabelName == "" {
		c.LabelName = "classLabel"
	}
	if c.ProbabilitiesName == "" {
		c.ProbabilitiesName = c.LabelName + "_probs"
	}
	return nil
}

// separate makes sure that each output is a value of its own: neither a
// constant nor another output. An input that is an output keeps its name.
func separate(f *mil.Func) {
	seen := map[*mil.Value]bool{}
	for i, v := range f.Body.Outputs {
		if seen[v] || v.Const != nil {
			out := &mil.Value{Name: v.Name, Type: v.Type}
			out.Node = &mil.Node{
				Op: op.Identity.Name, Name: v.Name, Outputs: []*mil.Value{out},
				Inputs: []mil.Input{{Name: "x", Values: []*mil.Value{v}}},
			}
			f.Body.Nodes = append(f.Body.Nodes, out.Node)
			f.Body.Outputs[i] = out
		}
		seen[v] = true
	}
}

// complete gives every operation all its arguments: defaults are spelt out, as
// other readers want them, and constants of one kind have one type.
func complete(b *mil.Block, opset mil.Opset) error {
	for _, n := range b.Nodes {
		for _, nested := range n.Blocks {
			if err := complete(nested, opset); err != nil {
				return err
			}
		}
		def, err := op.For(n.Op, opset)
		if err != nil {
			return err
		}
		agree(n, def)
		for i := range def.Params {
			p := &def.Params[i]
			if p.Optional && n.Input(p.Name) == nil && !has(n, p.Name) {
				if t := defaultOf(n, p, def); t != nil {
					n.Inputs = append(n.Inputs, mil.Input{Name: p.Name, Values: []*mil.Value{mil.NewConst("", t)}})
				}
			}
		}
		if err := typed(n, def); err != nil {
			return fmt.Errorf("%s: %w", n, err)
		}
	}
	return nil
}

func has(n *mil.Node, name string) bool {
	return slices.ContainsFunc(n.Inputs, func(in mil.Input) bool { return in.Name == name })
}

// defaultOf is what an absent argument means, nil if nothing. Those of windows
// follow from the rank.
func defaultOf(n *mil.Node, p *op.Param, def *op.Op) *tensor.Tensor {
	if x := n.Input("x"); x != nil && !x.Type.AnyRank && param(def, "pad_type") != nil {
		s := max(x.Type.Rank()-2, 0)
		switch p.Name {
		case "strides", "dilations":
			return repeated(s, 1)
		case "pad":
			return repeated(2*s, 0)
		}
	}
	if p.OmitZero {
		return nil
	}
	return constant(p.Default, letterType(n, p.Type, def))
}

func repeated(n int, v int) *tensor.Tensor {
	return ints(slices.Repeat([]int{v}, n)...).Const
}

// letterType is the element type of the arguments with one letter: that of a
// value, or else of the largest constant.
func letterType(n *mil.Node, letter string, def *op.Op) tensor.DType {
	best, size := tensor.Float32, -1
	for _, in := range n.Inputs {
		p := param(def, in.Name)
		if p == nil || p.Type != letter {
			continue
		}
		for _, v := range in.Values {
			if v.Const == nil {
				return v.Type.DType
			}
			if v.Const.Len() > size {
				best, size = v.Type.DType, v.Const.Len()
			}
		}
	}
	return best
}

// agree gives constants the type of the arguments that have the same letter,
// or that the declaration names.
func agree(n *mil.Node, def *op.Op) {
	for i := range n.Inputs {
		p := param(def, n.Inputs[i].Name)
		if p == nil || p.Type == "any" || def.Attributes {
			continue
		}
		want := tensor.Invalid
		if _, isLetter := def.Types[p.Type]; !isLetter {
			want, _ = tensor.ParseDType(p.Type)
		} else if p.Const {
			want = letterType(n, p.Type, def)
		}
		for j, v := range n.Inputs[i].Values {
			if v.Const == nil || want == tensor.Invalid || v.Type.DType == want || v.Type.DType == tensor.String || want == tensor.String {
				continue
			}
			if want.IsFloat() && v.Type.DType.IsFloat() {
				n.Inputs[i].Values[j] = mil.NewConst(v.Name, rounded(v.Const, want))
			} else if t, err := v.Const.ConvertTo(want); err == nil && want.IsInt() == v.Type.DType.IsInt() {
				n.Inputs[i].Values[j] = mil.NewConst(v.Name, t)
			}
		}
	}
}
