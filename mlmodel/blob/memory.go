package blob

import (
	"fmt"
	"io"
	"slices"
	"sort"
)

// Memory is a weight file that is held in memory. The elements of a tensor that
// is appended to it are not copied, and neither are those that are read from it.
// The zero Memory is an empty file.
type Memory struct {
	parts [][]byte
	ends  []int64 // of the parts
	pos   int64
}

// Size is the size of the file in bytes.
func (m *Memory) Size() int64 {
	if len(m.ends) == 0 {
		return 0
	}
	return m.ends[len(m.ends)-1]
}

// Seek sets where the next Write goes: to the file's end, or to the start of a
// part that was written before.
func (m *Memory) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += m.pos
	case io.SeekEnd:
		offset += m.Size()
	}
	if offset < 0 || offset > m.Size() {
		return m.pos, fmt.Errorf("seek to %d of %d bytes", offset, m.Size())
	}
	m.pos = offset
	return offset, nil
}

// Write appends a copy of b at the end, or replaces bytes elsewhere.
func (m *Memory) Write(b []byte) (int, error) {
	if m.pos == m.Size() {
		m.hold(slices.Clone(b))
		return len(b), nil
	}
	old := m.view(m.pos, len(b))
	if old == nil {
		return 0, fmt.Errorf("write %d bytes at %d: they are in several parts", len(b), m.pos)
	}
	copy(old, b)
	m.pos += int64(len(b))
	return len(b), nil
}

// hold appends b itself, which nobody may change from then on.
func (m *Memory) hold(b []byte) {
	m.parts = append(m.parts, b)
	m.ends = append(m.ends, m.Size()+int64(len(b)))
	m.pos = m.Size()
}

// at finds the part that holds a byte, and where in it.
func (m *Memory) at(offset int64) (part int, in int64) {
	part = sort.Search(len(m.ends), func(i int) bool { return m.ends[i] > offset })
	if part < len(m.parts) {
		in = offset - (m.ends[part] - int64(len(m.parts[part])))
	}
	return part, in
}

// view returns n bytes of one part, nil where they are in several or beyond the end.
func (m *Memory) view(offset int64, n int) []byte {
	part, in := m.at(offset)
	if offset < 0 || n < 0 || part == len(m.parts) || int64(n) > int64(len(m.parts[part]))-in {
		return nil
	}
	return m.parts[part][in : in+int64(n) : in+int64(n)]
}

// ReadAt copies bytes of the file.
func (m *Memory) ReadAt(b []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read at %d", offset)
	}
	n := 0
	part, in := m.at(offset)
	for ; n < len(b) && part < len(m.parts); part, in = part+1, 0 {
		n += copy(b[n:], m.parts[part][in:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
