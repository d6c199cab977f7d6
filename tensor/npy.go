package tensor

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// ReadNPY reads one array of the NumPy format (versions 1.0 to 3.0) and
// leaves r behind it. Either byte order and either element order is read; the
// result is row-major and, but for strings, packed. Float types of 2, 4 and
// 8 bytes, integers, bool and fixed-width strings are supported; byte strings
// keep their bytes, UTF-8 or not. Memory is taken as the elements arrive: a
// header that promises more than r has costs nothing.
func ReadNPY(r io.Reader) (*Tensor, error) {
	left := int64(-1)
	if l, ok := r.(interface{ Len() int }); ok {
		left = int64(l.Len())
	}
	t, err := readNPY(r, left, false)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	return t, nil
}

// ReadNPYFile reads a file that holds one array and nothing else.
func ReadNPYFile(path string) (*Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	left := int64(-1)
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		left = info.Size()
	}
	t, err := readNPY(f, left, true)
	if err != nil {
		return nil, fmt.Errorf("%s: npy: %w", path, err)
	}
	return t, nil
}

// readNPY reads an array of which left bytes are there, -1 where that is not
// known. When whole is set, nothing may follow it.
func readNPY(r io.Reader, left int64, whole bool) (*Tensor, error) {
	counted := &countingReader{r: r}
	h, err := readNPYHeader(counted)
	if err != nil {
		return nil, err
	}
	room := -1
	if left >= 0 {
		if left -= counted.n; left < int64(h.size) {
			return nil, fmt.Errorf("want %s, have %d", h, left)
		}
		room = h.size
	}
	b, err := readSized(r, h.size, room)
	if err != nil {
		return nil, fmt.Errorf("want %s, have %d: %w", h, len(b), err)
	}
	if whole {
		switch n, err := io.ReadFull(r, make([]byte, 1)); {
		case n > 0:
			return nil, fmt.Errorf("more bytes after the end: want %s", h)
		case err != io.EOF:
			return nil, err
		}
	}
	if h.fortran && len(h.shape) > 1 {
		b = rowMajor(b, h.shape, h.item)
	}
	if h.dtype == String {
		return h.strings(b)
	}
	if h.big {
		reverseBytes(b, h.item)
	}
	return FromPacked(h.dtype, h.shape, b)
}

