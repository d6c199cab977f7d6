// Package op is the table of operators: Core ML's own, by opset, plus the few
// internal ones that an old layer needs. An operator lives in one file, which
// declares its arguments (a tagged struct), its type-and-shape rule, and its
// plain reference evaluation. The package knows no file format and no fast
// kernel; compositions of other frameworks stay in their frontends.
package op

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Types binds a letter of the argument tags to the element types it allows.
// All arguments with the same letter have one element type.
type Types map[string][]tensor.DType

// Sets of element types that many operators share.
var (
	Float    = []tensor.DType{tensor.Float16, tensor.Float32}
	Number   = []tensor.DType{tensor.Float16, tensor.Float32, tensor.Int32}
	Any      = []tensor.DType{tensor.Float16, tensor.Float32, tensor.Int32, tensor.Bool}
	IndexSet = []tensor.DType{tensor.Int8, tensor.Uint8, tensor.Int16, tensor.Uint16, tensor.Int32}
)

// Spec declares an operator with arguments A, a struct whose fields are
// tagged `mil:"name,type,flags"`:
//
//	X    *mil.Value   `mil:"x,T"`                       a value; T is a letter of Types, or a type: int32
//	Xs   []*mil.Value `mil:"values,T"`                  a list of values
//	Mode string       `mil:"mode,string,const,optional" values:"A|B"`
//	Axes []int        `mil:"axes,int32,const,optional"` nil when absent
//	Num  int          `mil:"num,int32,const,optional,omitzero"` 0 when absent
//
// A const argument must be known when the program is compiled; its field is a
// string, bool, int, float32, a slice of these, or a *tensor.Tensor. A
// *mil.Value that may also be known (reshape's shape) is not const.
type Spec[A any] struct {
	Name  string
	Since mil.Opset
	Types Types
	// Default holds the values of optional arguments that are not given.
	Default A
	// Infer gives the types of the outputs.
	Infer func(a *A) ([]mil.Type, error)
	// Eval computes the outputs from arguments that are all known. It is
	// absent where the engine itself must act: control flow, lists, states.
	Eval func(a *A) ([]*tensor.Tensor, error)
	// Sample makes valid arguments, every value known, for fuzzing and for
	// holding fast kernels against Eval.
	Sample func(r *rand.Rand) A
	// Random marks an operator whose results differ from run to run, which
	// therefore is never folded.
	Random bool
	// Internal marks an operator that no ML Program can hold.
	Internal bool
	// Attributes marks an operator whose arguments a file stores as
	// attributes in place of inputs (the constexpr_* of iOS16).
	Attributes bool
}

// Op is one version of one operator.
type Op struct {
	Name       string
	Since      mil.Opset
	Types      Types
	Params     []Param
	Random     bool
	Internal   bool
	Attributes bool
	HasEval    bool

	bind   func(n *mil.Node, known func(*mil.Value) *mil.Value) (any, error)
	infer  func(args any) ([]mil.Type, error)
	eval   func(args any) ([]*tensor.Tensor, error)
	sample func(r *rand.Rand) any
}

// Param is one argument of an operator.
type Param struct {
	Name     string
	Type     string // a letter of Types or an element type's name
	List     bool   // several values
	Vector   bool   // a constant of rank 1
	Const    bool
	Optional bool
	OmitZero bool     // a number or truth value of zero means that it is absent
	Values   []string // the strings allowed
	Default  any      // the Go value of the field

	index int
}

// Def is an operator with its argument type, to build nodes with.
type Def[A any] struct {
	*Op
	spec Spec[A]
}

var table = map[string][]*Op{}

// For returns the version of an operator that an opset has: the newest one
// not newer than the opset.
func For(name string, opset mil.Opset) (*Op, error) {
	var best *Op
	for _, o := range table[name] {
		if o.Since <= opset && (best == nil || o.Since > best.Since) {
			best = o
		}
	}
	if best == nil {
		if vs := table[name]; len(vs) > 0 {
			return nil, fmt.Errorf("operator %q exists since %s, the program is %s", name, vs[0].Since, opset)
		}
		return nil, fmt.Errorf("there is no operator %q", name)
	}
	return best, nil
}

// All returns every version of every operator, by name and opset.
func All() []*Op {
	var out []*Op
	for _, name := range slices.Sorted(maps.Keys(table)) {
		vs := slices.Clone(table[name])
		slices.SortFunc(vs, func(a, b *Op) int { return cmp.Compare(a.Since, b.Since) })
		out = append(out, vs...)
	}
	return out
}

