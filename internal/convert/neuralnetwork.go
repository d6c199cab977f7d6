package convert

import (
	"context"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/neuralnetwork"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// NeuralNetwork is the format of layers, which every Core ML reads.
const NeuralNetwork = "neuralnetwork"

// writeNeuralNetwork makes a NeuralNetwork. What computes it chooses the type of
// its floats; precision is about how weights are stored.
func writeNeuralNetwork(_ context.Context, s *source, out string, o Options, r *Report) (*result, error) {
	if len(o.Keep) > 0 {
		return nil, fault.New(fault.BadValue, "", "keep %s in float32: operations of a NeuralNetwork have no types of their own", o.Keep[0])
	}
	r.Precision = tensor.Float32.String()
	if o.Float == tensor.Float16 {
		r.Precision = tensor.Float16.String()
	}
	m, notes, err := neuralnetwork.Write(s.program, neuralnetwork.Options{
		Half: o.Float == tensor.Float16, ImageInputs: o.ImageInputs, ImageOutputs: o.ImageOutputs, Shapes: o.Shapes,
	})
	if err != nil {
		return nil, err
	}
	r.Notes = append(r.Notes, notes...)
	m.SetMetadata(merged(s.meta, o.Metadata))
	r.Ops = m.Summary().Layers
	r.SpecVersion = m.Spec().GetSpecificationVersion()
	r.System = mlmodel.SystemOf(r.SpecVersion)
	return document(m, out, o.Verify.once()), nil
}
