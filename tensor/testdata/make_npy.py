"""Makes the NumPy files of this folder, and golden.txt: for each array its
file, shape and row-major elements as text.

    python make_npy.py        (Python 3.11, numpy 2.4.6)
"""
import io
import numpy as np
from numpy.lib import format as npy

out = open("golden.txt", "w")


def text(v):
    if isinstance(v, (str, bytes)):
        return (v if isinstance(v, str) else v.decode()).encode().hex() or "-"
    if isinstance(v, (bool, np.bool_)):
        return "1" if v else "0"
    return repr(v.item() if hasattr(v, "item") else v)


def note(name, a):
    shape = "x".join(map(str, a.shape)) or "scalar"
    values = [text(v) for v in a.ravel(order="C")]
    print(name, shape, *values, file=out)


def save(name, a, version=(1, 0)):
    with open(name + ".npy", "wb") as f:
        npy.write_array(f, a, version=version, allow_pickle=False)
    note(name, a)


rng = np.random.default_rng(7)
for kind in "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split():
    for order, sign in ("little", "<"), ("big", ">"):
        d = np.dtype(sign + kind)
        if d.kind == "b":
            a = np.array([[True, False, True], [False, False, True]])
        elif d.kind == "f":
            a = np.array([[0, -0.0, 1.5], [np.inf, -np.inf, np.finfo(d).max]], d)
        else:
            i = np.iinfo(d)
            a = np.array([[i.min, i.max, 0], [1, i.max - 1, 77]], d)
        save(f"{kind}_{order}", a)

cube = np.arange(2 * 3 * 4 * 5, dtype="<i2").reshape(2, 3, 4, 5)
save("fortran_4d", np.asfortranarray(cube))
save("fortran_big", np.asfortranarray(cube.astype(">f8")[0]))
save("fortran_tiles", np.asfortranarray(rng.integers(0, 100, (35, 3, 40)).astype("<u1")))
save("fortran_strings", np.asfortranarray(np.array([["a", "bb", ""], ["c", "dé", "f"]])))
save("scalar", np.array(2.5, "<f4"))
save("empty", np.zeros((3, 0, 2), "<f4"))
save("version2", np.arange(3, dtype="<f4"), (2, 0))
save("version3", np.arange(3, dtype="<f4"), (3, 0))
save("unicode_little", np.array(["", "smelt", "café", "日本", "😀!"], "<U5"))
save("unicode_big", np.array(["", "smelt", "café", "日本", "😀!"], ">U5"))
save("bytes", np.array([b"", b"abc", b"a\0b"], "|S4"))
with open("object.npy", "wb") as f:
    np.save(f, np.array([1, "two"], dtype=object), allow_pickle=True)
np.save("structured.npy", np.zeros(2, [("x", "<f4"), ("y", "<i4")]))
np.save("complex.npy", np.zeros(2, "<c8"))

arrays = {"w": cube.astype("<f4"), "layer/bias": np.arange(4, dtype="<f2"), "names": np.array(["x", "yz"])}
np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", **arrays)
for name, a in arrays.items():
    note("npz:" + name, a)
out.close()
