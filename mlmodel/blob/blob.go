// Package blob reads and writes weight.bin, the file in which an ML Program
// keeps its large constants (storage version 2): a 64-byte header and then,
// for each tensor, 64 bytes of metadata directly followed by the data, each
// at a multiple of 64. It knows bytes and element types; which value of a
// program a tensor belongs to, and whether its shape makes sense, is for the
// reader of the program to say.
package blob

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

const (
	align    = 64 // of metadata and data; also the size of header and metadata
	sentinel = 0xDEADBEEF
	version  = 2
)

// dtypes holds the element type of each dataType number.
var dtypes = [...]tensor.DType{
	1: tensor.Float16, 2: tensor.Float32, 3: tensor.Uint8, 4: tensor.Int8,
	5: tensor.BFloat16, 6: tensor.Int16, 7: tensor.Uint16, 8: tensor.Int4,
	9: tensor.Uint1, 10: tensor.Uint2, 11: tensor.Uint4, 12: tensor.Uint3,
	13: tensor.Uint6, 14: tensor.Int32, 15: tensor.Uint32,
	16: tensor.Float8E4M3FN, 17: tensor.Float8E5M2,
}

func dtypeNumber(d tensor.DType) (uint32, bool) {
	for n, known := range dtypes {
		if known == d && d != tensor.Invalid {
			return uint32(n), true
		}
	}
	return 0, false
}

// Storable tells whether the file format has that element type.
func Storable(d tensor.DType) bool {
	_, ok := dtypeNumber(d)
	return ok
}

// Entry describes one stored tensor.
type Entry struct {
	DType       tensor.DType
	Offset      uint64 // of the metadata: what BlobFileValue.offset holds
	Size        int64  // bytes of data, which begin at Offset + 64
	PaddingBits int    // unused high bits of the last byte; 0 for whole-byte types
}

// Len is the number of elements.
func (e Entry) Len() int {
	bits := uint64(e.DType.Bits())
	if bits >= 8 {
		return int(uint64(e.Size) / (bits / 8))
	}
	return int((uint64(e.Size)*8 - uint64(e.PaddingBits)) / bits)
}

func (e Entry) dataOffset() int64 { return int64(e.Offset) + align }

// next is the offset at which the following metadata would stand.
func (e Entry) next() uint64 { return roundUp(e.Offset + align + uint64(e.Size)) }

func roundUp(n uint64) uint64 { return (n + align - 1) / align * align }

// File is an open weight file. Only what is asked for is read. It is safe for
// concurrent use when its ReaderAt is.
type File struct {
	r     io.ReaderAt
	size  int64
	name  string
	count uint32
}

// Open reads the header of a weight file of size bytes. The name is for
// errors. They are *fault.Error: Corrupt, or Unsupported for another storage
// version.
func Open(r io.ReaderAt, size int64, name string) (*File, error) {
	f := &File{r: r, size: size, name: name}
	var h [align]byte
	if size < align {
		return nil, f.bad(fault.Corrupt, "header", "weight file has %d bytes, the header alone takes %d", size, align)
	}
	if err := f.readAt(h[:], 0); err != nil {
		return nil, err
	}
	f.count = binary.LittleEndian.Uint32(h[0:])
	if v := binary.LittleEndian.Uint32(h[4:]); v != version {
		return nil, f.bad(fault.Unsupported, "header", "weight file has storage version %d, want %d", v, version)
	}
	if int64(f.count) > (size-align)/align {
		return nil, f.bad(fault.Corrupt, "header", "%d tensors do not fit into %d bytes", f.count, size)
	}
	return f, nil
}

func (f *File) bad(kind fault.Kind, place, format string, args ...any) error {
	return fault.InFile(fault.New(kind, place, format, args...), f.name)
}

// Len is the number of tensors that the header gives.
func (f *File) Len() int { return int(f.count) }

// Size is the size of the file in bytes.
func (f *File) Size() int64 { return f.size }

