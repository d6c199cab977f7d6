package op

import (
	"math"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// near turns every element into a hundredth, to compare with values that were
// worked out by hand.
func near(c evalCase) evalCase {
	for i, w := range c.want {
		c.want[i] = hundredths(w)
	}
	return c
}

func hundredths(t *tensor.Tensor) *tensor.Tensor {
	out := make([]float32, t.Len())
	for i, v := range t.F32() {
		out[i] = float32(math.Round(float64(v)*100)) / 100
		if math.IsInf(float64(v), 0) {
			out[i] = v
		}
	}
	return tensor.New(t.DType(), t.Shape(), out)
}

func checkNear(t *testing.T, cases []evalCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.op.Name+"/"+c.name, func(t *testing.T) {
			outs, err := c.run()
			if err != nil {
				t.Fatal(err)
			}
			want := near(c).want
			for i, out := range outs {
				if got := hundredths(out); !sameTensor(got, want[i]) {
					t.Errorf("output %d: %s, want %s", i, showTensor(got), showTensor(want[i]))
				}
			}
		})
	}
}

func TestResizes(t *testing.T) {
	pair := fl(sh{1, 1, 2}, 0, 1)
	line := func(v ...float32) *tensor.Tensor { return fl(sh{1, 1, len(v)}, v...) }
	linear := func(mode string, size int) any { return &ResizeBilinearArgs{val(pair), 1, size, mode} }
	resize := func(x *tensor.Tensor, shape sh, k int, interpolation, mode string) any {
		return &ResizeArgs{val(x), vectorOf(shape...), k, interpolation, mode}
	}
	yes, no := tensor.Scalar(tensor.Bool, true), tensor.Scalar(tensor.Bool, false)
	checkNear(t, []evalCase{
		{"strict 5", ResizeBilinear.Op, linear("STRICT_ALIGN_CORNERS", 5), outs(line(0, 0.25, 0.5, 0.75, 1)), ""},
		{"align 6", ResizeBilinear.Op, linear("ALIGN_CORNERS", 6), outs(line(0, 0.2, 0.4, 0.6, 0.8, 1)), ""},
		{"default 5", ResizeBilinear.Op, linear("DEFAULT", 5), outs(line(0, 0.4, 0.8, 1, 1)), ""},
		{"default 6", ResizeBilinear.Op, linear("DEFAULT", 6), outs(line(0, 0.33, 0.67, 1, 1, 1)), ""},
		{"offset 5", ResizeBilinear.Op, linear("OFFSET_CORNERS", 5), outs(line(0.1, 0.3, 0.5, 0.7, 0.9)), ""},
		{"unalign 5", ResizeBilinear.Op, linear("UNALIGN_CORNERS", 5), outs(line(0, 0.1, 0.5, 0.9, 1)), ""},
		{"strict 1", ResizeBilinear.Op, linear("STRICT_ALIGN_CORNERS", 1), outs(line(0)), ""},
		{"align 1", ResizeBilinear.Op, linear("ALIGN_CORNERS", 1), outs(line(0.5)), ""},
		{"unalign 1", ResizeBilinear.Op, linear("UNALIGN_CORNERS", 1), outs(line(0.5)), ""},
		{
			"both axes", ResizeBilinear.Op, &ResizeBilinearArgs{val(fl(sh{1, 2, 2}, 0, 2, 4, 6)), 3, 3, "ALIGN_CORNERS"},
			outs(fl(sh{1, 3, 3}, 0, 1, 2, 2, 3, 4, 4, 5, 6)), "",
		},
		{"infinity counts only where it has weight", ResizeBilinear.Op, &ResizeBilinearArgs{val(line(1, inf)), 1, 3, "ALIGN_CORNERS"}, outs(line(1, inf, inf)), ""},
		{"upsample aligned", UpsampleBilinear.Op, &UpsampleBilinearArgs{val(pair), 1, 3, true}, outs(line(0, 0.2, 0.4, 0.6, 0.8, 1)), ""},
		{"upsample", UpsampleBilinear.Op, &UpsampleBilinearArgs{val(pair), 1, 2.6, false}, outs(line(0, 0.1, 0.5, 0.9, 1)), ""},
		{"upsample from the edge", UpsampleBilinearIOS16.Op, &UpsampleBilinearIOS16Args{val(pair), 1, 3, false, no}, outs(line(0, 0.33, 0.67, 1, 1, 1)), ""},
		{"upsample from the middle", UpsampleBilinearIOS16.Op, &UpsampleBilinearIOS16Args{val(pair), 1, 3, false, yes}, outs(line(0, 0, 0.33, 0.67, 1, 1)), ""},
		{"upsample by default", UpsampleBilinearIOS16.Op, &UpsampleBilinearIOS16Args{val(pair), 1, 3, false, nil}, outs(line(0, 0, 0.33, 0.67, 1, 1)), ""},
		{"nearest up", UpsampleNearestNeighbor.Op, &UpsampleNearestNeighborArgs{val(line(1.5, 2.5)), 1, 2}, outs(line(1.5, 1.5, 2.5, 2.5)), ""},
		{
			"nearest down", UpsampleNearestNeighbor.Op, &UpsampleNearestNeighborArgs{val(line(1.5, -2.5, 3.5)), 3.17, 0.67},
			outs(fl(sh{1, 3, 2}, 1.5, -2.5, 1.5, -2.5, 1.5, -2.5)), "",
		},
		{"nearest to a size", ResizeNearestNeighbor.Op, &ResizeNearestNeighborArgs{val(pair), 2, 3}, outs(fl(sh{1, 2, 3}, 0, 1, 1, 0, 1, 1)), ""},
		{"nearest to one", ResizeNearestNeighbor.Op, &ResizeNearestNeighborArgs{val(pair), 1, 1}, outs(line(1)), ""},
		{"resize", Resize.Op, resize(pair, sh{7, 1, 5}, 2, "LINEAR", "DEFAULT"), outs(line(0, 0.4, 0.8, 1, 1)), ""},
		{"resize keeps", Resize.Op, resize(pair, sh{0, 0}, 2, "LINEAR", "DEFAULT"), outs(pair), ""},
		{"resize nearest", Resize.Op, resize(fl(sh{1, 2, 1}, -6, 9), sh{3, 2}, 2, "NEAREST_NEIGHBOR", "DEFAULT"), outs(fl(sh{1, 3, 2}, -6, -6, 9, 9, 9, 9)), ""},
		{"resize nearest aligned", Resize.Op, resize(ramp(2), sh{5}, 1, "NEAREST_NEIGHBOR", "ALIGN_CORNERS"), outs(fl(sh{5}, 0, 0, 1, 1, 1)), ""},
		{"resize nothing", Resize.Op, resize(ramp(2), sh{}, 0, "LINEAR", "DEFAULT"), outs(ramp(2)), ""},
	})
	checkCases(t, []evalCase{
		{"integers", Resize.Op, resize(in(sh{2}, 0, 9), sh{4}, 1, "LINEAR", "ALIGN_CORNERS"), outs(in(sh{4}, 0, 3, 6, 9)), ""},
		{"mode", ResizeBilinear.Op, linear("CORNERS", 5), nil, "not one of"},
		{"no size", ResizeBilinear.Op, linear("DEFAULT", 0), nil, "size of 1×0"},
		{"rank", ResizeBilinear.Op, &ResizeBilinearArgs{val(ramp(2, 2)), 1, 1, "DEFAULT"}, nil, "rank 3"},
		{"empty", ResizeBilinear.Op, &ResizeBilinearArgs{val(ramp(1, 0, 2)), 1, 1, "DEFAULT"}, nil, "empty image"},
		{"no factor", UpsampleNearestNeighbor.Op, &UpsampleNearestNeighborArgs{val(pair), 0, 1}, nil, "scale factor"},
		{"NaN factor", UpsampleNearestNeighbor.Op, &UpsampleNearestNeighborArgs{val(pair), nan, 1}, nil, "scale factor"},
		{"to nothing", UpsampleNearestNeighbor.Op, &UpsampleNearestNeighborArgs{val(pair), 0.4, 1}, nil, "size of 0"},
		{"huge", ResizeNearestNeighbor.Op, &ResizeNearestNeighborArgs{val(pair), 1 << 30, 1 << 30}, nil, "elements"},
		{"too many sizes", Resize.Op, resize(pair, sh{1, 1, 1, 1}, 2, "LINEAR", "DEFAULT"), nil, "4 sizes"},
		{"too few sizes", Resize.Op, resize(pair, sh{1}, 2, "LINEAR", "DEFAULT"), nil, "1 sizes"},
		{"negative size", Resize.Op, resize(pair, sh{-1}, 1, "LINEAR", "DEFAULT"), nil, "size of -1"},
		{"half pixels", UpsampleBilinearIOS16.Op, &UpsampleBilinearIOS16Args{val(pair), 1, 3, false, bo(sh{2}, true, true)}, nil, "half_pixel_centers"},
		{"crop", Crop.Op, &CropArgs{val(ramp(1, 3, 4)), sh{1, 0}, sh{2, 1}}, outs(fl(sh{1, 2, 1}, 6, 10)), ""},
		{"crop too much", Crop.Op, &CropArgs{val(ramp(1, 3, 4)), sh{2, 2}, sh{0, 0}}, nil, "crops of 2 and 2"},
		{"crop negative", Crop.Op, &CropArgs{val(ramp(1, 3, 4)), sh{-1, 0}, sh{0, 0}}, nil, "crops of -1"},
		{"crop numbers", Crop.Op, &CropArgs{val(ramp(1, 3, 4)), sh{1}, sh{0, 0}}, nil, "2 numbers"},
	})
	checkInfer(t, []inferCase{
		{"unknown", UpsampleBilinear.Op, &UpsampleBilinearArgs{unknown(tensor.Float32, -2, 3, -4), 2, 2, true}, f32(-2, 6, -1), ""},
		{"unknown", ResizeBilinear.Op, &ResizeBilinearArgs{unknown(tensor.Float32, -2, 3, -4), 2, 5, "DEFAULT"}, f32(-2, 2, 5), ""},
		{"unknown shape", Resize.Op, &ResizeArgs{unknown(tensor.Float32, -2, 3, -4), unknown(tensor.Int32, 2), 1, "LINEAR", "DEFAULT"}, f32(-2, 3, -1), ""},
		{"symbol stays", Resize.Op, &ResizeArgs{unknown(tensor.Float32, -2, 3, -4), vectorOf(5, 0), 2, "LINEAR", "DEFAULT"}, f32(-2, 5, -4), ""},
		{"unknown", Crop.Op, &CropArgs{unknown(tensor.Float32, -2, -3, -4), sh{0, 0}, sh{1, 0}}, f32(-2, -3, -1), ""},
	})
}

