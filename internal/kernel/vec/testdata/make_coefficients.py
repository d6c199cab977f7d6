# Prints the polynomials of coefficients.go. numpy 2.4.6, mpmath 1.3.
#
# Each is a least-squares Chebyshev fit, reweighted until the weighted error is
# even (Lawson's iteration), so that it is close to the minimax polynomial.
import mpmath
import numpy as np
from numpy.polynomial import Polynomial, chebyshev


def fit(name, f, lo, hi, degree, weight):
    t = np.cos((np.arange(4000) + 0.5) / 4000 * np.pi)
    x = (lo + hi) / 2 + (hi - lo) / 2 * t
    y, w = np.vectorize(f)(x), np.vectorize(weight)(x)
    even = np.ones_like(x)
    for _ in range(60):
        c = chebyshev.chebfit(t, y, degree, w=np.sqrt(even) * w)
        error = abs(chebyshev.chebval(t, c) - y) * w
        even *= error / error.max() + 1e-3
        even /= even.max()
    p = np.polynomial.Chebyshev(c, domain=[lo, hi]).convert(kind=Polynomial)
    print(name, "error %.2g:" % error.max(), ", ".join("%.9g" % np.float32(a) for a in p.coef))


fit("exp", lambda r: float((mpmath.exp(r) - 1 - r) / r**2) if abs(r) > 1e-8 else 0.5,
    -0.34668, 0.34668, 4, lambda r: r * r + 1e-9)
fit("tanh", lambda z: float((mpmath.tanh(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1) / z),
    1e-9, 0.625**2, 4, lambda z: z)
fit("erf", lambda z: float(mpmath.erf(mpmath.sqrt(z)) / mpmath.sqrt(z)), 1e-9, 0.95**2, 6, lambda z: 1.0)
fit("erfc", lambda x: float(-mpmath.log(mpmath.erfc(x))), 0.92, 4.0, 7, lambda x: float(mpmath.erfc(x)))
