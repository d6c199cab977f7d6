package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/smelt-ml/smelt/fault"
)

// Bounds on what a picture may ask for.
const (
	// DefaultMaxPixels is the largest picture decoded unless Options say
	// otherwise: 134 megapixels.
	DefaultMaxPixels = 1 << 27
	// maxFileBytes bounds the encoded file, which is held in memory.
	maxFileBytes = 1 << 29
)

// Options are the choices of decoding. The zero value is the usual one.
type Options struct {
	// KeepOrientation leaves the picture as it is stored, without the turn or
	// mirroring that its EXIF orientation asks for.
	KeepOrientation bool
	// MaxPixels refuses larger pictures before they are decoded; 0 means
	// DefaultMaxPixels.
	MaxPixels int
}

// Open decodes the picture in a file. Every error names the file.
func Open(path string, o Options) (*Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // names the file itself
	}
	defer f.Close()
	m, err := Decode(f, o)
	return m, fault.InFile(err, path)
}

// Decode reads a JPEG, PNG, WebP, BMP, TIFF or GIF picture, told apart by its
// first bytes; of an animation, the first frame. Gray files give one channel,
// all others RGB. Alpha is dropped, not blended, and 16-bit samples keep their
// high byte, except that 16-bit gray is clipped at 255: all as Pillow's
// convert("RGB") does.
//
// Errors are a *fault.Error of kind Unsupported, Corrupt or Limit, or
// those of the reader.
func Decode(r io.Reader, o Options) (*Image, error) {
	ws := borrow()
	defer ws.giveBack()
	data, err := ws.read(r)
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	if len(data) > maxFileBytes {
		return nil, fault.New(fault.Limit, "", "picture file is larger than %d bytes", maxFileBytes)
	}
	f, err := sniff(data)
	if err != nil {
		return nil, err
	}
	limit := o.MaxPixels
	if limit <= 0 {
		limit = DefaultMaxPixels
	}
	w, h, err := f.size(data)
	if err != nil {
		return nil, f.fail("header", err)
	}
	if w < 1 || h < 1 {
		return nil, fault.New(fault.Corrupt, "", "%s picture of %d×%d pixels", f.name, w, h)
	}
	if h > limit/w {
		return nil, fault.New(fault.Limit, "", "%s picture of %d×%d pixels is over the limit of %d pixels", f.name, w, h, limit)
	}
	if f.perByte > 0 && uint64(w)*uint64(h) > uint64(f.perByte)*uint64(len(data)) {
		return nil, fault.New(fault.Corrupt, "", "%s file of %d bytes cannot hold %d×%d pixels", f.name, len(data), w, h)
	}
	m, err := f.decode(data)
	if err != nil {
		return nil, f.fail("picture", err)
	}
	if !o.KeepOrientation {
		m = orient(m, f.orientation(data))
	}
	return m, nil
}

// format is one kind of picture file.
type format struct {
	name        string
	magic       string // "?" stands for any byte
	size        func(data []byte) (w, h int, err error)
	decode      func(data []byte) (*Image, error)
	orientation func(data []byte) int
	// perByte is the most pixels that a byte of the file can make, roughly, so
	// that a short file with a large header is refused before memory is taken
	// for it; 0 where one byte can make any number.
	perByte int
}

// A JPEG block of 8×8 samples, each of up to 4×4 pixels, takes a bit; deflate
// makes at most 1032 bytes of one, LZW about 2730 pixels. WebP's codes may have
// no bits, and fax coding one bit a row.
var formats = []format{
	{"JPEG", "\xff\xd8\xff", jpegSize, decodeJPEG, jpegOrientation, 1 << 14},
	{"PNG", "\x89PNG\r\n\x1a\n", configSize(png.DecodeConfig), decodePNG, pngOrientation, 1 << 14},
	{"WebP", "RIFF????WEBP", configSize(webp.DecodeConfig), decodeWebP, webpOrientation, 0},
	{"BMP", "BM????\x00\x00\x00\x00", configSize(bmp.DecodeConfig), standard(bmp.Decode), upright, 1 << 3},
	{"TIFF", "II*\x00", configSize(tiff.DecodeConfig), decodeTIFF, orientationTag, 0},
	{"TIFF", "MM\x00*", configSize(tiff.DecodeConfig), decodeTIFF, orientationTag, 0},
	{"GIF", "GIF8?a", configSize(gif.DecodeConfig), decodeGIF, upright, 1 << 12},
}

func (f *format) matches(data []byte) bool {
	if len(data) < len(f.magic) {
		return false
	}
	for i := range len(f.magic) {
		if f.magic[i] != '?' && f.magic[i] != data[i] {
			return false
		}
	}
	return true
}

func sniff(data []byte) (*format, error) {
	if len(data) == 0 {
		return nil, fault.New(fault.Corrupt, "", "file is empty")
	}
	for i := range formats {
		if formats[i].matches(data) {
			return &formats[i], nil
		}
	}
	return nil, fault.New(fault.Unsupported, "",
		"not a picture: starts with %q, want a JPEG, PNG, WebP, BMP, TIFF or GIF file", data[:min(len(data), 12)])
}

