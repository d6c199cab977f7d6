package op

// ReduceArgmin is the index of the least element along an axis, of the first
// one of equals; NaN is less than any number.
var ReduceArgmin, ReduceArgminIOS17 = defineArg("reduce_argmin",
	func(x, y float32) bool { return x < y },
	func(x, y int32) bool { return x < y })
