package mlmodel

import (
	"bytes"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/fault"
)

// Saving re-encodes only what was changed. The file is decoded once more, as
// it was, and both trees of messages are walked together with the file: where
// they are equal the file's bytes are copied, where they differ the message
// is taken apart field by field, down to the field that was changed.

// rope is a message that is being written: pieces of files and new bytes.
type rope struct {
	pieces []piece
	size   int64
}

// piece is one of: bytes, a part of the model's file, weights.
type piece struct {
	b       []byte
	src     *source
	off     int64
	end     int64
	weights *Weights
}

func (r *rope) bytes(b []byte) {
	if len(b) == 0 {
		return
	}
	r.size += int64(len(b))
	r.pieces = append(r.pieces, piece{b: b})
}

func (r *rope) file(src *source, off, end int64) {
	if off == end {
		return
	}
	r.size += end - off
	if n := len(r.pieces); n > 0 {
		if last := &r.pieces[n-1]; last.src == src && last.end == off {
			last.end = end
			return
		}
	}
	r.pieces = append(r.pieces, piece{src: src, off: off, end: end})
}

// is tells a rope that is just that part of the file.
func (r *rope) is(src *source, off, end int64) bool {
	if off == end {
		return r.size == 0
	}
	return len(r.pieces) == 1 && r.pieces[0].src == src && r.pieces[0].off == off && r.pieces[0].end == end
}

func (r *rope) payload(w Weights) {
	r.size += w.size
	r.pieces = append(r.pieces, piece{weights: &w})
}

func (r *rope) rope(o rope) {
	for _, p := range o.pieces {
		if p.src != nil {
			r.file(p.src, p.off, p.end)
			continue
		}
		r.pieces = append(r.pieces, p)
		if p.weights != nil {
			r.size += p.weights.size
		}
		r.size += int64(len(p.b))
	}
}

// nested appends a message as a field, whose tag is given.
func (r *rope) nested(tag []byte, o rope) {
	r.bytes(protowire.AppendVarint(bytes.Clone(tag), uint64(o.size)))
	r.rope(o)
}

func (r *rope) WriteTo(out io.Writer) (int64, error) {
	var written int64
	for _, p := range r.pieces {
		var n int64
		var err error
		switch {
		case p.src != nil:
			n, err = copyRange(out, p.src, p.off, p.end)
		case p.weights != nil:
			n, err = p.weights.WriteTo(out)
		default:
			var k int
			k, err = out.Write(p.b)
			n = int64(k)
		}
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// encode returns the bytes of the Model message as Save writes them.
func (m *Model) encode() (rope, error) {
	e := &encoder{m: m}
	var r rope
	var err error
	cur := m.spec.ProtoReflect()
	if m.src == nil {
		r, err = e.fresh(cur)
	} else {
		orig, _, err := cut(m.src, m.id)
		if err != nil {
			return r, fault.InFile(err, m.src.name)
		}
		e.w = newWindow(m.src, m.src.size)
		r, err = e.message(cur, orig.ProtoReflect(), 0, m.src.size)
		if err != nil {
			return r, err
		}
	}
	if err == nil && r.size > math.MaxInt32 {
		err = fault.New(fault.Limit, "", "the model takes %d bytes, at most %d can be read again", r.size, math.MaxInt32)
	}
	return r, err
}

type encoder struct {
	m *Model
	w *window // over the file
}

// canonical gives equal bytes for equal messages, to the last bit.
func canonical(m protoreflect.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(m.Interface())
}

// alone returns a message that has only one field of m.
func alone(m protoreflect.Message, fd protoreflect.FieldDescriptor) protoreflect.Message {
	one := m.New()
	if m.Has(fd) {
		one.Set(fd, m.Get(fd))
	}
	return one
}

// fresh encodes a message for which there is no original.
func (e *encoder) fresh(m protoreflect.Message) (rope, error) {
	b, err := canonical(m)
	if err != nil {
		return rope{}, err
	}
	return e.paste(shapeOf(m.Descriptor()), b)
}

// paste puts the payloads of weights into the bytes of a message.
func (e *encoder) paste(s *shape, b []byte) (rope, error) {
	var r rope
	if s == nil {
		r.bytes(b)
		return r, nil
	}
	if s.weights {
		return e.pasteWeights(b)
	}
	kept := 0
	w := bytesWindow(b)
	for off := int64(0); off < w.size; {
		f, err := w.next(off, w.size, 1)
		if err != nil {
			return r, err
		}
		off = f.end
		child := s.fields[f.num]
		if child == nil || f.typ != protowire.BytesType {
			continue
		}
		inner, err := e.paste(child, b[f.value:f.end])
		if err != nil {
			return r, err
		}
		r.bytes(b[kept:f.start])
		r.nested(b[f.start:f.tagEnd], inner)
		kept = int(f.end)
	}
	r.bytes(b[kept:])
	return r, nil
}

// pasteWeights replaces a marker by the payload it stands for, unless the
// message has a payload of its own. The payload comes first, as its fields
// have the lowest numbers.
func (e *encoder) pasteWeights(b []byte) (rope, error) {
	var r, rest rope
	filled := false
	w := bytesWindow(b)
	for off := int64(0); off < w.size; {
		f, err := w.next(off, w.size, 1)
		if err != nil {
			return r, err
		}
		off = f.end
		filled = filled || payloadKind(f) != 0
		if f.num != markerField {
			rest.bytes(b[f.start:f.end])
		}
	}
	if !filled {
		found, err := e.m.marked(b)
		if err != nil {
			return r, err
		}
		for _, run := range found {
			if run.mixed {
				_, err := one(found)
				return r, err
			}
			e.payload(&r, run)
		}
	}
	r.rope(rest)
	return r, nil
}

// payload appends the payload fields of a WeightParams.
func (e *encoder) payload(r *rope, run Weights) {
	switch {
	case run.parts != nil:
		for _, p := range run.parts {
			e.payload(r, p)
		}
	case run.kind != 0:
		tag := protowire.AppendTag(nil, numberOfKind[run.kind], protowire.BytesType)
		r.bytes(protowire.AppendVarint(tag, uint64(run.size)))
		r.payload(run)
	}
}

// message encodes cur, which was orig when it was read from the file's bytes
// off to end.
func (e *encoder) message(cur, orig protoreflect.Message, off, end int64) (rope, error) {
	var r rope
	a, err := canonical(cur)
	if err != nil {
		return r, err
	}
	b, err := canonical(orig)
	if err != nil {
		return r, err
	}
	if bytes.Equal(a, b) {
		r.file(e.m.src, off, end)
		return r, nil
	}
	p := &patch{encoder: e, cur: cur, orig: orig, edits: map[int]rope{}, added: map[protowire.Number]rope{}}
	for off < end {
		f, err := e.w.next(off, end, 0)
		if err != nil {
			return r, err
		}
		p.fields = append(p.fields, f)
		off = f.end
	}
	if err := p.plan(); err != nil {
		return r, err
	}
	return p.apply(), nil
}
