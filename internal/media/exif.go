package media

import "encoding/binary"

// Tags of a TIFF directory.
const (
	tagCompression = 259
	tagPhotometric = 262
	tagOrientation = 274
)

// orientationTag returns the orientation, 1..8, that an EXIF block asks for.
// Whatever is not understood means 1, upright: a picture is not refused for
// its metadata.
func orientationTag(b []byte) int {
	if v := tiffTag(b, tagOrientation); v >= 1 && v <= 8 {
		return int(v)
	}
	return 1
}

// tiffTag returns a tag's single whole number from the first directory of a
// TIFF structure, which is also the body of an EXIF block: byte order, offset of
// the directory, and there entries of 12 bytes: tag, type, count, value. It
// returns 0 if there is none.
func tiffTag(b []byte, tag uint16) uint32 {
	const (
		typeShort = 3
		typeLong  = 4
	)
	if len(b) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 0
	}
	entries := b[at+2:]
	for n := order.Uint16(b[at:]); n > 0 && len(entries) >= 12; n-- {
		if order.Uint16(entries) == tag && order.Uint32(entries[4:]) == 1 {
			switch order.Uint16(entries[2:]) {
			case typeShort:
				return uint32(order.Uint16(entries[8:]))
			case typeLong:
				return order.Uint32(entries[8:])
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}

// orient turns a stored picture upright. The eight orientations are those of
// EXIF: 2 mirrored, 3 upside down, 4 both, 5..8 the same with rows and columns
// exchanged.
func orient(m *Image, orientation int) *Image {
	if orientation < 2 || orientation > 8 {
		return m
	}
	c := m.Channels
	// The upright picture starts at start in the stored one; a step right and
	// a step down move by right and down samples.
	left, top := 0, 0
	right, down := c, m.W*c
	switch orientation {
	case 2, 3, 7, 8:
		left = m.W - 1
		right = -right
	}
	switch orientation {
	case 3, 4, 6, 7:
		top = m.H - 1
		down = -down
	}
	start := (top*m.W + left) * c
	d := New(m.W, m.H, c)
	if orientation >= 5 {
		d.W, d.H = m.H, m.W
		right, down = down, right
	}
	i := 0
	for range d.H {
		at := start
		for range d.W {
			copy(d.Pix[i:i+c], m.Pix[at:at+c])
			i += c
			at += right
		}
		start += down
	}
	return d
}
