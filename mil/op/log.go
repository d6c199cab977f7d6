package op

import "math"

// Log is the natural logarithm of x + epsilon. The default of epsilon is the
// least positive float32, which makes log(0) finite.
var Log, LogIOS17 = defineEpsilon("log", 1e-45, math.Log)
