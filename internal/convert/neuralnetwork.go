package convert

import (
	"context"
	"errors"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/neuralnetwork"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// NeuralNetwork is the format of layers, which every Core ML reads.
const NeuralNetwork = "neuralnetwork"

// writeNeuralNetwork makes a NeuralNetwork. What computes it chooses the type of
// its floats; precision is about how weights are stored.
func writeNeuralNetwork(ctx context.Context, s *source, out string, o Options, r *Report) (*result, error) {
	if len(o.Keep) > 0 {
		return nil, fault.New(fault.BadValue, "", "keep %s in float32: operations of a NeuralNetwork have no types of their own", o.Keep[0])
	}
	r.Precision = tensor.Float32.String()
	switch {
	case o.Float != tensor.Invalid:
		r.Precision = o.Float.String()
	case s.kind == "mlProgram":
		r.Precision = "as it was"
	}
	// Pictures decide on the form of a network: they are there when it is made.
	pictures := map[string]neuralnetwork.Picture{}
	for name, image := range o.ImageInputs {
		pictures[name] = neuralnetwork.Picture(image)
	}
	o.ImageInputs = nil
	m, notes, err := neuralnetwork.Write(s.program, neuralnetwork.Options{
		Float: o.Float, Partial: o.Partial == Custom, Pictures: pictures, Shapes: o.Shapes,
	})
	if err != nil {
		return nil, err
	}
	r.Notes = append(r.Notes, notes...)
	m.SetMetadata(merged(s.meta, o.Metadata))
	if s.labeled, err = dress(ctx, m, o); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	summary := m.Summary()
	r.Ops = summary.Layers
	r.Notes = append(r.Notes, classes(summary.Dependencies)...)
	r.SpecVersion = m.Spec().GetSpecificationVersion()
	r.System = mlmodel.SystemOf(r.SpecVersion)
	return document(m, out, o.Verify.once()), nil
}
