package coreml

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// resizeKinds give pictures another size.
var resizeKinds = map[string]layerFunc{
	"cropResize":     cropResize,
	"reorganizeData": reorganizeData,
	"resizeBilinear": resizeBilinear,
	"upsample":       upsample,
}

// onImages lowers a layer of one input that acts on pictures.
func (l *lowering) onImages(in []*mil.Value, f func(x *mil.Value) *mil.Value) []*mil.Value {
	x, back := l.images(l.one(in))
	if l.Err() != nil {
		return nil
	}
	return []*mil.Value{back(f(x))}
}

// reorganizeData moves elements between the channels and blocks of pixels.
func reorganizeData(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetReorganizeData()
	block := integer(p.GetBlockSize())
	return l.onImages(in, func(x *mil.Value) *mil.Value {
		switch p.GetMode() {
		case spec.ReorganizeDataLayerParams_SPACE_TO_DEPTH:
			return op.SpaceToDepth.Add(l.Builder, op.BlockArgs{X: x, BlockSize: block})
		case spec.ReorganizeDataLayerParams_DEPTH_TO_SPACE:
			return op.DepthToSpace.Add(l.Builder, op.BlockArgs{X: x, BlockSize: block})
		case spec.ReorganizeDataLayerParams_PIXEL_SHUFFLE:
			return op.PixelShuffle.Add(l.Builder, op.PixelShuffleArgs{X: x, UpscaleFactor: block})
		}
		l.fail("unknown mode %s", p.GetMode())
		return x
	})
}

// factors reads the scale of heights and widths.
func factors(p *spec.UpsampleLayerParams) []float32 {
	out := slices.Clone(p.GetFractionalScalingFactor())
	if len(out) == 0 {
		for _, n := range p.GetScalingFactor() {
			out = append(out, float32(n))
		}
	}
	if len(out) == 0 {
		return []float32{1, 1}
	}
	return out
}

// upsample scales pictures.
func upsample(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetUpsample()
	scale := factors(p)
	if len(scale) != 2 {
		return l.fail("want 2 scaling factors, have %d", len(scale))
	}
	return l.onImages(in, func(x *mil.Value) *mil.Value {
		if p.GetMode() == spec.UpsampleLayerParams_NN {
			return op.UpsampleNearestNeighbor.Add(l.Builder, op.UpsampleNearestNeighborArgs{
				X: x, ScaleFactorHeight: scale[0], ScaleFactorWidth: scale[1],
			})
		}
		a := op.UpsampleBilinearIOS16Args{X: x, ScaleFactorHeight: scale[0], ScaleFactorWidth: scale[1]}
		switch p.GetLinearUpsampleMode() {
		case spec.UpsampleLayerParams_DEFAULT:
			a.HalfPixelCenters = tensor.Scalar(tensor.Bool, false)
		case spec.UpsampleLayerParams_ALIGN_CORNERS_TRUE:
			a.AlignCorners = true
		}
		return op.UpsampleBilinearIOS16.Add(l.Builder, a)
	})
}

// sampling names the modes of sampling as MIL does.
var sampling = map[spec.SamplingMode_Method]string{
	spec.SamplingMode_STRICT_ALIGN_ENDPOINTS_MODE: "STRICT_ALIGN_CORNERS",
	spec.SamplingMode_ALIGN_ENDPOINTS_MODE:        "ALIGN_CORNERS",
	spec.SamplingMode_UPSAMPLE_MODE:               "DEFAULT",
	spec.SamplingMode_ROI_ALIGN_MODE:              "OFFSET_CORNERS",
}

// resizeBilinear gives pictures a fixed size.
func resizeBilinear(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetResizeBilinear()
	to, mode := sizes(p.GetTargetSize(), 1), sampling[p.GetMode().GetSamplingMethod()]
	if len(to) != 2 || mode == "" {
		return l.fail("target size %v, sampling %s", to, p.GetMode().GetSamplingMethod())
	}
	return l.onImages(in, func(x *mil.Value) *mil.Value {
		return op.ResizeBilinear.Add(l.Builder, op.ResizeBilinearArgs{
			X: x, TargetSizeHeight: to[0], TargetSizeWidth: to[1], SamplingMode: mode,
		})
	})
}

// cropResize cuts boxes out of pictures [1, B, C, H, W] and gives them one
// size. Boxes [N, 1, 5, 1, 1] name their pictures, boxes [N, 1, 4, 1, 1] are
// cut out of every one.
func cropResize(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 2 || in[0].Type.Rank() != 5 || in[1].Type.Rank() != 5 {
		return l.fail("want two inputs of rank 5")
	}
	p := l.layer.GetCropResize()
	x, roi := in[0], in[1]
	to, mode := sizes(p.GetTargetSize(), 1), sampling[p.GetMode().GetSamplingMethod()]
	k := roi.Type.Shape[2]
	if len(to) != 2 || mode == "" || k != 4 && k != 5 {
		return l.fail("target size %v, sampling %s, boxes %s", to, p.GetMode().GetSamplingMethod(), roi.Type)
	}
	a := op.CropResizeIOS17Args{
		TargetHeight: to[0], TargetWidth: to[1], NormalizedCoordinates: p.GetNormalizedCoordinates(), SpatialScale: p.GetSpatialScale(),
		BoxCoordinateMode: p.GetBoxIndicesMode().GetBoxMode().String(), SamplingMode: mode,
	}
	if a.SpatialScale == 0 {
		a.SpatialScale = 1
	}
	of, boxes := l.sizes(x), l.sizes(roi)
	a.X = l.reshapeTo(x, []size{l.product(of[:2]), of[2], of[3], of[4]})
	roi = l.reshapeTo(roi, []size{l.product(boxes[:2]), {n: k}})
	images := of[1]
	if k == 5 {
		a.Boxes = l.cut(roi, -1, 1, 5, 1)
		a.BoxIndices = l.reshapeTo(l.indices(l.cut(roi, -1, 0, 1, 1)), boxes[:1])
		images = size{n: 1}
	} else {
		repeat := l.shapeOf([]size{{n: 1}, images, {n: 1}})
		rows := l.product([]size{boxes[0], images})
		a.Boxes = op.Tile.Add(l.Builder, op.TileArgs{X: l.reshapeTo(roi, []size{boxes[0], {n: 1}, {n: 4}}), Reps: repeat})
		a.Boxes = l.reshapeTo(a.Boxes, []size{rows, {n: 4}})
		all := op.Range1d.Add(l.Builder, op.Range1dArgs{Start: l.integer(0), End: l.scalarOf(images), Step: l.integer(1)})
		a.BoxIndices = op.Tile.Add(l.Builder, op.TileArgs{X: all, Reps: l.shapeOf(boxes[:1])})
	}
	if l.Err() != nil {
		return nil
	}
	y := op.CropResizeIOS17.Add(l.Builder, a)
	return []*mil.Value{l.reshapeTo(y, []size{boxes[0], images, of[2], {n: to[0]}, {n: to[1]}})}
}
