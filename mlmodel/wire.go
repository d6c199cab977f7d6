package mlmodel

import (
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// maxDepth bounds the nesting of messages, as Core ML's own reader does.
const maxDepth = 100

const maxVarint = 10 // bytes

// source is the file or buffer that a model was read from.
type source struct {
	io.ReaderAt
	size    int64
	name    string    // for errors; "" for bytes in memory
	modTime time.Time // of a file, when it was opened
}

// windowSize is what one read fetches: small, because between two weight
// runs there are often only a few hundred bytes to look at.
const windowSize = 8 << 10

// window reads a file's bytes in pieces. It is for one goroutine.
type window struct {
	r     io.ReaderAt
	size  int64
	buf   []byte // bytes from start on
	start int64
}

func newWindow(r io.ReaderAt, size int64) *window { return &window{r: r, size: size} }

// bytesWindow is a window over all of b.
func bytesWindow(b []byte) *window { return &window{size: int64(len(b)), buf: b} }

// peek returns up to n bytes at off, fewer only where the file ends. They
// stay valid until the next peek.
func (w *window) peek(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), w.size-off))
	if off < w.start || off+int64(n) > w.start+int64(len(w.buf)) {
		want := int(min(int64(max(n, windowSize)), w.size-off))
		if cap(w.buf) < want {
			w.buf = make([]byte, want)
		}
		w.buf, w.start = w.buf[:want], off
		if err := readFull(w.r, w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	i := int(off - w.start)
	return w.buf[i : i+n], nil
}

// appendTo appends the bytes from off to end to b.
func (w *window) appendTo(b []byte, off, end int64) ([]byte, error) {
	if off == end {
		return b, nil
	}
	if end-off <= windowSize {
		p, err := w.peek(off, int(end-off))
		return append(b, p...), err
	}
	if w.r == nil {
		return append(b, w.buf[off:end]...), nil
	}
	n := len(b)
	b = append(b, make([]byte, end-off)...)
	return b, readFull(w.r, b[n:], off)
}

// readFull reads all of b at off or says at which byte that ended.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		return corrupt(off+int64(n), "the file ends, %d bytes are missing: %w", len(b)-n, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("byte %d: %w", off+int64(n), err)
}

func corrupt(off int64, format string, args ...any) error {
	return fault.New(fault.Corrupt, fmt.Sprintf("byte %d", off), format, args...)
}

func tooDeep(off int64) error {
	return fault.New(fault.Limit, fmt.Sprintf("byte %d", off), "messages nested more than %d deep", maxDepth)
}

// wireField is where one occurrence of a field stands.
type wireField struct {
	num    protowire.Number
	typ    protowire.Type
	start  int64 // of the tag
	tagEnd int64
	value  int64 // of the payload: after the length where there is one
	end    int64
}

// next reads the field at off of a message that ends at end. Payloads are
// not read, only measured.
func (w *window) next(off, end int64, depth int) (wireField, error) {
	f := wireField{start: off}
	b, err := w.peek(off, int(min(end-off, 2*maxVarint)))
	if err != nil {
		return f, err
	}
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return f, corrupt(off, "want the tag of a field: %w", protowire.ParseError(n))
	}
	if num > protowire.MaxValidNumber {
		return f, corrupt(off, "there is no field number %d", num)
	}
	f.num, f.typ, f.tagEnd = num, typ, off+int64(n)
	f.value = f.tagEnd
	b = b[n:]
	switch typ {
	case protowire.VarintType:
		_, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return f, corrupt(f.value, "field %d: %w", num, protowire.ParseError(n))
		}
		f.end = f.value + int64(n)
	case protowire.Fixed32Type:
		f.end = f.value + 4
	case protowire.Fixed64Type:
		f.end = f.value + 8
	case protowire.BytesType:
		size, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return f, corrupt(f.tagEnd, "field %d: length: %w", num, protowire.ParseError(n))
		}
		f.value += int64(n)
		if left := end - f.value; size > uint64(left) {
			return f, corrupt(f.tagEnd, "field %d: has %d bytes, only %d are left", num, size, left)
		}
		f.end = f.value + int64(size)
	case protowire.StartGroupType:
		f.end, err = w.skipGroup(num, f.value, end, depth+1)
		if err != nil {
			return f, err
		}
	default:
		return f, corrupt(off, "field %d: wire type %d has no place here", num, typ)
	}
	if f.end > end {
		return f, corrupt(f.value, "field %d: takes %d bytes, only %d are left", num, f.end-f.value, end-f.value)
	}
	return f, nil
}

// skipGroup returns the end of a group whose start tag ends at off.
func (w *window) skipGroup(num protowire.Number, off, end int64, depth int) (int64, error) {
	if depth > maxDepth {
		return 0, tooDeep(off)
	}
	for off < end {
		b, err := w.peek(off, int(min(end-off, maxVarint)))
		if err != nil {
			return 0, err
		}
		if n, typ, size := protowire.ConsumeTag(b); size > 0 && typ == protowire.EndGroupType {
			if n != num {
				return 0, corrupt(off, "group %d ends as group %d", num, n)
			}
			return off + int64(size), nil
		}
		f, err := w.next(off, end, depth)
		if err != nil {
			return 0, err
		}
		off = f.end
	}
	return 0, corrupt(off, "group %d does not end", num)
}

// shape tells, for a message type, which of its fields lead to weights.
type shape struct {
	desc    protoreflect.MessageDescriptor
	weights bool // is WeightParams itself
	fields  map[protowire.Number]*shape
}

var weightParams = (*spec.WeightParams)(nil).ProtoReflect().Descriptor()

// shapes holds a shape for each message type from which a WeightParams can
// be reached; for the others there is none, and their bytes need no look.
var shapes = sync.OnceValue(func() map[protoreflect.FullName]*shape {
	all := map[protoreflect.FullName]*shape{}
	var collect func(d protoreflect.MessageDescriptor)
	collect = func(d protoreflect.MessageDescriptor) {
		if all[d.FullName()] != nil {
			return
		}
		all[d.FullName()] = &shape{desc: d, weights: d == weightParams, fields: map[protowire.Number]*shape{}}
		for i := range d.Fields().Len() {
			if m := d.Fields().Get(i).Message(); m != nil {
				collect(m)
			}
		}
	}
	collect((*spec.Model)(nil).ProtoReflect().Descriptor())
	reaches := map[protoreflect.FullName]bool{weightParams.FullName(): true}
	for grown := true; grown; {
		grown = false
		for name, s := range all {
			for i := range s.desc.Fields().Len() {
				m := s.desc.Fields().Get(i).Message()
				if m != nil && reaches[m.FullName()] && !reaches[name] {
					reaches[name], grown = true, true
				}
			}
		}
	}
	for name, s := range all {
		if !reaches[name] {
			delete(all, name)
			continue
		}
		for i := range s.desc.Fields().Len() {
			fd := s.desc.Fields().Get(i)
			if m := fd.Message(); m != nil && reaches[m.FullName()] {
				s.fields[fd.Number()] = all[m.FullName()]
			}
		}
	}
	return all
})

// shapeOf returns the shape of a message type, nil if it leads to no weights.
func shapeOf(d protoreflect.MessageDescriptor) *shape { return shapes()[d.FullName()] }
