package predict

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// mutator changes a model as the bytes of a fuzzer say: each byte is one
// choice.
type mutator struct {
	bytes []byte
}

// next is the next choice among n.
func (m *mutator) next(n int) int {
	if len(m.bytes) == 0 || n == 0 {
		return 0
	}
	b := m.bytes[0]
	m.bytes = m.bytes[1:]
	return int(b) % n
}

// far is a choice among many.
func (m *mutator) far(n int) int { return (256*m.next(256) + m.next(256)) % max(n, 1) }

// site is a field of one of a model's messages.
type site struct {
	message protoreflect.Message
	field   protoreflect.FieldDescriptor
}

// sites lists the fields of a message and of those within it. Nested messages
// that are not set are one site each.
func sites(m protoreflect.Message, out []site) []site {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.IsMap() || f.ContainingOneof() != nil && !m.Has(f) && f.Message() == nil {
			continue
		}
		out = append(out, site{m, f})
		if f.Message() == nil || !m.Has(f) {
			continue
		}
		if !f.IsList() {
			out = sites(m.Get(f).Message(), out)
			continue
		}
		list := m.Get(f).List()
		for j := range min(list.Len(), 20) {
			out = sites(list.Get(j).Message(), out)
		}
	}
	return out
}

// mutate changes one field, mostly one that is set.
func (m *mutator) mutate(model *spec.Model) {
	all := sites(model.ProtoReflect(), nil)
	var set []site
	for _, s := range all {
		if s.message.Has(s.field) {
			set = append(set, s)
		}
	}
	if m.next(3) > 0 && len(set) > 0 {
		all = set
	}
	s := all[m.far(len(all))]
	switch f := s.field; {
	case f.IsList():
		m.list(s.message.Mutable(f).List(), f)
	case f.Message() == nil:
		s.message.Set(f, m.scalar(f, s.message.Get(f)))
	case s.message.Has(f) && m.next(3) == 0:
		s.message.Clear(f)
	default:
		s.message.Mutable(f)
	}
}

// list duplicates, removes, exchanges or changes elements, or gives the list
// another length.
func (m *mutator) list(l protoreflect.List, f protoreflect.FieldDescriptor) {
	n := l.Len()
	fresh := func() protoreflect.Value {
		if f.Message() != nil {
			return l.NewElement()
		}
		return m.scalar(f, l.NewElement())
	}
	if n == 0 {
		for range 1 + m.next(6) {
			l.Append(fresh())
		}
		return
	}
	i := m.far(n)
	switch m.next(6) {
	case 0:
		l.Append(copyOf(l.Get(i)))
	case 1:
		for j := i; j+1 < n; j++ {
			l.Set(j, copyOf(l.Get(j+1)))
		}
		l.Truncate(n - 1)
	case 2:
		j := m.far(n)
		x, y := copyOf(l.Get(i)), copyOf(l.Get(j))
		l.Set(i, y)
		l.Set(j, x)
	case 3:
		size := []int{0, 1, n - 1, n + 1, n / 2, 2 * n, 3 * n, n + n/2}[m.next(8)]
		l.Truncate(min(n, size))
		for j := 0; l.Len() < min(size, 1<<12); j++ {
			l.Append(copyOf(l.Get(j % n)))
		}
	default:
		if f.Message() == nil {
			l.Set(i, m.scalar(f, l.Get(i)))
		} else {
			l.Append(copyOf(l.Get(i)))
		}
	}
}

func copyOf(v protoreflect.Value) protoreflect.Value {
	if msg, ok := v.Interface().(protoreflect.Message); ok {
		return protoreflect.ValueOfMessage(proto.Clone(msg.Interface()).ProtoReflect())
	}
	return v
}

// scalar returns a value near the old one, a small one, or one at the ends of
// its type.
func (m *mutator) scalar(f protoreflect.FieldDescriptor, old protoreflect.Value) protoreflect.Value {
	floats := []float64{0, 1, -1, 0.5, 2, math.NaN(), math.Inf(1), math.Inf(-1), 3e38, -3e38, 1e-40, 1e9, 3.5}
	small := []int64{0, 1, 2, 3, 4, 5, 7, 8, 16, 100, 1 << 12, 1 << 20}
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(!old.Bool())
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(m.next(values.Len())).Number())
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(floats[m.next(len(floats))]))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(floats[m.next(len(floats))])
	case protoreflect.Int32Kind, protoreflect.Sint32Kind:
		n := append(small, -1, -2, -3, math.MinInt32, math.MaxInt32, old.Int()+1, old.Int()-1, 2*old.Int())
		return protoreflect.ValueOfInt32(int32(n[m.next(len(n))]))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind:
		n := append(small, -1, -2, -3, math.MinInt64, math.MaxInt64, 1<<31, old.Int()+1, old.Int()-1, 2*old.Int())
		return protoreflect.ValueOfInt64(n[m.next(len(n))])
	case protoreflect.Uint32Kind:
		n := append(small, math.MaxUint32, int64(old.Uint())+1, int64(old.Uint())-1)
		return protoreflect.ValueOfUint32(uint32(n[m.next(len(n))]))
	case protoreflect.Uint64Kind:
		n := append(small, -1, math.MinInt64, 1<<31, 1<<32, int64(old.Uint())+1, int64(old.Uint())-1, 2*int64(old.Uint()))
		return protoreflect.ValueOfUint64(uint64(n[m.next(len(n))]))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString([]string{"", "input", "output", "x", "data", "a"}[m.next(6)])
	case protoreflect.BytesKind:
		b := old.Bytes()
		n := len(b) * m.next(4) / 3
		return protoreflect.ValueOfBytes(append(b[:n:n], make([]byte, m.next(9))...))
	}
	return old
}

// graft adds a network's layers to the end of another's: they read what is
// there, and their results are asked for.
func (m *mutator) graft(model, from *spec.Model) {
	layers, more := model.GetNeuralNetwork().GetLayers(), from.GetNeuralNetwork().GetLayers()
	if len(layers) == 0 || len(more) == 0 || len(layers) > 30 {
		return
	}
	var blobs []string
	for _, d := range model.GetDescription().GetInput() {
		blobs = append(blobs, d.GetName())
	}
	for _, l := range layers {
		blobs = append(blobs, l.GetOutput()...)
	}
	renamed := map[string]string{}
	for i, l := range more {
		l = proto.CloneOf(l)
		l.SetName(fmt.Sprintf("graft%d_%d", len(layers), i))
		ins, outs := l.GetInput(), l.GetOutput()
		for j, in := range ins {
			if renamed[in] == "" {
				at := 0
				if m.next(3) == 1 {
					at = m.next(len(blobs))
				}
				renamed[in] = blobs[len(blobs)-1-at]
			}
			ins[j] = renamed[in]
		}
		for j, out := range outs {
			renamed[out] = l.GetName() + "_" + out
			outs[j] = renamed[out]
		}
		layers = append(layers, l)
	}
	model.GetNeuralNetwork().SetLayers(layers)
	d := model.GetDescription()
	for _, out := range from.GetDescription().GetOutput() {
		if renamed[out.GetName()] == "" {
			continue
		}
		out = proto.CloneOf(out)
		out.SetName(renamed[out.GetName()])
		d.SetOutput(append(d.GetOutput(), out))
	}
}
