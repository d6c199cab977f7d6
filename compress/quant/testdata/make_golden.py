# Makes golden.json and fire2_expand3x3.bin with coremltools 9.0, NumPy 2.4.6,
# protobuf 7.36.2:
#
#   SMELT_DATA=... python make_golden.py
#
# The weights of the NeuralNetwork cases are float64 arrays: coremltools gets
# such from the protobuf runtimes it was released with, while the one above
# hands out float32. The codes, scales and biases of fire2/expand3x3 are read
# from files that coremltools wrote.
import json
import os

import numpy as np
from coremltools.converters.mil.mil import types
from coremltools.models.neural_network import quantization_utils as nn
from coremltools.optimize import _utils as ml
from coremltools.optimize.coreml._quantization_passes import palettize_weights
from coremltools.proto import Model_pb2

rng = np.random.default_rng(7)


def f32(a):
    return np.asarray(a, np.float32)


def numbers(a):
    return [float(str(x)) for x in f32(a).ravel()]  # the shortest digits that give the float32


def ints(a):
    return [int(x) for x in np.asarray(a).ravel()]


def weights(shape):
    w = f32(np.round(rng.normal(size=shape) * 0.1, 4))
    w[1] = 0.25  # an even channel
    w[2] = f32(w[2] * 1e-4)  # a channel with a tiny range
    w.reshape(-1)[5] = 0.3
    return w


cases = {"linear": [], "symmetric": [], "lut": [], "uniform": [], "affine": [], "grouped": []}

for shape, axis in [((4, 5), 0), ((4, 3, 2, 2), 0), ((4, 3, 2, 2), 1), ((11,), 0)]:
    w = weights(shape)
    for bits in range(1, 9):
        q, scale, bias = nn._quantize_channelwise_linear(w.astype(np.float64), bits, axis)
        q = np.uint8(q).ravel()
        packed = q.tobytes() if bits == 8 else nn._convert_array_to_nbit_quantized_bytes(q, bits).tobytes()
        layout = [1, 1, w.size] if len(shape) == 1 else [
            int(np.prod(shape[:axis])), shape[axis], int(np.prod(shape[axis + 1:]))]
        cases["linear"].append(dict(layout=layout, w=numbers(w), bits=bits, codes=ints(q), raw=list(packed),
                                    scale=numbers(scale), bias=numbers(bias)))
        table, q = nn._get_linear_lookup_table_and_weight(bits, w.astype(np.float64))
        cases["lut"].append(dict(w=numbers(w), bits=bits, codes=ints(np.uint8(q)), table=numbers(table)))
        table, q = palettize_weights._get_lut_and_indices(w, "UNIFORM", bits, None)
        cases["uniform"].append(dict(w=numbers(w), bits=bits, codes=ints(q), table=numbers(table)))
    w = weights(shape)
    w[2] = 0.1
    q, scale, bias = nn._quantize_channelwise_linear(w.astype(np.float64), 8, axis, symmetric=True)
    cases["symmetric"].append(dict(layout=layout, w=numbers(w), bits=8, codes=ints(np.uint8(q)),
                                   scale=numbers(scale), bias=numbers(bias)))

for shape, sizes in [((4, 6), [0, 0]), ((4, 6), [1, 0]), ((4, 6), [1, 2]), ((4, 6), [2, 3]), ((4, 4, 2, 1), [1, 2, 0, 0]),
                     ((3, 4, 1, 2), [0, 1, 0, 0]), ((6, 2, 2, 2), [3, 0, 1, 2])]:
    w = weights(shape)
    for dtype in ["int4", "uint4", "int8", "uint8"]:
        for mode in ["LINEAR", "LINEAR_SYMMETRIC"]:
            for v in [w, np.abs(w) + f32(0.01), -np.abs(w) - f32(0.01)][: 1 if len(shape) > 2 else 3]:
                q, scale, zero = ml.compute_qparams_by_dtype(v, types.string_to_builtin(dtype), mode, sizes)
                assert scale.dtype == np.float32
                full = ml.dequantize_by_scale_and_zp(q, scale, zero)
                cases["affine"].append(dict(shape=shape, sizes=sizes, dtype=dtype, symmetric=mode == "LINEAR_SYMMETRIC",
                                            w=numbers(v), codes=ints(q), scale=numbers(scale),
                                            offset=None if zero is None else ints(zero), out=numbers(full)))

for shape, counts, entries, vector, axis in [((4, 6), (1, 1), 4, 1, 0), ((4, 6), (2, 1), 4, 1, 0), ((4, 6), (4, 3), 2, 1, 0),
                                             ((4, 6), (1, 1), 4, 2, 0), ((4, 6), (2, 1), 8, 3, 1), ((4, 6), (1, 2), 4, 2, 0),
                                             ((2, 3, 2, 2), (2, 1, 1, 1), 4, 4, 1)]:
    codes = rng.integers(0, entries, shape).astype(np.uint8)
    table = f32(rng.integers(-99, 99, counts + (entries, vector)))
    cases["grouped"].append(dict(shape=shape, counts=counts, vector=vector, axis=axis, codes=ints(codes),
                                 table=numbers(table), out=numbers(ml.lut_to_dense(codes, table, axis))))

with open("golden.json", "w") as f:
    f.write("{\n" + ",\n".join(
        f'"{k}": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in v) + "\n]" for k, v in cases.items()) + "\n}\n")


def layer(path):
    m = Model_pb2.Model()
    with open(os.path.join(os.environ["SMELT_DATA"], "models/squeezenet", path), "rb") as f:
        m.ParseFromString(f.read())
    return next(l for l in m.neuralNetworkClassifier.layers if l.name == "fire2/expand3x3").convolution.weights


# 64*16*3*3 weights, then for 8 and for 4 bits: rawValue, 64 scales, 64 biases.
with open("fire2_expand3x3.bin", "wb") as f:
    f.write(f32(layer("SqueezeNet.mlmodel").floatValue).tobytes())
    for bits in 8, 4:
        wp = layer(f"quantized/SqueezeNet_linear_{bits}.mlmodel")
        f.write(wp.rawValue)
        f.write(f32(wp.quantization.linearQuantization.scale).tobytes())
        f.write(f32(wp.quantization.linearQuantization.bias).tobytes())