func (h *npyHeader) String() string {
	return fmt.Sprintf("%s %s = %d bytes", FormatShape(h.shape), h.dtype, h.size)
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// readSized reads size bytes. Of these, room are known to be there and are
// allocated at once; with -1 the buffer grows with what has come, to no more
// than twice of it. On an error the bytes that were there are returned too.
func readSized(r io.Reader, size, room int) ([]byte, error) {
	if room < 0 {
		room = 64 << 10
	}
	b := make([]byte, min(size, room))
	for have := 0; ; {
		n, err := io.ReadFull(r, b[have:])
		if have += n; err != nil {
			return b[:have], cutShort("elements", err)
		}
		if have == size {
			return b, nil
		}
		grown := make([]byte, min(size, 2*have))
		copy(grown, b)
		b = grown
	}
}

// rowMajor brings elements of the given size from Fortran order, in which the
// first index varies fastest, to row-major order.
func rowMajor(src []byte, shape []int, item int) []byte {
	dst := make([]byte, len(src))
	if len(src) == 0 {
		return dst
	}
	last := len(shape) - 1
	rows, cols := shape[0], shape[last]
	middle := Size(shape[1:last])
	// For each middle index this is the transposition of a matrix: rows are
	// adjacent in src, columns in dst. Tiles keep both in cache.
	srcCol, dstRow := rows*middle*item, middle*cols*item
	const tile = 32
	index := make([]int, last)
	for m := range middle {
		// The middle indices count up in row-major order of dst.
		at := 0
		for d := last - 1; d >= 1; d-- {
			at = at*shape[d] + index[d]
		}
		s, d := src[at*rows*item:], dst[m*cols*item:]
		for r0 := 0; r0 < rows; r0 += tile {
			for c0 := 0; c0 < cols; c0 += tile {
				copyTile(d[r0*dstRow+c0*item:], s[c0*srcCol+r0*item:],
					min(tile, rows-r0), min(tile, cols-c0), dstRow, srcCol, item)
			}
		}
		for d := last - 1; d >= 1; d-- {
			if index[d]++; index[d] < shape[d] {
				break
			}
			index[d] = 0
		}
	}
	return dst
}

func copyTile(dst, src []byte, rows, cols, dstRow, srcCol, item int) {
	le := binary.LittleEndian
	for r := range rows {
		d, s := dst[r*dstRow:], src[r*item:]
		switch item {
		case 4:
			for c := range cols {
				le.PutUint32(d[4*c:], le.Uint32(s[c*srcCol:]))
			}
		case 8:
			for c := range cols {
				le.PutUint64(d[8*c:], le.Uint64(s[c*srcCol:]))
			}
		default:
			for c := range cols {
				copy(d[c*item:(c+1)*item], s[c*srcCol:])
			}
		}
	}
}

// strings decodes fixed-width strings, which end before their trailing NULs.
// All share one allocation of text.
func (h *npyHeader) strings(b []byte) (*Tensor, error) {
	n := Size(h.shape)
	var text strings.Builder
	ends := make([]int, n)
	if h.text == 'S' {
		text.Grow(len(b))
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if h.big {
		order = binary.BigEndian
	}
	for i := range n {
		item := b[i*h.item : (i+1)*h.item]
		if h.text == 'S' {
			text.Write(bytes.TrimRight(item, "\x00"))
		} else {
			for len(item) > 0 && order.Uint32(item[len(item)-4:]) == 0 {
				item = item[:len(item)-4]
			}
			for ; len(item) > 0; item = item[4:] {
				c := order.Uint32(item)
				if c > utf8.MaxRune || !utf8.ValidRune(rune(c)) {
					return nil, fmt.Errorf("string %d: %#x is not a Unicode character", i, c)
				}
				text.WriteRune(rune(c))
			}
		}
		ends[i] = text.Len()
	}
	out, all, start := make([]string, n), text.String(), 0
	for i, end := range ends {
		out[i] = all[start:end]
		start = end
	}
	return New(String, h.shape, out), nil
}

// WriteNPY writes t in NumPy format 1.0: little endian, row-major. Strings
// become UTF-32 of the longest one's width. The types that NumPy does not
// have (bf16, float8, sub-byte integers) give an error.
func WriteNPY(w io.Writer, t *Tensor) error {
	if t.Rank() > npyMaxRank {
		return fmt.Errorf("npy: %d dimensions; NumPy has at most %d", t.Rank(), npyMaxRank)
	}
	descr, width, err := npyDescr(t)
	if err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	if _, err := w.Write(formatNPYHeader(descr, t.shape)); err != nil {
		return err
	}
	if t.dtype != String {
		return writeElements(w, t)
	}
	buf := bufio.NewWriterSize(w, 64<<10)
	for _, s := range t.Strings() {
		room := width
		for _, c := range s {
			buf.Write(binary.LittleEndian.AppendUint32(buf.AvailableBuffer(), uint32(c)))
			room--
		}
		for range room {
			buf.Write(binary.LittleEndian.AppendUint32(buf.AvailableBuffer(), 0))
		}
	}
	return buf.Flush()
}

// writeElements writes decoded elements in pieces, so that a second copy of
// all of them is never held.
func writeElements(w io.Writer, t *Tensor) error {
	if t.IsPacked() {
		_, err := w.Write(t.packed)
		return err
	}
	switch data := t.Decoded().data.(type) {
	case []float32:
		return writePieces(w, t.dtype, data)
	case []float64:
		return writePieces(w, t.dtype, data)
	case []int32:
		return writePieces(w, t.dtype, data)
	case []int64:
		return writePieces(w, t.dtype, data)
	case []bool:
		return writePieces(w, t.dtype, data)
	}
	panic("tensor.writeElements: " + t.String())
}

func writePieces[T Element](w io.Writer, d DType, data []T) error {
	const piece = 1 << 16
	for len(data) > 0 {
		n := min(piece, len(data))
		if _, err := w.Write(pack(d, data[:n])); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
