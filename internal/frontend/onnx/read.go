package onnx

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
)

// Bounds against hostile files.
const (
	maxRank    = 32
	maxNesting = 32      // graphs in graphs and functions in functions
	maxLowered = 1 << 18 // nodes lowered, those of functions each time they are called
	maxDepth   = 400     // messages in messages
	maxProto   = 1 << 28 // bytes of a file beside its weights
)

// The fields on the way to a weight's payload.
const (
	fieldGraph       = 7 // of ModelProto
	fieldInitializer = 5 // of GraphProto
	fieldSegment     = 3 // of TensorProto
	fieldRaw         = 9
	smallRaw         = 256 // bytes that may as well be copied
)

// parse decodes a model. The payloads of the graph's initializers are not
// copied: they are returned as parts of b, and each tensor's segment, a field
// that no reader or writer of whole tensors uses, tells which is its own.
func parse(b []byte) (*onnxpb.ModelProto, [][]byte, error) {
	c := &cutter{}
	small, err := c.message(b, fieldGraph, func(b []byte) ([]byte, error) {
		return c.message(b, fieldInitializer, c.tensor)
	})
	if err != nil {
		return nil, nil, err
	}
	if len(small) > maxProto {
		return nil, nil, fault.New(fault.Limit, "", "%d bytes beside the weights", len(small))
	}
	m := new(onnxpb.ModelProto)
	if err := (proto.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(small, m); err != nil {
		return nil, nil, fault.New(fault.Corrupt, "", "no ONNX model: %w", err)
	}
	return m, c.blobs, nil
}

type cutter struct {
	blobs [][]byte
}

// message copies a message, with every occurrence of one of its fields
// rewritten by f.
func (c *cutter) message(b []byte, field protowire.Number, f func([]byte) ([]byte, error)) ([]byte, error) {
	var out []byte
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeField(b)
		if n < 0 {
			return nil, fault.New(fault.Corrupt, "", "no ONNX model: %w", protowire.ParseError(n))
		}
		if num != field || typ != protowire.BytesType {
			out = append(out, b[:n]...)
			b = b[n:]
			continue
		}
		_, _, tag := protowire.ConsumeTag(b)
		part, _ := protowire.ConsumeBytes(b[tag:])
		part, err := f(part)
		if err != nil {
			return nil, err
		}
		out = protowire.AppendTag(out, field, protowire.BytesType)
		out = protowire.AppendBytes(out, part)
		b = b[n:]
	}
	return out, nil
}

// tensor copies a TensorProto without a large payload.
func (c *cutter) tensor(b []byte) ([]byte, error) {
	var out, raw []byte
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeField(b)
		if n < 0 {
			return nil, fault.New(fault.Corrupt, "", "no ONNX model: initializer: %w", protowire.ParseError(n))
		}
		switch {
		case num == fieldSegment:
		case num == fieldRaw && typ == protowire.BytesType:
			_, _, tag := protowire.ConsumeTag(b)
			raw, _ = protowire.ConsumeBytes(b[tag:])
		default:
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	switch {
	case raw == nil:
	case len(raw) <= smallRaw:
		out = protowire.AppendTag(out, fieldRaw, protowire.BytesType)
		out = protowire.AppendBytes(out, raw)
	default:
		var segment []byte
		segment = protowire.AppendTag(segment, 1, protowire.VarintType)
		segment = protowire.AppendVarint(segment, uint64(len(c.blobs)))
		out = protowire.AppendTag(out, fieldSegment, protowire.BytesType)
		out = protowire.AppendBytes(out, segment)
		c.blobs = append(c.blobs, slices.Clip(raw))
	}
	return out, nil
}

// domainName brings the two names of ONNX's own domain together.
func domainName(domain string) string {
	if domain == "ai.onnx" {
		return ""
	}
	return domain
}

// newest is the last version of ONNX's own operators that the rules know.
const newest = 28

// opsets reads the imports of a model or a function.
func opsets(imports []*onnxpb.OperatorSetIdProto) (map[string]int, error) {
	out := map[string]int{}
	for _, im := range imports {
		domain := domainName(im.GetDomain())
		v := im.GetVersion()
		if domain == "" && (v < 1 || v > newest) {
			return nil, fault.New(fault.Unsupported, "", "operator set %d, want 1 to %d", v, newest)
		}
		out[domain] = int(max(0, min(v, 1<<30)))
	}
	return out, nil
}

// opName is how operators are called in tables and messages.
func opName(domain, op string) string {
	if domain = domainName(domain); domain == "" {
		return op
	}
	return fmt.Sprintf("%s::%s", domain, op)
}
