# Makes the models of this folder with coremltools 9.0, NumPy 2.4.6, protobuf
# 7.36.2:
#
#   network.mlmodel       a layer of each kind that carries weights; they are not connected
#   network_MODE_BITS     the same, quantized by coremltools
#   pipeline.mlmodel      two networks, one of them in a pipeline of its own
#   iosN_fpN.mlpackage    ML Programs of three opsets and two precisions
#   iosN_fpN_MODE         the same, compressed by coremltools
#   functions.mlpackage   two functions that share weights
import os
import shutil

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
from coremltools.converters.mil import Builder as mb
from coremltools.models import datatypes
from coremltools.models.neural_network import NeuralNetworkBuilder, quantization_utils
from coremltools.proto import Model_pb2, NeuralNetwork_pb2

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(3)


def w(*shape):
    return np.round(rng.normal(size=shape) * 0.2, 3).astype(np.float32)


def save(spec, name):
    with open(os.path.join(here, name), "wb") as f:
        f.write(spec.SerializeToString(deterministic=True))


def builder(nn_spec=None):
    if nn_spec is not None:
        return NeuralNetworkBuilder(nn_spec=nn_spec)
    return NeuralNetworkBuilder([("x", datatypes.Array(4, 6, 6))], [("y", None)], disable_rank5_shape_mapping=True)


def fill(b):
    io = dict(input_name="x", output_name="y")
    b.add_convolution("conv", 4, 6, 3, 3, 1, 1, "valid", 1, w(3, 3, 4, 6), w(6), True, **io)
    b.add_convolution("depthwise", 1, 4, 3, 3, 1, 1, "valid", 4, w(3, 3, 1, 4), None, False, **io)
    b.add_convolution("deconv", 4, 3, 2, 2, 2, 2, "valid", 1, w(2, 2, 4, 3), w(3), True, is_deconv=True, **io)
    b.add_inner_product("ip", w(5, 7), w(5), 7, 5, True, **io)
    b.add_batched_mat_mul("matmul", ["x"], "y", weight_matrix_rows=6, weight_matrix_columns=5, W=w(6, 5), bias=w(5))
    b.add_embedding("embedding", w(3, 11), w(3), 11, 3, True, **io)
    b.add_embedding_nd("embedding_nd", "x", "y", 9, 4, w(4, 9), w(4))
    b.add_batchnorm("bn", 4, w(4), w(4), w(4), np.abs(w(4)), **io)
    b.add_scale("scale", w(4), w(4), True, shape_scale=[4], shape_bias=[4], **io)
    b.add_bias("bias", w(4, 1, 1), shape_bias=[4, 1, 1], **io)
    b.add_load_constant("constant", "y", w(2, 3, 4), [2, 3, 4])
    b.add_load_constant_nd("constant_nd", "y", w(2, 3, 2, 2), [2, 3, 2, 2])
    h, i = 3, 5
    b.add_simple_rnn("rnn", w(h, h), w(h, i), w(h), h, i, "TANH", ["x", "h"], ["y", "h1"])
    three = lambda *s: [w(*s) for _ in range(3)]
    four = lambda *s: [w(*s) for _ in range(4)]
    b.add_gru("gru", three(h, h), three(h, i), three(h), h, i, ["x", "h"], ["y", "h1"])
    b.add_unilstm("lstm", four(h, h), four(h, i), four(h), h, i, ["x", "h", "c"], ["y", "h1", "c1"], peep=three(h))
    b.add_bidirlstm("bilstm", four(h, h), four(h, i), four(h), four(h, h), four(h, i), four(h), h, i,
                    ["x", "h", "c", "hb", "cb"], ["y", "h1", "c1", "hb1", "cb1"], peep=three(h), peep_back=three(h))
    loop = b.add_loop("loop", max_iterations=3)
    for net, name in ((loop.loop.conditionNetwork, "cond"), (loop.loop.bodyNetwork, "body")):
        builder(net).add_inner_product(name, w(4, 4), None, 4, 4, False, **io)
    branch = b.add_branch("branch", "x")
    for net, name in ((branch.branch.ifBranch, "if"), (branch.branch.elseBranch, "else")):
        builder(net).add_convolution(name, 4, 2, 1, 1, 1, 1, "valid", 1, w(1, 1, 4, 2), None, False, **io)


