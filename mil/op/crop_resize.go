package op

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// CropResizeArgs are the arguments of crop_resize in iOS15. Roi is N×1×4×1×1,
// boxes that are cut out of every image, or N×1×5×1×1, where the first number
// is the image. Box coordinates are those of the middle of pixels; normalized,
// 1 is the last one.
type CropResizeArgs struct {
	X                     *mil.Value `mil:"x,T"`
	Roi                   *mil.Value `mil:"roi,T"`
	TargetHeight          int        `mil:"target_height,int32,const,optional"`
	TargetWidth           int        `mil:"target_width,int32,const,optional"`
	NormalizedCoordinates bool       `mil:"normalized_coordinates,bool,const,optional"`
	SpatialScale          float32    `mil:"spatial_scale,fp32,const,optional"` // multiplies the coordinates
	BoxCoordinateMode     string     `mil:"box_coordinate_mode,string,const,optional" values:"CORNERS_HEIGHT_FIRST|CORNERS_WIDTH_FIRST|CENTER_SIZE_HEIGHT_FIRST|CENTER_SIZE_WIDTH_FIRST"`
	SamplingMode          string     `mil:"sampling_mode,string,const,optional" values:"DEFAULT|STRICT_ALIGN_CORNERS|ALIGN_CORNERS|OFFSET_CORNERS|UNALIGN_CORNERS"`
}

// CropResizeIOS16Args add the value of points outside of the image, which
// before was 0.
type CropResizeIOS16Args struct {
	X                     *mil.Value `mil:"x,T"`
	Roi                   *mil.Value `mil:"roi,T"`
	TargetHeight          int        `mil:"target_height,int32,const,optional"`
	TargetWidth           int        `mil:"target_width,int32,const,optional"`
	NormalizedCoordinates bool       `mil:"normalized_coordinates,bool,const,optional"`
	SpatialScale          float32    `mil:"spatial_scale,fp32,const,optional"`
	BoxCoordinateMode     string     `mil:"box_coordinate_mode,string,const,optional" values:"CORNERS_HEIGHT_FIRST|CORNERS_WIDTH_FIRST|CENTER_SIZE_HEIGHT_FIRST|CENTER_SIZE_WIDTH_FIRST"`
	SamplingMode          string     `mil:"sampling_mode,string,const,optional" values:"DEFAULT|STRICT_ALIGN_CORNERS|ALIGN_CORNERS|OFFSET_CORNERS|UNALIGN_CORNERS"`
	PadValue              float32    `mil:"pad_value,T,const,optional"`
}

// CropResizeIOS17Args have the boxes, N×4, and the images that they are cut
// out of, one after the other where not given, as two arguments.
type CropResizeIOS17Args struct {
	X                     *mil.Value `mil:"x,T"`
	Boxes                 *mil.Value `mil:"boxes,BOX_T"`
	BoxIndices            *mil.Value `mil:"box_indices,BOX_INDEX_T,optional"`
	TargetHeight          int        `mil:"target_height,int32,const,optional"`
	TargetWidth           int        `mil:"target_width,int32,const,optional"`
	NormalizedCoordinates bool       `mil:"normalized_coordinates,bool,const,optional"`
	SpatialScale          float32    `mil:"spatial_scale,fp32,const,optional"`
	BoxCoordinateMode     string     `mil:"box_coordinate_mode,string,const,optional" values:"CORNERS_HEIGHT_FIRST|CORNERS_WIDTH_FIRST|CENTER_SIZE_HEIGHT_FIRST|CENTER_SIZE_WIDTH_FIRST"`
	SamplingMode          string     `mil:"sampling_mode,string,const,optional" values:"DEFAULT|STRICT_ALIGN_CORNERS|ALIGN_CORNERS|OFFSET_CORNERS|UNALIGN_CORNERS"`
	PadValue              float32    `mil:"pad_value,T,const,optional"`
}

