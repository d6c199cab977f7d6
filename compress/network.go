package compress

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/compress/quant"
	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// networks is what is to be done to the neural networks of a model.
type networks struct {
	m      *mlmodel.Model
	o      Options
	report *Report
	jobs   []networkJob
	// versions are those that new weights need.
	versions map[*spec.WeightParams]int32
}

type networkJob struct {
	Weight
	params  *spec.WeightParams
	payload mlmodel.Weights
	stored  int // the axis of the scales that it has, -1 for none
	axis    int // that of the scales that it gets
	before  int64
	result  networkEncoding
}

func (j networkJob) place() string { return fmt.Sprintf("layer %q: %s", j.Layer, j.Role) }

// networkEncoding is a weight in its new form.
type networkEncoding struct {
	encoding
	kind         mlmodel.WeightKind
	payload      []byte
	quantization *spec.QuantizationParams
	kept         string // why it stays as it was, "" if it does not
}

// planNetworks finds the weights to compress and reports those that stay.
func planNetworks(m *mlmodel.Model, o Options, r *Report) (*networks, error) {
	n := &networks{m: m, o: o, report: r}
	var layer []networkJob // of one layer, with those that stay
	var reasons []string
	flush := func() {
		// The float weights of a layer have to be of the same width.
		together := o.Bits == 16 && slices.Contains(reasons, "")
		for i, j := range layer {
			if reason := reasons[i]; reason == "" || together && passedOver[reason] && j.Bits == 32 {
				n.jobs = append(n.jobs, j)
			} else {
				r.keep(j.Weight, j.before, reason)
			}
		}
		layer, reasons = nil, nil
	}
	for w := range mlmodel.NetworkWeights(m.Spec()) {
		if len(layer) > 0 && layer[0].Layer != w.Layer.Path {
			flush()
		}
		j := networkJob{params: w.Params, stored: w.Axis, axis: w.Axis}
		place := fmt.Sprintf("layer %q: %s", w.Layer.Path, w.Role)
		var err error
		if j.payload, err = m.Weights(w.Params); err != nil {
			return nil, fault.New(fault.KindOf(err), place, "%w", err)
		}
		if j.payload.Kind() == 0 {
			continue
		}
		j.Weight = describeWeight(w, j.payload)
		j.before = j.payload.Size() + overhead(w.Params.GetQuantization())
		if d := w.Layer.GetConvolution(); d.GetIsDeconvolution() && d.GetNGroups() > 1 {
			// As many scales as the stored axis has channels are refused by Core
			// ML's validator, and no other number has a known meaning.
			j.axis = -1
		}
		layer = append(layer, j)
		reasons = append(reasons, n.reason(w, j))
	}
	flush()
	return n, nil
}

func describeWeight(w mlmodel.LayerWeights, payload mlmodel.Weights) Weight {
	d := Weight{
		Name: w.Layer.Path, Layer: w.Layer.Path, Type: w.Layer.Kind, Role: w.Role,
		Shape: w.Shape, Vector: isVector(w),
	}
	if w.Role != "weights" {
		d.Name += "." + w.Role
	}
	switch payload.Kind() {
	case mlmodel.Float32:
		d.Bits = 32
	case mlmodel.Float16:
		d.Bits = 16
	case mlmodel.Int8Raw:
		d.Bits = 8
	default:
		d.Bits = int(min(w.Params.GetQuantization().GetNumberOfBits(), 8))
	}
	d.Elements = int(payload.Len(d.Bits))
	if d.Shape == nil {
		d.Shape = []int{d.Elements}
	} else if payload.Kind() == mlmodel.Raw {
		d.Elements = tensor.Size(d.Shape) // the last byte may be filled up
	}
	return d
}

// isVector tells biases and the like from the weights that take the space.
func isVector(w mlmodel.LayerWeights) bool {
	switch w.Layer.Kind {
	case "loadConstant", "loadConstantND", "custom":
		return false
	}
	return w.Axis < 0
}