def others(b):
    """Layers that coremltools leaves alone, and weights that are no float32."""
    io = dict(input_name="x", output_name="y")
    b.add_convolution3d("conv3d", 2, 3, 2, 2, 2, w(3, 2, 2, 2, 2), w(3), True, **io)
    b.add_layer_normalization("layer_norm", "x", "y", [4], w(4), w(4))
    b.add_activation("prelu", "PRELU", "x", "y", w(4))
    custom = NeuralNetwork_pb2.CustomLayerParams()
    custom.className = "Swish"
    custom.weights.add().floatValue.extend(w(6))
    b.add_custom("custom", ["x"], ["y"], custom)
    b.add_inner_product("updatable", w(3, 4), w(3), 4, 3, True, **io)
    b.spec.neuralNetwork.layers[-1].isUpdatable = True
    b.add_inner_product("half", w(4, 6), w(4), 6, 4, True, **io)
    for p in (b.spec.neuralNetwork.layers[-1].innerProduct.weights, b.spec.neuralNetwork.layers[-1].innerProduct.bias):
        half = np.array(p.floatValue, np.float16).tobytes()
        del p.floatValue[:]
        p.float16Value = half
    b.add_inner_product("codes", np.zeros((2, 4)), None, 4, 2, False, **io)
    p = b.spec.neuralNetwork.layers[-1].innerProduct.weights
    del p.floatValue[:]
    p.rawValue = bytes([0x01, 0x23, 0x45, 0x67])
    p.quantization.numberOfBits = 4
    p.quantization.linearQuantization.scale.extend([0.5, 0.25])
    p.quantization.linearQuantization.bias.extend([-1, 1])
    b.add_inner_product("dynamic", np.zeros((2, 4)), None, 4, 2, False, **io)
    ip = b.spec.neuralNetwork.layers[-1].innerProduct
    del ip.weights.floatValue[:]
    ip.int8DynamicQuantize = True
    ip.weights.int8RawValue = np.arange(-4, 4, dtype=np.int8).tobytes()
    ip.weights.quantization.numberOfBits = 8
    ip.weights.quantization.linearQuantization.scale.append(0.01)
    b.add_convolution("grouped", 4, 6, 2, 2, 2, 2, "valid", 2, w(2, 2, 4, 3), None, False, is_deconv=True, **io)


# coremltools gets float64 weights from the protobuf runtimes it was released
# with; the one above hands out float32. What is fused is another network.
quantize_wp = quantization_utils._quantize_wp
quantization_utils._quantize_wp = lambda wp, *a, **k: quantize_wp(wp.astype(np.float64), *a, **k)
quantization_utils._optimize_nn = lambda layers: None


def network():
    b = builder()
    fill(b)
    spec = Model_pb2.Model()
    spec.CopyFrom(b.spec)
    linear = ct.models._QUANTIZATION_MODE_LINEAR_QUANTIZATION
    modes = {"linear": linear, "linear_symmetric": ct.models._QUANTIZATION_MODE_LINEAR_SYMMETRIC,
             "linear_lut": ct.models._QUANTIZATION_MODE_LOOKUP_TABLE_LINEAR, "float16": linear}
    for bits, mode in ((8, "linear"), (3, "linear"), (8, "linear_symmetric"), (4, "linear_lut"), (16, "float16")):
        q = Model_pb2.Model()
        q.CopyFrom(spec)
        save(quantization_utils._quantize_spec_weights(q, bits, modes[mode]), f"network_{mode}_{bits}.mlmodel")
    others(b)
    save(b.spec, "network.mlmodel")


