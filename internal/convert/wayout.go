package convert

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/backend/neuralnetwork"
	write "github.com/smelt-ml/smelt/internal/backend/onnx"
	"github.com/smelt-ml/smelt/internal/conversion"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

// Custom is the Partial of Options that makes custom layers.
const Custom = "custom"

// readConversions reads the files of conversions. What is there already stays, and
// an earlier file comes before a later one.
func (o *Options) readConversions() error {
	all := maps.Clone(o.Conversions)
	if all == nil {
		all = map[string]conversion.Func{}
	}
	for _, path := range o.ConversionFiles {
		read, err := conversion.ReadFile(path)
		if err != nil {
			return err
		}
		for name, f := range read {
			if all[name] == nil {
				all[name] = f
			}
		}
	}
	o.Conversions = all
	return nil
}

// unsupported lists what an error says that cannot be read or written, with the
// nearest way out.
func unsupported(err error, o Options) []mlprogram.Problem {
	if list := classicalProblems(err, o.in); list != nil {
		return list
	}
	var u *mlprogram.UnsupportedError
	problems := unread(err)
	if errors.As(err, &u) {
		problems = slices.Clone(u.Problems)
	}
	var n *neuralnetwork.UnsupportedError
	if errors.As(err, &n) {
		problems = slices.Clone(n.Problems)
	}
	var x *write.UnsupportedError
	if errors.As(err, &x) {
		problems = slices.Clone(x.Problems)
	}
	for i := range problems {
		p := &problems[i]
		if p.Names == nil {
			p.Names = []string{p.Where}
		}
		if p.WayOut == "" {
			p.WayOut = wayOut(p, o)
		}
	}
	return problems
}

// Ways out that serve any operator.
const (
	byPartial = "--partial custom makes a custom layer of it"
	byFile    = "a file of --conversions says what becomes of it, or " + byPartial
)

// wayOutOfONNX is what helps with ONNX nodes that have no conversion: the same
// operator under another name, one of MIL, or what always does.
func wayOutOfONNX(p onnx.Problem) string {
	switch {
	case p.Shapeless:
		return "\"outputs:\" of that layer in a file of --conversions, or shape inference by the exporter"
	case p.Known && strings.Contains(p.Reason, "only known when"):
		return "fixed input shapes (--shape) make more known; " + byFile
	case p.Known:
		return byFile
	}
	if as := similar(p.Domain, p.Op, onnx.Operators()); as != "" {
		return fmt.Sprintf("if it is %s, which has a conversion: \"as: %s\" in a file of --conversions", as, as)
	}
	if _, err := op.For(snake(p.Op), mil.IOS18); err == nil {
		return fmt.Sprintf("MIL has %s: \"mil:\" in a file of --conversions can use it", snake(p.Op))
	}
	return byFile
}

// wayOut is what helps with operations that cannot be written.
func wayOut(p *mlprogram.Problem, o Options) string {
	if later, ok := strings.CutPrefix(p.Reason[max(0, strings.LastIndex(p.Reason, "since ")):], "since iOS "); ok && o.Target != 0 && strings.Contains(p.Reason, "exist") {
		return "--target ios" + later
	}
	if strings.Contains(p.Reason, "only known when") {
		return "fixed input shapes (--shape) may make it known"
	}
	return "the source without it, or with a conversion of its own (--conversions)"
}

// similar finds the operator that a name most likely means: one of that name in
// another domain, or in a well-known domain one that is written almost so.
func similar(domain, name string, known []string) string {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	want, best, least := plain(name), "", 2
	for _, k := range known { // those of ONNX itself come first
		of, bare, ok := strings.Cut(k, "::")
		if !ok {
			of, bare = "", k
		}
		d := distance(want, plain(bare))
		if d == 0 || of == domain && len(want) > 4 {
			if d < least {
				best, least = k, d
			}
		}
	}
	return best
}

// distance is the number of letters that differ, 2 standing for more.
func distance(a, b string) int {
	if a == b {
		return 0
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	x, y := a[i:], b[i:]
	switch {
	case len(x) == len(y) && x[1:] == y[1:], len(x) == len(y)+1 && x[1:] == y, len(y) == len(x)+1 && y[1:] == x:
		return 1
	case len(x) == len(y) && len(x) > 1 && x[0] == y[1] && x[1] == y[0] && x[2:] == y[2:]: // two letters swapped
		return 1
	}
	return 2
}

// snake is a name as MIL writes it: LeakyRelu is leaky_relu.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