// At reads and checks the metadata at offset. Errors are *fault.Error.
func (f *File) At(offset uint64) (Entry, error) {
	bad := func(kind fault.Kind, format string, args ...any) (Entry, error) {
		return Entry{}, f.bad(kind, place(offset), format, args...)
	}
	if offset%align != 0 {
		return bad(fault.Corrupt, "a tensor's offset must be a multiple of %d", align)
	}
	if offset == 0 || offset > uint64(f.size) || uint64(f.size)-offset < align {
		return bad(fault.Corrupt, "a tensor's metadata must lie in bytes %d to %d of the file", align, f.size)
	}
	var m [align]byte
	if err := f.readAt(m[:], int64(offset)); err != nil {
		return Entry{}, err
	}
	le := binary.LittleEndian
	if s := le.Uint32(m[0:]); s != sentinel {
		return bad(fault.Corrupt, "no tensor begins here: want mark %#x, have %#x", uint32(sentinel), s)
	}
	number := le.Uint32(m[4:])
	if number == 0 || uint64(number) >= uint64(len(dtypes)) {
		return bad(fault.Unsupported, "element type number %d is not known", number)
	}
	e := Entry{DType: dtypes[number], Offset: offset}
	if at := le.Uint64(m[16:]); at != offset+align {
		return bad(fault.Corrupt, "data offset: want %d, right after the metadata, have %d", offset+align, at)
	}
	size := le.Uint64(m[8:])
	if left := uint64(f.size) - offset - align; size > left {
		return bad(fault.Corrupt, "%d bytes of data, only %d are left in the file", size, left)
	}
	e.Size = int64(size)
	bits := uint64(e.DType.Bits())
	if bits >= 8 {
		// The padding word means nothing here, and writers from before there
		// were sub-byte types left it uninitialized.
		if size%(bits/8) != 0 {
			return bad(fault.Corrupt, "%d bytes are no whole number of %s elements", size, e.DType)
		}
		return e, nil
	}
	padding := le.Uint64(m[24:])
	if padding > 7 || padding > size*8 || (size*8-padding)%bits != 0 {
		return bad(fault.Corrupt, "%d bytes with %d padding bits are no whole number of %s elements", size, padding, e.DType)
	}
	e.PaddingBits = int(padding)
	return e, nil
}

// All walks the tensors in file order. After an error it stops.
func (f *File) All() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		offset := uint64(align)
		for range f.count {
			e, err := f.At(offset)
			if !yield(e, err) || err != nil {
				return
			}
			offset = e.next()
		}
	}
}

// Read returns the tensor whose metadata stands at offset, packed as it is in
// the file. The shape must have exactly as many elements as are stored;
// nothing is allocated before that is known.
func (f *File) Read(offset uint64, shape []int) (*tensor.Tensor, error) {
	e, err := f.At(offset)
	if err != nil {
		return nil, err
	}
	n, err := tensor.CheckShape(shape)
	if err != nil {
		return nil, f.bad(fault.BadShape, place(offset), "%w", err)
	}
	if n != e.Len() || int64(e.DType.PackedSize(n)) != e.Size {
		return nil, f.bad(fault.BadShape, place(offset), "want %s = %d values, have %d", tensor.FormatShape(shape), n, e.Len())
	}
	var b []byte
	if m, ok := f.r.(*Memory); ok {
		b = m.view(e.dataOffset(), int(e.Size))
	}
	if b == nil {
		b = make([]byte, e.Size)
		if err := f.readAt(b, e.dataOffset()); err != nil {
			return nil, err
		}
	}
	t, err := tensor.FromPacked(e.DType, shape, b)
	if err != nil {
		return nil, f.bad(fault.Corrupt, place(offset), "%w", err)
	}
	return t, nil
}

// Data returns the bytes of an entry that At or All gave.
func (f *File) Data(e Entry) *io.SectionReader {
	return io.NewSectionReader(f.r, e.dataOffset(), e.Size)
}