// fail turns a decoder's error into ours.
func (f *format) fail(what string, err error) error {
	// image/jpeg has its own word for a picture that stops in the middle.
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, jpeg.FormatError("short Huffman data")) {
		return fault.New(fault.Corrupt, "", "%s %s ends too early: file is truncated", f.name, what)
	}
	return fault.New(decoderKind(err), "", "decode %s %s: %w", f.name, what, err)
}

func configSize(config func(io.Reader) (image.Config, error)) func([]byte) (int, int, error) {
	return func(data []byte) (int, int, error) {
		c, err := config(bytes.NewReader(data))
		return c.Width, c.Height, err
	}
}

// standard decodes with a package that gives an image.Image.
func standard(decode func(io.Reader) (image.Image, error)) func([]byte) (*Image, error) {
	return func(data []byte) (*Image, error) {
		m, err := decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return fromStd(m, false)
	}
}

func upright([]byte) int { return 1 }

func decodePNG(data []byte) (*Image, error) {
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	// Byte 25 is the colour type of the header chunk, 0 for gray. Gray with a
	// transparent value comes as 16-bit colours with alpha.
	return fromStd(m, len(data) > 25 && data[25] == 0)
}

// decodeGIF decodes the first frame onto the logical screen.
func decodeGIF(data []byte) (*Image, error) {
	config, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	// The transparent index must give its palette colour, but image/gif
	// replaces that colour by black: so the flag is taken away first.
	background := max(clearGIFTransparency(data), 0)
	frame, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	p, ok := frame.(*image.Paletted)
	if !ok {
		return nil, fmt.Errorf("frame is a %T", frame)
	}
	screen := image.Rect(0, 0, config.Width, config.Height)
	if p.Rect != screen {
		full := image.NewPaletted(screen, p.Palette)
		for i := range full.Pix {
			full.Pix[i] = uint8(background)
		}
		for y := p.Rect.Min.Y; y < p.Rect.Max.Y; y++ {
			copy(full.Pix[full.PixOffset(p.Rect.Min.X, y):], p.Pix[p.PixOffset(p.Rect.Min.X, y):][:p.Rect.Dx()])
		}
		p = full
	}
	return fromStd(p, false)
}

// clearGIFTransparency clears the transparency flag of the first frame, in
// place, and returns the frame's transparent index, -1 without one.
func clearGIFTransparency(data []byte) int {
	if len(data) < 13 {
		return -1
	}
	i := 13
	if data[10]&0x80 != 0 {
		i += 3 << (data[10]&7 + 1)
	}
	index := -1
	for i+1 < len(data) && data[i] == 0x21 { // extension blocks before the frame
		if data[i+1] == 0xf9 && i+7 < len(data) && data[i+2] == 4 {
			index = -1
			if data[i+3]&1 != 0 {
				index = int(data[i+6])
				data[i+3] &^= 1
			}
		}
		for i += 2; i < len(data) && data[i] != 0; {
			i += 1 + int(data[i])
		}
		i++
	}
	return index
}

// decodeTIFF decodes the first directory.
func decodeTIFF(data []byte) (*Image, error) {
	m, err := standard(tiff.Decode)(data)
	if err != nil {
		return nil, err
	}
	// Fax coding calls its runs white and black, and libtiff makes them 0 and 1
	// before it looks at what 0 means. The decoder here gives the runs their
	// names' colours, which is the same unless 0 means black.
	const blackIsZero, group3, group4 = 1, 3, 4
	c := tiffTag(data, tagCompression)
	if tiffTag(data, tagPhotometric) == blackIsZero && (c == group3 || c == group4) {
		for i, v := range m.Pix {
			m.Pix[i] = 255 - v
		}
	}
	return m, nil
}

// pngOrientation looks for an eXIf chunk.
func pngOrientation(data []byte) int {
	for b := data[8:]; len(b) >= 12; {
		n := uint64(binary.BigEndian.Uint32(b))
		if n > uint64(len(b)-12) {
			break
		}
		if string(b[4:8]) == "eXIf" {
			return orientationTag(b[8 : 8+n])
		}
		b = b[12+n:]
	}
	return 1
}

// webpOrientation looks for an EXIF chunk; chunks have even lengths.
func webpOrientation(data []byte) int {
	for b := data[12:]; len(b) >= 8; {
		n := uint64(binary.LittleEndian.Uint32(b[4:]))
		if n > uint64(len(b)-8) {
			break
		}
		if string(b[:4]) == "EXIF" {
			// Some writers keep the prefix that JPEG wants.
			return orientationTag(bytes.TrimPrefix(b[8:8+n], []byte("Exif\x00\x00")))
		}
		b = b[min(8+n+n&1, uint64(len(b))):]
	}
	return 1
}
