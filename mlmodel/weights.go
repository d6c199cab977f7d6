package mlmodel

import (
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// WeightKind tells which field of a WeightParams message holds the payload,
// and so how its bytes are to be read. Zero: there is no payload.
type WeightKind uint8

// The payload fields of WeightParams.
const (
	Float32 WeightKind = iota + 1 // floatValue: 4 bytes a value, little endian
	Float16                       // float16Value: 2 bytes a value, little endian
	Raw                           // rawValue: unsigned codes of 1 to 8 bits, most significant bit first
	Int8Raw                       // int8RawValue: one signed byte a code
)

var kindNames = [...]string{"none", "floatValue", "float16Value", "rawValue", "int8RawValue"}

func (k WeightKind) String() string { return kindNames[k] }

const (
	numFloat   protowire.Number = 1
	numFloat16 protowire.Number = 2
	numRaw     protowire.Number = 30
	numInt8Raw protowire.Number = 31
)

var (
	kindOfNumber = map[protowire.Number]WeightKind{numFloat: Float32, numFloat16: Float16, numRaw: Raw, numInt8Raw: Int8Raw}
	numberOfKind = [...]protowire.Number{Float32: numFloat, Float16: numFloat16, Raw: numRaw, Int8Raw: numInt8Raw}
)

type span struct{ off, end int64 }

// Weights is the payload of one WeightParams message. Its bytes stay where
// they are, mostly in the model's file, until they are asked for. The zero
// Weights has none.
type Weights struct {
	kind  WeightKind
	mixed bool // the message has payloads of several kinds
	src   *source
	off   int64 // in src; unused when scattered
	size  int64
	// scattered is the message, when its floats are not in one record.
	scattered span
	parts     []Weights // in place of src: one payload after another
}

// NewWeights returns weights whose size bytes are read from r when they are
// needed: at the latest when the model is saved.
func NewWeights(kind WeightKind, r io.ReaderAt, size int64) Weights {
	return Weights{kind: kind, src: &source{ReaderAt: r, size: size}, size: size}
}

// BytesWeights returns weights over b, which it keeps.
func BytesWeights(kind WeightKind, b []byte) Weights {
	return NewWeights(kind, bytesReader(b), int64(len(b)))
}

// FloatWeights returns weights of kind Float32.
func FloatWeights(v []float32) Weights {
	return BytesWeights(Float32, tensor.Floats([]int{len(v)}, v).Packed())
}

// bytesReader is an io.ReaderAt over a slice, without a position.
type bytesReader []byte

func (b bytesReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Kind tells the payload field, 0 when there are no weights.
func (w Weights) Kind() WeightKind { return w.kind }

// Size is the number of payload bytes.
func (w Weights) Size() int64 { return w.size }

// Len is the number of values: exact for floats and int8 codes, and for Raw
// the greatest number of codes of that many bits that the bytes may hold.
func (w Weights) Len(bits int) int64 {
	switch w.kind {
	case Float32:
		return w.size / 4
	case Float16:
		return w.size / 2
	case Raw:
		if bits < 1 || bits > 8 {
			return 0
		}
		return w.size * 8 / int64(bits)
	}
	return w.size
}

// Bytes reads the payload. The caller may keep it, and must not change it.
func (w Weights) Bytes() ([]byte, error) {
	b := make([]byte, 0, w.size)
	err := w.pieces(func(src *source, off, end int64) error {
		n := len(b)
		b = b[:n+int(end-off)]
		return fault.InFile(readFull(src, b[n:], off), src.name)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// WriteTo writes the payload to out in small pieces.
func (w Weights) WriteTo(out io.Writer) (int64, error) {
	var written int64
	err := w.pieces(func(src *source, off, end int64) error {
		n, err := copyRange(out, src, off, end)
		written += n
		return err
	})
	return written, err
}

// copyRange copies a part of src. A source that ends early is an error.
func copyRange(out io.Writer, src *source, off, end int64) (int64, error) {
	n, err := io.Copy(out, io.NewSectionReader(src, off, end-off))
	if err == nil && n < end-off {
		err = fault.InFile(corrupt(off+n, "the file ends, %d bytes are missing: %w", end-off-n, io.ErrUnexpectedEOF), src.name)
	}
	return n, err
}

// pieces calls f with the places of the payload, in order.
func (w Weights) pieces(f func(src *source, off, end int64) error) error {
	switch {
	case w.parts != nil:
		for _, p := range w.parts {
			if err := p.pieces(f); err != nil {
				return err
			}
		}
		return nil
	case w.scattered == span{}:
		if w.size == 0 {
			return nil
		}
		return f(w.src, w.off, w.off+w.size)
	}
	win := newWindow(w.src, w.src.size)
	for off := w.scattered.off; off < w.scattered.end; {
		field, err := win.next(off, w.scattered.end, 1)
		if err != nil {
			return fault.InFile(err, w.src.name)
		}
		off = field.end
		if payloadKind(field) == Float32 && field.end > field.value {
			if err := f(w.src, field.value, field.end); err != nil {
				return err
			}
		}
	}
	return nil
}

// Values decodes all weights of a tensor of that shape. For the quantized
// kinds q is the message's quantization, whose scales and biases run along
// the axis given, or are one for all where axis is negative:
//
//	linear:  code·scale[c] + bias[c]
//	lookup:  table[code]
func (w Weights) Values(q *spec.QuantizationParams, shape []int, axis int) ([]float32, error) {
	n, err := tensor.CheckShape(shape)
	if err != nil {
		return nil, fault.New(fault.BadShape, "weights", "%w", err)
	}
	switch w.kind {
	case 0:
		if n > 0 {
			return nil, countError(shape, 0)
		}
		return []float32{}, nil
	case Float32, Float16:
		d := tensor.Float32
		if w.kind == Float16 {
			d = tensor.Float16
		}
		if w.size != int64(d.PackedSize(n)) {
			return nil, countError(shape, w.Len(0))
		}
		b, err := w.Bytes()
		if err != nil {
			return nil, err
		}
		t, err := tensor.FromPacked(d, shape, b)
		if err != nil {
			return nil, fault.New(fault.BadShape, "weights", "%w", err)
		}
		return t.F32(), nil
	}
	codes, err := w.Codes(q, shape)
	if err != nil {
		return nil, err
	}
	out := make([]float32, n)
	if q.HasLookupTableQuantization() && w.kind == Raw {
		table, err := lookupTable(q)
		if err != nil {
			return nil, err
		}
		for i, code := range codes {
			out[i] = table[code]
		}
		return out, nil
	}
	scale, bias, group, err := linear(w.kind, q, shape, axis)
	if err != nil {
		return nil, err
	}
	for first := 0; first < n; first += group {
		c := first / group % len(scale)
		to, scale, bias := out[first:first+group], scale[c], bias[c]
		for i, code := range codes[first : first+group] {
			v := float32(code)
			if w.kind == Int8Raw {
				v = float32(int8(code))
			}
			to[i] = v*scale + bias
		}
	}
	return out, nil
}

func countError(shape []int, have int64) error {
	return fault.New(fault.BadShape, "weights", "want %s = %d values, have %d", tensor.FormatShape(shape), tensor.Size(shape), have)
}

// Coded is Values as a tensor that is made from codes, for the quantized kinds.
// Where no zero makes up for a bias the elements are Values.
func (w Weights) Coded(q *spec.QuantizationParams, shape []int, axis int) (*tensor.Tensor, error) {
	codes, err := w.Codes(q, shape)
	if err != nil {
		return nil, err
	}
	c := &tensor.Codes{Data: codes, Bits: 8, Signed: w.kind == Int8Raw}
	if w.kind == Raw {
		c.Bits = int(q.GetNumberOfBits())
		c.Data = tensor.PackCodes(codes, c.Bits)
	}
	if q.HasLookupTableQuantization() && w.kind == Raw {
		if c.Table, err = lookupTable(q); err != nil {
			return nil, err
		}
		return tensor.FromCodes(tensor.Float32, shape, c)
	}
	scale, bias, group, err := linear(w.kind, q, shape, axis)
	if err != nil {
		return nil, err
	}
	c.Scale, c.Zero, c.Group = scale, make([]float32, len(scale)), group
	for i, b := range bias {
		if b == 0 {
			continue
		}
		if c.Zero[i] = -b / scale[i]; !(math.Abs(float64(c.Zero[i])) <= math.MaxFloat32) {
			values, err := w.Values(q, shape, axis)
			if err != nil {
				return nil, err
			}
			return tensor.Floats(shape, values), nil
		}
	}
	return tensor.FromCodes(tensor.Float32, shape, c)
}

// lookupTable returns a table that has an entry for every code.
func lookupTable(q *spec.QuantizationParams) ([]float32, error) {
	table := q.GetLookupTableQuantization().GetFloatValue()
	if bits := q.GetNumberOfBits(); len(table) != 1<<bits {
		return nil, fault.New(fault.BadShape, "weights", "lookup table: want %d values for %d bits, have %d", 1<<bits, bits, len(table))
	}
	return table, nil
}

// linear returns the scales and biases of a linear quantization, as many of
// both, and how many neighbouring elements of the shape have the same.
func linear(k WeightKind, q *spec.QuantizationParams, shape []int, axis int) (scale, bias []float32, group int, err error) {
	if !q.HasLinearQuantization() {
		return nil, nil, 0, fault.New(fault.BadValue, "weights", "%s without linear quantization or lookup table", k)
	}
	scale, bias = q.GetLinearQuantization().GetScale(), q.GetLinearQuantization().GetBias()
	channels, group := 1, max(tensor.Size(shape), 1)
	if axis >= 0 && len(scale) != 1 {
		if axis >= len(shape) {
			return nil, nil, 0, fault.New(fault.BadShape, "weights", "no axis %d in %s", axis, tensor.FormatShape(shape))
		}
		channels, group = shape[axis], max(tensor.Size(shape[axis+1:]), 1)
	}
	if len(scale) != channels || len(bias) != 0 && len(bias) != len(scale) {
		return nil, nil, 0, fault.New(fault.BadShape, "weights", "want 1 or %d scales and as many or no biases, have %d and %d", channels, len(scale), len(bias))
	}
	if len(bias) == 0 {
		bias = make([]float32, len(scale))
	}
	return scale, bias, group, nil
}

// Codes reads the codes of weights of a quantized kind and that shape, a byte
// for each; those of Int8Raw are int8. q is the message's quantization.
func (w Weights) Codes(q *spec.QuantizationParams, shape []int) ([]byte, error) {
	n, err := tensor.CheckShape(shape)
	if err != nil {
		return nil, fault.New(fault.BadShape, "weights", "%w", err)
	}
	bits := 8
	switch w.kind {
	case Raw:
		if b := q.GetNumberOfBits(); b < 1 || b > 8 {
			return nil, fault.New(fault.BadValue, "weights", "quantized to %d bits, want 1 to 8", b)
		}
		bits = int(q.GetNumberOfBits())
	case Int8Raw:
	default:
		return nil, fault.New(fault.BadValue, "weights", "not quantized")
	}
	if w.size < (int64(n)*int64(bits)+7)/8 || w.kind == Int8Raw && w.size != int64(n) {
		return nil, countError(shape, w.Len(bits))
	}
	b, err := w.Bytes()
	if err != nil || bits == 8 {
		return b[:min(n, len(b))], err
	}
	codes := make([]byte, n)
	eachCode(b, bits, n, func(i, code int) { codes[i] = byte(code) })
	return codes, nil
}

// eachCode calls f with n codes that lie one after the other in b, most
// significant bit first. b is long enough.
func eachCode(b []byte, bits, n int, f func(i, code int)) {
	acc, have := 0, 0
	for i := range n {
		if have < bits {
			acc = acc<<8 | int(b[0])
			b = b[1:]
			have += 8
		}
		have -= bits
		f(i, acc>>have)
		acc &= 1<<have - 1
	}
}

// Weights returns the payload of a WeightParams message of this model. It
// reads nothing but the message. The payload fields of messages that come
// from a file are always empty: this is the way to them. A payload field
// that the caller has filled counts before the file's.
func (m *Model) Weights(wp *spec.WeightParams) (Weights, error) {
	w, err := m.weights(wp)
	return w, fault.InFile(err, m.name)
}

func (m *Model) weights(wp *spec.WeightParams) (Weights, error) {
	if wp == nil {
		return Weights{}, nil
	}
	var found []Weights
	if v := wp.GetFloatValue(); len(v) > 0 {
		found = append(found, FloatWeights(v))
	}
	for kind, b := range map[WeightKind][]byte{Float16: wp.GetFloat16Value(), Raw: wp.GetRawValue(), Int8Raw: wp.GetInt8RawValue()} {
		if len(b) > 0 {
			found = append(found, BytesWeights(kind, b))
		}
	}
	if len(found) > 0 {
		return one(found)
	}
	found, err := m.marked(wp.ProtoReflect().GetUnknown())
	if err != nil {
		return Weights{}, err
	}
	// A message that occurs twice in a file is merged: lists grow, bytes are
	// replaced.
	if len(found) > 1 {
		last := found[len(found)-1]
		for _, w := range found {
			last.mixed = last.mixed || w.mixed || w.kind != last.kind
		}
		if !last.mixed && last.kind == Float32 {
			last = Weights{kind: Float32, parts: found}
			for _, w := range found {
				last.size += w.size
			}
		}
		found = []Weights{last}
	}
	return one(found)
}

func one(found []Weights) (Weights, error) {
	if len(found) == 0 {
		return Weights{}, nil
	}
	if len(found) > 1 || found[0].mixed {
		return Weights{}, fault.New(fault.Corrupt, "weights", "given in more than one way")
	}
	if found[0].size == 0 {
		return Weights{}, nil
	}
	return found[0], nil
}

// marked returns the weights whose markers stand in unknown.
func (m *Model) marked(unknown []byte) ([]Weights, error) {
	var found []Weights
	for len(unknown) > 0 {
		num, typ, n := protowire.ConsumeField(unknown)
		if n < 0 {
			return nil, fault.New(fault.Corrupt, "weights", "%w", protowire.ParseError(n))
		}
		if num == markerField && typ == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(unknown)
			b, _ := protowire.ConsumeBytes(unknown[tag:])
			id, run, ok := parseMarker(b)
			if !ok || id != m.id || run >= uint64(len(m.runs)) {
				return nil, fault.New(fault.BadValue, "weights", "they belong to another model: copy them with SetWeights")
			}
			found = append(found, m.runs[run])
		}
		unknown = unknown[n:]
	}
	return found, nil
}

// splitMarkers parts unknown fields into markers and others.
func splitMarkers(unknown []byte) (marked, rest []byte) {
	for len(unknown) > 0 {
		num, _, n := protowire.ConsumeField(unknown)
		if n < 0 {
			return marked, append(rest, unknown...)
		}
		if num == markerField {
			marked = append(marked, unknown[:n]...)
		} else {
			rest = append(rest, unknown[:n]...)
		}
		unknown = unknown[n:]
	}
	return marked, rest
}

// SetWeights replaces the payload of a WeightParams message; the zero
// Weights removes it. Quantization parameters are the caller's to set. The
// weights may come from another model, which must then stay open until this
// one is saved.
func (m *Model) SetWeights(wp *spec.WeightParams, w Weights) error {
	if w.kind == Float32 && w.size%4 != 0 || w.size > math.MaxInt32 || w.size < 0 {
		return fault.New(fault.BadShape, "weights", "%d bytes cannot be stored as %s", w.size, w.kind)
	}
	wp.SetFloatValue(nil)
	wp.SetFloat16Value(nil)
	wp.SetRawValue(nil)
	wp.SetInt8RawValue(nil)
	_, unknown := splitMarkers(wp.ProtoReflect().GetUnknown())
	if w.kind != 0 && w.size > 0 {
		unknown = appendMarker(unknown, m.id, len(m.runs))
		m.runs = append(m.runs, w)
	}
	wp.ProtoReflect().SetUnknown(unknown)
	return nil
}
