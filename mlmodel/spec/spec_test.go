package spec

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A .mlmodel's first bytes, by hand: version 4, a neural network with one
// layer "a" of kind softmax (field 175).
func TestWire(t *testing.T) {
	b := []byte{0x08, 4, 0xa2, 0x1f, 8, 0x0a, 6, 0x0a, 1, 'a', 0xfa, 0x0a, 0}
	var m Model
	if err := proto.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	layers := m.GetNeuralNetwork().GetLayers()
	if m.GetSpecificationVersion() != 4 || len(layers) != 1 || layers[0].GetName() != "a" || !layers[0].HasSoftmax() {
		t.Errorf("read %v", &m)
	}
	if n := len(m.ProtoReflect().GetUnknown()); n != 0 {
		t.Errorf("%d unknown bytes", n)
	}
}

// The format has 33 files, 339 messages, 1029 fields and 34 enums.
func TestCounts(t *testing.T) {
	files := map[string]bool{}
	var messages, fields, enums int
	var walk func(ms protoreflect.MessageDescriptors)
	walk = func(ms protoreflect.MessageDescriptors) {
		for i := range ms.Len() {
			if m := ms.Get(i); !m.IsMapEntry() {
				messages++
				fields += m.Fields().Len()
				enums += m.Enums().Len()
				walk(m.Messages())
			}
		}
	}
	var visit func(fd protoreflect.FileDescriptor)
	visit = func(fd protoreflect.FileDescriptor) {
		if files[fd.Path()] {
			return
		}
		files[fd.Path()] = true
		enums += fd.Enums().Len()
		walk(fd.Messages())
		for i := range fd.Imports().Len() {
			visit(fd.Imports().Get(i).FileDescriptor)
		}
	}
	visit(File_Model_proto)
	if len(files) != 33 || messages != 339 || fields != 1029 || enums != 34 {
		t.Errorf("%d files, %d messages, %d fields, %d enums", len(files), messages, fields, enums)
	}
}
