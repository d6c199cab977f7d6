package mil

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/tensor"
)

// Opset is a version of the operator set, named by the Core ML release that
// introduced it.
type Opset uint8

// The opsets, oldest first. ML Programs exist since IOS15.
const (
	IOS13 Opset = 3 + iota
	IOS14
	IOS15
	IOS16
	IOS17
	IOS18
	IOS26
)

// String returns the name that files use: "CoreML5" for IOS15.
func (o Opset) String() string { return fmt.Sprintf("CoreML%d", uint8(o)) }

// ParseOpset reads the name that files use.
func ParseOpset(s string) (Opset, error) {
	for o := IOS13; o <= IOS26; o++ {
		if s == o.String() {
			return o, nil
		}
	}
	return 0, fmt.Errorf("opset %q is not one of CoreML3 … CoreML9", s)
}

// Unknown is a dimension whose size is only known when the program runs.
// Dimensions below it are symbols: equal ones have equal sizes.
const Unknown = -1

// Kind says what sort of value a Type describes.
type Kind uint8

// The kinds of values.
const (
	Tensor Kind = iota
	List        // a list of tensors of type Elem
	Dict        // class probabilities: keys of type Key, values of type Elem
	Tuple
	State // a tensor of type Elem that outlives a prediction
)

// Type is the type of a value: for a Tensor its element type and shape.
type Type struct {
	Kind    Kind
	DType   tensor.DType
	Shape   []int // a negative dimension is unknown, see Unknown
	AnyRank bool  // Shape says nothing
	Elem    *Type
	Key     *Type
	Len     int // of a List; Unknown when it can grow
}

// TensorType returns the type of a tensor.
func TensorType(d tensor.DType, shape ...int) Type { return Type{DType: d, Shape: shape} }

// TypeOf returns the type of a given tensor.
func TypeOf(t *tensor.Tensor) Type { return Type{DType: t.DType(), Shape: t.Shape()} }

// Rank returns the number of dimensions.
func (t Type) Rank() int { return len(t.Shape) }

// IsStatic tells a tensor whose every dimension is known.
func (t Type) IsStatic() bool {
	return t.Kind == Tensor && !t.AnyRank && !slices.ContainsFunc(t.Shape, func(d int) bool { return d < 0 })
}

// Equal tells whether two types are the same.
func (t Type) Equal(u Type) bool {
	return t.Kind == u.Kind && t.DType == u.DType && slices.Equal(t.Shape, u.Shape) && t.AnyRank == u.AnyRank &&
		t.Len == u.Len && equalPtr(t.Elem, u.Elem) && equalPtr(t.Key, u.Key)
}

func equalPtr(a, b *Type) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// String writes the type as MIL text does: tensor<fp32, [1, 3, ?]>.
func (t Type) String() string {
	switch t.Kind {
	case List:
		n := "?"
		if t.Len >= 0 {
			n = fmt.Sprint(t.Len)
		}
		return fmt.Sprintf("list<%s, %s>", t.Elem, n)
	case Dict:
		return fmt.Sprintf("dict<%s, %s>", t.Key, t.Elem)
	case State:
		return fmt.Sprintf("state<%s>", t.Elem)
	case Tuple:
		return "tuple"
	}
	if t.AnyRank {
		return fmt.Sprintf("tensor<%s, ...>", t.DType)
	}
	if len(t.Shape) == 0 {
		return t.DType.String()
	}
	return fmt.Sprintf("tensor<%s, %s>", t.DType, FormatDims(t.Shape))
}

// FormatDims writes dimensions as [1, 3, ?]; a symbol -3 is written s3.
func FormatDims(shape []int) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		switch {
		case d >= 0:
			parts[i] = fmt.Sprint(d)
		case d == Unknown:
			parts[i] = "?"
		default:
			parts[i] = fmt.Sprintf("s%d", -d)
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// Broadcast returns the shape of an elementwise result by NumPy's rules. An
// unknown dimension against one greater than 1 gives that one.
func Broadcast(a, b []int) ([]int, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i := range b {
		j := len(a) - len(b) + i
		switch x, y := a[j], b[i]; {
		case x == y || y == 1:
		case x == 1:
			out[j] = y
		case x < 0 && y < 0:
			out[j] = Unknown
		case x < 0:
			out[j] = y
		case y < 0:
		default:
			return nil, fmt.Errorf("shapes %s and %s do not broadcast", FormatDims(a), FormatDims(b))
		}
	}
	return out, nil
}
