package neuralnetwork_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/backend/neuralnetwork"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// network writes a function as a network and reads it from its bytes.
func network(t *testing.T, f *mil.Func, o neuralnetwork.Options) (*mlmodel.Model, error) {
	t.Helper()
	m, _, err := neuralnetwork.Write(&mlprogram.Program{Funcs: []*mil.Func{f}}, o)
	if err != nil {
		return nil, err
	}
	b, err := proto.Marshal(m.Spec())
	if err != nil {
		t.Fatal(err)
	}
	s := new(spec.Model)
	if err := proto.Unmarshal(b, s); err != nil {
		t.Fatal(err)
	}
	if need := m.RequiredVersion(); s.GetSpecificationVersion() != need {
		t.Errorf("specification version %d, needs %d", s.GetSpecificationVersion(), need)
	}
	return mlmodel.New(s), nil
}

// answer runs a network on values by the reference evaluation.
func answer(t *testing.T, m *mlmodel.Model, given map[string]*tensor.Tensor) ([]*tensor.Tensor, error) {
	t.Helper()
	var inputs []coreml.Input
	var types []mil.Type
	var args []*tensor.Tensor
	for _, d := range m.Spec().GetDescription().GetInput() {
		v := given[d.GetName()]
		if v.Rank() == 0 {
			v = v.Reshape([]int{1})
		}
		image := d.GetType().GetImageType()
		inputs = append(inputs, coreml.Input{
			Name: d.GetName(), Type: mil.TypeOf(v), Image: image != nil, BGR: image.GetColorSpace() == spec.ImageFeatureType_BGR,
		})
		types, args = append(types, mil.TypeOf(v)), append(args, v)
	}
	net, err := coreml.LowerNetwork(m.Spec(), inputs, m.Weights)
	if err != nil {
		return nil, err
	}
	plan, err := engine.Compile(net.Func, types, engine.Options{Reference: true})
	if err != nil {
		return nil, err
	}
	pool := par.New(1)
	defer pool.Close()
	return plan.NewRun(pool).Do(t.Context(), args, nil)
}

// near wants a result within what other orders of the same arithmetic give.
func near(got, want *tensor.Tensor, rel float64) error {
	shape := want.Shape()
	if len(shape) == 0 {
		shape = []int{1}
	}
	have := got.Shape()
	if len(have) == 0 {
		have = []int{1}
	}
	if !slices.Equal(have, shape) {
		return fmt.Errorf("shape %v, want %v", have, shape)
	}
	g, w := got.Float64s(), want.Float64s()
	most := 1.0
	for _, x := range w {
		if !math.IsInf(x, 0) && !math.IsNaN(x) {
			most = max(most, math.Abs(x))
		}
	}
	for i := range w {
		if g[i] == w[i] || g[i] != g[i] && w[i] != w[i] {
			continue
		}
		if d := math.Abs(g[i] - w[i]); !(d <= rel*most) {
			return fmt.Errorf("element %d is %g, want %g", i, g[i], w[i])
		}
	}
	return nil
}

// never are operators of which no network can be made, by the reason.
var never = map[string]string{
	"read_state": "state", "write_state": "state", "coreml_update_state": "state", "classify": "labels", "const": "a value, no operation",
}

// example makes a function of one sample of an operator: most of its values,
// as far as they need not be known, are inputs.
func example(o *op.Op, r *rand.Rand) (f *mil.Func, given map[string]*tensor.Tensor, want []*tensor.Tensor) {
	n := o.Node("it", o.Sample(r))
	f = &mil.Func{Name: "main", Opset: o.Since, Body: &mil.Block{Nodes: []*mil.Node{n}}}
	given = map[string]*tensor.Tensor{}
	bound, err := o.Bind(n, nil)
	if err != nil {
		return nil, nil, nil
	}
	types, err := o.Infer(bound)
	if err != nil {
		return nil, nil, nil
	}
	if want, err = o.Eval(bound); err != nil {
		return nil, nil, nil
	}
	for i := range n.Inputs {
		for j, v := range n.Inputs[i].Values {
			if v.Const == nil || v.Type.DType == tensor.String || v.Type.DType.Bits() < 8 && v.Type.DType != tensor.Bool || r.IntN(4) == 0 {
				continue
			}
			in := &mil.Value{Name: fmt.Sprintf("in%d_%d", i, j), Type: v.Type}
			read, c := in, (*mil.Node)(nil)
			fed := v.Const
			if d := v.Type.DType; d != tensor.Float32 && d != tensor.Int32 { // which arrays of features do not have
				in.Type.DType = tensor.Int32
				if d.IsFloat() {
					in.Type.DType = tensor.Float32
				}
				read = &mil.Value{Name: in.Name + "_cast", Type: v.Type}
				c = castTo(in, read)
				if fed, _ = v.Const.ConvertTo(in.Type.DType); fed == nil {
					continue
				}
			}
			n.Inputs[i].Values[j] = read
			if again, err := o.Bind(n, nil); err == nil {
				if ts, err := o.Infer(again); err == nil && !slices.ContainsFunc(ts, func(t mil.Type) bool { return t.AnyRank }) {
					f.Inputs = append(f.Inputs, in)
					given[in.Name] = fed
					if c != nil {
						f.Body.Nodes = append([]*mil.Node{c}, f.Body.Nodes...)
						f.Opset = max(f.Opset, mil.IOS17)
					}
					types = ts
					continue
				}
			}
			n.Inputs[i].Values[j] = v
		}
	}
	for i, u := range types {
		v := &mil.Value{Name: fmt.Sprintf("out%d", i), Type: u, Node: n}
		n.Outputs = append(n.Outputs, v)
		f.Body.Outputs = append(f.Body.Outputs, v)
		switch u.DType {
		case tensor.Float32, tensor.Float16, tensor.Int32:
		default: // which arrays of features do not have
			w := &mil.Value{Name: v.Name, Type: u}
			v.Name += "_raw"
			w.Type.DType = tensor.Int32
			c := castTo(v, w)
			f.Body.Nodes, f.Body.Outputs[i] = append(f.Body.Nodes, c), w
			f.Opset = max(f.Opset, mil.IOS17)
		}
	}
	return f, given, want
}

