package op

// ReduceArgmax is the index of the greatest element along an axis, of the first
// one of equals; NaN is greater than any number.
var ReduceArgmax, ReduceArgmaxIOS17 = defineArg("reduce_argmax",
	func(x, y float32) bool { return x > y },
	func(x, y int32) bool { return x > y })
