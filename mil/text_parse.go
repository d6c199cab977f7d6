package mil

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/smelt-ml/smelt/tensor"
)

// TextError tells where a text is wrong, and why.
type TextError struct {
	Pos Pos
	Err error
}

func (e *TextError) Error() string { return fmt.Sprintf("%s: %v", e.Pos, e.Err) }
func (e *TextError) Unwrap() error { return e.Err }

// ParseText reads a text. Its errors are of type *TextError.
func ParseText(src string) (t *Text, err error) {
	p := &textParser{src: src, pos: Pos{1, 1}}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *TextError:
			t, err = nil, e
		default:
			panic(e)
		}
	}()
	return p.text(), nil
}

// textParser reads a text. It panics with a *TextError, which ParseText returns.
type textParser struct {
	src string
	at  int
	pos Pos
}

func (p *textParser) fail(pos Pos, format string, args ...any) {
	panic(&TextError{pos, fmt.Errorf(format, args...)})
}

// next moves by one byte.
func (p *textParser) next() {
	if p.src[p.at] == '\n' {
		p.pos = Pos{p.pos.Line + 1, 1}
	} else {
		p.pos.Column++
	}
	p.at++
}

// space skips blanks, ends of lines and comments.
func (p *textParser) space() {
	for p.at < len(p.src) {
		switch p.src[p.at] {
		case ' ', '\t', '\r', '\n':
			p.next()
		case '#':
			for p.at < len(p.src) && p.src[p.at] != '\n' {
				p.next()
			}
		default:
			return
		}
	}
}

// peek returns the next byte that counts, 0 at the end.
func (p *textParser) peek() byte {
	p.space()
	if p.at == len(p.src) {
		return 0
	}
	return p.src[p.at]
}

// more tells whether something comes.
func (p *textParser) more() bool {
	p.space()
	return p.at < len(p.src)
}

// take skips a mark if it comes next.
func (p *textParser) take(mark string) bool {
	p.space()
	if !strings.HasPrefix(p.src[p.at:], mark) {
		return false
	}
	for range len(mark) {
		p.next()
	}
	return true
}

func (p *textParser) expect(mark, where string) {
	if !p.take(mark) {
		p.fail(p.pos, "want %q %s, have %s", mark, where, p.found())
	}
}

// found describes what comes next.
func (p *textParser) found() string {
	if !p.more() {
		return "the end"
	}
	rest := p.src[p.at:]
	if i := strings.IndexAny(rest, " \t\r\n"); i > 0 {
		rest = rest[:i]
	}
	return strconv.Quote(rest[:min(len(rest), 20)])
}

// word reads letters, digits, _ and . which may be none.
func (p *textParser) word() string {
	p.space()
	start := p.at
	for p.at < len(p.src) && isNameByte(p.src[p.at]) {
		p.next()
	}
	return p.src[start:p.at]
}

// name reads a name, quoted or not.
func (p *textParser) name(what string) string {
	if p.at < len(p.src) && p.src[p.at] == '"' {
		return p.quoted()
	}
	start := p.at
	for p.at < len(p.src) && isNameByte(p.src[p.at]) {
		p.next()
	}
	if start == p.at {
		p.fail(p.pos, "want %s, have %s", what, p.found())
	}
	return p.src[start:p.at]
}

// quoted reads a string.
func (p *textParser) quoted() string {
	pos, start := p.pos, p.at
	p.next()
	for {
		if p.at == len(p.src) || p.src[p.at] == '\n' {
			p.fail(pos, "the string has no end")
		}
		c := p.src[p.at]
		p.next()
		if c == '"' {
			break
		}
		if c == '\\' && p.at < len(p.src) && p.src[p.at] != '\n' {
			p.next()
		}
	}
	s, err := strconv.Unquote(p.src[start:p.at])
	if err != nil {
		p.fail(pos, "%s is no string", p.src[start:p.at])
	}
	return s
}

func (p *textParser) text() *Text {
	t := &Text{}
	for p.more() {
		if !p.take("->") {
			t.Lines = append(t.Lines, p.line())
			continue
		}
		p.expect("(", "behind the arrow")
		t.Results = []Operand{}
		for !p.take(")") {
			if len(t.Results) > 0 {
				p.expect(",", "between results")
			}
			pos := p.posNext()
			o := p.operand()
			if _, ok := o.(Sequence); ok {
				p.fail(pos, "a list is no result")
			}
			t.Results = append(t.Results, o)
		}
		if p.more() {
			p.fail(p.pos, "want the end behind the results, have %s", p.found())
		}
	}
	return t
}

// posNext is the place of what comes next.
func (p *textParser) posNext() Pos {
	p.space()
	return p.pos
}

