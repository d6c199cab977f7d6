package mlprogram

import (
	"fmt"
	"strings"

	"github.com/smelt-ml/smelt/mil"
)

// names gives the values and operations of a function names that MIL accepts,
// [A-Za-z_][A-Za-z0-9_]*, each only once.
type names struct {
	values map[*mil.Value]string
	taken  taken
	ops    taken
}

// taken are the names in use, each with the number that another one of it
// begins to look for a free one.
type taken map[string]int

// reserved are words of MIL's text form.
var reserved = map[string]bool{}

func init() {
	for w := range strings.FieldsSeq("any bool program func tensor list dict tuple true false string state " +
		"bf16 fp16 fp32 fp64 int4 int8 int16 int32 int64 uint1 uint2 uint3 uint4 uint6 uint8 uint16 uint32 uint64") {
		reserved[w] = true
	}
}

func newNames() *names {
	return &names{values: map[*mil.Value]string{}, taken: taken{}, ops: taken{}}
}

// Identifier returns name with what MIL does not accept in it replaced by
// underscores.
func Identifier(name string) string { return identifier(name, "var_") }

func identifier(name, prefix string) string {
	name = strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
	switch {
	case name == "":
		return strings.TrimSuffix(prefix, "_")
	case name[0] >= '0' && name[0] <= '9':
		return prefix + name
	case reserved[name]:
		return name + "_"
	}
	return name
}

// unique returns base, with a number if it is taken.
func (t taken) unique(base string) string {
	name := base
	for t[name] > 0 {
		name = fmt.Sprintf("%s_%d", base, t[base])
		t[base]++
	}
	t[name] = 1
	return name
}

// fix gives a value exactly this name.
func (n *names) fix(v *mil.Value, name string) {
	n.values[v] = name
	n.taken[name] = 1
}

// value names a value, the first time by its own name.
func (n *names) value(v *mil.Value) string {
	if name, ok := n.values[v]; ok {
		return name
	}
	name := n.taken.unique(identifier(v.Name, "var_"))
	n.values[v] = name
	return name
}

// fresh returns a new value name.
func (n *names) fresh(base string) string { return n.taken.unique(identifier(base, "var_")) }

// op names an operation.
func (n *names) op(name string) string { return n.ops.unique(identifier(name, "op_")) }
