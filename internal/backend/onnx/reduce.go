package onnx

// reductions take sums, extremes and their places along axes.
var reductions = map[string]rule{
	"reduce_argmax":      arg("ArgMax"),
	"reduce_argmin":      arg("ArgMin"),
	"reduce_l1_norm":     reduction("ReduceL1"),
	"reduce_l2_norm":     reduction("ReduceL2"),
	"reduce_log_sum":     reduction("ReduceLogSum"),
	"reduce_log_sum_exp": reduction("ReduceLogSumExp"),
	"reduce_max":         reduction("ReduceMax"),
	"reduce_mean":        reduction("ReduceMean"),
	"reduce_min":         reduction("ReduceMin"),
	"reduce_prod":        reduction("ReduceProd"),
	"reduce_sum":         reduction("ReduceSum"),
	"reduce_sum_square":  reduction("ReduceSumSquare"),
	"cumsum":             cumsum,
}

func reduction(op string) rule {
	return func(w *writer, c *call) []*val {
		x := c.in("x")
		axes := c.axes(c.rank("x"))
		if len(axes) == 0 && c.rank("x") > 0 {
			axes = iota(c.rank("x"))
		}
		if len(axes) == 0 { // a scalar: of no axes ONNX makes all
			return one(w.squeeze(w.reduce(op, w.unsqueeze(x, 0), true, 0), 0))
		}
		return one(w.reduce(op, x, c.flag("keep_dims"), axes...))
	}
}

func arg(op string) rule {
	return func(w *writer, c *call) []*val {
		keep := 0
		if c.flag("keep_dims") {
			keep = 1
		}
		return one(w.add(op, []*val{c.in("x")}, attr{"axis", c.int("axis")}, attr{"keepdims", keep}))
	}
}

func cumsum(w *writer, c *call) []*val {
	attrs := []attr{}
	for _, name := range []string{"exclusive", "reverse"} {
		if c.flag(name) {
			attrs = append(attrs, attr{name, 1})
		}
	}
	return one(w.add("CumSum", []*val{c.in("x"), w.int(c.int("axis"))}, attrs...))
}