// recurrent operators are bounded as layers: what grows beyond that differs.
var recurrent = map[string]bool{"rnn": true, "gru": true, "lstm": true}

func beyond(t *tensor.Tensor, most float64) bool {
	return slices.ContainsFunc(t.Float64s(), func(x float64) bool { return math.Abs(x) > most })
}

func castTo(from, to *mil.Value) *mil.Node {
	to.Node = &mil.Node{Op: "cast", Name: to.Name, Outputs: []*mil.Value{to}, Inputs: []mil.Input{
		{Name: "x", Values: []*mil.Value{from}},
		{Name: "dtype", Values: []*mil.Value{mil.NewConst("", tensor.Scalar(tensor.String, to.Type.DType.String()))}},
	}}
	return to.Node
}

// sampled are the operators that have samples of what networks can compute.
func sampled() []*op.Op {
	var out []*op.Op
	for _, o := range op.All() {
		if o.Sample(rand.New(rand.NewPCG(1, 1))) != nil && o.HasEval && !strings.HasPrefix(o.Name, "constexpr_") && never[o.Name] == "" {
			out = append(out, o)
		}
	}
	return out
}

// through writes a sample as a network, reads it and holds its results against
// those of the operator. It returns false where there is nothing to compare; the
// problems are why it could not be written.
func through(t *testing.T, o *op.Op, r *rand.Rand) (ok bool, problems []mlprogram.Problem) {
	t.Helper()
	f, given, want := example(o, r)
	if f == nil || len(f.Inputs) == 0 {
		return false, nil
	}
	m, err := network(t, f, neuralnetwork.Options{})
	var u *neuralnetwork.UnsupportedError
	if errors.As(err, &u) {
		return false, u.Problems
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text(f))
	}
	got, err := answer(t, m, given)
	if err != nil {
		t.Fatalf("%v\n%s", err, text(f))
	}
	for i := range want {
		if o.Random || recurrent[o.Name] && beyond(want[i], 20) {
			continue
		}
		rel := 1e-4
		if want[i].DType() == tensor.Float16 { // which networks do not round to
			rel = 2e-3
		}
		if err := near(got[i], want[i], rel); err != nil {
			t.Fatalf("result %d: %v\n%s", i, err, text(f))
		}
	}
	return true, nil
}

// TestSamples writes samples of every operator as networks, which give what the
// operator gives.
func TestSamples(t *testing.T) {
	rules := neuralnetwork.Operators()
	var right, refused int
	reasons := map[string]int{}
	for _, o := range sampled() {
		t.Run(fmt.Sprintf("%s_%s", o.Name, o.Since), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, uint64(len(o.Name))))
			done := 0
			for range 24 {
				ok, problems := through(t, o, r)
				if ok {
					done++
				}
				for _, p := range problems {
					reasons[p.Op+": "+p.Reason]++
				}
				if problems != nil {
					refused++
				}
			}
			right += done
			if done == 0 && slices.Contains(rules, o.Name) {
				t.Error("no sample was written")
			}
		})
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		t.Logf("%4d %s", reasons[why], why)
	}
	t.Logf("%d samples right, %d refused", right, refused)
}

// FuzzSamples writes and reads other samples.
func FuzzSamples(f *testing.F) {
	ops := sampled()
	for i := range ops {
		f.Add(uint16(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, i uint16, seed uint64) {
		through(t, ops[int(i)%len(ops)], rand.New(rand.NewPCG(seed, 0)))
	})
}

func text(f *mil.Func) string {
	var b strings.Builder
	if err := (&mil.Program{Funcs: []*mil.Func{f}}).WriteText(&b); err != nil {
		return err.Error()
	}
	return b.String()
}
