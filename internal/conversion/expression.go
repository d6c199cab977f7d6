package conversion

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// expression is a dimension of an output, computed from integers, dimensions of
// inputs x.1, attributes $size and elements of them $sizes.1, with + - * /, the
// last of which rounds down, and parentheses. An index below 0 counts from the
// end; ? is a dimension that is only known when the model runs.
type expression struct {
	text string
	eval func(e *scope) int
}

// scope is what an expression is computed from. Its first error sticks.
type scope struct {
	node   *Node
	values map[string]*mil.Value
	err    error
}

func (e *scope) fail(format string, args ...any) int {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
	return 0
}

// far is beyond all sizes; no arithmetic on numbers below it overflows.
const far = 1 << 31

// size computes a dimension, negative where it is not known.
func (x expression) size(n *Node, values map[string]*mil.Value) (int, error) {
	e := &scope{node: n, values: values}
	d := x.eval(e)
	if e.err == nil && d < 0 && !isOpen(d) {
		e.fail("is %d", d)
	}
	if isOpen(d) {
		d = mil.Unknown - (d + 2*far) // back from the open numbers
	}
	return d, e.err
}

// Open dimensions stand apart from numbers: symbol s as -2·far - (s + 1).
func isOpen(d int) bool { return d < -far }

func opened(d int) int { return -2*far - (d - mil.Unknown) }

// readOutput reads the type of an output: the name of an input, or a mapping.
func readOutput(n *yaml.Node) (outputType, error) {
	var o outputType
	if n = resolved(n); n.Kind == yaml.ScalarNode {
		return o, text(&o.like)(n)
	}
	err := fields(n, map[string]reader{
		"like": text(&o.like),
		"type": func(n *yaml.Node) error {
			var name string
			if err := text(&name)(n); err != nil {
				return err
			}
			d, err := tensor.ParseDType(name)
			if err != nil {
				return wrong(n, "%w", err)
			}
			o.dtype = d
			return nil
		},
		"shape": func(n *yaml.Node) error {
			o.shape = []expression{}
			return items(n, func(n *yaml.Node) error {
				var s string
				if err := text(&s)(n); err != nil {
					return err
				}
				e, err := parseExpression(s)
				if err != nil {
					return wrong(n, "%w", err)
				}
				o.shape = append(o.shape, e)
				return nil
			})
		},
	})
	if err == nil && o.like == "" && o.shape == nil {
		err = wrong(n, "want like or shape")
	}
	return o, err
}

// parseExpression reads a dimension.
func parseExpression(s string) (expression, error) {
	p := &expressionParser{s: s}
	if p.skip(); p.s == "?" {
		return expression{s, func(*scope) int { return opened(mil.Unknown) }}, nil
	}
	f := p.sum(0)
	if p.skip(); p.err == nil && p.s != "" {
		p.fail()
	}
	if p.err != nil {
		return expression{}, fmt.Errorf("%q: %w", s, p.err)
	}
	return expression{s, f}, nil
}

type expressionParser struct {
	s   string // what is left
	err error
}

func (p *expressionParser) fail() {
	if p.err == nil {
		p.err = errors.New("want a number, input.0, $attribute or an expression of these")
		if p.s != "" {
			p.err = fmt.Errorf("%w, have %q", p.err, p.s)
		}
	}
}

func (p *expressionParser) skip() {
	for p.s != "" && p.s[0] == ' ' {
		p.s = p.s[1:]
	}
}

// take takes one of some signs, 0 if none comes.
func (p *expressionParser) take(signs string) byte {
	p.skip()
	for i := range len(signs) {
		if p.s != "" && p.s[0] == signs[i] {
			p.s = p.s[1:]
			return signs[i]
		}
	}
	return 0
}

type evaluator = func(e *scope) int

