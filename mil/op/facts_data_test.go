//go:build fulldata

package op_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// fact is one version of an operator as the list of facts prints it.
type fact struct {
	args  []argument
	types map[string]string // the sets of element types of the letters, sorted
}

type argument struct {
	name, typ, def   string
	const_, optional bool
	values           string
}

var (
	headLine  = regexp.MustCompile(`^(\w+)  versions: (.+)  group: \w+$`)
	sinceLine = regexp.MustCompile(`^  iOS(\d+):$`)
	argLine   = regexp.MustCompile(`^    in (\w+): (\S+)( const)?( optional)?(?: default=(.+?))?(?: values=(\S+))?$`)
	typeLine  = regexp.MustCompile(`^    (\w+) = (.+)$`)
	extraLine = regexp.MustCompile(`^  (\w+) \(iOS(\d+)\): (.*)$`)
)

// facts reads the list: the operator versions by "name CoreMLn", and those
// that are only written into files with the names of their arguments.
func facts(t *testing.T) (versions map[string]*fact, written map[string][]string) {
	dir := os.Getenv("SMELT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	b, err := os.ReadFile(filepath.Join(dir, "..", "facts", "mil-ops.txt"))
	if err != nil {
		t.Fatal(err)
	}
	versions, written = map[string]*fact{}, map[string][]string{}
	var name, head string
	var promised int
	var f *fact
	for i, line := range strings.Split(string(b), "\n") {
		if m := headLine.FindStringSubmatch(line); m != nil {
			name = m[1]
			promised += strings.Count(m[2], ",") + 1
		} else if m := sinceLine.FindStringSubmatch(line); m != nil {
			f = &fact{types: map[string]string{}}
			versions[key(t, name, m[1])] = f
		} else if m := argLine.FindStringSubmatch(line); m != nil {
			f.args = append(f.args, argument{m[1], m[2], m[5], m[3] != "", m[4] != "", m[6]})
		} else if m := typeLine.FindStringSubmatch(line); m != nil {
			f.types[m[1]] = sorted(strings.Fields(m[2]))
		} else if m := extraLine.FindStringSubmatch(line); m != nil && name == "" {
			for _, arg := range regexp.MustCompile(`in (\w+):`).FindAllStringSubmatch(m[3], -1) {
				k := key(t, m[1], m[2])
				written[k] = append(written[k], arg[1])
			}
		} else if name == "" {
			head += line + "\n"
		} else if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "    out[") {
			t.Fatalf("mil-ops.txt:%d: cannot read %q", i+1, line)
		}
	}
	total := regexp.MustCompile(`(\d+) op versions`).FindStringSubmatch(head)
	if total == nil || total[1] != strconv.Itoa(len(versions)) || promised != len(versions) {
		t.Fatalf("mil-ops.txt: read %d op versions, the heads of the operators say %d, the head of the file %v", len(versions), promised, total)
	}
	return versions, written
}

func key(t *testing.T, name, ios string) string {
	n, err := strconv.Atoi(ios)
	if err != nil {
		t.Fatal(err)
	}
	return name + " " + (mil.IOS15 + mil.Opset(n-15)).String()
}

func sorted(names []string) string { return strings.Join(slices.Sorted(slices.Values(names)), " ") }

// TestFacts holds the table of operators against the list of facts: every
// version of every operator is there, with the same arguments, and no other.
func TestFacts(t *testing.T) {
	versions, written := facts(t)
	have := map[string]*op.Op{}
	for _, o := range op.All() {
		if !o.Internal {
			have[o.Name+" "+o.Since.String()] = o
		}
	}
	for _, k := range slices.Sorted(maps.Keys(versions)) {
		if o := have[k]; o == nil {
			t.Errorf("%s: is missing", k)
		} else {
			compareFact(t, k, versions[k], o)
		}
		delete(have, k)
	}
	for k, want := range written {
		o := have[k]
		if o == nil {
			t.Errorf("%s: is missing", k)
			continue
		}
		var names []string
		for _, p := range o.Params {
			names = append(names, p.Name)
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s: arguments %v, want %v", k, names, want)
		}
		delete(have, k)
	}
	for k := range have {
		t.Errorf("%s: is not in the list of facts", k)
	}
	t.Logf("%d operator versions, and %d that are only written", len(versions), len(written))
}