// overhead is what scales, biases and tables take.
func overhead(q *spec.QuantizationParams) int64 {
	l := q.GetLinearQuantization()
	return 4 * int64(len(l.GetScale())+len(l.GetBias())+len(q.GetLookupTableQuantization().GetFloatValue()))
}

// The reasons that do not hold for a weight whose layer has to be of one type.
const (
	notSelected = "it is not selected"
	tooSmall    = "it is too small"
	vectorsStay = "biases and the like are to stay"
)

var passedOver = map[string]bool{notSelected: true, tooSmall: true, vectorsStay: true}

// reason says why a weight stays as it is, "" if it does not.
func (n *networks) reason(w mlmodel.LayerWeights, j networkJob) string {
	o := &n.o
	switch {
	case w.Layer.Kind == "custom":
		return "the code of a custom layer reads it"
	case w.Layer.Kind == "layerNormalization":
		return "Core ML wants 32-bit floats in this layer"
	case w.Layer.Kind == "convolution3d" && o.Bits != 16:
		return "Core ML has no codes for this layer"
	case strings.HasSuffix(w.Role, ".alpha") || strings.HasSuffix(w.Role, ".beta"):
		if o.Bits != 16 {
			return "Core ML has no codes for activations"
		}
	case w.Layer.GetIsUpdatable() || w.Params.GetIsUpdatable():
		return "it can be trained on the device"
	}
	switch {
	case w.Layer.GetInnerProduct().GetInt8DynamicQuantize() || w.Layer.GetBatchedMatmul().GetInt8DynamicQuantize():
		if w.Role == "weights" {
			return "the layer computes with 8-bit integers"
		}
	}
	switch {
	case j.Bits < 16 && !o.Again:
		return "it is quantized already"
	case j.Bits == 16 && o.Bits == 16:
		return "it is float16 already"
	case j.Vector && o.Vectors == VectorsKeep:
		return vectorsStay
	case j.Elements < o.MinElements:
		return tooSmall
	case o.Bits != 16 && o.Mode == CustomLUT && o.CustomLUT == nil && o.Tables.of(j.Weight) == nil:
		return "there is no table for it"
	case o.Select != nil && !o.Select(j.Weight):
		return notSelected
	}
	return ""
}

func (n *networks) weights() []Weight {
	var all []Weight
	for _, j := range n.jobs {
		all = append(all, j.Weight)
	}
	return all
}

// compute makes the new forms of the weights and changes nothing.
func (n *networks) compute(ctx context.Context, step func()) error {
	return ordered(ctx, len(n.jobs), n.o.Workers, len(n.jobs), func(ctx context.Context, i int) (networkEncoding, error) {
		e, err := n.encode(ctx, n.jobs[i])
		if err != nil {
			return e, fault.New(kindOr(err, fault.BadValue), n.jobs[i].place(), "%w", err)
		}
		return e, nil
	}, func(i int, e networkEncoding) error {
		n.jobs[i].result = e
		step()
		return nil
	})
}

// apply puts the new forms in place.
func (n *networks) apply() error {
	// A layer of which one weight stays float32 keeps the others so, too.
	whole := map[string]bool{}
	for _, j := range n.jobs {
		if n.o.Bits == 16 && j.result.kept != "" {
			whole[j.Layer] = true
		}
	}
	n.versions = map[*spec.WeightParams]int32{}
	for _, j := range n.jobs {
		e := j.result
		if e.kept == "" && whole[j.Layer] {
			e.kept = "another weight of its layer stays float32"
		}
		if e.kept != "" {
			n.report.keep(j.Weight, j.before, e.kept)
			continue
		}
		if err := n.m.SetWeights(j.params, mlmodel.BytesWeights(e.kind, e.payload)); err != nil {
			return fault.New(kindOr(err, fault.Limit), j.place(), "%w", err)
		}
		if e.quantization == nil {
			j.params.ClearQuantization()
		} else {
			j.params.SetQuantization(e.quantization)
		}
		n.report.add(j.Weight, j.before, e.encoding)
		n.versions[j.params] = mlmodel.IOS12
		if e.kind == mlmodel.Float16 {
			n.versions[j.params] = mlmodel.IOS112
		}
	}
	return nil
}

