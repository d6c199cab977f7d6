package tensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	npyMagic     = "\x93NUMPY"
	npyMaxHeader = 1 << 16 // bytes; NumPy itself writes a few hundred
	npyMaxRank   = 64      // as many dimensions as NumPy allows
)

// npyHeader is what stands before the elements of a NumPy file.
type npyHeader struct {
	dtype   DType
	text    byte // of a String: 'U' for UTF-32, 'S' for bytes; else 0
	item    int  // bytes of one element
	big     bool // big endian
	fortran bool // first dimension varies fastest
	shape   []int
	size    int // bytes of all elements
}

// readNPYHeader reads up to the first element and not further.
func readNPYHeader(r io.Reader) (*npyHeader, error) {
	var pre [12]byte
	if _, err := io.ReadFull(r, pre[:8]); err != nil {
		return nil, cutShort("magic number", err)
	}
	if string(pre[:6]) != npyMagic {
		return nil, fmt.Errorf("not a NumPy file: starts with %q", pre[:6])
	}
	var n uint32
	switch major := pre[6]; major {
	case 1:
		if _, err := io.ReadFull(r, pre[8:10]); err != nil {
			return nil, cutShort("header length", err)
		}
		n = uint32(binary.LittleEndian.Uint16(pre[8:]))
	case 2, 3:
		if _, err := io.ReadFull(r, pre[8:12]); err != nil {
			return nil, cutShort("header length", err)
		}
		n = binary.LittleEndian.Uint32(pre[8:])
	default:
		return nil, fmt.Errorf("NumPy format %d.%d is not known; 1.0, 2.0 and 3.0 are", major, pre[7])
	}
	if n > npyMaxHeader {
		return nil, fmt.Errorf("header of %d bytes; at most %d are read", n, npyMaxHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, cutShort("header", err)
	}
	h, err := parseNPYHeader(string(text))
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return h, nil
}

// cutShort words the error of a read that got less than it asked for.
func cutShort(what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w", what, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// parseNPYHeader reads the dictionary {'descr': …, 'fortran_order': …,
// 'shape': …}, which is a Python literal with exactly these keys.
func parseNPYHeader(s string) (*npyHeader, error) {
	h := &npyHeader{}
	p := literal{s: s}
	if err := p.expect('{'); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for !p.accept('}') {
		key, err := p.str()
		if err != nil {
			return nil, err
		}
		if seen[key] {
			return nil, fmt.Errorf("key %q stands twice", key)
		}
		seen[key] = true
		if err := p.expect(':'); err != nil {
			return nil, err
		}
		switch key {
		case "descr":
			err = h.parseDescr(&p)
		case "fortran_order":
			h.fortran, err = p.boolean()
		case "shape":
			h.shape, err = p.shape()
		default:
			err = fmt.Errorf("key %q is not known", key)
		}
		if err != nil {
			return nil, err
		}
		if !p.accept(',') {
			if err := p.expect('}'); err != nil {
				return nil, err
			}
			break
		}
	}
	if p.skip(); p.pos != len(p.s) {
		return nil, fmt.Errorf("byte %d: %q after the dictionary", p.pos, clip(p.s[p.pos:]))
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return nil, fmt.Errorf("key %q is missing", key)
		}
	}
	n, err := CheckShape(h.shape)
	if err != nil {
		return nil, err
	}
	switch {
	case h.item == 0 && n > 0:
		return nil, fmt.Errorf("%s strings of no length", FormatShape(h.shape))
	case h.item > 0 && n > math.MaxInt/h.item:
		return nil, fmt.Errorf("%s elements of %d bytes are too many", FormatShape(h.shape), h.item)
	}
	h.size = n * h.item
	return h, nil
}

var npyTypes = map[string]DType{
	"b1": Bool, "i1": Int8, "i2": Int16, "i4": Int32, "i8": Int64,
	"u1": Uint8, "u2": Uint16, "u4": Uint32, "u8": Uint64,
	"f2": Float16, "f4": Float32, "f8": Float64,
}

// parseDescr reads a type: byte order, kind and size, as in '<f4'.
func (h *npyHeader) parseDescr(p *literal) error {
	if p.peek() == '[' || p.peek() == '(' {
		return fmt.Errorf("structured and sub-array types are not supported: save each field as an array of its own")
	}
	descr, err := p.str()
	if err != nil {
		return fmt.Errorf("descr: %w", err)
	}
	if len(descr) < 2 || strings.IndexByte("<>|=", descr[0]) < 0 {
		return fmt.Errorf("descr %q: want a byte order (<, > or |), a kind and a size", descr)
	}
	order, kind := descr[0], descr[1:]
	if kind[0] == 'O' {
		return fmt.Errorf("descr %q: an array of Python objects is a pickle, which can run code when it is read and so never is: save numbers or fixed-width strings", descr)
	}
	h.big = order == '>'
	if d, ok := npyTypes[kind]; ok {
		h.dtype, h.item = d, d.Bits()/8
		if order == '|' && h.item > 1 {
			return fmt.Errorf("descr %q: elements of %d bytes need a byte order", descr, h.item)
		}
		return nil
	}
	if kind[0] == 'U' || kind[0] == 'S' {
		n, err := strconv.ParseUint(kind[1:], 10, 28)
		if err != nil {
			return fmt.Errorf("descr %q: the length of a string must be at most %d", descr, 1<<28-1)
		}
		h.dtype, h.text, h.item = String, kind[0], int(n)
		if h.text == 'U' {
			h.item *= 4
		}
		return nil
	}
	return fmt.Errorf("descr %q: this type is not supported; floats of 2, 4 and 8 bytes, integers, bool and fixed-width strings are", descr)
}

// literal reads the few forms of Python literal that a header is made of.
type literal struct {
	s   string
	pos int
}

func (p *literal) skip() {
	for p.pos < len(p.s) && strings.IndexByte(" \t\r\n\f", p.s[p.pos]) >= 0 {
		p.pos++
	}
}

// peek returns the next byte that is not space, 0 at the end.
func (p *literal) peek() byte {
	if p.skip(); p.pos < len(p.s) {
		return p.s[p.pos]
	}
	return 0
}

func (p *literal) accept(c byte) bool {
	if p.peek() != c || p.pos == len(p.s) {
		return false
	}
	p.pos++
	return true
}

func (p *literal) expect(c byte) error {
	if !p.accept(c) {
		return p.wrong(strconv.QuoteRune(rune(c)))
	}
	return nil
}

func (p *literal) wrong(want string) error {
	p.skip()
	return fmt.Errorf("byte %d: want %s, have %q", p.pos, want, clip(p.s[p.pos:]))
}

// clip keeps what an error quotes short.
func clip(s string) string {
	const most = 20
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// str reads a quoted string. No key or type needs an escape: there is none.
func (p *literal) str() (string, error) {
	quote := p.peek()
	if quote != '\'' && quote != '"' {
		return "", p.wrong("a string")
	}
	rest := p.s[p.pos+1:]
	end := strings.IndexByte(rest, quote)
	if end < 0 || strings.ContainsAny(rest[:end], "\\\r\n") {
		return "", p.wrong("a string")
	}
	p.pos += end + 2
	return rest[:end], nil
}

func (p *literal) boolean() (bool, error) {
	p.skip()
	for word, v := range map[string]bool{"True": true, "False": false} {
		if strings.HasPrefix(p.s[p.pos:], word) {
			p.pos += len(word)
			return v, nil
		}
	}
	return false, p.wrong("True or False")
}

// shape reads a tuple of integers: (), (3,), (3, 4). Python 2 wrote 3L.
func (p *literal) shape() ([]int, error) {
	if err := p.expect('('); err != nil {
		return nil, err
	}
	shape := []int{}
	for comma := false; !p.accept(')'); {
		if len(shape) == npyMaxRank {
			return nil, fmt.Errorf("shape has more than %d dimensions", npyMaxRank)
		}
		if len(shape) > 0 && !comma {
			return nil, p.wrong("',' or ')'")
		}
		p.skip()
		start := p.pos
		for p.pos < len(p.s) && (p.s[p.pos] >= '0' && p.s[p.pos] <= '9' || p.s[p.pos] == '-' && p.pos == start) {
			p.pos++
		}
		d, err := strconv.Atoi(p.s[start:p.pos])
		if err != nil {
			p.pos = start
			return nil, p.wrong("a dimension")
		}
		shape = append(shape, d)
		if p.pos < len(p.s) && p.s[p.pos] == 'L' {
			p.pos++
		}
		if comma = p.accept(','); len(shape) == 1 && !comma {
			return nil, p.wrong("',' (one dimension d is written (d,))")
		}
	}
	return shape, nil
}

// formatNPYHeader returns all that stands before the elements, byte for byte
// as NumPy 2 writes it: format 1.0, room for the outermost dimension to grow
// to 21 digits, padded with spaces to a multiple of 64.
func formatNPYHeader(descr string, shape []int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr)
	for i, d := range shape {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(d))
		if i < len(shape)-1 || len(shape) == 1 {
			b.WriteByte(',')
		}
	}
	b.WriteString("), }")
	if len(shape) > 0 {
		b.WriteString(strings.Repeat(" ", max(0, 21-len(strconv.Itoa(shape[0])))))
	}
	const before = 10 // magic, version, length
	pad := 64 - (before+b.Len()+1)%64
	b.WriteString(strings.Repeat(" ", pad) + "\n")

	out := append([]byte(npyMagic), 1, 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(b.Len()))
	return append(out, b.String()...)
}

// npyDescr returns the NumPy type in which t is written and, for strings, the
// characters of each.
func npyDescr(t *Tensor) (descr string, width int, err error) {
	if t.dtype == String {
		width = 1
		for i, s := range t.Strings() {
			if !utf8.ValidString(s) {
				return "", 0, fmt.Errorf("string %d: %q is not UTF-8", i, clip(s))
			}
			if strings.HasSuffix(s, "\x00") {
				return "", 0, fmt.Errorf("string %d: %q ends in a NUL, which NumPy would drop", i, clip(s))
			}
			width = max(width, utf8.RuneCountInString(s))
		}
		return "<U" + strconv.Itoa(width), width, nil
	}
	for kind, d := range npyTypes {
		if d == t.dtype {
			if d.Bits() == 8 {
				return "|" + kind, 0, nil
			}
			return "<" + kind, 0, nil
		}
	}
	return "", 0, fmt.Errorf("NumPy has no %s: convert to another type first", t.dtype)
}
