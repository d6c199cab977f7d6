package media

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
)

// FromStd returns a picture of the standard library as ours, without alpha:
// transparent pixels keep the colour they have.
func FromStd(src image.Image) *Image {
	if m, err := fromStd(src, false); err == nil {
		return m
	}
	b := src.Bounds()
	if src.ColorModel() == color.GrayModel {
		gray := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
		draw.Draw(gray, gray.Rect, src, b.Min, draw.Src)
		src = gray
	} else {
		rgb := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
		draw.Draw(rgb, rgb.Rect, src, b.Min, draw.Src)
		src = rgb
	}
	m, err := fromStd(src, false)
	if err != nil {
		panic(fmt.Sprintf("media.FromStd: %v", err)) // both types are known to fromStd
	}
	return m
}