// compareFact compares one version's arguments.
func compareFact(t *testing.T, k string, f *fact, o *op.Op) {
	if want := o.Name == "const" || (strings.HasPrefix(o.Name, "constexpr_") && o.Since == mil.IOS16); o.Attributes != want {
		t.Errorf("%s: stored as attributes: %t, want %t", k, o.Attributes, want)
	}
	params := map[string]op.Param{}
	for _, p := range o.Params {
		params[p.Name] = p
	}
	if o.Name == "const" { // its value is no input, but an attribute
		if len(o.Params) != 1 || o.Params[0].Name != "val" {
			t.Errorf("%s: %v, want val alone", k, o.Params)
		}
		return
	}
	letters, back := map[string]string{}, map[string]string{}
	for _, a := range f.args {
		p, ok := params[a.name]
		if !ok {
			t.Errorf("%s: argument %q is missing", k, a.name)
			continue
		}
		delete(params, a.name)
		if p.Const != a.const_ || p.Optional != a.optional {
			t.Errorf("%s: %s: const %t, optional %t, want %t, %t", k, a.name, p.Const, p.Optional, a.const_, a.optional)
		}
		if p.List != (a.typ == "Tuple") {
			t.Errorf("%s: %s: list %t, the type is %s", k, a.name, p.List, a.typ)
		}
		want := f.wantTypes(a)
		if finer, ok := tupleTypes[o.Name+"."+a.name]; ok && a.typ == "Tuple" {
			want = finer
		}
		if have := haveTypes(o, p); have != want {
			t.Errorf("%s: %s: types %s, want %s", k, a.name, have, want)
		}
		if values := strings.Join(p.Values, "|"); values != a.values {
			t.Errorf("%s: %s: strings %s, want %s", k, a.name, values, a.values)
		}
		if p.Optional && a.optional && k+"."+a.name != listLength {
			if err := sameDefault(p, a); err != nil {
				t.Errorf("%s: %s: %v", k, a.name, err)
			}
		}
		// Arguments that share a letter here share one there.
		if _, isLetter := f.types[a.typ]; isLetter {
			if old, ok := letters[a.typ]; ok && old != p.Type {
				t.Errorf("%s: %s: letter %s, others of %s have %s", k, a.name, p.Type, a.typ, old)
			}
			if old, ok := back[p.Type]; ok && old != a.typ {
				t.Errorf("%s: %s: letter %s must not be shared by %s and %s", k, a.name, p.Type, old, a.typ)
			}
			letters[a.typ], back[p.Type] = p.Type, a.typ
		}
	}
	for name := range params {
		t.Errorf("%s: argument %q is not in the list of facts", k, name)
	}
}

// listLength is the one argument whose default no Go value can hold, as it
// need not be constant; TestListLength looks at what it does when it is absent.
const listLength = "make_list CoreML5.init_length"

func TestListLength(t *testing.T) {
	a := op.MakeList.Defaults()
	a.DynamicLength = false
	types, err := op.MakeList.Infer(&a)
	if err != nil || len(types) != 1 || types[0].Len != 1 {
		t.Errorf("%v, %v, want a list of one element", types, err)
	}
}

// tupleTypes are the element types in tuples, where an operator needs certain
// ones: the list of facts does not tell them.
var tupleTypes = map[string]string{"reshape_like.begins": "int32", "reshape_like.ends": "int32", "reshape_like.end_masks": "bool"}

// wantTypes is the set of element types of an argument; "any" for what is not
// a tensor, or not always one.
func (f *fact) wantTypes(a argument) string {
	if set, ok := f.types[a.typ]; ok {
		return set
	}
	if set, ok := strings.CutPrefix(a.typ, "{"); ok {
		return strings.TrimSuffix(set, "}")
	}
	return "any"
}

func haveTypes(o *op.Op, p op.Param) string {
	set, ok := o.Types[p.Type]
	if !ok {
		return p.Type
	}
	var names []string
	for _, d := range set {
		names = append(names, d.String())
	}
	return sorted(names)
}

// sameDefault compares the default of an optional argument. One that follows
// from other arguments, or that is none, is an absent Go value.
func sameDefault(p op.Param, a argument) error {
	v := reflect.ValueOf(p.Default)
	absent := v.IsZero() && (p.OmitZero || v.Kind() == reflect.Slice || v.Kind() == reflect.Pointer || v.Kind() == reflect.String)
	have := fmt.Sprint(p.Default)
	switch d := p.Default.(type) {
	case string:
		have = strconv.Quote(d)
	case *tensor.Tensor:
		if d != nil && d.Len() == 1 {
			have = fmt.Sprint(d.Float64s()[0])
		}
	}
	derived := a.def == "" || a.def == "none" || strings.ContainsAny(a.def, "[(")
	if derived != absent {
		return fmt.Errorf("default %s (absent: %t), want %q", have, absent, a.def)
	}
	if derived || have == a.def {
		return nil
	}
	want, err := strconv.ParseFloat(a.def, 32)
	if err != nil {
		return fmt.Errorf("default %s, want %s", have, a.def)
	}
	if x, err := strconv.ParseFloat(have, 32); err != nil || float32(x) != float32(want) {
		return fmt.Errorf("default %s, want %s", have, a.def)
	}
	return nil
}