// version returns the version that the new weights of a model, or of those in
// it, need; 0 if there are none.
func (n *networks) version(s *spec.Model) int32 {
	var v int32
	for w := range mlmodel.NetworkWeights(s) {
		v = max(v, n.versions[w.Params])
	}
	return v
}

func kindOr(err error, kind fault.Kind) fault.Kind {
	if k := fault.KindOf(err); k != 0 {
		return k
	}
	return kind
}

func (n *networks) encode(ctx context.Context, j networkJob) (networkEncoding, error) {
	values, err := j.payload.Values(j.params.GetQuantization(), j.Shape, j.stored)
	if err != nil {
		return networkEncoding{}, err
	}
	if ok, err := finite(values); err != nil {
		return networkEncoding{}, err
	} else if !ok {
		return networkEncoding{kept: "it has infinite values"}, nil
	}
	var e networkEncoding
	var got []float32
	if n.o.Bits == 16 {
		e, got, err = networkHalf(values)
	} else {
		e, got, err = n.codes(ctx, j, values)
	}
	if err != nil || e.kept != "" {
		return e, err
	}
	e.size = int64(len(e.payload)) + overhead(e.quantization)
	e.stats, err = quant.Measure(values, got)
	return e, err
}

func networkHalf(values []float32) (networkEncoding, []float32, error) {
	b, overflowed := quant.Float16(values)
	if overflowed > 0 {
		return networkEncoding{kept: fmt.Sprintf("%d of its values are beyond float16", overflowed)}, nil, nil
	}
	got, err := quant.DequantizeFloat16(b)
	return networkEncoding{encoding: encoding{bits: 16, mode: Float16}, kind: mlmodel.Float16, payload: b}, got, err
}

// codes quantizes to 8 bits or less and returns the values that result.
func (n *networks) codes(ctx context.Context, j networkJob, values []float32) (networkEncoding, []float32, error) {
	bits, mode := n.o.Bits, n.o.Mode
	q := &spec.QuantizationParams{}
	q.SetNumberOfBits(uint64(bits))
	e := networkEncoding{encoding: encoding{bits: bits, mode: mode}, kind: mlmodel.Raw, quantization: q}
	var codes []uint8
	var got []float32
	switch mode {
	case Linear, LinearSymmetric:
		layout := quant.Whole(len(values))
		var err error
		if j.axis >= 0 {
			if layout, err = quant.Along(j.Shape, j.axis); err != nil {
				return e, nil, err
			}
		}
		quantize := quant.Linear
		if mode == LinearSymmetric {
			quantize = quant.LinearSymmetric
		}
		c, err := quantize(values, layout, bits)
		if err != nil {
			return e, nil, err
		}
		l := &spec.LinearQuantizationParams{}
		l.SetScale(c.Scale)
		l.SetBias(c.Bias)
		q.SetLinearQuantization(l)
		codes = c.Codes
		if got, err = quant.DequantizeLinear(c.Codes, layout, c.Scale, c.Bias); err != nil {
			return e, nil, err
		}
	default:
		var p quant.Palette
		var err error
		if mode == LinearLUT {
			p, err = quant.LinearLUT(values, bits)
		} else {
			p, err = n.o.palette(ctx, j.Weight, values, bits, tensor.Float32)
		}
		if err != nil {
			return e, nil, err
		}
		t := &spec.LookUpTableQuantizationParams{}
		t.SetFloatValue(p.Table)
		q.SetLookupTableQuantization(t)
		codes = p.Codes
		if got, err = quant.DequantizeLUT(p.Codes, p.Table); err != nil {
			return e, nil, err
		}
	}
	e.payload = quant.PackMSB(codes, bits)
	return e, got, nil
}
