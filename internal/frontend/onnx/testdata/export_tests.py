"""Write the test cases that come with the onnx package to a folder.

    python export_tests.py FOLDER

ONNX has no cases of ONNX Runtime's own operators: those of kind contrib are single nodes that it answered.

Each case becomes FOLDER/KIND/NAME/{model.onnx,tolerance.txt,input_I.pb,output_I.pb}; cases whose
inputs or outputs are no tensors have the model only. Made with onnx 1.23.2, onnxruntime 1.32, numpy 2.
"""

import os
import shutil
import sys
import warnings

import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

warnings.simplefilter("ignore")


def write(path, message):
    with open(path, "wb") as f:
        f.write(message.SerializeToString())


def tensors(infos):
    return all(i.type.HasField("tensor_type") for i in infos)


def export(case, kind, out):
    folder = os.path.join(out, kind, case.name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "tolerance.txt"), "w") as f:
        f.write(f"{case.rtol} {case.atol}\n")
    if case.model_dir:
        shutil.copy(os.path.join(case.model_dir, "model.onnx"), folder)
        data = os.path.join(case.model_dir, "test_data_set_0")
        for name in sorted(os.listdir(data)):
            shutil.copy(os.path.join(data, name), folder)
        return
    write(os.path.join(folder, "model.onnx"), case.model)
    graph = case.model.graph
    if not tensors(list(graph.input) + list(graph.output)):
        return
    inputs, outputs = case.data_sets[0]
    for what, infos, values in (("input", graph.input, inputs), ("output", graph.output, outputs)):
        for i, (info, value) in enumerate(zip(infos, values)):
            if not isinstance(value, onnx.TensorProto):
                import numpy as np

                dtype = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
                value = np.asarray(value)
                if value.dtype != dtype and value.dtype.kind != "U" and value.dtype.kind != "O":
                    value = value.astype(dtype)
                value = numpy_helper.from_array(value, info.name)
            write(os.path.join(folder, f"{what}_{i}.pb"), value)


