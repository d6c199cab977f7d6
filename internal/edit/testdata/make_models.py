# Makes the small models of this folder: coremltools 9.0, numpy 2.2.6.
#
#   dense.mlmodel     neural network: array 3×8×8, convolution, flattened, linear: 5 numbers
#   skip.mlmodel      neural network: array 3×16×16 halved, doubled and put beside itself: even sizes only
#   exact.mlmodel     neural network with shapes as they are: array 1×3×8×8 to 1×3×8×8, a loop inside
#   net.mlpackage     ML Program in float16: array x 1×3×16×16 to planes 1×3×16×16 and scores 1×5
#   loop.mlpackage    ML Program: array x 1×6 doubled three times in a loop
#   chain.mlmodel     pipeline: a network from array x 3×8×8 to planes y, another one from y to z
import os

import coremltools as ct
import numpy as np
from coremltools.converters.mil import Builder as mb
from coremltools.models import datatypes
from coremltools.models.neural_network import NeuralNetworkBuilder

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.RandomState(3)


def save(spec, name):
    with open(os.path.join(here, name), "wb") as f:
        f.write(spec.SerializeToString(deterministic=True))


def conv(b, name, cin, cout, x, y, k=3):
    w = (0.2 * rng.randn(k, k, cin, cout)).astype(np.float32)
    b.add_convolution(name, cin, cout, k, k, 1, 1, "same", 1, w, (0.1 * rng.randn(cout)).astype(np.float32), True, input_name=x, output_name=y)


def dense():
    b = NeuralNetworkBuilder([("x", datatypes.Array(3, 8, 8))], [("scores", datatypes.Array(5))], disable_rank5_shape_mapping=False)
    conv(b, "conv", 3, 4, "x", "c")
    b.add_flatten("flat", 0, "c", "f")
    b.add_inner_product("linear", 0.1 * rng.randn(5, 256).astype(np.float32), np.zeros(5, np.float32), 256, 5, True, "f", "s")
    b.add_softmax("softmax", "s", "scores")
    save(b.spec, "dense.mlmodel")


def skip():
    b = NeuralNetworkBuilder([("x", datatypes.Array(3, 16, 16))], [("y", datatypes.Array(6, 16, 16))])
    conv(b, "conv", 3, 3, "x", "image")  # a value whose name others may want
    b.add_pooling("half", 2, 2, 2, 2, "MAX", "VALID", "image", "h")
    b.add_upsample("double", 2, 2, "h", "d")
    b.add_elementwise("beside", ["image", "d"], "y", "CONCAT")
    save(b.spec, "skip.mlmodel")


def exact():
    b = NeuralNetworkBuilder([("x", datatypes.Array(1, 3, 8, 8))], [("y", datatypes.Array(1, 3, 8, 8))], disable_rank5_shape_mapping=True)
    b.add_copy("copy", "x", "y")
    loop = b.add_loop("loop", max_iterations=3)
    inner = NeuralNetworkBuilder(nn_spec=loop.loop.bodyNetwork, disable_rank5_shape_mapping=True)
    inner.add_elementwise("double", ["y", "x"], "z", "ADD")
    inner.add_copy("back", "z", "y")
    save(b.spec, "exact.mlmodel")


def net():
    w = (0.2 * rng.randn(3, 3, 3, 3)).astype(np.float32)
    last = (0.5 * rng.randn(5, 3)).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec((1, 3, 16, 16))], opset_version=ct.target.iOS15)
    def prog(x):
        c = mb.conv(x=x, weight=w, pad_type="same", name="conv")
        p = mb.relu(x=c, name="planes")
        m = mb.reduce_mean(x=p, axes=[2, 3], keep_dims=False, name="mean")
        return p, mb.softmax(x=mb.linear(x=m, weight=last, name="linear"), axis=-1, name="scores")

    m = ct.convert(prog, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS15, compute_precision=ct.precision.FLOAT16)
    m.save(os.path.join(here, "net.mlpackage"))


def loop():
    @mb.program(input_specs=[mb.TensorSpec((1, 6))], opset_version=ct.target.iOS15)
    def prog(x):
        def cond(i, a):
            return mb.less(x=i, y=3)

        def body(i, a):
            return mb.add(x=i, y=1), mb.mul(x=mb.relu(x=a, name="positive"), y=2.0)

        return mb.while_loop(_cond=cond, _body=body, loop_vars=(np.int32(0), x), name="loop")[1]

    m = ct.convert(prog, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS15, compute_precision=ct.precision.FLOAT32)
    m.save(os.path.join(here, "loop.mlpackage"))


def chain():
    one = NeuralNetworkBuilder([("x", datatypes.Array(3, 8, 8))], [("y", datatypes.Array(3, 8, 8))])
    conv(one, "first", 3, 3, "x", "y")
    two = NeuralNetworkBuilder([("y", datatypes.Array(3, 8, 8))], [("z", datatypes.Array(2, 8, 8))])
    conv(two, "second", 3, 2, "y", "z")
    p = ct.models.pipeline.Pipeline([("x", datatypes.Array(3, 8, 8))], [("z", datatypes.Array(2, 8, 8))])
    p.add_model(one.spec)
    p.add_model(two.spec)
    save(p.spec, "chain.mlmodel")


for make in (dense, skip, exact, net, loop, chain):
    make()