// combined is a node of the expression. Arithmetic on an open dimension gives one
// of which nothing is known.
func combined(sign byte, a, b evaluator) evaluator {
	return func(e *scope) int {
		x, y := a(e), b(e)
		if isOpen(x) || isOpen(y) {
			return opened(mil.Unknown)
		}
		switch sign {
		case '+':
			x += y
		case '-':
			x -= y
		case '*':
			x *= y
		default:
			if y == 0 {
				return e.fail("divides by 0")
			}
			q := x / y
			if x%y != 0 && (x < 0) != (y < 0) {
				q--
			}
			x = q
		}
		if x > far || x < -far {
			return e.fail("is too large")
		}
		return x
	}
}

func (p *expressionParser) sum(depth int) evaluator {
	f := p.product(depth)
	for {
		sign := p.take("+-")
		if sign == 0 || p.err != nil {
			return f
		}
		f = combined(sign, f, p.product(depth))
	}
}

func (p *expressionParser) product(depth int) evaluator {
	f := p.unit(depth)
	for {
		sign := p.take("*/")
		if sign == 0 || p.err != nil {
			return f
		}
		f = combined(sign, f, p.unit(depth))
	}
}

func none(*scope) int { return 0 }

// number reads an integer, with a sign where one may come.
func (p *expressionParser) number(signed bool) int {
	p.skip()
	end := 0
	if signed && p.s != "" && p.s[0] == '-' {
		end = 1
	}
	for end < len(p.s) && p.s[end] >= '0' && p.s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(p.s[:end], 10, 32)
	if err != nil {
		p.fail()
		return 0
	}
	p.s = p.s[end:]
	return int(n)
}

func (p *expressionParser) name() string {
	end := 0
	for end < len(p.s) && isName("_"+p.s[end:end+1]) {
		end++
	}
	name := p.s[:end]
	p.s = p.s[end:]
	if !isName(name) {
		p.fail()
	}
	return name
}

// index reads .2, if it comes.
func (p *expressionParser) index() (int, bool) {
	if !strings.HasPrefix(p.s, ".") {
		return 0, false
	}
	p.s = p.s[1:]
	if strings.HasPrefix(p.s, " ") {
		p.fail()
	}
	return p.number(true), true
}

func (p *expressionParser) unit(depth int) evaluator {
	const deepest = 20
	p.skip()
	if p.s == "" || depth > deepest || p.err != nil {
		p.fail()
		return none
	}
	switch c := p.s[0]; {
	case c >= '0' && c <= '9':
		n := p.number(false)
		return func(*scope) int { return n }
	case p.take("(") != 0:
		f := p.sum(depth + 1)
		if p.take(")") == 0 {
			p.fail()
		}
		return f
	case p.take("-") != 0:
		return combined('-', none, p.unit(depth+1))
	case p.take("$") != 0:
		name := p.name()
		i, indexed := p.index()
		return func(e *scope) int { return e.attribute(name, i, indexed) }
	}
	name := p.name()
	i, indexed := p.index()
	if !indexed {
		p.fail()
	}
	return func(e *scope) int { return e.dimension(name, i) }
}

func (e *scope) attribute(name string, i int, indexed bool) int {
	v, err := e.node.attribute(name)
	if err != nil {
		return e.fail("%w", err)
	}
	n, ok := v.(int64)
	if list, isList := v.([]int64); isList && indexed && i < len(list) && i >= -len(list) {
		n, ok = list[(i+len(list))%len(list)], true
	} else if indexed {
		ok = false
	}
	if !ok {
		return e.fail("attribute %q is %v", name, v)
	}
	if n > far || n < -far {
		return e.fail("is too large")
	}
	return int(n)
}

func (e *scope) dimension(name string, i int) int {
	v := e.values[name]
	if v == nil {
		return e.fail("the node has no input %q", name)
	}
	if v.Type.AnyRank {
		return opened(mil.Unknown)
	}
	r := v.Type.Rank()
	if i < -r || i >= r {
		return e.fail("input %q has rank %d", name, r)
	}
	d := v.Type.Shape[(i+r)%r]
	if d < 0 {
		return opened(d)
	}
	return d
}
