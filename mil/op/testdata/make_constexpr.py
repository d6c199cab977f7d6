# Writes constexpr.json: small random arguments of the constexpr operators and
# the tensors that coremltools expands them to.
# coremltools 9.0, numpy 2.4.6
import json
import os

import numpy as np
from coremltools.converters.mil.mil.ops.defs.iOS16 import constexpr_ops as ios16
from coremltools.converters.mil.mil.ops.defs.iOS18 import compression as ios18

rng = np.random.default_rng(7)
cases = []
INTS = {"int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127), "uint8": (0, 255)}


def tensor(dtype, a):
    a = np.asarray(a)
    return {"dtype": dtype, "shape": list(a.shape), "data": [int(v) if v == int(v) else float(v) for v in a.flatten()]}


def floats(shape):
    """Multiples of 1/8 of few bits, so that every product is exact."""
    return (rng.integers(-40, 40, size=shape) / 8).astype(np.float32)


def case(op, opset, out, **args):
    cases.append({"op": op, "opset": opset, "args": args, "out": out})


def ints(dtype, shape):
    lo, hi = INTS[dtype]
    return rng.integers(lo, hi, size=shape, endpoint=True)


def blocks():
    grid = rng.integers(1, 3, size=rng.integers(1, 4))
    return tuple(grid * rng.integers(1, 4, size=len(grid))), tuple(grid)


def pack(codes, bits):
    stream = ((codes.flatten()[:, None] >> np.arange(bits)) & 1).flatten()
    return np.packbits(stream.astype(np.uint8), bitorder="little")


for dtype in ("uint8", "int8"):
    for axis in (0, -1, 1):
        q = ints(dtype, (3, 4, 5)).astype(dtype)
        n = q.shape[axis]
        scale = floats(n)
        zero = ints(dtype, n if axis else ()).astype(dtype)
        out = ios16.constexpr_affine_dequantize.decompress(q, zero, scale, axis)
        case("constexpr_affine_dequantize", 16, [tensor("fp32", out.astype(np.float32))], quantized_data=tensor(dtype, q),
             zero_point=tensor(dtype, zero), scale=tensor("fp32", scale), axis=tensor("int32", np.int32(axis)))

for bits in (1, 2, 4, 6, 8):
    shape = (3, 5, 7)
    codes = rng.integers(0, 2**bits, size=shape).astype(np.uint8)
    lut = floats(2**bits)
    out = ios16.constexpr_lut_to_dense.decompress(lut, pack(codes, bits), np.array(shape))
    case("constexpr_lut_to_dense", 16, [tensor("fp32", out)], indices=tensor("uint8", pack(codes, bits)), lut=tensor("fp32", lut),
         shape=tensor("uint32", np.array(shape)))

mask = rng.integers(0, 2, size=(3, 7)).astype(np.uint8)
data = floats(mask.sum())
flat = np.zeros(24, np.uint8)
flat[:21] = mask.flatten()
dense = np.zeros(mask.shape, np.float32)
dense[mask != 0] = data
case("constexpr_sparse_to_dense", 16, [tensor("fp32", dense)], nonzero_data=tensor("fp32", data),
     mask=tensor("uint8", np.packbits(flat, bitorder="little")), shape=tensor("uint32", np.array(mask.shape)))

for dtype in INTS:
    for with_offset in (False, True):
        shape, grid = blocks()
        data = ints(dtype, shape)
        scale = floats(grid)
        offset = ints(dtype, grid) if with_offset else None
        out = ios18.constexpr_blockwise_shift_scale.decompress(data, scale, offset)
        args = dict(data=tensor(dtype, data), scale=tensor("fp32", scale))
        if with_offset:
            args["offset"] = tensor(dtype, offset)
        case("constexpr_blockwise_shift_scale", 18, [tensor("fp32", out.astype(np.float32))], **args)

        m = rng.integers(0, 2, size=shape)
        nonzero = ints(dtype, m.sum())
        _, out = ios18.constexpr_sparse_blockwise_shift_scale.decompress(m, nonzero, scale, offset)
        args = dict(data_mask=tensor("uint1", m), nonzero_data=tensor(dtype, nonzero), scale=tensor("fp32", scale))
        if with_offset:
            args["offset"] = tensor(dtype, offset)
        case("constexpr_sparse_blockwise_shift_scale", 18, [tensor("uint1", m), tensor("fp32", out.astype(np.float32))], **args)

        out = ios18.constexpr_sparse_to_dense.decompress(nonzero, m)
        case("constexpr_sparse_to_dense", 18, [tensor(dtype, out)], nonzero_data=tensor(dtype, nonzero), mask=tensor("uint1", m))

for bits in (1, 2, 3, 4, 6, 8):
    for vector in (1, 2, 3):
        for lut_dtype in ("fp32", "int8") if bits <= 4 else ("fp32",):
            shape, grid = blocks()
            codes = rng.integers(0, 2**bits, size=shape)
            lut_shape = grid + (2**bits, vector)
            lut = floats(lut_shape) if lut_dtype == "fp32" else ints("int8", lut_shape)
            axis = None if vector == 1 else int(rng.integers(-len(shape), len(shape)))
            args = dict(lut=tensor(lut_dtype, lut))
            if axis is not None:
                args["vector_axis"] = tensor("int32", np.int32(axis))
            out = ios18.constexpr_lut_to_dense.decompress(codes, lut, axis)
            case("constexpr_lut_to_dense", 18, [tensor(lut_dtype, out)], indices=tensor(f"uint{bits}", codes), **args)

            m = rng.integers(0, 2, size=shape)
            nonzero = codes[m != 0]
            out_mask, out = ios18.constexpr_lut_to_sparse.decompress(m, nonzero, lut, axis)
            case("constexpr_lut_to_sparse", 18, [tensor("uint1", out_mask), tensor(lut_dtype, out)], indices_mask=tensor("uint1", m),
                 indices_nonzero_data=tensor(f"uint{bits}", nonzero), **args)

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "constexpr.json"), "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