// Define enters an operator into the table. A malformed declaration panics.
func Define[A any](s Spec[A]) *Def[A] {
	o := &Op{
		Name: s.Name, Since: s.Since, Types: s.Types, Random: s.Random, Internal: s.Internal,
		Attributes: s.Attributes, HasEval: s.Eval != nil,
	}
	if s.Name == "" || s.Since == 0 || s.Infer == nil {
		panic(fmt.Sprintf("op.Define(%q): Name, Since and Infer are required", s.Name))
	}
	o.Params = params(s.Name, reflect.TypeFor[A](), reflect.ValueOf(s.Default), s.Types)
	o.bind = func(n *mil.Node, known func(*mil.Value) *mil.Value) (any, error) {
		a := s.Default
		if err := o.fill(reflect.ValueOf(&a).Elem(), n, known); err != nil {
			return nil, err
		}
		return &a, nil
	}
	o.infer = func(args any) ([]mil.Type, error) { return s.Infer(args.(*A)) }
	o.eval = func(args any) ([]*tensor.Tensor, error) { return s.Eval(args.(*A)) }
	if s.Sample != nil {
		o.sample = func(r *rand.Rand) any { a := s.Sample(r); return &a }
	}
	for _, other := range table[s.Name] {
		if other.Since == s.Since {
			panic(fmt.Sprintf("op.Define(%q): twice for %s", s.Name, s.Since))
		}
	}
	table[s.Name] = append(table[s.Name], o)
	return &Def[A]{o, s}
}

// Bind reads a node's inputs into the argument struct and checks them against
// the declaration; the result is a pointer to it. known, which may be nil,
// maps an input to the value to use in its place: at run time, to a copy that
// holds the tensor.
func (o *Op) Bind(n *mil.Node, known func(*mil.Value) *mil.Value) (any, error) {
	return o.bind(n, known)
}

// Infer returns the output types for bound arguments. It fails where an
// argument's rank is not known: nothing follows from such a one.
func (o *Op) Infer(args any) ([]mil.Type, error) {
	a := reflect.ValueOf(args).Elem()
	for _, p := range o.Params {
		var vals []*mil.Value
		switch v := a.Field(p.index).Interface().(type) {
		case *mil.Value:
			vals = []*mil.Value{v}
		case []*mil.Value:
			vals = v
		}
		for _, v := range vals {
			if v != nil && v.Type.AnyRank {
				return nil, fmt.Errorf("argument %q: its rank is not known", p.Name)
			}
		}
	}
	return o.infer(args)
}

// Eval computes the outputs for bound arguments whose values are all known.
func (o *Op) Eval(args any) ([]*tensor.Tensor, error) {
	if !o.HasEval {
		return nil, fmt.Errorf("%s has no reference evaluation", o.Name)
	}
	return o.eval(args)
}

// Sample returns valid arguments, or nil where the operator declares none.
func (o *Op) Sample(r *rand.Rand) any {
	if o.sample == nil {
		return nil
	}
	return o.sample(r)
}

// Defaults returns the argument struct with its optional arguments at their
// defaults, to fill in and give to Add.
func (d *Def[A]) Defaults() A { return d.spec.Default }

// Add appends a node with one output and returns that output. Empty strings
// and nil slices of optional arguments mean their defaults.
func (d *Def[A]) Add(b *mil.Builder, a A) *mil.Value {
	out := d.AddN(b, a)
	if len(out) == 0 {
		return &mil.Value{Name: "?"}
	}
	return out[0]
}

// AddN appends a node and returns its outputs, none after an error.
func (d *Def[A]) AddN(b *mil.Builder, a A) []*mil.Value {
	if b.Err() != nil {
		return nil
	}
	name := b.Place()
	if name == "" {
		name = d.Name
	}
	name = b.Unique(name)
	n := d.Node(name, &a)
	bound, err := d.Bind(n, nil)
	if err != nil {
		b.Fail(fmt.Errorf("%s: %w", d.Name, err))
		return nil
	}
	types, err := d.Infer(bound)
	if err != nil {
		b.Fail(fmt.Errorf("%s: %w", d.Name, err))
		return nil
	}
	for i, t := range types {
		v := &mil.Value{Name: name, Type: t}
		if i > 0 {
			v.Name = fmt.Sprintf("%s.%d", name, i)
		}
		n.Outputs = append(n.Outputs, v)
	}
	b.Append(n)
	return n.Outputs
}
