package mlmodel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// Opening a model cuts: the payloads of all WeightParams stay in the file,
// and what remains (names, shapes, wiring: small) is decoded. In the place of
// a payload the WeightParams message holds a marker, a field that the format
// does not have, which says where the payload is. Saving pastes: see paste.

// markerField numbers the marker. Its content is the model's id and the
// index into Model.runs, so that a message that has been moved into another
// model is noticed. A field of that number in a file is left out of the
// decoded message.
const markerField protowire.Number = 1<<29 - 7

const markerSize = 16

func appendMarker(b []byte, id uint64, run int) []byte {
	b = protowire.AppendTag(b, markerField, protowire.BytesType)
	b = protowire.AppendVarint(b, markerSize)
	b = binary.LittleEndian.AppendUint64(b, id)
	return binary.LittleEndian.AppendUint64(b, uint64(run))
}

func parseMarker(b []byte) (id uint64, run uint64, ok bool) {
	if len(b) != markerSize {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), true
}

// payloadKind tells the field of WeightParams that an occurrence belongs to;
// 0 for the others. A field of the wrong wire type is an unknown field.
func payloadKind(f wireField) WeightKind {
	if f.typ == protowire.BytesType || f.num == numFloat && f.typ == protowire.Fixed32Type {
		return kindOfNumber[f.num]
	}
	return 0
}

type cutter struct {
	w    *window
	src  *source
	id   uint64
	out  []byte
	runs []Weights
}

// cut reads a model and returns its messages without the weights, and the
// weights.
func cut(src *source, id uint64) (skeleton *spec.Model, runs []Weights, err error) {
	w := newWindow(src, src.size)
	c := &cutter{w: w, src: src, id: id}
	top := shapeOf((*spec.Model)(nil).ProtoReflect().Descriptor())
	if err := c.message(top, 0, w.size, 1); err != nil {
		return nil, nil, err
	}
	m := new(spec.Model)
	if err := (proto.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(c.out, m); err != nil {
		if where := diagnose(w, top.desc, 0, w.size, 1, nil); where != nil {
			return nil, nil, where
		}
		return nil, nil, fault.New(fault.Corrupt, "", "%w", err)
	}
	return m, c.runs, nil
}

func (c *cutter) message(s *shape, off, end int64, depth int) error {
	if depth > maxDepth {
		return tooDeep(off)
	}
	kept := off // up to here everything has been copied or cut
	for off < end {
		f, err := c.w.next(off, end, depth)
		if err != nil {
			return err
		}
		off = f.end
		child := s.fields[f.num]
		if child == nil || f.typ != protowire.BytesType {
			continue
		}
		if c.out, err = c.w.appendTo(c.out, kept, f.tagEnd); err != nil {
			return err
		}
		kept = f.end
		at := len(c.out)
		if child.weights {
			err = c.weights(f.value, f.end, depth+1)
		} else {
			err = c.message(child, f.value, f.end, depth+1)
		}
		if err != nil {
			return err
		}
		var length [maxVarint]byte
		c.out = slices.Insert(c.out, at, protowire.AppendVarint(length[:0], uint64(len(c.out)-at))...)
	}
	var err error
	c.out, err = c.w.appendTo(c.out, kept, end)
	return err
}

// weights copies a WeightParams with a marker in place of its payload.
func (c *cutter) weights(off, end int64, depth int) error {
	if depth > maxDepth {
		return tooDeep(off)
	}
	run := Weights{src: c.src, scattered: span{off, end}}
	records := 0
	for kept := off; ; {
		if off == end {
			var err error
			if c.out, err = c.w.appendTo(c.out, kept, end); err != nil {
				return err
			}
			break
		}
		f, err := c.w.next(off, end, depth)
		if err != nil {
			return err
		}
		off = f.end
		kind := payloadKind(f)
		if kind == 0 && f.num != markerField {
			continue
		}
		if c.out, err = c.w.appendTo(c.out, kept, f.start); err != nil {
			return err
		}
		kept = f.end
		if kind == 0 {
			continue
		}
		size := f.end - f.value
		if kind == Float32 && size%4 != 0 {
			return corrupt(f.value, "%d bytes are no whole number of float32 values", size)
		}
		run.mixed = run.mixed || run.kind != 0 && run.kind != kind
		run.kind = kind
		if kind == Float32 {
			run.size += size // the records of a repeated field follow each other
		} else {
			run.size = size // of several the last counts
		}
		run.off = f.value
		records++
	}
	if records == 0 || run.kind == Float32 && run.size == 0 && !run.mixed {
		return nil // empty bytes are kept: they could replace others in a message that comes twice
	}
	if run.kind != Float32 || records == 1 {
		run.scattered = span{}
	}
	c.out = appendMarker(c.out, c.id, len(c.runs))
	c.runs = append(c.runs, run)
	return nil
}

// diagnose finds what keeps a message from being decoded. It returns nil if
// it finds nothing.
func diagnose(w *window, d protoreflect.MessageDescriptor, off, end int64, depth int, path []string) error {
	bad := func(kind fault.Kind, off int64, format string, args ...any) error {
		place := fmt.Sprintf("byte %d", off)
		if len(path) > 0 {
			place = strings.Join(path, ".") + ", " + place
		}
		return fault.New(kind, place, format, args...)
	}
	if depth > maxDepth {
		return bad(fault.Limit, off, "messages nested more than %d deep", maxDepth)
	}
	for off < end {
		f, err := w.next(off, end, depth)
		if err != nil {
			var e *fault.Error
			if errors.As(err, &e) && len(path) > 0 {
				err = &fault.Error{Kind: e.Kind, Place: strings.Join(path, ".") + ", " + e.Place, Err: e.Err}
			}
			return err
		}
		off = f.end
		fd := d.Fields().ByNumber(f.num)
		if fd == nil || f.typ != protowire.BytesType {
			continue
		}
		inner := append(slices.Clip(path), string(fd.Name()))
		switch {
		case fd.Message() != nil:
			if err := diagnose(w, fd.Message(), f.value, f.end, depth+1, inner); err != nil {
				return err
			}
		case fd.Kind() == protoreflect.StringKind:
			b, err := w.appendTo(nil, f.value, f.end)
			if err != nil {
				return err
			}
			if !utf8.Valid(b) {
				path = inner
				return bad(fault.Corrupt, f.value, "the text is not valid UTF-8")
			}
		case fd.IsList():
			if err := diagnosePacked(w, fd.Kind(), f); err != nil {
				path = inner
				return bad(fault.Corrupt, f.value, "%w", err)
			}
		}
	}
	return nil
}

func diagnosePacked(w *window, kind protoreflect.Kind, f wireField) error {
	width := int64(0)
	switch kind {
	case protoreflect.BytesKind:
		return nil
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		width = 4
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		width = 8
	}
	if width > 0 {
		if size := f.end - f.value; size%width != 0 {
			return fmt.Errorf("%d bytes are no whole number of %s values", size, kind)
		}
		return nil
	}
	for off := f.value; off < f.end; {
		b, err := w.peek(off, int(min(f.end-off, maxVarint)))
		if err != nil {
			return err
		}
		_, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return fmt.Errorf("value at byte %d: %w", off, protowire.ParseError(n))
		}
		off += int64(n)
	}
	return nil
}