func (p *textParser) line() Line {
	l := Line{Pos: p.posNext()}
	for p.take("%") {
		r := Result{Name: p.name("a name behind %")}
		if p.take(":") {
			t := p.typ()
			r.Type = &t
		}
		l.Results = append(l.Results, r)
		if !p.take(",") {
			p.expect("=", "behind the results")
			break
		}
		if p.peek() != '%' {
			p.fail(p.pos, "want a result, %%name, have %s", p.found())
		}
	}
	pos := p.posNext()
	if l.Op = p.word(); l.Op == "" {
		p.fail(pos, "want the name of an operator, have %s", p.found())
	}
	p.expect("(", "behind the operator "+l.Op)
	for !p.take(")") {
		if len(l.Args) > 0 {
			p.expect(",", "between arguments")
		}
		a := Argument{Pos: p.posNext()}
		if a.Name = p.word(); a.Name == "" {
			p.fail(a.Pos, "want the name of an argument, have %s", p.found())
		}
		for _, other := range l.Args {
			if other.Name == a.Name {
				p.fail(a.Pos, "the argument %s is given twice", a.Name)
			}
		}
		p.expect("=", "behind the argument "+a.Name)
		a.Value = p.operand()
		l.Args = append(l.Args, a)
	}
	return l
}

func (p *textParser) operand() Operand {
	switch c := p.peek(); c {
	case '(', '[':
		p.next()
		return p.sequence(map[byte]string{'(': ")", '[': "]"}[c])
	}
	return p.single()
}

// sequence reads a list up to its end. Lists are not nested.
func (p *textParser) sequence(end string) Sequence {
	s := Sequence{}
	for !p.take(end) {
		if len(s) > 0 {
			p.expect(",", "in a list")
		}
		s = append(s, p.single())
	}
	return s
}

func (p *textParser) single() Operand {
	switch c := p.peek(); {
	case c == '%':
		p.next()
		return Ref(p.name("a name behind %"))
	case c == '$':
		p.next()
		return Outer(p.name("a name behind $"))
	case c >= 'a' && c <= 'z':
		mark, pos := p.at, p.pos
		switch p.word() {
		case "true", "false", "inf", "nan":
			p.at, p.pos = mark, pos
			return p.literal()
		}
		p.at, p.pos = mark, pos
		return p.typed()
	}
	return p.literal()
}

// literal reads a number, a truth value or a string.
func (p *textParser) literal() Literal {
	if p.peek() == '"' {
		return Literal{p.quoted()}
	}
	pos, start := p.pos, p.at
	for p.at < len(p.src) && (isNameByte(p.src[p.at]) || p.src[p.at] == '-' || p.src[p.at] == '+') {
		p.next()
	}
	switch word := p.src[start:p.at]; word {
	case "true", "false":
		return Literal{word == "true"}
	case "":
		p.fail(pos, "want a value or a constant, have %s", p.found())
	default:
		if n, err := strconv.ParseInt(word, 10, 64); err == nil {
			return Literal{n}
		}
		if f, err := strconv.ParseFloat(word, 64); err == nil && !strings.Contains(word, "_") {
			return Literal{f}
		}
		p.fail(pos, "%s is neither a number nor %%name, $name, true, false or a string", word)
	}
	return Literal{}
}

// typed reads a constant with its type.
func (p *textParser) typed() Typed {
	pos := p.pos
	t := Typed{Type: p.typ()}
	p.expect("(", "behind the type of a constant")
	switch {
	case p.take("..."):
		p.fail(pos, "the elements of a constant are left out")
	case p.take("["):
		t.Elems = []Literal{}
		for !p.take("]") {
			if len(t.Elems) > 0 {
				p.expect(",", "between elements")
			}
			t.Elems = append(t.Elems, p.literal())
		}
	default:
		t.Elems = []Literal{p.literal()}
	}
	p.expect(")", "behind a constant")
	if _, err := t.Tensor(); err != nil {
		p.fail(pos, "%w", err)
	}
	return t
}

// typ reads the type of a tensor.
func (p *textParser) typ() Type {
	pos := p.posNext()
	word := p.word()
	if word != "tensor" {
		return Type{DType: p.dtype(pos, word)}
	}
	p.expect("<", "behind tensor")
	at := p.posNext()
	t := Type{DType: p.dtype(at, p.word())}
	p.expect(",", "behind the element type")
	if p.take("...") {
		t.AnyRank = true
		p.expect(">", "at the end of a type")
		return t
	}
	p.expect("[", "before dimensions")
	for !p.take("]") {
		if len(t.Shape) > 0 {
			p.expect(",", "between dimensions")
		}
		t.Shape = append(t.Shape, p.dimension())
	}
	p.expect(">", "at the end of a type")
	return t
}

func (p *textParser) dtype(pos Pos, word string) tensor.DType {
	d, err := tensor.ParseDType(word)
	if err != nil || d == tensor.Invalid {
		p.fail(pos, "%q is no type of a tensor", word)
	}
	return d
}

// dimension reads a size, ? or a symbol, s2.
func (p *textParser) dimension() int {
	if p.take("?") {
		return Unknown
	}
	pos := p.posNext()
	word := p.word()
	digits, symbol := strings.CutPrefix(word, "s")
	n, err := strconv.ParseUint(digits, 10, 31)
	switch {
	case err != nil, symbol && n < 2:
		p.fail(pos, "%q is no dimension", word)
	case symbol:
		return -int(n)
	}
	return int(n)
}