def contrib(out):
    import numpy as np
    import onnxruntime as ort
    from onnx import TensorProto, helper

    rng = np.random.default_rng(1)

    def f(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    def u8(*shape):
        return rng.integers(0, 256, shape).astype(np.uint8)

    def case(name, op, inputs, outputs=1, fixed=(), **attrs):
        names = ["" if x is None else f"i{i}" for i, x in enumerate(inputs)]
        node = helper.make_node(op, names, [f"o{i}" for i in range(outputs)], domain="com.microsoft", **attrs)
        free, initial = [], []
        for i, (n, x) in enumerate(zip(names, inputs)):
            if i in fixed:
                initial.append(numpy_helper.from_array(x, n))
            elif x is not None:
                free.append((n, x))
        infos = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in free]
        ends = [helper.make_value_info(o, onnx.TypeProto()) for o in node.output]
        graph = helper.make_graph([node], name, infos, ends, initial)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=9)
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        folder = os.path.join(out, "contrib", "test_" + name)
        os.makedirs(folder, exist_ok=True)
        write(os.path.join(folder, "model.onnx"), model)
        with open(os.path.join(folder, "tolerance.txt"), "w") as t:
            t.write("1e-3 1e-5\n")
        for i, (n, x) in enumerate(free):
            write(os.path.join(folder, f"input_{i}.pb"), numpy_helper.from_array(x, n))
        for i, y in enumerate(session.run(None, dict(free))):
            write(os.path.join(folder, f"output_{i}.pb"), numpy_helper.from_array(np.asarray(y), f"o{i}"))

    x = f(2, 3, 8)
    cases = [
        ("gelu", "Gelu", [x]),
        ("bias_gelu", "BiasGelu", [x, f(8)]),
        ("fast_gelu", "FastGelu", [x]),
        ("fast_gelu_bias", "FastGelu", [x, f(8)]),
        ("quick_gelu", "QuickGelu", [x]),
        ("skip_layer_norm", "SkipLayerNormalization", [x, f(2, 3, 8), f(8), f(8), f(8)], 1, (2, 3, 4), dict(epsilon=1e-5)),
        ("skip_rms_norm", "SkipSimplifiedLayerNormalization", [x, f(2, 3, 8), f(8)], 1, (2,), dict(epsilon=1e-5)),
        ("embed_layer_norm", "EmbedLayerNormalization",
         [rng.integers(0, 9, (2, 3)).astype(np.int32), rng.integers(0, 2, (2, 3)).astype(np.int32), f(9, 8), f(5, 8), f(2, 8), f(8), f(8),
          np.array([[1, 1, 0], [1, 1, 1]], np.int32)], 2, (2, 3, 4, 5, 6), dict(epsilon=1e-5)),
        ("attention", "Attention", [x, f(8, 24), f(24)], 1, (1, 2), dict(num_heads=2)),
        ("attention_mask", "Attention", [x, f(8, 24), f(24), np.array([[1, 1, 0], [1, 1, 1]], np.int32)], 1, (1, 2), dict(num_heads=2)),
        ("attention_causal", "Attention", [x, f(8, 24), f(24)], 1, (1, 2), dict(num_heads=2, unidirectional=1)),
        ("multi_head_attention", "MultiHeadAttention", [x, f(2, 4, 8), f(2, 4, 8)], 1, (), dict(num_heads=2)),
        ("multi_head_attention_bias", "MultiHeadAttention", [x, f(2, 3, 8), f(2, 3, 8), f(24)], 1, (3,), dict(num_heads=4)),
        ("rotary", "RotaryEmbedding", [f(2, 3, 8), np.array([0], np.int64), f(6, 4), f(6, 4)], 1, (2, 3), {}),
        ("rotary_positions", "RotaryEmbedding", [f(2, 2, 3, 4), np.array([[0, 1, 2], [2, 3, 4]], np.int64), f(6, 2), f(6, 2)], 1, (2, 3), dict(interleaved=1)),
        ("fused_matmul", "FusedMatMul", [f(2, 4, 3), f(2, 5, 4)], 1, (), dict(transA=1, transB=1, alpha=0.5)),
        ("fused_conv", "FusedConv", [f(1, 2, 5, 5), f(3, 2, 3, 3), f(3), f(1, 3, 3, 3)], 1, (1, 2), dict(activation="Relu", kernel_shape=[3, 3])),
        ("fused_conv_clip", "FusedConv", [f(1, 2, 5, 5), f(3, 2, 3, 3), f(3)], 1, (1, 2),
         dict(activation="Clip", activation_params=[-0.5, 0.5], kernel_shape=[3, 3])),
        ("fused_gemm", "FusedGemm", [f(2, 3), f(4, 3), f(4)], 1, (1, 2), dict(activation="LeakyRelu", activation_alpha=0.1, transB=1)),
    ]
    q = [np.float32(0.02), np.uint8(120)]
    r = [np.float32(0.03), np.uint8(90)]
    cases += [
        ("qlinear_add", "QLinearAdd", [u8(2, 3), *q, u8(3), *r, np.float32(0.04), np.uint8(128)], 1, (1, 2, 4, 5, 6, 7), {}),
        ("qlinear_mul", "QLinearMul", [u8(2, 3), *q, u8(3), *r, np.float32(0.05), np.uint8(128)], 1, (1, 2, 4, 5, 6, 7), {}),
        ("qlinear_sigmoid", "QLinearSigmoid", [u8(2, 3), *q, np.float32(1 / 256), np.uint8(0)], 1, (1, 2, 3, 4), {}),
        ("qlinear_leaky_relu", "QLinearLeakyRelu", [u8(2, 3), *q, *r], 1, (1, 2, 3, 4), dict(alpha=0.1)),
        ("qlinear_global_average", "QLinearGlobalAveragePool", [u8(1, 2, 3, 3), *q, *r], 1, (1, 2, 3, 4), {}),
        ("qlinear_concat", "QLinearConcat", [*q, u8(2, 3), *q, u8(2, 2), *r], 1, (0, 1, 3, 4, 6, 7), dict(axis=1)),
        ("dynamic_quantize_matmul", "DynamicQuantizeMatMul", [f(2, 4), u8(4, 3), *q, f(3)], 1, (1, 2, 3, 4), {}),
        ("matmul_integer_to_float", "MatMulIntegerToFloat", [u8(2, 4), u8(4, 3), np.float32(0.1), np.float32(0.2), np.uint8(3), np.uint8(5)], 1, (1, 2, 3, 4, 5), {}),
        ("matmul_nbits", "MatMulNBits", [f(2, 32), u8(5, 2, 8), f(10)], 1, (1, 2), dict(K=32, N=5, bits=4, block_size=16)),
        ("matmul_nbits_zeros", "MatMulNBits", [f(2, 32), u8(5, 2, 8), f(10), u8(5)], 1, (1, 2, 3), dict(K=32, N=5, bits=4, block_size=16)),
    ]
    last = np.array([2, 2], np.int32)  # of the keys of each row
    cases += [
        ("group_attention", "GroupQueryAttention", [f(2, 3, 64), f(2, 3, 32), f(2, 3, 32), None, None, last, np.array(3, np.int32)], 3, (6,),
         dict(num_heads=4, kv_num_heads=2)),
        ("group_attention_past", "GroupQueryAttention",
         [f(1, 1, 64), f(1, 1, 32), f(1, 1, 32), f(1, 2, 4, 16), f(1, 2, 4, 16), np.array([4], np.int32), np.array(5, np.int32), f(8, 8), f(8, 8)], 3, (6, 7, 8),
         dict(num_heads=4, kv_num_heads=2, do_rotary=1)),
        ("group_attention_packed", "GroupQueryAttention",
         [f(2, 3, 128), None, None, None, None, last, np.array(3, np.int32), f(8, 8), f(8, 8)], 3, (6, 7, 8),
         dict(num_heads=4, kv_num_heads=2, do_rotary=1, rotary_interleaved=1, local_window_size=2, softcap=3.0)),
        ("qgemm", "QGemm", [u8(2, 4), *q, u8(4, 3), *r, np.array([5, -6, 7], np.int32), np.float32(0.04), np.uint8(128)], 1, (1, 2, 3, 4, 5, 6, 7, 8), {}),
        ("qgemm_float", "QGemm",
         [u8(2, 4), *q, u8(3, 4).astype(np.int8), np.array([0.1, 0.2, 0.3], np.float32), np.array([0, 1, -1], np.int8)], 1, (1, 2, 3, 4, 5), dict(transB=1)),
    ]
    for name, op, inputs, *rest in cases:
        outputs, fixed, attrs = (rest + [1, (), {}][len(rest):])[:3]
        try:
            case(name, op, [None if v is None else np.asarray(v) for v in inputs], outputs, fixed, **attrs)
        except Exception as e:
            print("contrib", name, repr(e)[:300], file=sys.stderr)


def main():
    out = sys.argv[1]
    shutil.rmtree(out, ignore_errors=True)
    for kind in ("node", "simple", "pytorch-operator", "pytorch-converted"):
        for case in load_model_tests(kind=kind):
            try:
                export(case, kind, out)
            except Exception as e:  # the case is listed as one without data
                print(kind, case.name, repr(e), file=sys.stderr)
    contrib(out)


main()