func TestCropResize(t *testing.T) {
	x := fl(sh{1, 1, 4, 4}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
	roi := func(v ...float32) *mil.Value { return val(fl(sh{1, 1, len(v), 1, 1}, v...)) }
	cut := func(r *mil.Value, size int, normalized bool, boxes, mode string) any {
		return &CropResizeArgs{val(x), r, size, size, normalized, 1, boxes, mode}
	}
	out := func(v ...float32) []*tensor.Tensor {
		n := int(math.Sqrt(float64(len(v))))
		return outs(fl(sh{1, 1, 1, n, n}, v...))
	}
	three := fl(sh{3, 1, 5, 1, 1}, 0, 0.1, 0.3, 1.3, 1, 0, 0.5, 1.8, 1, 0.3, 0, 0, 0.4, 0.6, 0.7)
	want := []float32{3.1, 5.2, 10, 10, 10, 7.9, 10, 13.9, 2.2, 3.1, 9.4, 10.3}
	checkNear(t, []evalCase{
		{"corners", CropResize.Op, cut(roi(1, 1, 2, 2), 2, false, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"), out(6, 7, 10, 11), ""},
		{
			"enlarged", CropResize.Op, cut(roi(1, 1, 2, 2), 4, false, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"),
			out(6, 6.33, 6.67, 7, 7.33, 7.67, 8, 8.33, 8.67, 9, 9.33, 9.67, 10, 10.33, 10.67, 11), "",
		},
		{"middle", CropResize.Op, cut(roi(1, 1, 2, 2), 1, false, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"), out(8.5), ""},
		{"corner", CropResize.Op, cut(roi(1, 1, 2, 2), 1, false, "CORNERS_HEIGHT_FIRST", "STRICT_ALIGN_CORNERS"), out(6), ""},
		{"turned around", CropResize.Op, cut(roi(2, 2, 1, 1), 2, false, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"), out(11, 10, 7, 6), ""},
		{"turned around beyond", CropResize.Op, cut(roi(2, 2, 1, 1), 2, true, "CORNERS_HEIGHT_FIRST", "UNALIGN_CORNERS"), out(3.5, 5.5, 11.5, 13.5), ""},
		{"normalized", CropResize.Op, cut(roi(0, 0, 0, 1./3, 1./3), 2, true, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"), out(1, 2, 5, 6), ""},
		{"width first", CropResize.Op, cut(roi(1, 0, 2, 1), 2, false, "CORNERS_WIDTH_FIRST", "ALIGN_CORNERS"), out(2, 3, 6, 7), ""},
		{"center", CropResize.Op, cut(roi(1.5, 0.5, 1, 1), 2, false, "CENTER_SIZE_HEIGHT_FIRST", "ALIGN_CORNERS"), out(5, 6, 9, 10), ""},
		{"center, width first", CropResize.Op, cut(roi(1.5, 0.5, 1, 1), 2, false, "CENTER_SIZE_WIDTH_FIRST", "ALIGN_CORNERS"), out(2, 3, 6, 7), ""},
		{"default", CropResize.Op, cut(roi(0, 0, 3, 3), 2, false, "CORNERS_HEIGHT_FIRST", "DEFAULT"), out(1, 3, 9, 11), ""},
		{"offset", CropResize.Op, cut(roi(0, 0, 2, 2), 2, false, "CORNERS_HEIGHT_FIRST", "OFFSET_CORNERS"), out(3.5, 4.5, 7.5, 8.5), ""},
		{"outside", CropResize.Op, cut(roi(-1, 0, 1, 2), 2, false, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"), out(0, 0, 5, 7), ""},
		{
			"outside is a value", CropResizeIOS16.Op, &CropResizeIOS16Args{val(x), val(three), 2, 2, true, 1, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS", 10},
			outs(fl(sh{3, 1, 1, 2, 2}, want...)), "",
		},
		{"boxes", CropResizeIOS17.Op, &CropResizeIOS17Args{
			val(x), val(fl(sh{3, 4}, 0.1, 0.3, 1.3, 1, 0.5, 1.8, 1, 0.3, 0, 0.4, 0.6, 0.7)), val(in(sh{3}, 0, 0, 0)),
			2, 2, true, 1, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS", 10,
		}, outs(fl(sh{3, 1, 2, 2}, want...)), ""},
		{
			"scaled", CropResizeIOS17.Op, &CropResizeIOS17Args{val(x), val(fl(sh{1, 4}, 2, 2, 4, 4)), nil, 2, 2, false, 0.5, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS", 0},
			outs(fl(sh{1, 1, 2, 2}, 6, 7, 10, 11)), "",
		},
	})
	checkCases(t, []evalCase{
		{"NaN is outside", CropResize.Op, cut(roi(nan, 0, 1, 2), 1, false, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"), out(0), ""},
		{"image", CropResize.Op, cut(roi(1, 0, 0, 1, 1), 1, false, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"), nil, "image 1 of 1"},
		{"image NaN", CropResize.Op, cut(roi(nan, 0, 0, 1, 1), 1, false, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"), nil, "of 1"},
		{"roi", CropResize.Op, cut(roi(0, 0, 1), 1, false, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"), nil, "roi"},
		{"size", CropResize.Op, cut(roi(0, 0, 1, 1), 0, false, "CORNERS_HEIGHT_FIRST", "ALIGN_CORNERS"), nil, "size of 0×0"},
		{"negative image", CropResizeIOS17.Op, &CropResizeIOS17Args{val(x), val(ramp(1, 4)), val(in(sh{1}, -1)), 1, 1, false, 1, "CORNERS_HEIGHT_FIRST", "DEFAULT", 0}, nil, "image -1"},
		{"too few images", CropResizeIOS17.Op, &CropResizeIOS17Args{val(x), val(ramp(2, 4)), nil, 1, 1, false, 1, "CORNERS_HEIGHT_FIRST", "DEFAULT", 0}, nil, "2 boxes"},
	})
	checkInfer(t, []inferCase{
		{"unknown", CropResize.Op, &CropResizeArgs{unknown(tensor.Float32, -2, 3, -4, 5), roi(0, 0, 1, 1), 6, 7, false, 1, "CORNERS_HEIGHT_FIRST", "DEFAULT"}, f32(1, -2, 3, 6, 7), ""},
		{"one image", CropResize.Op, &CropResizeArgs{unknown(tensor.Float32, -2, 3, -4, 5), roi(0, 0, 0, 1, 1), 6, 7, false, 1, "CORNERS_HEIGHT_FIRST", "DEFAULT"}, f32(1, 1, 3, 6, 7), ""},
	})
}

func TestResample(t *testing.T) {
	x := fl(sh{1, 1, 2, 2}, 11, 22, 33, 44)
	at := fl(sh{1, 2, 2, 2}, -1, -2, -3.7, -1, 0, 0, 3.5, 1.2)
	read := func(at *tensor.Tensor, sampling, padding string, pad float32, mode string, align bool) any {
		return &ResampleArgs{val(x), val(at), sampling, padding, pad, mode, align}
	}
	out := func(v ...float32) []*tensor.Tensor { return outs(fl(sh{1, 1, 2, 2}, v...)) }
	far := fl(sh{1, 1, 4, 2}, nan, 0, inf, 0, 0, -inf, 1e30, 1e30)
	row := func(v ...float32) []*tensor.Tensor { return outs(fl(sh{1, 1, 1, 4}, v...)) }
	matrix := fl(sh{1, 6}, -1, 0, 0, 0, 1, 0)
	affine := func(matrix *tensor.Tensor, h, w int, align bool) any {
		return &AffineArgs{val(x), val(matrix), h, w, "bilinear", "constant", 0, "normalized_minus_one_to_one", align}
	}
	checkNear(t, []evalCase{
		{"constant", Resample.Op, read(at, "bilinear", "constant", 6.17, "normalized_minus_one_to_one", true), out(8.585, 6.17, 27.5, 6.17), ""},
		{"border", Resample.Op, read(at, "nearest", "border", -1, "unnormalized", false), out(11, 11, 11, 44), ""},
		{"reflection", Resample.Op, read(at, "bilinear", "reflection", -1, "normalized_zero_to_one", true), out(22, 36.3, 11, 34.1), ""},
		{"symmetric", Resample.Op, read(at, "nearest", "symmetric", -1, "normalized_zero_to_one", false), out(22, 33, 11, 33), ""},
		{"integers", Resample.Op, read(in(sh{1, 2, 2, 2}, 0, 0, 1, 1, 0, 1, 1, 0), "nearest", "constant", -1, "unnormalized", false), out(11, 44, 33, 22), ""},
		{"far away constant", Resample.Op, read(far, "bilinear", "constant", 5, "unnormalized", false), row(5, 5, 5, 5), ""},
		{"far away nearest", Resample.Op, read(far, "nearest", "constant", 5, "unnormalized", false), row(5, 5, 5, 5), ""},
		{"far away border", Resample.Op, read(far, "bilinear", "border", 5, "unnormalized", false), row(11, 22, 11, 44), ""},
		{"flipped", Affine.Op, affine(matrix, 2, 2, true), out(22, 11, 44, 33), ""},
		{"one", Affine.Op, affine(matrix, 1, 1, true), outs(fl(sh{1, 1, 1, 1}, 27.5)), ""},
		{"shifted", Affine.Op, affine(fl(sh{1, 6}, 1, 0, 2, 0, 1, 0), 2, 2, true), out(22, 0, 44, 0), ""},
	})
	if _, err := (evalCase{op: Resample.Op, args: read(far, "bilinear", "symmetric", 5, "unnormalized", false)}).run(); err != nil {
		t.Error(err)
	}
	checkCases(t, []evalCase{
		{"pairs", Resample.Op, read(ramp(1, 2, 2, 3), "nearest", "border", 0, "unnormalized", false), nil, "coordinates"},
		{"batch", Resample.Op, read(ramp(2, 2, 2, 2), "nearest", "border", 0, "unnormalized", false), nil, "coordinates"},
		{"empty image", Resample.Op, &ResampleArgs{val(ramp(1, 1, 0, 2)), val(ramp(1, 1, 1, 2)), "nearest", "border", 0, "unnormalized", false}, nil, "empty image"},
		{"empty image padded", Resample.Op, &ResampleArgs{val(ramp(1, 1, 0, 2)), val(ramp(1, 1, 1, 2)), "nearest", "constant", 3, "unnormalized", false}, outs(fl(sh{1, 1, 1, 1}, 3)), ""},
		{"sampling", Resample.Op, read(at, "bicubic", "border", 0, "unnormalized", false), nil, "not one of"},
		{"matrix", Affine.Op, affine(ramp(1, 5), 1, 1, true), nil, "transform_matrix"},
		{"size", Affine.Op, affine(matrix, 0, 1, true), nil, "size of 0×1"},
		{"corners", Affine.Op, affine(matrix, 1, 1, false), nil, "align_corners"},
	})
	checkInfer(t, []inferCase{
		{"unknown", Resample.Op, &ResampleArgs{unknown(tensor.Float32, -2, 3, -4, 5), unknown(tensor.Float32, 2, -6, 7, 2), "nearest", "border", 0, "unnormalized", false}, f32(2, 3, -6, 7), ""},
		{"unknown", Affine.Op, &AffineArgs{unknown(tensor.Float32, -2, 3, -4, 5), val(matrix), 6, 7, "bilinear", "constant", 0, "normalized_minus_one_to_one", true}, f32(-2, 3, 6, 7), ""},
	})
}
