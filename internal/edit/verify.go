package edit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// Verify says how a result is checked: it answers inputs made by chance.
type Verify struct {
	Seed uint64
}

// Check is one prediction of the result.
type Check struct {
	Function string `json:"function,omitempty"` // of an ML Program with several
	// At says what the shapes are: "default", "enumerated", or "least",
	// "greatest" or something "between" them.
	At     string           `json:"at"`
	Shapes map[string][]int `json:"shapes"` // of the inputs
	Ran    bool             `json:"ran"`
	Note   string           `json:"note,omitempty"` // why it was not run
}

// maxWork is the number of floating-point operations of a prediction from which
// on it is not worth the wait.
const maxWork = 2e12

// verify runs the result at all points, and at the default each function.
func (e *editor) verify(ctx context.Context, before *spec.Model, o *Options) ([]Check, error) {
	checks := []Check{}
	for _, face := range mlmodel.Describe(e.doc.Spec().GetDescription()) {
		p := faces(e.doc.Spec())[0]
		for _, q := range faces(e.doc.Spec()) {
			if d, ok := q.face.(*spec.FunctionDescription); ok && d.GetName() == face.Function {
				p = q
			}
		}
		model, err := predict.Load(e.doc, predict.Options{Function: face.Function})
		if err != nil {
			if old := e.was(before, face.Function); old != nil {
				checks = append(checks, Check{Function: face.Function, At: "default", Shapes: map[string][]int{}, Note: "the model cannot be run as it was, either: " + old.Error()})
				continue
			}
			return nil, fmt.Errorf("check of the result: %w", err)
		}
		some, err := run(ctx, model, p, face, o.Verify.Seed)
		model.Close()
		if err != nil && ctx.Err() == nil && len(some) > 0 && !some[0].Ran {
			if old := e.was(before, face.Function); old != nil { // what is flexible loads all the same
				err = nil
			}
		}
		checks = append(checks, some...)
		if err != nil {
			return nil, fmt.Errorf("check of the result: %w", err)
		}
	}
	return checks, nil
}

// was tells why the model as it was cannot be run, nil if it can.
func (e *editor) was(before *spec.Model, function string) error {
	s := e.doc.Spec()
	after := proto.CloneOf(s)
	restore(s, before)
	defer restore(s, after)
	m, err := predict.Load(e.doc, predict.Options{Function: function})
	if err == nil {
		m.Close()
	}
	return err
}

// run makes predictions at all points.
func run(ctx context.Context, model *predict.Model, p part, face mlmodel.Interface, seed uint64) ([]Check, error) {
	r := rand.New(rand.NewPCG(seed, 0))
	var checks []Check
	names := []string{}
	for _, f := range face.Inputs {
		if f.Image != nil || f.Array != nil {
			names = append(names, f.Name)
		}
	}
	for _, at := range pointsOf(p.face.GetInput()) {
		c := Check{Function: face.Function, At: at.Name, Shapes: map[string][]int{}}
		in := predict.Features{}
		var err error
		for _, f := range face.Inputs {
			if slices.Contains(names, f.Name) {
				c.Shapes[f.Name] = at.At[f.Name]
			}
			var v any
			if v, err = predict.Example(f, at.At[f.Name], r); err != nil {
				break
			}
			in[f.Name] = v
		}
		var work int64
		if err == nil {
			work, err = model.Cost(in)
		}
		switch {
		case err != nil:
		case work > maxWork:
			err = fault.New(fault.Limit, "", "it takes %.0f GFLOP; its shapes fit", float64(work)/1e9)
		default:
			_, err = model.Predict(ctx, in, nil)
		}
		if ctx.Err() != nil {
			return checks, context.Cause(ctx)
		}
		kind := fault.KindOf(err)
		switch {
		case err == nil:
			c.Ran = true
		case at.Name == "default" || kind == fault.Limit || kind == fault.Unsupported:
			// By chance, perhaps: an index out of range, for example.
			c.Note = err.Error()
		default:
			return checks, fault.New(kind, "", "input %s (%s): %w", at.At.text(names), at.Name, err)
		}
		checks = append(checks, c)
	}
	return checks, nil
}
