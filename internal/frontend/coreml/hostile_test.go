package coreml

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// TestHostileLayers gives every kind of layer parameters and inputs that its
// message allows and its meaning may not, with known and with unknown shapes.
// Lowering may refuse them; it may not panic, nor take long.
func TestHostileLayers(t *testing.T) {
	const rounds, seed = 300, 5
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		t.Run(kind, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(len(kind))))
			lowered := 0
			for range rounds {
				if hostileLayer(t, kind, r) {
					lowered++
				}
			}
			t.Logf("%d of %d could be lowered", lowered, rounds)
		})
	}
}

func hostileLayer(t *testing.T, kind string, r *rand.Rand) (lowered bool) {
	layer := &spec.NeuralNetworkLayer{}
	m := layer.ProtoReflect()
	field := m.Descriptor().Fields().ByName(protoreflect.Name(kind))
	if field == nil {
		t.Fatalf("no layer has the field %q", kind)
	}
	hostileMessage(m.Mutable(field).Message(), r, 0)
	layer.SetName("l")
	var inputs []Input
	for i := range r.IntN(4) {
		name := fmt.Sprintf("x%d", i)
		layer.SetInput(append(layer.GetInput(), name))
		inputs = append(inputs, Input{Name: name, Type: hostileType(r)})
	}
	outputs := 1
	if r.IntN(3) == 0 {
		outputs += r.IntN(5)
	}
	for i := range outputs {
		layer.SetOutput(append(layer.GetOutput(), fmt.Sprintf("y%d", i)))
	}
	nn := &spec.NeuralNetwork{}
	if r.IntN(3) > 0 {
		nn.SetArrayInputShapeMapping(spec.NeuralNetworkMultiArrayShapeMapping_EXACT_ARRAY_MAPPING)
	}
	nn.SetLayers([]*spec.NeuralNetworkLayer{layer})
	model := &spec.Model{}
	d := &spec.ModelDescription{}
	for _, name := range layer.GetOutput() {
		f := &spec.FeatureDescription{}
		f.SetName(name)
		d.SetOutput(append(d.GetOutput(), f))
	}
	model.SetDescription(d)
	model.SetNeuralNetwork(nn)
	defer func() {
		if p := recover(); p != nil {
			var types []mil.Type
			for _, in := range inputs {
				types = append(types, in.Type)
			}
			t.Fatalf("panic: %v\ninputs %v\n%s", p, types, prototext.Format(layer))
		}
	}()
	start := time.Now()
	_, err := LowerNetwork(model, inputs, mlmodel.New(model).Weights)
	if d := time.Since(start); d > 5*time.Second {
		t.Fatalf("took %v\n%s", d, prototext.Format(layer))
	}
	return err == nil
}

// hostileType returns the type of a small array, perhaps with dimensions that
// are not known.
func hostileType(r *rand.Rand) mil.Type {
	shape := make([]int, r.IntN(7))
	for i := range shape {
		if shape[i] = r.IntN(4); r.IntN(5) == 0 {
			shape[i] = mil.Unknown
		}
	}
	if r.IntN(3) == 0 {
		shape = append(shape, 1, 1, 1)
	}
	return mil.TensorType(tensor.Float32, shape...)
}

// hostileMessage sets some of the fields: numbers mostly small, sometimes at
// the ends of their types.
func hostileMessage(m protoreflect.Message, r *rand.Rand, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case r.IntN(4) == 0 || depth > 5 || f.IsMap():
		case f.IsList():
			list := m.Mutable(f).List()
			for range r.IntN(7) {
				if f.Message() != nil {
					hostileMessage(list.AppendMutable().Message(), r, depth+1)
				} else {
					list.Append(hostileScalar(f, r))
				}
			}
		case f.Message() != nil:
			hostileMessage(m.Mutable(f).Message(), r, depth+1)
		default:
			m.Set(f, hostileScalar(f, r))
		}
	}
}

func hostileScalar(f protoreflect.FieldDescriptor, r *rand.Rand) protoreflect.Value {
	small := r.IntN(6)
	extreme := r.IntN(8) == 0
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(small%2 == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(small))
	case protoreflect.FloatKind:
		if extreme {
			return protoreflect.ValueOfFloat32(float32([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e38, -1e38}[r.IntN(5)]))
		}
		return protoreflect.ValueOfFloat32(float32(small-2) / 2)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(small))
	case protoreflect.Int32Kind:
		if extreme {
			return protoreflect.ValueOfInt32([]int32{math.MinInt32, math.MaxInt32}[r.IntN(2)])
		}
		return protoreflect.ValueOfInt32(int32(small - 2))
	case protoreflect.Int64Kind:
		if extreme {
			return protoreflect.ValueOfInt64([]int64{math.MinInt64, math.MaxInt64, 1 << 31, 1 << 20}[r.IntN(4)])
		}
		return protoreflect.ValueOfInt64(int64(small - 2))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(small))
	case protoreflect.Uint64Kind:
		if extreme {
			return protoreflect.ValueOfUint64([]uint64{math.MaxUint64, 1 << 63, 1 << 31, 1 << 20}[r.IntN(4)])
		}
		return protoreflect.ValueOfUint64(uint64(small))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString([]string{"", "x0", "y0", "z"}[r.IntN(4)])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(make([]byte, r.IntN(9)))
	}
	return f.Default()
}