// CropResize cuts boxes out of images and resizes them by linear
// interpolation: the points are those of gridPoints between the corners of a
// box. The result is N×B×C×height×width, or N×1×C×height×width where the boxes
// name their images.
var CropResize = Define(Spec[CropResizeArgs]{
	Name: "crop_resize", Since: mil.IOS15, Types: Types{"T": Float},
	Default: CropResizeArgs{TargetHeight: 1, TargetWidth: 1, SpatialScale: 1, BoxCoordinateMode: "CORNERS_HEIGHT_FIRST", SamplingMode: "DEFAULT"},
	Infer:   func(a *CropResizeArgs) ([]mil.Type, error) { return inferCropResize(a.newer()) },
	Eval:    func(a *CropResizeArgs) ([]*tensor.Tensor, error) { return evalCropResize(a.newer()) },
	Sample: func(r *rand.Rand) CropResizeArgs {
		a := sampleCropResize(r)
		return CropResizeArgs{a.X, a.Roi, a.TargetHeight, a.TargetWidth, a.NormalizedCoordinates, a.SpatialScale, a.BoxCoordinateMode, a.SamplingMode}
	},
})

// CropResizeIOS16 is CropResize with a value for what is outside.
var CropResizeIOS16 = Define(Spec[CropResizeIOS16Args]{
	Name: "crop_resize", Since: mil.IOS16, Types: Types{"T": Float},
	Default: CropResizeIOS16Args{TargetHeight: 1, TargetWidth: 1, SpatialScale: 1, BoxCoordinateMode: "CORNERS_HEIGHT_FIRST", SamplingMode: "DEFAULT"},
	Infer:   inferCropResize, Eval: evalCropResize, Sample: sampleCropResize,
})

// CropResizeIOS17 is CropResizeIOS16 with a result of N×C×height×width.
var CropResizeIOS17 = Define(Spec[CropResizeIOS17Args]{
	Name: "crop_resize", Since: mil.IOS17,
	Types: Types{
		"T": Float, "BOX_T": {tensor.Float16, tensor.Float32, tensor.Uint16}, "BOX_INDEX_T": {tensor.Uint16, tensor.Int32},
	},
	Default: CropResizeIOS17Args{TargetHeight: 1, TargetWidth: 1, SpatialScale: 1, BoxCoordinateMode: "CORNERS_HEIGHT_FIRST", SamplingMode: "DEFAULT"},
	Infer:   inferCropResizeIOS17, Eval: evalCropResizeIOS17,
	Sample: func(r *rand.Rand) CropResizeIOS17Args {
		a := sampleCropResize(r)
		n := a.Roi.Type.Shape[0]
		boxes := make([]float32, 4*n)
		for i := range boxes {
			boxes[i] = float32(r.IntN(12)-2) / 2
		}
		b := a.X.Type.Shape[0]
		out := CropResizeIOS17Args{
			a.X, mil.NewConst("b", tensor.Floats([]int{n, 4}, boxes)), sampleInts(r, 0, b, n),
			a.TargetHeight, a.TargetWidth, a.NormalizedCoordinates, a.SpatialScale, a.BoxCoordinateMode, a.SamplingMode, a.PadValue,
		}
		if n <= b && r.IntN(2) == 0 {
			out.BoxIndices = nil
		}
		return out
	},
})

func (a *CropResizeArgs) newer() *CropResizeIOS16Args {
	return &CropResizeIOS16Args{a.X, a.Roi, a.TargetHeight, a.TargetWidth, a.NormalizedCoordinates, a.SpatialScale, a.BoxCoordinateMode, a.SamplingMode, 0}
}

// checkCropResize checks what all versions have.
func checkCropResize(x *mil.Value, height, width int) error {
	_, _, h, w, err := pictures(x)
	if err != nil {
		return err
	}
	if height < 1 || width < 1 {
		return fmt.Errorf("a size of %d×%d", height, width)
	}
	if h == 0 || w == 0 {
		return fmt.Errorf("an empty image: %s", x.Type)
	}
	return nil
}

