package window

import (
	"encoding/binary"
	"unsafe"
)

// placeLanes is how many columns a block has whose loads are not masked.
const placeLanes = 4

// hasPlaces says whether a row of the image has as many columns as a block
// loads, and a row of outputs as many as it stores.
func (f *Filter) hasPlaces() bool {
	return f.shape.In[2] >= f.shape.Stride[2]*placeLanes && f.out[2] >= placeLanes
}

// makePlaces makes, in place of the masks, the table of places, of 16 bytes each.
// For each block it has where its outputs are in a row, in bytes; and for each
// column of the window where a load is, all of which lies in the row, and then
// the bytes of the load that are the values: 255 for zeros beside the image. The
// last block may overlap the one before.
func (f *Filter) makePlaces() {
	s := &f.shape
	f.width = (f.out[2] + placeLanes - 1) / placeLanes
	var t []byte
	at := func(columns int) {
		t = binary.NativeEndian.AppendUint64(t, uint64(4*columns))
		t = append(t, make([]byte, 8)...)
	}
	for b := range f.width {
		first := min(b*placeLanes, f.out[2]-placeLanes)
		at(first)
		for k := range s.Kernel[2] {
			x := first*s.Stride[2] + k - s.Pad[2][0]
			load := min(max(x, 0), s.In[2]-s.Stride[2]*placeLanes)
			at(load)
			for range placeLanes {
				for i := range 4 {
					if x < 0 || x >= s.In[2] {
						t = append(t, 255)
					} else {
						t = append(t, byte(4*(x-load)+i))
					}
				}
				x += s.Stride[2]
			}
		}
	}
	f.keep, f.masks = t, (*byte)(unsafe.Pointer(unsafe.SliceData(t)))
}
