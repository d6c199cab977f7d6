package mlmodel

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// usesBlobs tells whether a value of the model stands in a weight file.
func usesBlobs(s *spec.Model) bool {
	found := false
	var visit func(m protoreflect.Message)
	visit = func(m protoreflect.Message) {
		if _, ok := m.Interface().(*spec.Value_BlobFileValue); ok || found {
			found = true
			return
		}
		m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			switch {
			case fd.IsMap() && fd.MapValue().Message() != nil:
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { visit(v.Message()); return !found })
			case fd.IsMap() || fd.Message() == nil:
			case fd.IsList():
				for i := range v.List().Len() {
					visit(v.List().Get(i).Message())
				}
			default:
				visit(v.Message())
			}
			return !found
		})
	}
	visit(s.ProtoReflect())
	return found
}
