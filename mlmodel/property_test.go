package mlmodel

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// drawMessage makes wire bytes that are a message of a type, written as no
// sane writer would: fields in any order and repeated at will, unknown ones
// among them, lists packed and not, lengths in more bytes than they take.
func drawMessage(t *rapid.T, d protoreflect.MessageDescriptor, depth int) []byte {
	var b []byte
	var kind WeightKind
	for range rapid.IntRange(0, 4).Draw(t, "fields") {
		if rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
			b = append(b, drawUnknown(t)...)
			continue
		}
		if d.Fields().Len() == 0 {
			continue
		}
		fd := d.Fields().Get(rapid.IntRange(0, d.Fields().Len()-1).Draw(t, "field"))
		if s := shapeOf(d); s != nil && !s.weights && rapid.IntRange(0, 3).Draw(t, "weights") > 0 {
			nums := slices.Sorted(maps.Keys(s.fields))
			fd = d.Fields().ByNumber(nums[rapid.IntRange(0, len(nums)-1).Draw(t, "to weights")])
		}
		if d == weightParams {
			if k := kindOfNumber[fd.Number()]; k != 0 && kind != 0 && k != kind {
				continue // a model may have both, but then not be saved after a change
			} else if k != 0 {
				kind = k
			}
		}
		if fd.Message() != nil && depth == 0 {
			continue
		}
		b = append(b, drawField(t, fd, depth)...)
	}
	return b
}

func drawVarint(t *rapid.T, b []byte, v uint64) []byte {
	b = protowire.AppendVarint(b, v)
	if len(b) < 9 && rapid.IntRange(0, 5).Draw(t, "long") == 0 {
		b[len(b)-1] |= 0x80
		b = append(b, 0)
	}
	return b
}

func drawBytes(t *rapid.T, num protowire.Number, content []byte) []byte {
	b := protowire.AppendTag(nil, num, protowire.BytesType)
	return append(append(b, drawVarint(t, nil, uint64(len(content)))...), content...)
}

func drawUnknown(t *rapid.T) []byte {
	num := protowire.Number(rapid.SampledFrom([]int{4000, 9999, 1 << 20, int(markerField), int(protowire.MaxValidNumber)}).Draw(t, "number"))
	switch rapid.IntRange(0, 3).Draw(t, "type") {
	case 0:
		return append(protowire.AppendTag(nil, num, protowire.VarintType), drawVarint(t, nil, rapid.Uint64().Draw(t, "v"))...)
	case 1:
		return protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), rapid.Uint64().Draw(t, "v"))
	case 2:
		b := protowire.AppendTag(nil, num, protowire.StartGroupType)
		b = append(b, varint(1, 5)...)
		return protowire.AppendTag(b, num, protowire.EndGroupType)
	}
	return drawBytes(t, num, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "b"))
}

func drawField(t *rapid.T, fd protoreflect.FieldDescriptor, depth int) []byte {
	num := fd.Number()
	fixed := func(width int, typ protowire.Type) []byte {
		if fd.IsList() && rapid.Bool().Draw(t, "packed") {
			n := rapid.IntRange(0, 3).Draw(t, "n")
			return drawBytes(t, num, rapid.SliceOfN(rapid.Byte(), n*width, n*width).Draw(t, "b"))
		}
		return append(protowire.AppendTag(nil, num, typ), rapid.SliceOfN(rapid.Byte(), width, width).Draw(t, "b")...)
	}
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return drawBytes(t, num, drawMessage(t, fd.Message(), depth-1))
	case protoreflect.StringKind:
		return drawBytes(t, num, []byte(rapid.SampledFrom([]string{"", "a", "b", "µ", "conv"}).Draw(t, "s")))
	case protoreflect.BytesKind:
		return drawBytes(t, num, rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "b"))
	case protoreflect.FloatKind:
		return fixed(4, protowire.Fixed32Type)
	case protoreflect.DoubleKind:
		return fixed(8, protowire.Fixed64Type)
	}
	one := func() []byte {
		return drawVarint(t, nil, rapid.SampledFrom([]uint64{0, 1, 2, 10, 300, 1 << 40, 1<<64 - 1}).Draw(t, "v"))
	}
	if fd.IsList() && rapid.Bool().Draw(t, "packed") {
		var content []byte
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			content = append(content, one()...)
		}
		return drawBytes(t, num, content)
	}
	return append(protowire.AppendTag(nil, num, protowire.VarintType), one()...)
}

var modelDesc = (*spec.Model)(nil).ProtoReflect().Descriptor()

// drawModel makes a model of some depth: the root is steered towards networks,
// programs and pipelines, which are most of the format.
func drawModel(t *rapid.T) []byte {
	b := varint(1, 1)
	for range rapid.IntRange(0, 3).Draw(t, "kinds") {
		num := rapid.SampledFrom([]protowire.Number{2, 202, 500, 500, 502, 502, 402, 555}).Draw(t, "kind")
		b = append(b, drawBytes(t, num, drawMessage(t, modelDesc.Fields().ByNumber(num).Message(), 7))...)
	}
	return append(b, drawMessage(t, modelDesc, 6)...)
}

func TestSaveIsInverseOfParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawModel(t)
		m, err := Parse(bytesReader(b), int64(len(b)), "")
		if err != nil {
			if fault.KindOf(err) == 0 {
				t.Fatal(err)
			}
			return
		}
		checkIdentity(t, m, b)
	})
}

type tester interface {
	Helper()
	Fatalf(string, ...any)
	Fatal(...any)
}

// checkIdentity holds what Save writes of an unchanged model against b, and
// what it would write of one that is changed throughout against its meaning.
func checkIdentity(t tester, m *Model, b []byte) {
	t.Helper()
	r, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got := flatten(t, r); !bytes.Equal(got, b) {
		t.Fatalf("have\n% x, want\n% x", got, b)
	}
	checkMeaning(t, m, b)
}

func flatten(t tester, r rope) []byte {
	t.Helper()
	var out bytes.Buffer
	if n, err := r.WriteTo(&out); err != nil || n != r.size || n != int64(out.Len()) {
		t.Fatalf("a rope of %d bytes wrote %d; %v", r.size, n, err)
	}
	return out.Bytes()
}

// checkMeaning decodes b and compares it with the messages of m.
func checkMeaning(t tester, m *Model, b []byte) {
	t.Helper()
	for _, w := range m.runs {
		if w.mixed {
			return // cannot be encoded anew
		}
	}
	r, err := (&encoder{m: m}).fresh(m.spec.ProtoReflect())
	if err != nil {
		t.Fatal(err)
	}
	var want, got spec.Model
	if err := proto.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(flatten(t, r), &want); err != nil {
		t.Fatal(err)
	}
	// A field of the marker's number is the one thing that is not kept.
	dropMarkers(got.ProtoReflect())
	x, err := canonical(want.ProtoReflect())
	if err != nil {
		t.Fatal(err)
	}
	y, err := canonical(got.ProtoReflect())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Fatalf("have %v\nwant %v", &got, &want)
	}
}

func dropMarkers(m protoreflect.Message) {
	if m.Descriptor() == weightParams {
		_, rest := splitMarkers(m.GetUnknown())
		m.SetUnknown(rest)
	}
	eachChild(m, dropMarkers)
}

func eachChild(m protoreflect.Message, f func(protoreflect.Message)) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { f(v.Message()); return true })
		case fd.IsMap() || fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				f(v.List().Get(i).Message())
			}
		default:
			f(v.Message())
		}
		return true
	})
}

// After any change the file means what the messages say.
func TestChangesAreSaved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawModel(t)
		m, err := Parse(bytesReader(b), int64(len(b)), "")
		if err != nil {
			return
		}
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			change(t, m)
		}
		m.spec.SetSpecificationVersion(7) // something must be left of it
		r, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		saved := flatten(t, r)
		checkMeaning(t, m, saved)
		again, err := Parse(bytesReader(saved), int64(len(saved)), "")
		if err != nil {
			t.Fatal(err)
		}
		checkIdentity(t, again, saved)
	})
}

// change does something to a message anywhere in the model.
func change(t *rapid.T, m *Model) {
	var all []protoreflect.Message
	var collect func(p protoreflect.Message)
	collect = func(p protoreflect.Message) { all = append(all, p); eachChild(p, collect) }
	collect(m.spec.ProtoReflect())
	p := all[rapid.IntRange(0, len(all)-1).Draw(t, "message")]
	if wp, ok := p.Interface().(*spec.WeightParams); ok && rapid.Bool().Draw(t, "weights") {
		kind := WeightKind(rapid.IntRange(0, 4).Draw(t, "kind"))
		n := 4 * rapid.IntRange(0, 3).Draw(t, "size")
		if kind == 0 {
			n = 0
		}
		if err := m.SetWeights(wp, BytesWeights(kind, make([]byte, n))); err != nil {
			t.Fatal(err)
		}
		return
	}
	fields := p.Descriptor().Fields()
	if fields.Len() == 0 || p.Descriptor() == weightParams {
		p.SetUnknown(nil)
		return
	}
	fd := fields.Get(rapid.IntRange(0, fields.Len()-1).Draw(t, "field"))
	switch what := rapid.IntRange(0, 4).Draw(t, "what"); {
	case what == 0:
		p.Clear(fd)
	case what == 1 && fd.IsList() && p.Has(fd): // turn the list round
		l := p.Mutable(fd).List()
		for i, j := 0, l.Len()-1; i < j; i, j = i+1, j-1 {
			a, b := l.Get(i), l.Get(j)
			l.Set(i, b)
			l.Set(j, a)
		}
	case what == 2 && fd.IsList() && p.Has(fd): // drop its first element
		l := p.Mutable(fd).List()
		for i := 1; i < l.Len(); i++ {
			l.Set(i-1, l.Get(i))
		}
		l.Truncate(l.Len() - 1)
	default: // merge something into the field
		if fd.Message() == nil || fd.Message() != weightParams {
			_ = proto.UnmarshalOptions{Merge: true}.Unmarshal(drawPlain(t, fd), p.Interface())
		}
	}
}

// drawPlain is a field without weights in it.
func drawPlain(t *rapid.T, fd protoreflect.FieldDescriptor) []byte {
	if fd.Message() != nil && shapeOf(fd.Message()) != nil {
		return drawBytes(t, fd.Number(), nil)
	}
	return drawField(t, fd, 3)
}
