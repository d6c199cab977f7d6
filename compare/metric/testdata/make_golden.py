"""Makes golden.npz: inputs, and what independent formulas make of them.

numpy==2.4.6, scipy==1.17.1, scikit-image==0.26.0

Run in this folder: python make_golden.py
"""

import numpy as np
from scipy.stats import binomtest, entropy
from skimage.metrics import structural_similarity

rng = np.random.default_rng(7)
out = {}


def ssim(a, b, peak):
    """Wang et al. 2004, formula (13), window by window."""
    x = np.arange(11) - 5
    g = np.exp(-(x**2) / (2 * 1.5**2))
    w = np.outer(g, g) / g.sum() ** 2
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    values = []
    for c in range(a.shape[2]):
        for i in range(a.shape[0] - 10):
            for j in range(a.shape[1] - 10):
                p, q = a[i : i + 11, j : j + 11, c].astype(float), b[i : i + 11, j : j + 11, c].astype(float)
                mp, mq = (w * p).sum(), (w * q).sum()
                vp, vq = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum()
                vpq = (w * (p - mp) * (q - mq)).sum()
                values.append((2 * mp * mq + c1) * (2 * vpq + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return np.mean(values)


def picture(h, w, c):
    y, x, k = np.mgrid[0:h, 0:w, 0:c].astype(float)
    v = 128 + 90 * np.sin(x / 4 + k) * np.cos(y / 6) + rng.normal(0, 12, (h, w, c))
    return np.clip(np.rint(v), 0, 255).astype(np.uint8)


for name, h, w, c, noise in (("rgb", 24, 31, 3, 9), ("gray", 11, 17, 1, 30), ("smallest", 11, 11, 3, 3)):
    a = picture(h, w, c)
    b = np.clip(np.rint(a + rng.normal(0, noise, a.shape)), 0, 255).astype(np.uint8)
    s = ssim(a, b, 255)
    if name == "rgb":  # a second opinion, which also leaves the border out
        other = structural_similarity(
            a, b, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert abs(other - s) < 1e-9, (other, s)
    mse = np.mean((a.astype(float) - b) ** 2)
    out |= {
        f"{name}.want": a,
        f"{name}.got": b,
        f"{name}.ssim": s,
        f"{name}.psnr": 10 * np.log10(255**2 / mse),
    }

for i in range(3):
    a = rng.normal(0, 3, (1, 5, 7)).astype(np.float32)
    b = (a + rng.normal(0, 10.0 ** (-1 - i), a.shape)).astype(np.float32)
    x, y = a.astype(float).ravel(), b.astype(float).ravel()
    mse = np.mean((x - y) ** 2)
    out |= {
        f"vector{i}.want": a,
        f"vector{i}.got": b,
        f"vector{i}.psnr": 10 * np.log10(np.max(x**2) / mse),
        f"vector{i}.psnr7": 10 * np.log10(7**2 / mse),
        f"vector{i}.snr": 10 * np.log10(np.mean(x**2) / mse),
        f"vector{i}.max": np.max(np.abs(x - y)),
        f"vector{i}.mean": np.mean(np.abs(x - y)),
        f"vector{i}.cosine": x @ y / np.linalg.norm(x) / np.linalg.norm(y),
    }
mses = [np.mean((out[f"vector{i}.want"].astype(float) - out[f"vector{i}.got"]) ** 2) for i in range(3)]
powers = [np.mean(out[f"vector{i}.want"].astype(float) ** 2) for i in range(3)]
out["vectors.psnr7"] = 10 * np.log10(7**2 / np.mean(mses))
out["vectors.snr"] = 10 * np.log10(np.mean(powers) / np.mean(mses))

p, q = rng.dirichlet(np.ones(12)), rng.dirichlet(np.ones(12))
z = q.copy()
z[3] = 0
floor = 2.0**-24
z = z / z.sum()
out |= {
    "kl.want": p,
    "kl.got": 2 * q,  # it is scaled
    "kl.value": entropy(p, q),
    "kl.zero": z,
    "kl.zero_value": np.sum(p * np.log(np.maximum(p, floor) / np.maximum(z, floor))),
}

table = []
for k, n in ((0, 10), (10, 10), (1, 1), (97, 100), (50, 100), (179, 180), (49321, 50000)):
    ci = binomtest(k, n).proportion_ci(0.95, "wilson")
    table.append((k, n, ci.low, ci.high))
out["wilson"] = np.array(table)

np.savez_compressed("golden.npz", **out)