func inferCropResize(a *CropResizeIOS16Args) ([]mil.Type, error) {
	if err := checkCropResize(a.X, a.TargetHeight, a.TargetWidth); err != nil {
		return nil, err
	}
	roi, x := dims(a.Roi), dims(a.X)
	if !compatible(roi, []int{mil.Unknown, 1, mil.Unknown, 1, 1}) || len(roi) == 5 && roi[2] >= 0 && roi[2] != 4 && roi[2] != 5 {
		return nil, fmt.Errorf("roi: want N×1×4×1×1 or N×1×5×1×1, have %s", a.Roi.Type)
	}
	images := x[0]
	if roi[2] == 5 {
		images = 1
	} else if roi[2] < 0 {
		images = mil.Unknown
	}
	return result(a.X.Type.DType, roi[0], images, x[1], a.TargetHeight, a.TargetWidth)
}

func evalCropResize(a *CropResizeIOS16Args) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferCropResize, a)
	if err != nil {
		return nil, err
	}
	c := cropper{a.X.Const, a.TargetHeight, a.TargetWidth, a.NormalizedCoordinates, a.SpatialScale, a.BoxCoordinateMode, a.SamplingMode, a.PadValue}
	var cuts []boxCut
	k := dims(a.Roi)[2]
	roi := a.Roi.Const.Float64s()
	for len(roi) > 0 {
		box := [4]float64(roi[k-4 : k])
		if k == 5 {
			cuts = append(cuts, boxCut{roi[0], box})
		} else {
			for i := range shape[1] {
				cuts = append(cuts, boxCut{float64(i), box})
			}
		}
		roi = roi[k:]
	}
	return c.cut(shape, cuts)
}

func inferCropResizeIOS17(a *CropResizeIOS17Args) ([]mil.Type, error) {
	if err := checkCropResize(a.X, a.TargetHeight, a.TargetWidth); err != nil {
		return nil, err
	}
	boxes, x := dims(a.Boxes), dims(a.X)
	if !compatible(boxes, []int{mil.Unknown, 4}) {
		return nil, fmt.Errorf("boxes: want N×4, have %s", a.Boxes.Type)
	}
	if a.BoxIndices != nil {
		if !compatible(dims(a.BoxIndices), boxes[:1]) {
			return nil, fmt.Errorf("box_indices: %s for boxes %s", a.BoxIndices.Type, a.Boxes.Type)
		}
	} else if boxes[0] > x[0] && x[0] >= 0 {
		return nil, fmt.Errorf("%d boxes for %d images, and no box_indices", boxes[0], x[0])
	}
	if a.NormalizedCoordinates && !a.Boxes.Type.DType.IsFloat() {
		return nil, errors.New("boxes: normalized coordinates must be floats")
	}
	return result(a.X.Type.DType, boxes[0], x[1], a.TargetHeight, a.TargetWidth)
}

func evalCropResizeIOS17(a *CropResizeIOS17Args) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferCropResizeIOS17, a)
	if err != nil {
		return nil, err
	}
	c := cropper{a.X.Const, a.TargetHeight, a.TargetWidth, a.NormalizedCoordinates, a.SpatialScale, a.BoxCoordinateMode, a.SamplingMode, a.PadValue}
	boxes := a.Boxes.Const.Float64s()
	cuts := make([]boxCut, shape[0])
	for i := range cuts {
		cuts[i] = boxCut{float64(i), [4]float64(boxes[4*i : 4*i+4])}
	}
	if a.BoxIndices != nil {
		for i, v := range a.BoxIndices.Const.I32() {
			cuts[i].image = float64(v)
		}
	}
	return c.cut(shape, cuts)
}

// boxCut is one box and the image to cut it out of.
type boxCut struct {
	image float64
	box   [4]float64
}

type cropper struct {
	x             *tensor.Tensor
	height, width int
	normalized    bool
	scale         float32
	boxMode, mode string
	pad           float32
}