func place(offset uint64) string { return fmt.Sprintf("weight file, byte %d", offset) }

func (f *File) readAt(b []byte, off int64) error {
	n, err := f.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return f.bad(fault.Corrupt, place(uint64(off)+uint64(n)), "%w", err)
}

// Writer writes a weight file from front to back. The header's count is
// patched by Close.
type Writer struct {
	w     io.WriteSeeker
	pos   uint64
	count uint32
	err   error // sticky: after it the file is of no use
}

// NewWriter begins a weight file at the start of w.
func NewWriter(w io.WriteSeeker) (*Writer, error) {
	wr := &Writer{w: w}
	if _, err := w.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("weight file: %w", err)
	}
	wr.write(header(0))
	return wr, wr.err
}

func header(count uint32) []byte {
	h := make([]byte, align)
	binary.LittleEndian.PutUint32(h[0:], count)
	binary.LittleEndian.PutUint32(h[4:], version)
	return h
}

// Append writes a tensor and returns the offset for BlobFileValue.offset.
func (w *Writer) Append(t *tensor.Tensor) (offset uint64, err error) {
	if !Storable(t.DType()) {
		return 0, fault.New(fault.Unsupported, "weight file", "%s elements have no place there", t.DType())
	}
	b := t.Packed()
	padding := 0
	if bits := t.DType().Bits(); bits < 8 {
		padding = len(b)*8 - t.Len()*bits
	}
	offset = w.begin(t.DType(), uint64(len(b)), padding)
	if m, ok := w.w.(*Memory); ok && w.err == nil {
		m.hold(b) // a tensor does not change
		w.pos += uint64(len(b))
		return offset, nil
	}
	w.write(b)
	return offset, w.err
}

// Copy writes a tensor of another file as it is, in small pieces, and returns
// its offset here.
func (w *Writer) Copy(f *File, e Entry) (offset uint64, err error) {
	offset = w.begin(e.DType, uint64(e.Size), e.PaddingBits)
	if w.err != nil {
		return 0, w.err
	}
	n, err := io.Copy(w.w, f.Data(e))
	w.pos += uint64(n)
	switch {
	case err != nil:
		w.err = fmt.Errorf("weight file: %w", err)
	case n != e.Size:
		w.err = f.bad(fault.Corrupt, place(e.Offset), "%w", io.ErrUnexpectedEOF)
	}
	return offset, w.err
}

func (w *Writer) begin(d tensor.DType, size uint64, padding int) (offset uint64) {
	if w.count == math.MaxUint32 && w.err == nil {
		w.err = fault.New(fault.Limit, "weight file", "more than %d tensors", w.count)
	}
	if gap := roundUp(w.pos) - w.pos; gap > 0 {
		w.write(make([]byte, gap))
	}
	offset = w.pos
	number, _ := dtypeNumber(d)
	m := make([]byte, align)
	le := binary.LittleEndian
	le.PutUint32(m[0:], sentinel)
	le.PutUint32(m[4:], number)
	le.PutUint64(m[8:], size)
	le.PutUint64(m[16:], offset+align)
	le.PutUint64(m[24:], uint64(padding))
	w.write(m)
	w.count++
	return offset
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.w.Write(b)
	w.pos += uint64(n)
	if err != nil {
		w.err = fmt.Errorf("weight file: %w", err)
	}
}

// Len is the number of tensors written so far.
func (w *Writer) Len() int { return int(w.count) }

// Close completes the header. It does not close the underlying file.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if _, err := w.w.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("weight file: %w", err)
	}
	w.write(header(w.count))
	if w.err == nil {
		if _, err := w.w.Seek(int64(w.pos-align), io.SeekStart); err != nil {
			return fmt.Errorf("weight file: %w", err)
		}
	}
	err := w.err
	w.err = fmt.Errorf("weight file: the writer is closed")
	return err
}