def pipeline():
    def small():
        b = NeuralNetworkBuilder([("x", datatypes.Array(4))], [("x1", datatypes.Array(4))], disable_rank5_shape_mapping=True)
        b.add_inner_product("ip", w(4, 4), w(4), 4, 4, True, "x", "x1")
        return b.spec

    def pipe(*models):
        p = Model_pb2.Model()
        p.specificationVersion = max(m.specificationVersion for _, m in models)
        p.description.CopyFrom(models[0][1].description)
        for name, m in models:
            p.pipeline.models.add().CopyFrom(m)
            p.pipeline.names.append(name)
        return p

    save(pipe(("first", small()), ("inner", pipe(("second", small())))), "pipeline.mlmodel")


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
    return path


def package(model, name):
    model.save(remove(os.path.join(here, name + ".mlpackage")))


def programs():
    conv, linear, y, yt, table = w(8, 4, 3, 3), w(8, 30), w(30, 8), w(8, 30), w(12, 30)
    transposed = w(4, 8, 3, 3)
    inside = w(8, 30)
    for target in (ct.target.iOS15, ct.target.iOS16, ct.target.iOS18):
        @mb.program(input_specs=[mb.TensorSpec(shape=(1, 4, 7, 7)), mb.TensorSpec(shape=(2, 30))], opset_version=target)
        def prog(image, x):
            a = mb.conv(x=image, weight=conv, bias=np.arange(8, dtype=np.float32), name="conv")
            b = mb.conv_transpose(x=image, weight=transposed, name="deconv")
            c = mb.matmul(x=mb.linear(x=x, weight=linear, name="linear"), y=y, transpose_y=True, name="matmul")
            d = mb.matmul(x=x, y=yt, transpose_y=True, name="matmul_t")
            e = mb.gather(x=table, indices=mb.mod(x=mb.reduce_argmax(x=x, axis=1, keep_dims=False), y=12), axis=0, name="lookup")
            f = mb.while_loop(_cond=lambda v: mb.less(x=mb.reduce_max(x=v), y=100.0),
                              _body=lambda v: mb.add(x=mb.mul(x=mb.abs(x=v), y=2.0), y=mb.reduce_max(x=mb.linear(x=x, weight=inside, name="inside"))),
                              loop_vars=(mb.add(x=c, y=1.0),), name="loop")
            return a, b, f, d, e

        for precision, short in ((ct.precision.FLOAT32, "fp32"), (ct.precision.FLOAT16, "fp16")):
            m = ct.convert(prog, convert_to="mlprogram", minimum_deployment_target=target, compute_precision=precision,
                           pass_pipeline=ct.PassPipeline.CLEANUP if short == "fp32" else ct.PassPipeline.DEFAULT)
            name = f"{target.name.lower()}_{short}"
            package(m, name)
            if target == ct.target.iOS15 or short == "fp16":
                continue
            for mode in ("linear", "linear_symmetric"):
                for dtype in ("int8", "int4")[:2 if target == ct.target.iOS18 else 1]:
                    c = cto.OpLinearQuantizerConfig(mode=mode, dtype=dtype, weight_threshold=100)
                    package(cto.linear_quantize_weights(m, cto.OptimizationConfig(c)), f"{name}_{mode}_{dtype[3:]}")
            c = cto.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=100)
            package(cto.palettize_weights(m, cto.OptimizationConfig(c)), name + "_linear_lut_4")


def functions():
    shared, own = w(8, 30), [w(8, 30), w(8, 30)]
    desc = ct.utils.MultiFunctionDescriptor()
    for i, name in enumerate(("one", "two")):
        @mb.program(input_specs=[mb.TensorSpec(shape=(2, 30))], opset_version=ct.target.iOS18)
        def prog(x):
            return mb.add(x=mb.linear(x=x, weight=shared, name="shared"), y=mb.linear(x=x, weight=own[i], name="own"), name="y")

        m = ct.convert(prog, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS18)
        package(m, name)
        desc.add_function(os.path.join(here, name + ".mlpackage"), src_function_name="main", target_function_name=name)
    desc.default_function_name = "one"
    ct.utils.save_multifunction(desc, remove(os.path.join(here, "functions.mlpackage")))
    for name in ("one", "two"):
        remove(os.path.join(here, name + ".mlpackage"))


network()
pipeline()
programs()
functions()