// cut makes a tensor of that shape of the boxes, one after the other.
func (c *cropper) cut(shape []int, cuts []boxCut) ([]*tensor.Tensor, error) {
	s := c.x.Shape()
	images, channels, h, w := s[0], s[1], s[2], s[3]
	size, err := tensor.CheckShape(shape)
	if err != nil {
		return nil, err
	}
	data := c.x.F32()
	out := make([]float32, 0, size)
	for _, b := range cuts {
		if !(b.image >= 0 && b.image < float64(images)) {
			return nil, fmt.Errorf("a box of image %g of %d", b.image, images)
		}
		top, left, bottom, right := c.corners(b.box, h, w)
		rows := c.points(top, bottom, h, c.height)
		columns := c.points(left, right, w, c.width)
		first := int(b.image) * channels * h * w
		for k := range channels {
			plane := data[first+k*h*w : first+(k+1)*h*w]
			for _, r := range rows {
				for _, q := range columns {
					out = append(out, sampleAt(plane, h, w, r, q, c.pad))
				}
			}
		}
	}
	return []*tensor.Tensor{tensor.New(c.x.DType(), shape, out)}, nil
}

// corners returns the corners of a box in pixels.
func (c *cropper) corners(box [4]float64, h, w int) (top, left, bottom, right float64) {
	if strings.HasSuffix(c.boxMode, "WIDTH_FIRST") {
		box[0], box[1], box[2], box[3] = box[1], box[0], box[3], box[2]
	}
	if strings.HasPrefix(c.boxMode, "CENTER_SIZE") {
		y, x, height, width := box[0], box[1], box[2], box[3]
		box = [4]float64{y - height/2, x - width/2, y + height/2, x + width/2}
	}
	for i := range box {
		box[i] *= float64(c.scale)
	}
	if c.normalized {
		box[0], box[2] = box[0]*float64(h-1), box[2]*float64(h-1)
		box[1], box[3] = box[1]*float64(w-1), box[3]*float64(w-1)
	}
	return box[0], box[1], box[2], box[3]
}

// points returns the points between two corners along an axis of n elements.
func (c *cropper) points(first, last float64, n, out int) []float64 {
	if c.mode == "UNALIGN_CORNERS" && last < first && first > float64(n-1) {
		// Apple's own test of this mode turns a box around that starts beyond
		// the image, and expects the whole image.
		first, last = 0, float64(n-1)
	}
	points := gridPoints(float32(first), float32(last), out, c.mode)
	for i, p := range points {
		points[i] = min(max(p, min(first, last)), max(first, last))
	}
	return points
}

// sampleAt interpolates in an image, whose points beyond the first and last
// elements are all pad.
func sampleAt(plane []float32, h, w int, y, x float64, pad float32) float32 {
	if !(y >= 0 && y <= float64(h-1) && x >= 0 && x <= float64(w-1)) { // NaN too
		return pad
	}
	r, c := tapAt(y, h), tapAt(x, w)
	at := func(r, c int) float64 { return float64(plane[r*w+c]) }
	return float32(mix(mix(at(r.lo, c.lo), at(r.lo, c.hi), c.w), mix(at(r.hi, c.lo), at(r.hi, c.hi), c.w), r.w))
}

func sampleCropResize(r *rand.Rand) CropResizeIOS16Args {
	x := samplePictures(r)
	n, k := 1+r.IntN(3), 4+r.IntN(2)
	roi := make([]float32, n*k)
	for i := range roi {
		roi[i] = float32(r.IntN(12)-2) / 2
		if k == 5 && i%5 == 0 {
			roi[i] = float32(r.IntN(x.Type.Shape[0]))
		}
	}
	boxes := []string{"CORNERS_HEIGHT_FIRST", "CORNERS_WIDTH_FIRST", "CENTER_SIZE_HEIGHT_FIRST", "CENTER_SIZE_WIDTH_FIRST"}
	return CropResizeIOS16Args{
		X: x, Roi: mil.NewConst("r", tensor.Floats([]int{n, 1, k, 1, 1}, roi)),
		TargetHeight: 1 + r.IntN(4), TargetWidth: 1 + r.IntN(4), NormalizedCoordinates: r.IntN(2) == 0, SpatialScale: float32(1+r.IntN(2)) / 2,
		BoxCoordinateMode: boxes[r.IntN(len(boxes))], SamplingMode: samplingModes[r.IntN(len(samplingModes))], PadValue: float32(r.IntN(3)),
	}
}
